from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light, Timer


cdef class Wait:
    cdef public Light light
    cdef public bint is_open


cdef class Client:
    cdef public Schedule _env
    cdef public Timer _timer
    cdef public bint _has_missed_it, is_connected, is_deserted
    cdef public dict _locals, _locks, _waiting
    cdef public object _connect_limit_s, _connecting, _is_up, _lives, _losses, _lost_at_s, _path, link, owner
