cimport cython
from models.cache.lettuce cimport Client, Wait
from models.request cimport Request
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light, Timer
from sim.resources cimport Permits
from models.cache.classes cimport DataClass
from models.cache.entries cimport Entry
from models.cache.expiry cimport ActiveExpiry
from models.cache.keyspace cimport Keyspace

cdef object GET


cdef class CommandThread:
    cdef public ActiveExpiry _expiry
    cdef public Keyspace space
    cdef public Light _served
    cdef public Permits _thread
    cdef public Schedule _env
    cdef public Timer _watch
    cdef public bint _is_deserted, _is_evicting
    cdef public dict _clients
    cdef public double _served_since_s
    cdef public double _lost_at_s
    cdef public long long _life
    cdef public object _evictions_cut, _host, _oom_errors, _patience, _timed_out, path
    cpdef _carry_out(self, cython.py_int command, DataClass part, cython.py_int key, cython.py_int version)
    cpdef _note_lookup(self, DataClass part, cython.py_int key, Request request, Entry entry)
