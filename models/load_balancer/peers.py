"""Which server of an upstream gets a request: the rule, with what it has learnt of each server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

Balancing = Literal["round_robin", "least_conn"]

NEVER: Final = -(1 << 62)
"""A second long before any other."""


class Peer:
    """What nginx remembers of a server."""

    __slots__ = ("accessed_s", "checked_s", "connections", "current", "effective", "fails", "weight")

    def __init__(self, weight: int) -> None:
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

    __slots__ = ("_fail_timeout_s", "_least_conn", "_max_fails", "_phase_s", "peers")

    def __init__(
        self, weights: Sequence[int], balancing: Balancing, max_fails: int, fail_timeout_s: int, clock_phase_s: float
    ) -> None:
        self.peers = [Peer(weight) for weight in weights]
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
        candidates = [
            index
            for index, peer in enumerate(peers)
            if not tried >> index & 1 and (not peer.fails or self._is_eligible(peer, second))
        ]
        if self._least_conn:
            candidates = self._least_connected(candidates)
        if not candidates:
            return None
        chosen = candidates[0] if self._least_conn and len(candidates) == 1 else self._next_in_turn(candidates)
        peer = peers[chosen]
        if second - peer.checked_s > self._fail_timeout_s:
            peer.checked_s = second
        peer.connections += 1
        return chosen

    def free(self, index: int, failed: bool, now_s: float) -> Literal["down", "up"] | None:
        """An attempt has ended. Says whether its server is left out from now on, or comes back."""
        peer = self.peers[index]
        peer.connections -= 1
        if len(self.peers) == 1:
            return None
        max_fails = self._max_fails
        if failed:
            peer.fails += 1
            peer.accessed_s = peer.checked_s = int(now_s + self._phase_s)
            if max_fails:
                peer.effective = max(0, peer.effective - peer.weight // max_fails)
                if peer.fails == max_fails:
                    return "down"
        elif peer.accessed_s < peer.checked_s:
            was_down = 0 < max_fails <= peer.fails
            peer.fails = 0
            if was_down:
                return "up"
        return None

    def _is_eligible(self, peer: Peer, second: int) -> bool:
        return not 0 < self._max_fails <= peer.fails or second - peer.checked_s > self._fail_timeout_s

    def _least_connected(self, candidates: list[int]) -> list[int]:
        """Those with the fewest connections by weight. Compared by products: nginx has no fractions here."""
        peers = self.peers
        least: list[int] = []
        for index in candidates:
            if least:
                peer, best = peers[index], peers[least[0]]
                mine, theirs = peer.connections * best.weight, best.connections * peer.weight
                if mine > theirs:
                    continue
                if mine < theirs:
                    least.clear()
            least.append(index)
        return least

    def _next_in_turn(self, candidates: list[int]) -> int:
        """Smooth weighted round robin: all gain their weight, the richest is chosen and pays what all gained."""
        peers = self.peers
        chosen, total = candidates[0], 0
        for index in candidates:
            peer = peers[index]
            peer.current += peer.effective
            total += peer.effective
            if peer.effective < peer.weight:
                peer.effective += 1
            if peer.current > peers[chosen].current:
                chosen = index
        peers[chosen].current -= total
        return chosen
