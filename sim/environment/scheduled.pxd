from sim.environment.schedule cimport Schedule

cdef double inf
cdef long long ENDED


cdef class Scheduled:
    cdef public long long ticket


cdef class Light(Scheduled):
    cdef public Schedule env
    cdef public object generator, on_end, value, waiting


cdef class Thrown:
    cdef public object error


cdef class Timer(Scheduled):
    cdef public Schedule env
    cdef public object callback
    cdef public double when
    cpdef arm(self, double when)
    cpdef disarm(self)
    cpdef fire(self)
