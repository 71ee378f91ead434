"""What a system that has come to rest must look like, part by part, wherever in it the part is.

`unrest(system)` walks everything that can be reached from a system and names, by its path through the objects, whatever
is still held, still waits, or is not as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from pydantic import BaseModel

from models.assembly import System
from models.cache.command_thread import CommandThread
from models.cache.keyspace import Keyspace
from models.cache.lettuce import Client as CacheClient
from models.circuit_breaker.rule import CircuitBreakerRule, State
from models.connection_limit import ConnectionZone
from models.connection_pool import Hikari
from models.database.locks import RowLocks
from models.database.replication import Replay
from models.event_loops import Loop
from models.jvm import Jvm
from models.link import Link
from models.listener import Listener
from models.load_balancer.keepalive import Worker
from models.load_balancer.peers import Peer
from models.machine import Container, Machine
from models.replica import Replica
from models.request import Request
from models.thread_pool_bulkhead import ThreadPoolRule
from sim.environment import Environment, Light
from sim.gate import Gate
from sim.patience import Deadlines
from sim.probe import Station
from sim.resources import Leases, Permits
from sim.streams import Streams

PASSED_BY = (Environment, Light, Streams, BaseModel, Request, str, int, float, bool, bytes, type(None))
"""What holds nothing of a system's own, or is looked at elsewhere."""


def parts(root: Any) -> Iterator[tuple[str, Any]]:
    """Everything in `root` with the way to it, each object once."""
    seen: set[int] = set()
    left: list[tuple[str, Any]] = [("system", root)]
    while left:
        path, each = left.pop()
        if id(each) in seen or isinstance(each, (*PASSED_BY, type)):
            continue
        seen.add(id(each))
        yield path, each
        left += inside(path, each)


def inside(path: str, each: Any) -> list[tuple[str, Any]]:
    if isinstance(each, dict):
        return [(f"{path}[{key!r}]" if isinstance(key, str) else f"{path}[.]", value) for key, value in each.items()]
    if isinstance(each, list | tuple):
        return [(f"{path}[{number}]", value) for number, value in enumerate(each)]
    if isinstance(each, partial):
        return [(path, each.func), *((path, value) for value in each.args)]
    if isinstance(each, MethodType):
        return [(path, each.__self__)]
    if isinstance(each, FunctionType):
        return [(path, cell.cell_contents) for cell in each.__closure__ or ()]
    if not type(each).__module__.startswith(("sim.", "models.")):
        return []
    names = list(getattr(each, "__dict__", ()))
    for kind in type(each).__mro__:
        names += getattr(kind, "__slots__", ())
    return [(f"{path}.{name}", getattr(each, name)) for name in names if hasattr(each, name)]


def unrest(system: System) -> list[str]:
    """What is not at rest, one line each."""
    found: list[str] = []
    for path, part in parts(system):
        for kind in type(part).__mro__:
            named = f"{path} ({getattr(part, 'path', type(part).__name__)})"
            found += [f"{named}: {what}" for what in RESTING.get(kind, _nothing)(part)]
    found += _memory(system)
    found += _connections(system)
    found += _workers(system)
    return found


def _nothing(part: Any) -> Iterator[str]:
    yield from ()


def _differ(**pairs: tuple[Any, Any]) -> Iterator[str]:
    for name, (is_now, at_rest) in pairs.items():
        if is_now != at_rest:
            yield f"{name} is {is_now}, at rest {at_rest}"


def _permits(permits: Permits) -> Iterator[str]:
    yield from _differ(in_use=(permits.in_use, 0), waiting=(permits.waiting, 0), busy=(permits.station.busy, 0))


def _leases(leases: Leases) -> Iterator[str]:
    yield from _differ(lent=(leases.station.busy, 0), waiting=(leases.waiting, 0))


def _loop(loop: Loop) -> Iterator[str]:
    yield from _differ(is_busy=(loop.is_busy, False), waiting=(loop._waiting, 0))


def _station(station: Station) -> Iterator[str]:
    if not station.path.startswith("databases.") or not station.path.endswith(".connections"):  # pools keep them open
        yield from _differ(busy=(station.busy, 0), waiting=(station.waiting, 0))


def _listener(listener: Listener) -> Iterator[str]:
    yield from _differ(accepted=(listener.accepted, 0), waiting=(listener.waiting, 0))


def _peer(peer: Peer) -> Iterator[str]:
    yield from _differ(connections=(peer.connections, 0))


def _zone(zone: ConnectionZone) -> Iterator[str]:
    yield from _differ(in_progress=(zone.in_progress, {}))


def _breaker(rule: CircuitBreakerRule) -> Iterator[str]:
    """A half-open breaker without permits and without results would never decide."""
    if rule.state is State.HALF_OPEN:
        permitted = rule._spec.permitted_number_of_calls_in_half_open_state
        if rule.permits_left + rule.window.calls < permitted:
            yield f"{rule.permits_left} permits left and {rule.window.calls} results of {permitted} half-open"


def _threads(rule: ThreadPoolRule) -> Iterator[str]:
    yield from _differ(queued=(rule.queued, 0), idle=(len(rule._idle_since_ns), rule.threads))


def _gate(gate: Gate) -> Iterator[str]:
    held = sum(light.ticket == ticket for light, ticket in gate._held)
    yield from _differ(is_shut=(gate.is_shut, False), held=(held, 0))


def _deadlines(deadlines: Deadlines[Any]) -> Iterator[str]:
    yield from _differ(pending=(sum(map(deadlines._is_pending, (item for _, item in deadlines._entries))), 0))


def _cache_client(client: CacheClient) -> Iterator[str]:
    if client._is_up():
        yield from _differ(queued=(client.queued, 0))


