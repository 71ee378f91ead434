from models.request cimport Request, Visit
from sim.environment.schedule cimport Schedule
from models.step cimport Step


cdef class CacheStep(Step):
    cdef public Schedule _env
    cdef public bint _has_lock, _is_locked
    cdef public dict _clients
    cdef public list _on_miss
    cdef public object _cache, _cls, _data, _look_up, _store, _tier, _writer


cdef class EvictStep(Step):
    cdef public bint _swallows
    cdef public object _cache, _cls, _data, _tier
