cimport cython
from sim.streams.keyed cimport Draws
from sim.environment.schedule cimport Schedule
from models.request cimport Request
from sim.recorder.recorder cimport Recorder as Told

cdef object _SUCCEEDED


cdef class Client:
    cdef public Schedule _env
    cdef public list _routes
    cdef public object _deadlines, _on_end, _on_rest, _on_wake
    cdef public Told _recorder
    cdef public Draws _round_trip
    cdef public long long in_flight
    cpdef _arrive(self, Request request)
    cpdef _end(self, Request request, object outcome, cython.py_int status)
