from models.request cimport Request
from sim.environment.schedule cimport Schedule
from sim.probe cimport Station
from sim.resources cimport Permits


cdef class Bulkhead:
    cdef public Permits _permits
    cdef public Schedule _env
    cdef public Station _station
    cdef public bint waits
    cdef public object path
    cpdef take(self)
    cpdef release(self)
