from models.request cimport Request, Visit
from models.step cimport Step


cdef class Session:
    cdef public bint _is_begun, _is_read_only
    cdef public object _pool, _replica, _source, connection


cdef class Scope:
    cdef public dict sessions
    cdef public object _replica


cdef class HeldDatabaseStep(Step):
    cdef public object _given, _query, _source


cdef class TransactionStep(Step):
    cdef public bint _is_read_only, _joins_session
    cdef public list _steps
    cdef public object _env, _source


cdef class JoinedStep(Step):
    cdef public list _steps
    cdef public object _env
