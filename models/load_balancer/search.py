"""Where a request's key, its address or chance leads: the servers that a hash method proposes, one after the other.

A search belongs to one request and goes on where it stopped when a server failed. It proposes the same server again
and again where the hash says so; after 20 proposals in vain nginx gives up and servers take turns.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Protocol
from zlib import crc32

LAST_TRY: Final = 20
POINTS_PER_WEIGHT: Final = 160

Address = tuple[int, int, int, int]


def address_of(ip: int) -> Address:
    """The IPv4 address of the client with this number: 10.x.y.z, so that 256 neighbours share their first three
    octets."""
    return 10, ip >> 16 & 255, ip >> 8 & 255, ip & 255


class Search(Protocol):
    """A request's way from one proposal to the next."""

    is_turn: ClassVar[bool]
    """A proposal is a turn of round robin among servers of one name: a lowered weight climbs."""
    tries: int

    def propose(self) -> int:
        """Index of a server."""
        ...

    def go_on(self) -> None:
        """The one proposed cannot be used."""
        ...


class Shares:
    """Servers side by side, each as wide as its weight."""

    __slots__ = ("_by_place", "total")

    def __init__(self, weights: Sequence[int]) -> None:
        self._by_place = [index for index, weight in enumerate(weights) for _ in range(weight)]
        self.total = len(self._by_place)

    def at(self, place: int) -> int:
        return self._by_place[place % self.total]


class IpSearch:
    """ip_hash: over the first three octets, and again over its own result."""

    __slots__ = ("_address", "_hash", "_shares", "tries")
    is_turn: ClassVar[bool] = False

    def __init__(self, shares: Shares, address: Address) -> None:
        self._shares = shares
        self._address = address
        self._hash = 89
        self.tries = 0

    def propose(self) -> int:
        value = self._hash
        first, second, third, _ = self._address
        value = (value * 113 + first) % 6271
        value = (value * 113 + second) % 6271
        self._hash = value = (value * 113 + third) % 6271
        return self._shares.at(value)

    def go_on(self) -> None:
        self.tries += 1


class HashSearch:
    """hash: as Cache::Memcached does it. Each try adds the hash of the key with the try's number before it."""

    __slots__ = ("_hash", "_key", "_rehash", "_shares", "tries")
    is_turn: ClassVar[bool] = False

    def __init__(self, shares: Shares, key: bytes) -> None:
        self._shares = shares
        self._key = key
        self._hash = self._rehash = self.tries = 0

    def propose(self) -> int:
        key = b"%d%b" % (self._rehash, self._key) if self._rehash else self._key
        self._hash += crc32(key) >> 16 & 0x7FFF
        self._rehash += 1
        return self._shares.at(self._hash)

    def go_on(self) -> None:
        self.tries += 1


class Ring:
    """The points of hash ... consistent, as Cache::Memcached::Fast has them: 160 for each unit of weight."""

    __slots__ = ("_servers", "_values")

    def __init__(self, names: Sequence[str], weights: Sequence[int]) -> None:
        points: dict[int, int] = {}
        for index, (name, weight) in enumerate(zip(names, weights, strict=True)):
            for value in _points(name, weight * POINTS_PER_WEIGHT):
                points.setdefault(value, index)  # nginx keeps one of equal points
        self._values = sorted(points)
        self._servers = [points[value] for value in self._values]

    def start(self, key: bytes) -> int:
        """Place of the first point at or after a key's hash; one past the last, which is the first."""
        return bisect_left(self._values, crc32(key))

    def at(self, place: int) -> int:
        return self._servers[place % len(self._servers)]


def _points(name: str, number: int) -> list[int]:
    """Each point hashes host, a zero byte, port and the point before it."""
    host, _, port = name.rpartition(":")
    base = host.encode() + b"\0" + port.encode()
    values, value = [], 0
    for _ in range(number):
        value = crc32(base + value.to_bytes(4, "little"))
        values.append(value)
    return values


class RingSearch:
    """hash ... consistent: from the key's place on, point by point."""

    __slots__ = ("_place", "_ring", "tries")
    is_turn: ClassVar[bool] = True

    def __init__(self, ring: Ring, key: bytes) -> None:
        self._ring = ring
        self._place = ring.start(key)
        self.tries = 0

    def propose(self) -> int:
        return self._ring.at(self._place)

    def go_on(self) -> None:
        self._place += 1
        self.tries += 1


class RandomSearch:
    """random: any server, as likely as its weight."""

    __slots__ = ("_draw", "_shares", "tries")
    is_turn: ClassVar[bool] = False

    def __init__(self, shares: Shares, draw: Callable[[], float]) -> None:
        self._shares = shares
        self._draw = draw
        self.tries = 0

    def propose(self) -> int:
        return self._shares.at(int(self._draw() * self._shares.total))

    def go_on(self) -> None:
        self.tries += 1
