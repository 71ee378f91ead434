cimport cython
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light, Timer
from sim.heap cimport Agenda
from sim.processor.account cimport Account
from sim.processor.burst cimport Burst, tell
from sim.processor.cores cimport Processor

cdef bint INTERPRETED
cdef double GRAIN, LEAST_S, inf


@cython.final
cdef class Container(Account):
    cdef public Timer _timer

    @cython.locals(env=Schedule, light=Light)
    cpdef run(self, double demand_s)
    cpdef cancel(self, Burst burst)
    @cython.locals(processor=Processor)
    cpdef _run(self, long long more)
    @cython.locals(processor=Processor, now=double, n=cython.longlong, number=cython.longlong, burst=Burst, end=double,
                   runnable=cython.longlong, rate=double, when=double, each_s=double, timer=Timer)
    cpdef Burst _begin(self, double demand_s, Light light, object done)
    cpdef _serve_at_once(self, double demand_s)
    @cython.locals(processor=Processor, now=double, left_s=double, was_stopped=bint)
    cpdef double _drop(self, Burst burst) except? -1
    cpdef _rest(self)
    cpdef _set_rate(self, double now)
    @cython.locals(rate=double, when=double, usage=double, spent=double, timer=Timer)
    cpdef _arm(self, double now)
    @cython.locals(n=cython.longlong, processor=Processor, now=double, rate=double, grace_s=double, only=Burst,
                   throttled_s=double)
    cpdef _tick(self)
    @cython.locals(processor=Processor, ran=cython.longlong, due=double, ended=list, runs=cython.longlong, heap=Agenda,
                   progress=double, burst=Burst)
    cpdef _end_or_stop(self, double now, double grace_s)
