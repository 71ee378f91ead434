"""Which server of an upstream gets a request: the rule, with what it has learnt of each server."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal

from models.load_balancer.search import LAST_TRY, Search
from models.load_balancer.turns import MANY, Turns

NEVER: Final = -(1 << 62)
"""A second long before any other."""


class Peer:
    """What nginx remembers of a server."""

    __slots__ = (
        "accessed_s", "checked_s", "connections", "current", "effective", "fails", "index", "is_down", "weight",
    )  # fmt: skip

    def __init__(self, index: int, weight: int, is_down: bool = False) -> None:
        self.index = index
        self.weight = weight
        self.is_down = is_down
        """Marked `down` in the configuration: it gets nothing, and hash methods keep its keys in place."""
        self.connections = 0
        self.forget()

    def forget(self) -> None:
        """As after a start of nginx; connections end by themselves."""
        self.effective = self.weight
        """The weight it is chosen by: lowered by failures, raised by 1 with every selection it takes part in."""
        self.current = 0
        self.fails = 0
        self.accessed_s = self.checked_s = NEVER
        """Seconds of the last failure, and of the last failure or of the first request since that is long over."""


class PeerSet:
    """Chooses servers and learns from how they did. Decides; never waits. `now_s` is simulated time.

    A request is known by the servers it has tried (bit i: server i) and, where a key or chance finds its server, by
    its `Search`. Who has come to the backup servers does not come back.
    """

    __slots__ = (
        "_backup_bits", "_backups", "_fail_timeout_s", "_failing", "_has_limits", "_is_least_conn", "_is_random_two",
        "_max_conns", "_max_fails", "_phase_s", "_primaries", "_turns", "_weight", "peers",
    )  # fmt: skip

    def __init__(
        self,
        weights: Sequence[int],
        balancing: str,
        max_fails: int,
        fail_timeout_s: int,
        clock_phase_s: float,
        max_conns: int = 0,
        backup: Collection[int] = (),
        down: Collection[int] = (),
    ) -> None:
        """`backup` and `down`: indices of such servers. `max_conns` 0: no limit."""
        self.peers = [Peer(index, weight, index in down) for index, weight in enumerate(weights)]
        self._primaries = [peer for peer in self.peers if peer.index not in backup]
        self._backups = [peer for peer in self.peers if peer.index in backup]
        self._backup_bits = sum(1 << peer.index for peer in self._backups)
        self._failing = 0
        """Peers with failures to their name: while there are none, all are eligible unless there are other limits."""
        self._max_conns = max_conns
        self._has_limits = bool(max_conns or down or backup)
        self._is_least_conn = balancing == "least_conn"
        self._is_random_two = balancing == "random_two"
        self._max_fails = max_fails
        self._fail_timeout_s = fail_timeout_s
        self._phase_s = clock_phase_s
        self._weight = weights[0] if len(weights) >= MANY and len(set(weights)) == 1 else 0
        """Of each server, where a heap may say whose turn it is; 0: every choice looks at all of them."""
        self._turns: Turns | None = None
        """While nothing but turns has decided."""

    @property
    def tries(self) -> int:
        """Servers that a request can try."""
        return sum(not peer.is_down for peer in self.peers)

    @property
    def is_crowded(self) -> bool:
        """Whether a server has all the connections it may have."""
        return bool(self._max_conns) and any(peer.connections >= self._max_conns for peer in self.peers)

    def pick(self, now_s: float, tried: int = 0, search: Search | None = None) -> int | None:
        """The server for an attempt, now connected to; None: none is left. `tried`: bit i set, not server i again."""
        peers = self.peers
        second = int(now_s + self._phase_s)
        if len(peers) == 1:
            alone = peers[0]
            if self._has_limits and (alone.is_down or 0 < self._max_conns <= alone.connections):
                return None
            alone.connections += 1
            return 0
        chosen = None if search is None else self._find(search, tried, second)
        if chosen is None:
            if not (tried or self._failing or self._has_limits):
                chosen = self._in_turn(peers) if not self._weight else self._in_even_turn()
            else:
                self._settle()
                candidates = self._eligible(tried, second)
                if not candidates:
                    return None
                chosen = self._in_turn(candidates)
        if self._turns is not None:
            self._turns.moves(chosen, 1)
        if second - chosen.checked_s > self._fail_timeout_s:
            chosen.checked_s = second
        chosen.connections += 1
        return chosen.index

    def free(self, index: int, failed: bool, now_s: float) -> Literal["down", "up"] | None:
        """An attempt has ended. Says whether its server is left out from now on, or comes back."""
        peer = self.peers[index]
        if self._turns is not None:
            self._turns.moves(peer, -1)
        peer.connections -= 1
        if len(self.peers) == 1:
            return None
        if failed:
            self._settle()
            self._failing += not peer.fails
            peer.fails += 1
            peer.accessed_s = peer.checked_s = int(now_s + self._phase_s)
            if self._max_fails:
                peer.effective = max(0, peer.effective - peer.weight // self._max_fails)
                if peer.fails == self._max_fails:
                    return "down"
        elif peer.fails and peer.accessed_s < peer.checked_s:
            was_down = 0 < self._max_fails <= peer.fails
            peer.fails = 0
            self._failing -= 1
            if was_down:
                return "up"
        return None

    def forget(self) -> None:
        """Nginx was killed, and what it had learnt is gone."""
        self._settle()
        self._failing = 0
        for peer in self.peers:
            peer.forget()

    def _settle(self) -> None:
        """From now on every choice looks at all of them, until they are even again."""
        if self._turns is not None:
            self._turns.settle()
            self._turns = None

    def _in_even_turn(self) -> Peer:
        """The same as `_in_turn`, for many servers of one weight."""
        if self._turns is None:
            if any(peer.effective != peer.weight for peer in self.peers):
                return self._in_turn(self.peers)
            self._turns = Turns(self.peers, self._weight, self._is_least_conn)
        return self.peers[self._turns.choose()]

    def _in_turn(self, candidates: list[Peer]) -> Peer:
        if not self._is_least_conn:
            return _next_in_turn(candidates)
        candidates = _least_connected(candidates)
        # nginx takes turns among equals only; a least loaded server that has no equal is simply taken
        return candidates[0] if len(candidates) == 1 else _next_in_turn(candidates)

    def _eligible(self, tried: int, second: int) -> list[Peer]:
        """Those not tried that may be used; backup servers only where no other may, and from then on."""
        eligible: list[Peer] = []
        if not tried & self._backup_bits:
            eligible = [peer for peer in self._primaries if self._may_use(peer, tried, second)]
        return eligible or [peer for peer in self._backups if self._may_use(peer, tried, second)]

    def _may_use(self, peer: Peer, tried: int, second: int) -> bool:
        """Whether it was not tried, is not full, and has not failed too often, or not of late."""
        return not (
            tried >> peer.index & 1
            or peer.is_down
            or (0 < self._max_fails <= peer.fails and second - peer.checked_s <= self._fail_timeout_s)
            or 0 < self._max_conns <= peer.connections
        )

    def _find(self, search: Search, tried: int, second: int) -> Peer | None:
        """The server that a key or chance leads to; None: after so many in vain, servers take turns."""
        first: Peer | None = None
        while search.tries <= LAST_TRY:
            peer = self.peers[search.propose()]
            if peer is not first and self._may_use(peer, tried, second):
                if not self._is_random_two:
                    if search.is_turn and peer.effective < peer.weight:
                        peer.effective += 1
                    return peer
                if first is not None:
                    is_fuller = peer.connections * first.weight > first.connections * peer.weight
                    return first if is_fuller else peer
                first = peer
            search.go_on()
        return None


def _least_connected(candidates: list[Peer]) -> list[Peer]:
    """Those with the fewest connections by weight. Compared by products: nginx has no fractions here."""
    best = candidates[0]
    least: list[Peer] = []
    for peer in candidates:
        mine, theirs = peer.connections * best.weight, best.connections * peer.weight
        if mine < theirs:
            best = peer
            least = [peer]
        elif mine == theirs:
            least.append(peer)
    return least


def _next_in_turn(candidates: list[Peer]) -> Peer:
    """Smooth weighted round robin: all gain their weight, the richest is chosen and pays what all gained."""
    chosen, total = candidates[0], 0
    for peer in candidates:
        effective = peer.effective
        peer.current += effective
        total += effective
        if effective < peer.weight:
            peer.effective = effective + 1
        if peer.current > chosen.current:
            chosen = peer
    chosen.current -= total
    return chosen
