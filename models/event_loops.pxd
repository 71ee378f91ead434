from sim.environment cimport Light, Schedule
from sim.probe cimport Station


cdef class Loop:
    cdef public Schedule _env
    cdef public Station _station
    cdef public _Granted _granted
    cdef public bint is_busy
    cdef public object _queue, _waiting


cdef class _Granted:
    cdef public Loop _loop


cdef class Loops:
    cdef public list _loops