def _command_thread(redis: CommandThread) -> Iterator[str]:
    yield from _differ(served=(redis._served, None), is_evicting=(redis._is_evicting, False))


def _keyspace(space: Keyspace) -> Iterator[str]:
    held = 0
    for entries in space._shelves:
        for entry in entries._by_key.values():
            held += entry.size_bytes
    yield from _differ(bytes=(space.bytes, held))


def _row_locks(locks: RowLocks) -> Iterator[str]:
    yield from _differ(held=(locks._held, {}))


def _replay(replay: Replay) -> Iterator[str]:
    if replay._host.is_started:
        yield from _differ(
            backlog=(len(replay._backlog), 0), unreplayed=(len(replay._newest), 0), awaiting=(replay._awaiting, {}),
            is_working=(replay._is_working, False), lag=(replay.added_lag_s, 0.0),
        )  # fmt: skip


def _pool(pool: Hikari) -> Iterator[str]:
    yield from _differ(in_use=(pool.in_use, 0), waiting=(pool.waiting, 0), idle=(pool.idle, pool.total))
    for connection in pool._connections:
        yield from _differ(transaction=(connection.transaction, None), is_broken=(connection.is_broken, False))


def _jvm(jvm: Jvm) -> Iterator[str]:
    heap = jvm.heap
    yield from _differ(at_work=(jvm._at_work, 0), is_collecting=(jvm._is_collecting, False), waiters=(jvm._waiters, []))
    yield from _differ(is_stopped=(jvm.cpu.is_stopped, False))
    if heap._fresh:
        yield f"{heap._fresh} bytes are in use by nobody"


def _link(link: Link) -> Iterator[str]:
    yield from _differ(troubles=(link._troubles, []), is_cut=(link.is_cut, False))


def _container(container: Container) -> Iterator[str]:
    yield from _differ(
        residents=(len(container._residents), 0), closures=(container._closures, 0),
        slowdowns=(container._slowdowns, []), is_up=(container.is_up, container.is_started),
        runnable=(container.cpu.runnable, 0), is_frozen=(container.cpu.is_frozen, False),
        slowdown=(container.cpu.slowdown, 1.0), speed=(container.speed, container._machine.spec.speed),
    )  # fmt: skip


def _machine(machine: Machine) -> Iterator[str]:
    held = machine.spec.system_memory
    for container in machine.containers:
        held += container.memory_bytes
    yield from _differ(memory=(machine.memory_bytes, held), stolen=(machine._stolen, []))


def _replica(replica: Replica) -> Iterator[str]:
    yield from _differ(in_progress=(replica.in_progress, 0))


RESTING: dict[type, Callable[[Any], Iterator[str]]] = {
    Permits: _permits, Leases: _leases, Loop: _loop, Station: _station, Listener: _listener, Peer: _peer,
    ConnectionZone: _zone, CircuitBreakerRule: _breaker, ThreadPoolRule: _threads, Gate: _gate,
    Deadlines: _deadlines, CacheClient: _cache_client, CommandThread: _command_thread, Keyspace: _keyspace,
    RowLocks: _row_locks, Replay: _replay, Hikari: _pool, Jvm: _jvm, Link: _link, Container: _container,
    Machine: _machine, Replica: _replica,
}  # fmt: skip


def _memory(system: System) -> Iterator[str]:
    """What a container holds that serves nobody: what it began with, what it keeps, open connections."""
    holds: dict[str, int] = {}
    for name, redis in system.caches.items():
        holds[f"caches.{name}"] = redis.space.bytes
        for client in redis._clients.values():
            if client.owner is not None:
                for lives, local in client._locals.values():
                    if lives == client.owner.deaths.total:
                        holds[client.owner.path] = holds.get(client.owner.path, 0) + local.bytes
    for name, database in system.databases.items():
        each = system.spec.databases[name].memory_per_connection
        holds[f"databases.{name}"] = database.open_connections * each
    for _, part in parts(system):
        if isinstance(part, Jvm):
            spare = part._spare * part._spec.thread_stack
            grown = part._held_bytes + part._threads * part._spec.thread_stack - spare - part._new_heap().touched
            holds[part.host.path] = holds.get(part.host.path, 0) + grown
    for path, container in system.containers.items():
        if container.is_started:
            expected = container.base_bytes + holds.get(path, 0)
            if container.memory_bytes != expected:
                yield f"{path}: {container.memory_bytes} bytes held, {expected} accounted for"
        elif container.memory_bytes:
            yield f"{path}: {container.memory_bytes} bytes held while it is down"


def _connections(system: System) -> Iterator[str]:
    """Connections to a database are those that its pools have."""
    pooled = {f"databases.{name}": 0 for name in system.databases}
    for name, service in system.services.items():
        for replica in service.replicas:
            for pool_name, pool in replica.pools.items():
                at = f"databases.{system.spec.services[name].pools[pool_name].database}"
                epoch = system.databases[at.partition(".")[2]].epoch
                pooled[at] += sum(connection.epoch == epoch for connection in pool._connections)
    for name, database in system.databases.items():
        if database.open_connections != pooled[f"databases.{name}"]:
            yield f"databases.{name}: {database.open_connections} open, {pooled[f'databases.{name}']} in pools"


def _workers(system: System) -> Iterator[str]:
    """Every connection of an nginx worker is free, or kept idle."""
    for path, part in parts(system):
        if isinstance(part, Worker):
            name = next(name for name in system.proxies if f"[{name!r}]" in path or len(system.proxies) == 1)
            capacity = system.spec.load_balancers[name].worker_connections - 2
            kept = sum(len(links.links) for links in part.idle)
            if part.free + kept != capacity:
                yield f"{path}: {part.free} connections free and {kept} kept of {capacity}"
