from models.cache.entries cimport Entry
from models.cache.lettuce cimport Client
from models.request cimport Request
from models.cache.command_thread cimport CommandThread
from models.cache.classes cimport DataClass


cdef class Redis(CommandThread):
    cdef public dict _classes
    cdef public double _phase_s, clock_offset_s
    cdef public object _connect_limit_s, _limiters, _new_expiry, _script_cpu, _script_round_trip, links, locks_when_sync, writer_locks_when_sync


cdef class Scripts:
    cdef public Redis _redis
    cdef public object _client, clock_s
