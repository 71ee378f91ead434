cimport cython
from models.jvm.heap cimport Heap
from models.jvm.stoppable cimport StoppableCpu
from models.request cimport Request, Visit
from sim.environment.schedule cimport Schedule
from sim.environment.scheduled cimport Light
from sim.probe cimport Level, Tally


cdef class Jvm:
    cdef public Heap heap
    cdef public Level _heap_level, _thread_level
    cdef public Schedule _env
    cdef public StoppableCpu cpu
    cdef public Tally _full, _young
    cdef public bint grows, _has_thrown, _is_collecting, _is_marking
    cdef public list _waiters
    cdef public long long _allocated_bytes, _at_work, _collections, _spare, _threads
    cdef public object _bins, _held_bytes, _marking, _note, _out_of_memory, _spec, ergonomics, host
    @cython.locals(heap=Heap)
    cpdef Heap begin(self)
    cpdef end(self)


cdef class JavaRoute:
    cdef public Jvm _jvm
    cdef public object _route
