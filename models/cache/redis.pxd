cimport cython
from models.cache.entries cimport Entry
from models.cache.lettuce cimport Client
from models.request cimport Request
from models.cache.command_thread cimport CommandThread
from models.cache.classes cimport Costs, DataClass

cdef object DEL, GET, SCRIPT, SET


cdef class Redis(CommandThread):
    cdef public dict _classes
    cdef public double _phase_s, clock_offset_s
    cdef public object _connect_limit_s, _limiters, _new_expiry, _script_cpu, _script_round_trip, links, locks_when_sync, writer_locks_when_sync
    @cython.locals(part=DataClass, costs=Costs, identity=cython.longlong)
    cpdef lookup(self, Client client, Request request, cls, lane)
    @cython.locals(part=DataClass, costs=Costs, identity=cython.longlong)
    cpdef store(self, Client client, Request request, cls, lane, version=*)
    @cython.locals(part=DataClass, costs=Costs, identity=cython.longlong)
    cpdef evict(self, Client client, Request request, cls, lane)
    @cython.locals(now=double)
    cpdef _carry_out(self, cython.py_int command, DataClass part, cython.py_int key, cython.py_int version)
    @cython.locals(entry=Entry, was_fresh=bint)
    cpdef _set(self, DataClass part, key, version, double now)
    cpdef _note_lookup(self, DataClass part, cython.py_int key, Request request, Entry entry)


cdef class Scripts:
    cdef public Redis _redis
    cdef public object _client, clock_s
