from models.request cimport Request


cdef class RecentBuckets:
    cdef public dict _old, _young
    cdef public object _keep, _turned_at
    cpdef get(self, key, now)
