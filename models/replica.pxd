from sim.environment cimport Schedule
from sim.resources cimport Permits
from models.request cimport Request, Visit
from models.listener cimport Listener
from models.event_loops cimport Loops


cdef class Replica:
    cdef public Listener _listener
    cdef public Loops _loops
    cdef public Permits _threads
    cdef public Schedule _env
    cdef public bint _is_blocking
    cdef public dict _work
    cdef public double _compile_s
    cdef public long long _memory_bytes, in_progress
    cdef public object _cold_left, _jvm, _path, _spec, guards, host, name, pools, waste_cpu
