from models.load_balancer.keepalive cimport IdleLinks, Link, Worker
from models.load_balancer.peers cimport PeerSet
from models.request cimport Request, Visit
from sim.environment.schedule cimport Schedule
from sim.probe cimport Count
from sim.streams.keyed cimport Draws


cdef class Upstream:
    cdef public Count _found_room, _full, _no_live, _retries, _reused
    cdef public Draws _connect, _send
    cdef public IdleLinks _idle
    cdef public PeerSet _peers
    cdef public Schedule _env
    cdef public Worker _worker
    cdef public bint _repeats_sent
    cdef public double _connect_timeout_s, _phase_s, _send_timeout_s, _time_for_tries_s
    cdef public list _failures, _targets, _tries_by_peer
    cdef public long long _tries
    cdef public object _begin, _chance, _kept, _listed, _path, _probe, _read, _spec, _wires
