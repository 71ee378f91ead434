"""Which server of an upstream gets a request: the rule, with what it has learnt of each server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

Balancing = Literal["round_robin", "least_conn"]

NEVER: Final = -(1 << 62)
"""A second long before any other."""


class Peer:
    """What nginx remembers of a server."""

    __slots__ = ("accessed_s", "checked_s", "connections", "current", "effective", "fails", "index", "weight")

    def __init__(self, index: int, weight: int) -> None:
        self.index = index
        self.weight = weight
        self.effective = weight
        """The weight it is chosen by: lowered by failures, raised by 1 with every selection it takes part in."""
        self.current = 0
        self.connections = 0
        self.fails = 0
        self.accessed_s = self.checked_s = NEVER
        """Seconds of the last failure, and of the last failure or of the first request since that is long over."""


class PeerSet:
    """Chooses servers and learns from how they did. Decides; never waits. `now_s` is simulated time."""

    __slots__ = ("_fail_timeout_s", "_failing", "_least_conn", "_max_fails", "_phase_s", "peers")

    def __init__(
        self, weights: Sequence[int], balancing: Balancing, max_fails: int, fail_timeout_s: int, clock_phase_s: float
    ) -> None:
        self.peers = [Peer(index, weight) for index, weight in enumerate(weights)]
        self._failing = 0
        """Peers with failures to their name: while there are none, all are eligible."""
        self._least_conn = balancing == "least_conn"
        self._max_fails = max_fails
        self._fail_timeout_s = fail_timeout_s
        self._phase_s = clock_phase_s

    def pick(self, now_s: float, tried: int = 0) -> int | None:
        """The server for an attempt, now connected to; None: none is left. `tried`: bit i set, not server i again."""
        peers = self.peers
        if len(peers) == 1:
            peers[0].connections += 1
            return 0
        second = int(now_s + self._phase_s)
        candidates = peers if not (tried or self._failing) else self._eligible(tried, second)
        if not candidates:
            return None
        if self._least_conn:
            candidates = _least_connected(candidates)
        # nginx takes turns among equals only; a least loaded server that has no equal is simply taken
        chosen = candidates[0] if self._least_conn and len(candidates) == 1 else _next_in_turn(candidates)
        if second - chosen.checked_s > self._fail_timeout_s:
            chosen.checked_s = second
        chosen.connections += 1
        return chosen.index

    def free(self, index: int, failed: bool, now_s: float) -> Literal["down", "up"] | None:
        """An attempt has ended. Says whether its server is left out from now on, or comes back."""
        peer = self.peers[index]
        peer.connections -= 1
        if len(self.peers) == 1:
            return None
        if failed:
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

    def _eligible(self, tried: int, second: int) -> list[Peer]:
        """Those not tried that have not failed too often, or not of late."""
        max_fails, fail_timeout_s = self._max_fails, self._fail_timeout_s
        return [
            peer
            for peer in self.peers
            if not tried >> peer.index & 1
            and (not 0 < max_fails <= peer.fails or second - peer.checked_s > fail_timeout_s)
        ]


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
