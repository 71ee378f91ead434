cimport cython
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Timer
from sim.heap cimport Agenda
from sim.processor.burst cimport Burst, VirtualTime, tell
from sim.processor.container cimport Container

cdef bint INTERPRETED
cdef double GRAIN, LEAST_S, inf


@cython.final
cdef class Processor:
    cdef public Schedule _env
    cdef public double cores, _speed, _share, _removed_cpu_s, _capacity_s, _speed_since
    cdef public dict _containers, _running
    cdef public long long _runnable, _number
    cdef public bint _is_saturated
    cdef public VirtualTime shared
    cdef public Agenda _events
    cdef public list _touched
    cdef public Timer _timer
    cdef public Container _telling

    cpdef _changed(self, Container container)
    cpdef _tell(self, Container container, list ended)
    @cython.locals(now=double)
    cpdef _settle(self)
    @cython.locals(container=Container)
    cpdef _relax(self, double now)
    @cython.locals(shared=VirtualTime, level=double, running=dict, touched=list, container=Container, pace=double)
    cpdef _divide(self, double now)
    @cython.locals(weight=double, level=double, spent=double, number=cython.longlong)
    cpdef _expect(self, Container container)
    @cython.locals(events=Agenda, shared=VirtualTime, pace=double, level=double, number=cython.longlong,
                   container=Container, when=double, timer=Timer)
    cpdef _aim(self, double now)
    @cython.locals(now=double, level=double, container=Container, shared=VirtualTime)
    cpdef _tick(self)


@cython.locals(share=double, weight=double, left=double, container=Container)
cpdef double fill(double cores, dict running) except? -1.0
