cimport cython
from models.request cimport Request
from sim.environment.schedule cimport Schedule
from sim.sessions cimport SessionRule
from sim.streams.identities cimport closed_identity
from sim.streams.keyed cimport Choices


cdef class ClosedUsers:
    cdef public Schedule _env
    cdef public Choices _choose
    cdef public SessionRule _rule
    cdef public bint _steps_wanted
    cdef public list _ordinals
    cdef public long long _arrivals, _users_per_ip
    cdef public object _send
    cpdef ended(self, Request request)
    @cython.locals(ordinal=cython.longlong, pause_s=double)
    cpdef _next(self, long long user, double least_s=*)
    @cython.locals(request=Request, endpoint=cython.longlong)
    cpdef Request _request(self, long long user, long long identity)


cdef class ChangingUsers(ClosedUsers):
    cdef public list _is_away
    cdef public long long _present
    cdef public object _steps
    cpdef ended(self, Request request)
