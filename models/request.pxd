from sim.recorder.record cimport Recorded


cdef class Request(Recorded):
    cdef public object failed_at, given, process, key
    cdef public long long identity
    cpdef given_s(self, step)


cdef class Visit:
    cdef public object endpoint, lane, method, service
    cdef public bint idempotent
