from models.request cimport Request
from sim.environment.schedule cimport Schedule
from sim.streams.keyed cimport Choices, Draws


cdef class OpenArrivals:
    cdef public Schedule _env
    cdef public object _on_over, _requests, _send
