from models.load_balancer.keepalive cimport Worker
from models.request cimport Request, Visit
from sim.environment.schedule cimport Schedule
from sim.probe cimport Count
from sim.resources cimport Permits
from sim.streams.keyed cimport Choices, Draws


cdef class _Process:
    cdef public Permits thread
    cdef public Worker worker
    cdef public dict from_gateway, hops, upstreams


cdef class Proxy:
    cdef public Choices _choose
    cdef public Count _accepted, _turned_away
    cdef public Draws _cpu
    cdef public Schedule _env
    cdef public bint _is_blind
    cdef public list _processes
    cdef public object _host, _path, _rate


cdef class _FromGateway:
    cdef public Proxy _proxy


cdef class _Limited:
    cdef public Schedule _env
    cdef public object _connections, _hop, _rate
