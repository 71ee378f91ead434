from sim.streams.identities cimport closed_identity
from sim.streams.keyed cimport Draws


cdef class SessionRule:
    cdef public Draws _away, _ends, _think
    cdef public double _ends_below
    cpdef double pause_s(self, long long user, long long ordinal) except? -1.0
    cpdef bint ends_session(self, long long user, long long ordinal) except -1
