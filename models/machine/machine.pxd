cimport cython
from sim.environment.schedule cimport Schedule
from sim.probe cimport Count, Level


cdef class Machine:
    cdef public Count oom_kills
    cdef public Level memory
    cdef public Schedule env
    cdef public bint is_deserted
    cdef public list _bursting, _stolen, containers
    cdef public long long _memory_limit_bytes, memory_bytes
    cdef public object context, processor, spec
    @cython.locals(memory_bytes=cython.longlong, limit_bytes=cython.longlong)
    cpdef use_memory(self, long long delta_bytes)
