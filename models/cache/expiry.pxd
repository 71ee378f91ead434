cimport cython
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Timer
from sim.resources cimport Permits
from models.cache.keyspace cimport Keyspace

cdef double REACH_S


cdef class ActiveExpiry:
    cdef public Keyspace _space
    cdef public Permits _thread
    cdef public Schedule _env
    cdef public Timer _timer
    cdef public bint _is_running, _is_visited
    cdef public double _phase_s
    cdef public object _cpu_s, _cuts, _redis, _run
    @cython.locals(when=double)
    cpdef visited(self)
