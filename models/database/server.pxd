from models.request cimport Request
from models.database.query cimport Query
from models.database.connections cimport Connections


cdef class _Watch:
    cdef public object light


cdef class Postgres(Connections):
    cdef public dict _queries
    cdef public object _commit_waits, _idle_limit, _idle_outs, _locks, _read_only, _replay, _spec, _standbys, _statement_limit, _statement_timeouts, _sync, _waits_for_arrival, _waste, execute
