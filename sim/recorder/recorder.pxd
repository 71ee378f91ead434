cimport cython
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Timer
from sim.recorder.record cimport Columns, Recorded


cdef class Recorder:
    cdef public object instruments, on_fold, endpoints
    cdef public object _env, _warm_up_s, _bin_s, _records, _totals, _series, _sampler, _digest, _rows, _extras
    cdef public object _last_ended_at_s, _lines, _notes
    cdef public dict _in_flight, _codes
    cdef public list _ended
    cdef public long long arrivals, _packed
    cdef public Columns _columns
    cdef public Timer _warmer

    @cython.locals(ordinal=cython.longlong, in_flight=dict)
    cpdef arrived(self, Recorded request)
    @cython.locals(in_flight=dict)
    cpdef ended(self, Recorded request)
