"""Time limits in the wrong order: who waits inside waits longer than who waits outside, and works for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from experiments.doctor.finding import Finding, Proof, Rule, Severity
from experiments.doctor.situations import hangs
from experiments.doctor.subject import Subject
from experiments.doctor.words import FOR_EVER_S, shown_s
from models.service import CacheStepSpec, CallStepSpec, DatabaseStepSpec, TransactionStepSpec, walk

MOST_PAIRS = 5_000
"""Limits that are compared along one way."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long somebody waits."""

    path: tuple[str, ...]
    name: str
    """As whoever set it knows it."""
    seconds: float


def outer_limits(subject: Subject, through: list[str], service: str) -> Iterator[Limit]:
    """Who waits for a service, from the client inwards."""
    spec = subject.spec
    if spec.traffic.client.patience is not None:
        yield Limit(("traffic", "client", "patience"), "the client's patience", spec.traffic.client.patience)
    gateway = spec.gateway
    if "gateway" in through and gateway is not None:
        if gateway.response_timeout is not None:
            yield Limit(("gateway", "response_timeout"), "the gateway's response-timeout", gateway.response_timeout)
        for name, breaker in gateway.circuit_breakers.items():
            if breaker.time_limit is not None and (breaker.services is None or service in breaker.services):
                path = _names("gateway", "circuit_breakers", name, "time_limit")
                yield Limit(path, f"the gateway's time limit of {name}", breaker.time_limit)
    for hop in through:
        balancer = spec.load_balancers.get(hop)
        for name, upstream in balancer.upstreams.items() if balancer is not None else ():
            if upstream.service == service:
                path = _names("load_balancers", hop, "upstreams", name, "read_timeout")
                yield Limit(path, "nginx' proxy_read_timeout", upstream.read_timeout)


def inner_limits(subject: Subject, service: str, endpoint: str, outer: Limit | None) -> Iterator[tuple[Limit, Limit]]:
    """Pairs (outer, inner) along the way through a service: the tightest limit outside, and what waits inside it."""
    spec = subject.spec
    one = spec.services[service]
    for step in walk(one.endpoints[endpoint].steps):
        if isinstance(step, DatabaseStepSpec | TransactionStepSpec):
            for pool in _pools(one, step.pool):
                timeout_s = one.pools[pool].connection_timeout or FOR_EVER_S
                if outer is not None:
                    path = _names("services", service, "pools", pool, "connection_timeout")
                    yield outer, Limit(path, f"the wait for a connection of the pool {pool}", timeout_s)
        elif isinstance(step, CacheStepSpec):
            cache = spec.caches[step.cache]
            if outer is not None:
                path = _names("caches", step.cache, "client", "command_timeout")
                yield outer, Limit(path, f"Lettuce's command timeout on {step.cache}", cache.client.command_timeout)
        elif isinstance(step, CallStepSpec):
            path = _names("services", service, "endpoints", endpoint, "steps", step.name)
            own = outer
            limiter = step.time_limiter_in_force
            if limiter is not None:
                limit = Limit((*path, "time_limiter", "limit"), "the call's time limit", limiter.limit)
                if outer is not None:
                    yield outer, limit
                own = _tighter(own, limit)
            if step.read_timeout is not None:
                limit = Limit((*path, "read_timeout"), "the HTTP client's read timeout", step.read_timeout)
                if own is not None:
                    yield own, limit
                own = _tighter(own, limit)
            yield from inner_limits(subject, step.service, step.endpoint, own)


def _names(*names: str) -> tuple[str, ...]:
    return names


def _pools(service: object, name: str) -> list[str]:
    source = service.data_sources.get(name)  # type: ignore[attr-defined]
    return [name] if source is None else [pool for pool in (source.primary, source.replica) if pool is not None]


def _tighter(one: Limit | None, other: Limit) -> Limit:
    return other if one is None or other.seconds < one.seconds else one


def _ways(subject: Subject) -> Iterator[tuple[list[str], str, str]]:
    """Through what to which endpoint: the routes, and upstreams of load balancers that no route passes."""
    spec = subject.spec
    for route in spec.routes.values():
        yield route.through, route.service, route.endpoint
    passed = {(hop, route.service) for route in spec.routes.values() for hop in route.through}
    for name, balancer in spec.load_balancers.items():
        for upstream in balancer.upstreams.values():
            if (name, upstream.service) not in passed:
                for endpoint in spec.services[upstream.service].endpoints:
                    yield [name], upstream.service, endpoint


