"""What a request is known by to the methods that do not simply take turns: its address, a key, or chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.load_balancer.search import (
    Address,
    HashSearch,
    IpSearch,
    RandomSearch,
    Ring,
    RingSearch,
    Search,
    Shares,
    address_of,
)
from models.load_balancer.spec import HashKey, UpstreamSpec
from models.request import Request, Visit

AddressOf = Callable[[Request], Address]
BeginSearch = Callable[[Request, Visit], Search]


def client_address(request: Request) -> Address:
    """Of the client itself."""
    return address_of(request.ip)


def begin_search(
    spec: UpstreamSpec, services: Sequence[str], weights: Sequence[int], address: AddressOf, draw: Callable[[], float]
) -> BeginSearch | None:
    """How to begin a request's search; None where servers take turns. `services`: names of the servers without their
    port. `draw`: chance in [0, 1)."""
    shares = Shares(weights)
    if spec.balancing == "ip_hash":
        return lambda request, visit: IpSearch(shares, address(request))
    if spec.balancing in ("random", "random_two"):
        return lambda request, visit: RandomSearch(shares, draw)
    if spec.hash_key is None:
        return None
    key_of = _key_of(spec.hash_key, address)
    if spec.balancing == "hash":
        return lambda request, visit: HashSearch(shares, key_of(request, visit))
    ring = Ring([f"{name}:{spec.port}" for name in services], weights)
    return lambda request, visit: RingSearch(ring, key_of(request, visit))


def _key_of(kind: HashKey, address: AddressOf) -> Callable[[Request, Visit], bytes]:
    """What is hashed, as text: nginx hashes the value of a variable."""
    if kind == "user":
        return lambda request, visit: b"user%d" % request.user
    if kind == "ip":
        return lambda request, visit: b"%d.%d.%d.%d" % address(request)
    return lambda request, visit: f"/{visit.service}/{visit.endpoint}".encode()
