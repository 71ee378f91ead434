"""Connections from the gateway to what stands behind it: a FIXED pool, each address with its own.

Models   A request takes a connection to the replica chosen for it, or to the proxy, and keeps it for as long as the
         gateway waits for the answer; others queue for it without a limit to their number, first come first served.
Source   Reactor Netty 1.2, resources/ConnectionProvider.java (DEFAULT_POOL_MAX_CONNECTIONS,
         DEFAULT_POOL_ACQUIRE_TIMEOUT); Spring Cloud Gateway, config/HttpClientProperties.java (Pool).
Omits    What it takes to connect; idle times and lives of connections, which end none that is in use.
Checked  tests/unit/test_gateway_filters.py
"""

from __future__ import annotations

from typing import Any, Protocol

from models.gateway.spec import ConnectionsSpec
from models.outcomes import PoolTimeout
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity
from sim.resources import Permits


class Choosing(Protocol):
    """A service whose caller takes one of its replicas."""

    def choose(self) -> Any: ...


class _Pool:
    """The connections to one address."""

    __slots__ = ("_env", "_permits", "path")

    def __init__(self, context: Context, spec: ConnectionsSpec) -> None:
        self._env = context.env
        self.path = context.path
        station = context.probe.station(context.path, spec.max_connections, "connection")
        self._permits = Permits(context.env, spec.max_connections, station, spec.acquire_timeout)

    def carry(self, hop: Any, request: Request, visit: Visit) -> Activity:
        asked_at_s = self._env.now
        try:
            is_granted = self._permits.acquire() or (yield)
        finally:
            request.wait_s += self._env.now - asked_at_s
        if not is_granted:
            raise PoolTimeout(self.path)
        try:
            yield from hop.handle(request, visit)
        finally:
            self._permits.release()


class Connections:
    """All pools of the gateway."""

    def __init__(self, context: Context, spec: ConnectionsSpec) -> None:
        self._context = context
        self._spec = spec
        self._pools: dict[str, _Pool] = {}

    def pool(self, name: str) -> _Pool:
        """The pool of the address called `name`."""
        if name not in self._pools:
            self._pools[name] = _Pool(self._context.at(name), self._spec)
        return self._pools[name]


class PooledProxy:
    """The way to a proxy over one pool."""

    __slots__ = ("_hop", "_pool")

    def __init__(self, connections: Connections, name: str, hop: Any) -> None:
        self._pool = connections.pool(name)
        self._hop = hop

    def handle(self, request: Request, visit: Visit) -> Activity:
        return self._pool.carry(self._hop, request, visit)


class PooledService:
    """The way to a service: a replica is chosen, then a connection to it is taken."""

    __slots__ = ("_pools", "_service")

    def __init__(self, connections: Connections, service: Choosing, names: list[str]) -> None:
        self._service = service
        self._pools = {name: connections.pool(name) for name in names}

    def handle(self, request: Request, visit: Visit) -> Activity:
        replica = self._service.choose()
        return self._pools[replica.name].carry(replica, request, visit)