def wrong_order(subject: Subject) -> Iterator[Finding]:
    """For each limit inside: the tightest one outside that is over before it."""
    worst: dict[tuple[str, ...], tuple[Limit, Limit]] = {}
    for through, service, endpoint in _ways(subject):
        outer: Limit | None = None
        for limit in outer_limits(subject, through, service):
            outer = _tighter(outer, limit)
        for outside, inside in islice(inner_limits(subject, service, endpoint, outer), MOST_PAIRS):
            known = worst.get(inside.path)
            if inside.seconds > outside.seconds and (known is None or outside.seconds < known[0].seconds):
                worst[inside.path] = (outside, inside)
    for outside, inside in worst.values():
        better_s = outside.seconds * 0.5
        yield Finding(
            "time-limits-order", Severity.WARNING, subject.where(*inside.path), subject.path(*inside.path),
            f"{inside.name} is {shown_s(inside.seconds)}, {outside.name} around it {shown_s(outside.seconds)} "
            f"({subject.where(*outside.path)})",
            f"After {shown_s(outside.seconds)} nobody waits for the answer any more; the thread inside is held for up "
            f"to {shown_s(inside.seconds - outside.seconds)} longer, and what it then does is done for nobody.",
            f"Set it below {shown_s(outside.seconds)}, e.g. {_as_written(inside.path, better_s)}.",
            _for_nobody(subject, inside.path, f"{subject.path(*inside.path)}={better_s:g}s"),
        )  # fmt: skip


def _as_written(path: tuple[str, ...], seconds: float) -> str:
    """The setting, as it stands in a file."""
    if path[0] == "caches":
        return f"spring.data.redis.timeout: {_spring(seconds)} (spring.redis.timeout before Spring Boot 3)"
    if "pools" in path:
        return f"spring.datasource.hikari.connection-timeout: {max(250, round(seconds * 1000))}"
    if path[-1] == "limit":
        return f"resilience4j.timelimiter.instances.<name>.timeout-duration: {_spring(seconds)}"
    return f"a read timeout of {shown_s(seconds)}"


def _spring(seconds: float) -> str:
    return f"{seconds:g}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


def _for_nobody(subject: Subject, path: tuple[str, ...], setting: str) -> Proof | None:
    """A limit inside is needed when what is waited for hangs; what shows then is what is done for those who left."""
    if path[0] == "caches":
        target, figure, says = f"caches.{path[1]}", "/waste/bursts", "bursts of CPU for nobody"
    elif "pools" in path:
        target = f"databases.{subject.spec.services[path[1]].pools[path[3]].database}"
        figure, says = "/waste/queries", "queries for nobody"
    else:
        step = next((step for at, _, step in subject.call_steps() if at == path[: len(at)]), None)
        if step is None:
            return None
        target, figure, says = f"services.{step.service}", "/waste/unattended_s", "work for nobody, s"
    return Proof((setting,), figure, says, "down", *hangs(target))


def no_limit_on_a_call(subject: Subject) -> Iterator[Finding]:
    """A blocking call without any time limit waits for as long as the other side likes."""
    for path, service, step in subject.call_steps():
        if step.time_limiter_in_force is not None or step.read_timeout is not None:
            continue
        threads = getattr(service.workers, "threads", None)
        held = f"With {threads} threads, {threads} such calls stop {path[1]} altogether." if threads else ""
        yield Finding(
            "call-without-limit", Severity.WARNING, subject.where(*path), subject.path(*path),
            f"the call of {step.service} has no time limit: no TimeLimiter, no read timeout",
            f"A {step.service} that hangs keeps every caller's thread for ever. {held}".rstrip(),
            "Give the HTTP client a connect and a read timeout, such as 2 s.",
            Proof(
                (f"{subject.path(*path)}.read_timeout=2s",), "/latency_ms/all/mean",
                "the mean response time, ms", "down", *hangs(f"services.{step.service}"),
            ),
        )  # fmt: skip


RULES = (
    Rule("time-limits-order", "A time limit that is over before one inside it", wrong_order),
    Rule("call-without-limit", "A call that may wait for ever", no_limit_on_a_call),
)
