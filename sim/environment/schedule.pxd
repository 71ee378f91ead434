cimport cython
from sim.environment.scheduled cimport Light, Scheduled, Thrown, Timer
from sim.heap cimport Agenda

cdef bint INTERPRETED
cdef double inf
cdef long long ENDED, LATER
cdef object _RETURNED


cpdef _withdraw(Light light)


cdef class Schedule:
    cdef public Agenda agenda
    cdef public long long numbers
    cdef public double now
    cdef public Light active

    @cython.locals(number=cython.longlong)
    cpdef enter(self, double when, Scheduled what)
    @cython.locals(number=cython.longlong)
    cpdef enter_urgently(self, double when, Scheduled what)
    @cython.locals(light=Light)
    cpdef Light start(self, object generator, double delay=*, object on_end=*)
    @cython.locals(light=Light, outer=Light)
    cpdef Light start_now(self, object generator, object on_end=*)
    cpdef wake(self, Light light, object value=*, double delay=*)
    @cython.locals(outer=Light)
    cpdef resume(self, Light light, object value=*)
    cpdef throw(self, Light light, object error)
    cpdef _strike(self, Light light, object error)
    @cython.locals(light=Light)
    cpdef Light park(self, object waitable)
    @cython.locals(agenda=Agenda, light=Light, timer=Timer, number=cython.longlong, now=double, delay_s=double,
                   interpreted=bint)
    cpdef _loop(self)
    @cython.locals(delay_s=double)
    cpdef _advance(self, Light light)
    cpdef _follow(self, Light light, object target)


cdef _hand_over(Light light)
