from sim.environment.schedule cimport Schedule
from models.jvm.heap cimport Heap
from models.jvm.jvm cimport Jvm
from sim.resources cimport Permits
from models.request cimport Request, Visit
from models.listener cimport Listener
from models.host cimport Host
from models.step cimport Endpoint, Step
from models.event_loops cimport Loops


cdef class Replica:
    cdef public Listener _listener
    cdef public Loops _loops
    cdef public Permits _threads
    cdef public Schedule _env
    cdef public bint _is_blocking
    cdef public dict _bare, _work
    cdef public Host host
    cdef public double _compile_s
    cdef public long long _memory_bytes, _cold_left, in_progress
    cdef public Jvm _jvm
    cdef public object _path, _spec, guards, name, pools, waste_cpu
    cpdef double _burn_cold(self, double demand_s) except? -1.0
    cpdef _note_burst(self, Request request, double demand_s, double began_at_s, throttled_s)
