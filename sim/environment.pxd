cimport cython
from sim.heap cimport heappop, heappush


cdef class Light:
    cdef public Schedule env
    cdef public object generator
    cdef public object on_end
    cdef public long long ticket
    cdef public object value
    cdef public object waiting


cdef class _Unbegun:
    pass


cdef class _Thrown:
    cdef public object error


cdef class _EventWait:
    cdef public Light light


cdef class Timer:
    cdef public Schedule env
    cdef public object callback
    cdef public long long ticket
    cdef public double when
    @cython.locals(env=Schedule, number=cython.longlong)
    cpdef arm(self, double when)
    cpdef disarm(self)
    cpdef fire(self)


@cython.locals(number=cython.longlong)
cpdef _withdraw(Light light)


cdef class Schedule:
    cdef public object _eid
    cdef public double now
    cdef public list _queue
    cdef public Light active

    @cython.locals(light=Light, number=cython.longlong)
    cpdef Light start(self, object generator, double delay=*, object on_end=*)
    @cython.locals(light=Light, outer=Light)
    cpdef Light start_now(self, object generator, object on_end=*)
    @cython.locals(number=cython.longlong)
    cpdef wake(self, Light light, object value=*, double delay=*)
    @cython.locals(outer=Light)
    cpdef resume(self, Light light, object value=*)
    @cython.locals(strike=Timer, number=cython.longlong)
    cpdef throw(self, Light light, object error)
    cpdef _strike(self, Light light, object error)
    @cython.locals(light=Light)
    cpdef Light park(self, object waitable)
    @cython.locals(queue=list, light=Light, timer=Timer, number=cython.longlong, now=double, delay=double)
    cpdef _loop(self)
    @cython.locals(number=cython.longlong, delay=double)
    cpdef _advance(self, Light light)
    @cython.locals(number=cython.longlong)
    cpdef _follow(self, Light light, object target)


cdef _hand_over(Light light)
