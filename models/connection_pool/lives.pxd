from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Timer
from sim.probe cimport Count, Level
from sim.resources cimport Leases
from models.connection_pool.connection cimport Connection


cdef class Lives:
    cdef public Count _created, _retired
    cdef public Leases _leases
    cdef public Level _level
    cdef public Schedule _env
    cdef public Timer _shrink
    cdef public bint _fill_is_planned
    cdef public dict _connections
    cdef public double _next_end_s
    cdef public object _adder, _chance, _database, _keepalive_chance, _keepalive_s, _keepalive_variance, _lifetime_s, _lifetime_variance, _maximum, _minimum, _planned_uses, _seen_epoch, _server
