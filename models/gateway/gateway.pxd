from sim.streams.keyed cimport Draws
from models.bulkhead cimport Bulkhead
from models.event_loops cimport Loop, Loops
from models.host cimport Host
from models.request cimport Request, Visit
from sim.environment.schedule cimport Schedule


cdef class Gateway:
    cdef public Schedule _env
    cdef public Draws _cpu
    cdef public Host _host
    cdef public Loops _loops
    cdef public object _filters, _spec, breakers, path


cdef class GatewayRoute:
    cdef public Gateway _gateway
    cdef public bint _queues
    cdef public list _limiters
    cdef public Bulkhead _bulkhead
    cdef public object _way


cdef class _Apart:
    cdef public object _hop, _limit


cdef class _Waiting:
    cdef public object _hang_up, _path, _way
