"""Retries that multiply, and retries of what must not be done twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from experiments.doctor.finding import Finding, Proof, Rule, Severity
from experiments.doctor.situations import fails
from experiments.doctor.subject import Subject
from models.load_balancer import UpstreamSpec
from models.service import CallStepSpec, walk

MOST_CHAINS = 2_000
"""Ways through services that are looked at for one route."""
MANY = 6
"""One request of a user that becomes more than so many attempts."""
WRITES = ("POST", "PATCH")


def multiplied(subject: Subject) -> Iterator[Finding]:
    """Attempts of one layer times those of the next: what arrives at the bottom when everything fails."""
    seen = set()
    for name, route in subject.spec.routes.items():
        layers = [*_front(subject, route.through, route.service, _method(subject, route.service, route.endpoint))]
        for chain in islice(_chains(subject, route.service, route.endpoint, layers), MOST_CHAINS):
            attempts = 1
            for _, number in chain:
                attempts *= number
            if len(chain) < 2 or attempts < MANY or tuple(chain) in seen:
                continue
            seen.add(tuple(chain))
            path, _ = chain[-1]
            said = " x ".join(f"{number} ({subject.path(*at)})" for at, number in chain)
            yield Finding(
                "retries-multiply", Severity.WARNING, subject.where(*path), subject.path(*path),
                f"retries stand in {len(chain)} layers on the way of {name}: up to {attempts} attempts for one request",
                f"{said} = {attempts}. While something below fails, it gets up to {attempts} times the load it "
                "failed under.",
                "Try again in one layer only, the outermost that knows whether it helps, with jitter and a budget.",
                _once(subject, path),
            )  # fmt: skip


def _once(subject: Subject, path: tuple[str, ...]) -> Proof | None:
    """What a service that answers errors gets, with and without the innermost retry."""
    step = next((step for at, _, step in subject.call_steps() if (*at, "retry") == path), None)
    if step is None:
        return None
    return Proof(
        (f"{subject.path(*path)}=null",), f"/calls/{subject.path(*path[:-1])}/calls", f"calls of {step.service}",
        "down", *fails(f"services.{step.service}"),
    )  # fmt: skip


def _method(subject: Subject, service: str, endpoint: str) -> str:
    return subject.spec.services[service].endpoints[endpoint].method


def _front(subject: Subject, through: list[str], service: str, method: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """(path, attempts) of each layer before a service."""
    spec = subject.spec
    if spec.traffic.client.retry is not None and spec.traffic.client.retry.max_attempts > 1:
        yield ("traffic", "client", "retry"), spec.traffic.client.retry.max_attempts
    if "gateway" in through and spec.gateway is not None:
        for name, retry in spec.gateway.retries.items():
            if (retry.services is None or service in retry.services) and method in retry.methods:
                yield ("gateway", "retries", name), 1 + retry.retries
    for hop in through:
        balancer = spec.load_balancers.get(hop)
        for name, upstream in balancer.upstreams.items() if balancer is not None else ():
            if upstream.service == service:
                tries = _tries(upstream, spec.services[service].replicas, method)
                if tries > 1:
                    yield ("load_balancers", hop, "upstreams", name, "next_upstream"), tries


def _tries(upstream: UpstreamSpec, replicas: int, method: str) -> int:
    on_answers = any(each.startswith("http_5") or each == "timeout" for each in upstream.next_upstream)
    if not on_answers or (method in WRITES and "non_idempotent" not in upstream.next_upstream):
        return 1
    return min(replicas, upstream.next_upstream_tries or replicas)


def _chains(
    subject: Subject, service: str, endpoint: str, layers: list[tuple[tuple[str, ...], int]]
) -> Iterator[list[tuple[tuple[str, ...], int]]]:
    """All ways down from a service, each with the layers that try again on it."""
    yield layers
    for step in walk(subject.spec.services[service].endpoints[endpoint].steps):
        if isinstance(step, CallStepSpec):
            path = ("services", service, "endpoints", endpoint, "steps", step.name, "retry")
            own = [(path, step.retry.max_attempts)] if step.retry is not None and step.retry.max_attempts > 1 else []
            yield from _chains(subject, step.service, step.endpoint, [*layers, *own])


def writes_tried_again(subject: Subject) -> Iterator[Finding]:
    """A POST that is sent again may be done twice."""
    spec = subject.spec
    if spec.gateway is not None:
        for name, retry in spec.gateway.retries.items():
            repeated = [method for method in retry.methods if method in WRITES]
            if repeated:
                yield _twice(subject, ("gateway", "retries", name), f"the gateway tries {' and '.join(repeated)} again")
    for balancer_name, balancer in spec.load_balancers.items():
        for name, upstream in balancer.upstreams.items():
            if "non_idempotent" in upstream.next_upstream:
                where = ("load_balancers", balancer_name, "upstreams", name, "next_upstream")
                yield _twice(subject, where, "nginx passes POST on to the next server (non_idempotent)")
    for at, _, step in subject.call_steps():
        method = _method(subject, step.service, step.endpoint)
        if step.retry is not None and step.retry.max_attempts > 1 and method in WRITES:
            yield _twice(subject, (*at, "retry"), f"a {method} of {step.service} is tried again")


def _twice(subject: Subject, path: tuple[str, ...], what: str) -> Finding:
    return Finding(
        "write-tried-again", Severity.WARNING, subject.where(*path), subject.path(*path), what,
        "An attempt whose answer came too late has been carried out all the same: what it writes is written twice.",
        "Leave writes out of the retry, or send a key by which the service knows them again.",
    )  # fmt: skip


def writes_not_tried_again(subject: Subject) -> Iterator[Finding]:
    """What the other servers of an upstream are for, and not for writes."""
    for balancer_name, balancer in subject.spec.load_balancers.items():
        for name, upstream in balancer.upstreams.items():
            service = subject.spec.services[upstream.service]
            writes = [name for name, endpoint in service.endpoints.items() if endpoint.method in WRITES]
            is_passed_on = bool({"error", "timeout"} & set(upstream.next_upstream))
            if service.replicas < 2 or not writes or not is_passed_on or "non_idempotent" in upstream.next_upstream:
                continue
            path = ("load_balancers", balancer_name, "upstreams", name, "next_upstream")
            yield Finding(
                "write-not-tried-again", Severity.NOTE, subject.where(*path), subject.path(*path),
                f"{name} passes {', '.join(writes)} on to no other server once they have been sent",
                "nginx tries a POST or PATCH again only where nothing was sent: when a replica dies, its clients see "
                "502, while readers notice nothing.",
                "Leave it so unless the service knows repeated writes again (an idempotency key); then add "
                "non_idempotent.",
            )  # fmt: skip


RULES = (
    Rule("retries-multiply", "Retries in several layers", multiplied),
    Rule("write-tried-again", "POST or PATCH that is tried again", writes_tried_again),
    Rule("write-not-tried-again", "POST or PATCH that other servers are not tried for", writes_not_tried_again),
)
