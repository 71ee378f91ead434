from sim.environment.schedule cimport Schedule


cdef class Connections:
    cdef public Schedule _env
    cdef public object _connect_cpu, _connect_time, _level, _limit, _memory_bytes, _path, _station, died_at_s, epoch, host
