cimport cython


cdef class Peer:
    cdef public bint is_down
    cdef public long long accessed_s, checked_s, connections, current, effective, fails, index, weight


cdef class PeerSet:
    cdef public bint _has_limits, _is_least_conn, _is_random_two
    cdef public double _phase_s
    cdef public list _backups, _primaries, peers
    cdef public long long _fail_timeout_s, _failing, _max_conns, _max_fails, _weight
    cdef public object _backup_bits, _turns
    @cython.locals(peers=list, second=cython.longlong, alone=Peer, chosen=Peer, candidates=list)
    cpdef pick(self, double now_s, tried=*, search=*)
    @cython.locals(peer=Peer, was_down=bint)
    cpdef free(self, long long index, bint failed, double now_s)
    cpdef Peer _in_turn(self, list candidates)


@cython.locals(best=Peer, least=list, peer=Peer, mine=cython.longlong, theirs=cython.longlong)
cpdef list _least_connected(list candidates)


@cython.locals(chosen=Peer, total=cython.longlong, peer=Peer, effective=cython.longlong)
cpdef Peer _next_in_turn(list candidates)
