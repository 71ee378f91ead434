from models.request cimport Request


cdef class RecentBuckets:
    cdef public dict _old, _young
    cdef public long long _keep, _turned_at
    cpdef get(self, key, long long now)
    cpdef put(self, key, bucket)
