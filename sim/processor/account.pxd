cimport cython
from sim.environment.schedule cimport Schedule
from sim.heap cimport Agenda
from sim.processor.burst cimport Burst, VirtualTime

cdef double GRAIN, LEAST_S


cdef class Account:
    cdef public Schedule _env
    cdef public object path, quota, _processor
    cdef public VirtualTime _shared
    cdef public double weight
    cdef public Agenda _heap
    cdef public long long _n, _entry, _freezes, begun
    cdef public double _at, _first, _progress, _rate, _speed, _excess, _stretch, _pull, _level, _frozen_at, _frozen_area
    cdef public double _quota_s, _period_s, _phase_s, _budget_s, _refill_at
    cdef public double _cpu_s, _present_area, _present_s, _throttled_wall_s, _throttled_thread_s
    cdef public double _slowed_s, _frozen_wall_s, _frozen_thread_s, demand_done_s, cancelled_s, rounding_s
    cdef public bint _fits, _is_sharing, _is_stopped, _is_frozen

    cpdef double _gain(self) except? -1
    @cython.locals(elapsed=double, n=cython.longlong, shared=VirtualTime, level=double, each=double, used_s=double,
                   lost_s=double)
    cpdef _sync(self, double now)
    @cython.locals(phase_s=double, period_s=double, since=double, periods=double)
    cpdef _refill(self, double now, double usage)
