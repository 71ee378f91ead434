from models.request cimport Request
from sim.environment.schedule cimport Schedule


cdef class Listener:
    cdef public Schedule _env
    cdef public _Granted _granted
    cdef public long long accepted, waiting
    cdef public object _drops, _path, _pauses_s, _queue, _queue_limit, limit


cdef class _Granted:
    cdef public Listener _listener
