"""Taking turns among many servers of one weight: the same choices as by looking at all of them, in a few steps.

While all weigh the same and none has failed, whoever is compared gains the same with every choice. So only what a
server has beyond the others of its group need be kept, in a heap, and what the group has gained, once. Servers are
grouped by connections where those with the fewest take turns, else they are one group.

Checked  tests/properties/test_load_balancer.py: against looking at all of them, choice by choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Final, Protocol

MANY: Final = 24
"""From so many servers on, a heap is faster than a look at each."""


class Turner(Protocol):
    """A server in turn."""

    connections: int
    current: int

    @property
    def index(self) -> int: ...


class _Group:
    __slots__ = ("entries", "gained", "size")

    def __init__(self) -> None:
        self.entries: list[tuple[int, int, int]] = []
        """(what it has, less what the group has gained, negated; index; stamp). Those who left stay until they come
        up, or are too many."""
        self.gained = 0
        self.size = 0


class Turns:
    """Whose turn it is. Takes over what the servers have in `current`, and gives it back with `settle`."""

    __slots__ = ("_by_connections", "_groups", "_has", "_least", "_peers", "_stamps", "_weight")

    def __init__(self, peers: Sequence[Turner], weight: int, by_connections: bool) -> None:
        self._peers = peers
        self._weight = weight
        self._by_connections = by_connections
        self._has = [0] * len(peers)
        self._stamps = [0] * len(peers)
        self._groups: dict[int, _Group] = {}
        for peer in peers:
            group = self._group(peer)
            self._has[peer.index] = peer.current
            group.entries.append((-peer.current, peer.index, 0))
            group.size += 1
        for group in self._groups.values():
            heapify(group.entries)
        self._least = min(self._groups)

    def _number(self, peer: Turner) -> int:
        return peer.connections if self._by_connections else 0

    def _group(self, peer: Turner) -> _Group:
        number = self._number(peer)
        group = self._groups.get(number)
        if group is None:
            group = self._groups[number] = _Group()
        return group

    def choose(self) -> int:
        """Whose turn it is. One more connection will be its own: `moves` is told of that."""
        while not self._groups[self._least].size:
            self._least += 1
        group = self._groups[self._least]
        entries, stamps = group.entries, self._stamps
        while entries[0][2] != stamps[entries[0][1]]:
            heappop(entries)
        index = entries[0][1]
        if group.size > 1 or not self._by_connections:
            heappop(entries)
            group.gained += self._weight
            self._has[index] -= self._weight * group.size
            heappush(entries, (-self._has[index], index, stamps[index]))
        return index

    def moves(self, peer: Turner, change: int) -> None:
        """`peer` is about to have so many connections more."""
        if not self._by_connections:
            return
        index = peer.index
        group = self._groups[peer.connections]
        current = self._has[index] + group.gained
        group.size -= 1
        self._stamps[index] += 1
        if len(group.entries) > 2 * group.size + MANY:
            group.entries = [entry for entry in group.entries if entry[2] == self._stamps[entry[1]]]
            heapify(group.entries)
        number = peer.connections + change
        group = self._groups.setdefault(number, _Group())
        self._has[index] = current - group.gained
        heappush(group.entries, (-self._has[index], index, self._stamps[index]))
        group.size += 1
        self._least = min(self._least, number)

    def settle(self) -> None:
        """Give back to the servers what they have."""
        for peer in self._peers:
            peer.current = self._has[peer.index] + self._groups[self._number(peer)].gained
