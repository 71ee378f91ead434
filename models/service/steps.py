"""Steps carried out: one small process a kind, in the order in which the real code would take them.

A step is compiled once for a service and shared by its replicas; what belongs to one replica (its pools, its
breakers) is asked of the replica that works on the visit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, ClassVar, Protocol

from models.outcomes import CallFailure, ClientGone, InstanceDied
from models.replica import Replica, Work
from models.request import Request, Visit
from models.service.spec import (
    CacheStepSpec,
    CallStepSpec,
    CpuStepSpec,
    DatabaseStepSpec,
    DelayStepSpec,
    EvictStepSpec,
)
from models.spec import Context
from sim.environment import Activity
from sim.patience import TimeLimit
from sim.streams import Draws

LANES_PER_CALL = 64
"""A call's lane is its caller's times this, plus the number of the call site, so visits do not share their draws."""


class Cache(Protocol):
    """What a step needs of a cache."""

    def lookup(self, request: Request, cls: str, lane: int) -> Activity: ...
    def store(self, request: Request, cls: str, lane: int) -> Activity: ...
    def evict(self, request: Request, cls: str, lane: int) -> Activity: ...


class Database(Protocol):
    """What a step needs of a database."""

    def execute(
        self, request: Request, query: str, lane: int, connection: Any, given_s: float | None = None
    ) -> Activity: ...


class Hop(Protocol):
    """Somewhere a visit can be sent."""

    def handle(self, request: Request, visit: Visit) -> Activity: ...


class Parts(Protocol):
    """What assembly hands to the steps of a service: what they use, by name."""

    def cache(self, name: str) -> Cache: ...
    def database(self, pool: str) -> Database: ...
    def service(self, name: str) -> Hop: ...
    def is_idempotent(self, service: str, endpoint: str) -> bool: ...


class Step:
    """A step: `run` is its process. It may be taken only with some probability."""

    __slots__ = ("_luck", "_probability", "name", "path", "run")
    kind: ClassVar[str]

    def __init__(self, context: Context, name: str, probability: float) -> None:
        self.path = context.path
        self.name = name
        self._probability = probability
        self._luck = context.streams.uniforms(f"{context.path}.probability") if probability < 1 else None

    def is_taken(self, request: Request, visit: Visit) -> bool:
        return self._luck is None or self._luck.at(request.identity, visit.lane) < self._probability

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        """Carry the step out. Raises `CallFailure`."""
        raise NotImplementedError


class CpuStep(Step):
    __slots__ = ("_demand", "_given")

    def __init__(self, context: Context, spec: CpuStepSpec, given: str) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._demand: Draws = context.streams.draws(f"{context.path}.demand", spec.demand.distribution())
        self._given = given

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        if request.given is None or (demand_s := request.given_s(self._given)) is None:
            demand_s = self._demand.at(request.identity, visit.lane)
        return replica.burn(request, demand_s)


class DelayStep(Step):
    __slots__ = ("_duration", "_given")

    def __init__(self, context: Context, spec: DelayStepSpec, given: str) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._duration: Draws = context.streams.draws(f"{context.path}.duration", spec.duration.distribution())
        self._given = given

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        given = request.given_s(self._given)
        duration_s = self._duration.at(request.identity, visit.lane) if given is None else given
        yield duration_s
        request.delay_s += duration_s


class CacheStep(Step):
    """Look up; on a miss load and store. Nothing stops several requests from loading the same key at once."""

    __slots__ = ("_cache", "_cls", "_on_miss")

    def __init__(self, context: Context, spec: CacheStepSpec, cache: Cache, on_miss: list[Step]) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._cache = cache
        self._cls = spec.data_class
        self._on_miss = on_miss

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        if not (yield from self._cache.lookup(request, self._cls, visit.lane)):
            yield from take(self._on_miss, request, visit, replica)
            yield from self._cache.store(request, self._cls, visit.lane)


class EvictStep(Step):
    __slots__ = ("_cache", "_cls")

    def __init__(self, context: Context, spec: EvictStepSpec, cache: Cache) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._cache = cache
        self._cls = spec.data_class

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        return self._cache.evict(request, self._cls, visit.lane)


class DatabaseStep(Step):
    """Borrow a connection, run one query, give the connection back."""

    __slots__ = ("_database", "_given", "_pool", "_query")

    def __init__(self, context: Context, spec: DatabaseStepSpec, database: Database, given: str) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._database = database
        self._pool = spec.pool
        self._query = spec.query
        self._given = given

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        pool = replica.pools[self._pool]
        connection = pool.take_idle() or (yield from pool.borrow(request))
        try:
            given_s = request.given_s(self._given)
            yield from self._database.execute(request, self._query, visit.lane, connection, given_s)
        finally:
            pool.give_back(connection)


class CallStep(Step):
    """Call another service: the breaker asks first, the limiter leaves a slow call, the fallback answers instead.

    The callee works in a process of its own, as it does on its own machine: it goes on when its caller dies.
    """

    __slots__ = ("_breaker_name", "_env", "_fallback", "_fallbacks", "_hop", "_limit", "_site", "_visit")

    def __init__(
        self, context: Context, spec: CallStepSpec, hop: Hop, idempotent: bool, fallback: list[Step] | None, site: int
    ) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._env = context.env
        self._hop = hop
        self._breaker_name = context.path if spec.breaker is not None else None
        self._limit: Any = (
            TimeLimit(context.env, None)
            if spec.time_limiter is None
            else spec.time_limiter.build(context.at("time_limiter"))
        )
        self._visit = (spec.service, spec.endpoint, idempotent)
        self._fallback = fallback
        self._fallbacks = context.probe.count(f"{context.path}.fallbacks")
        self._site = site

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        service, endpoint, idempotent = self._visit
        onward = Visit(service, endpoint, visit.lane * LANES_PER_CALL + self._site, idempotent)
        try:
            if self._breaker_name is None:
                yield from self._limit.call(self._hop.handle(request, onward))
            else:
                yield from self._guarded(request, onward, replica, replica.breakers[self._breaker_name])
        except ClientGone:
            raise
        except CallFailure as failure:
            if self._fallback is None or (isinstance(failure, InstanceDied) and not replica.host.is_up):
                raise
            self._fallbacks.add()
            yield from take(self._fallback, request, visit, replica)

    def _guarded(self, request: Request, onward: Visit, replica: Replica, breaker: Any) -> Activity:
        breaker.acquire()
        began_at_s = self._env.now
        try:
            yield from self._limit.call(self._hop.handle(request, onward))
        except ClientGone:
            breaker.release()
            raise
        except CallFailure as failure:
            if not (isinstance(failure, InstanceDied) and not replica.host.is_up):  # else the breaker has died, too
                breaker.record(True, self._env.now - began_at_s)
            raise
        breaker.record(False, self._env.now - began_at_s)


def take(steps: Sequence[Step], request: Request, visit: Visit, replica: Replica) -> Activity:
    """Take steps one after another."""
    for step in steps:
        if step._luck is None or step.is_taken(request, visit):
            yield from step.process(request, visit, replica)


def take_timed(steps: Sequence[Step], request: Request, visit: Visit, replica: Replica, now: Any) -> Activity:
    """Take steps one after another and note how long each took on `request.steps_s`."""
    for step in steps:
        if step.is_taken(request, visit):
            began_at_s = now()
            try:
                yield from step.process(request, visit, replica)
            finally:
                spent = request.steps_s
                assert spent is not None
                spent[step.path] = spent.get(step.path, 0.0) + now() - began_at_s


class Endpoint:
    """The steps of one endpoint, ready to be taken in any replica of the service."""

    __slots__ = ("_env", "_steps")

    def __init__(self, context: Context, steps: list[Step]) -> None:
        self._env = context.env
        self._steps = steps

    def work(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        """What a visit makes `replica` do."""
        if request.steps_s is None:
            return take(self._steps, request, visit, replica)
        return take_timed(self._steps, request, visit, replica, lambda: self._env.now)


def compile_endpoint(context: Context, service: str, endpoint: str, specs: Sequence[Any], parts: Parts) -> Work:
    """Turn the steps of an endpoint into processes. Draws are keyed by the endpoint, so replicas share them."""
    sites = count(1)

    def compile_steps(specs: Sequence[Any]) -> list[Step]:
        return [compile_step(spec) for spec in specs]

    def compile_step(spec: Any) -> Step:
        at = context.at("steps").at(spec.name)
        given = f"{service}.{endpoint}.{spec.name}"
        match spec:
            case CpuStepSpec():
                return CpuStep(at, spec, given)
            case DelayStepSpec():
                return DelayStep(at, spec, given)
            case CacheStepSpec():
                return CacheStep(at, spec, parts.cache(spec.cache), compile_steps(spec.on_miss))
            case EvictStepSpec():
                return EvictStep(at, spec, parts.cache(spec.cache))
            case DatabaseStepSpec():
                return DatabaseStep(at, spec, parts.database(spec.pool), given)
            case CallStepSpec():
                site = next(sites)
                fallback = None if spec.fallback is None else compile_steps(spec.fallback)
                idempotent = parts.is_idempotent(spec.service, spec.endpoint)
                return CallStep(at, spec, parts.service(spec.service), idempotent, fallback, site)
        raise TypeError(f"unknown step {spec!r}")

    return Endpoint(context, compile_steps(specs)).work
