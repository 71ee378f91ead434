cimport cython
from models.host cimport Host
from models.machine.machine cimport Machine
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light, Timer
from sim.probe cimport Count, Level


cdef class Container(Host):
    cdef public Count deaths
    cdef public Level memory
    cdef public Timer _death
    cdef public bint _is_running, is_doomed, is_leaving
    cdef public long long _memory_limit_bytes, memory_bytes
    cdef public Machine _machine
    cdef public object cpu, _closures, _down_for_s, _probe, _restart_rule, _restarting, _slowdowns, _started_at_s, base_bytes, on_killed, on_start, on_starting, on_up, spec
    @cython.locals(memory_bytes=cython.longlong, limit_bytes=cython.longlong)
    cpdef use_memory(self, long long delta_bytes)
