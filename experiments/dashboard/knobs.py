"""Which settings a scenario lets you turn: only those it has, each with the values its field accepts.

A knob is a field of the specification under a path. Its label and help are the field's description, its current value
is the scenario's, its other values are round numbers around that one which the field itself does not refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import TypeAdapter, ValidationError

from experiments.scenario.paths import format_path
from models.client.spec import RetryBudgetSpec
from models.service import CallStepSpec, walk
from models.spec import Spec
from models.system import SystemSpec
from sim.quantities import RateValue, format_duration, format_rate, format_size, parse_duration

ON: Final = "on"
BUDGETS: Final = ("0", "0.05", "0.1", "0.2", "0.5", "1")
"""Retries a request earns, where the scenario's clients have no budget yet."""
UNSET: Final = "none"
"""The choice that takes an optional limit away."""

MANTISSAS: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
ROUND_SECONDS: Final = (
    1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 600, 900, 1200, 1800, 2700,
    3600, 5400, 7200, 10800, 14400, 21600, 43200, 86400,
)  # fmt: skip
REACH: Final = 10.0
"""A slider goes from a tenth of the current value to ten times it."""
CAN_BE_UNSET: Final = ("cpus", "memory", "ttl", "patience", "attempt_limit")
"""Limits that may be taken away, where the scenario has them."""

OTHER_REACH: Final[Mapping[str, tuple[float, float]]] = {
    "cores": (0.25, 8.0),
    "cpus": (0.2, 8.0),
    "memory": (0.25, 8.0),
    "replicas": (0.0, 10.0),
    "population": (0.1, 20.0),
    "factor": (0.5, 3.0),
}

LIMITER_FIELDS = ("refill", "capacity", "replenish_rate", "burst_capacity", "limit")
"""What there is to turn at a rate limiter; each kind has one or two of them."""


@dataclass(frozen=True)
class Knob:
    """One setting. Values are texts as a scenario would have them."""

    path: str
    group: str
    subject: str
    """Whose setting it is, e.g. `user-service`; empty where there is only one."""
    model: str
    field: str
    """Class and field of the specification: what translations go by."""
    description: str
    value: str
    options: tuple[str, ...]
    scaled: tuple[tuple[str, float], ...] = ()
    """Durations that go up and down with this one: the percentile of a distribution whose mean it is."""
    weighed: tuple[tuple[str, int], ...] = ()
    """Lists of equal weights, one for each of so many replicas: paths and the weight."""

    @property
    def label(self) -> str:
        """The first sentence of the field's description, without what stands in brackets."""
        first = re.split(r"\. |\.$", self.description)[0]
        bare = re.sub(r" \([^)]*\)|, e\.g\b.*|, in whole milliseconds$| of it$", "", first)
        return bare.rstrip(". ")

    def settings(self, choice: str) -> list[str]:
        """What `--set` would say for `choice`; nothing where it is the scenario's own value."""
        if choice == self.value:
            return []
        made = [f"{self.path}={'null' if choice == UNSET else choice}"]
        for path, share in self.scaled:
            seconds = parse_duration(choice) * share
            made.append(f"{path}={format_duration(seconds)}")
        made += [f"{path}={[weight] * int(choice)}" for path, weight in self.weighed]
        return made


def knobs_of(spec: SystemSpec) -> list[Knob]:
    """The knobs of a scenario, in the order in which a request meets them."""
    return list(_all(spec))


def _all(spec: SystemSpec) -> Iterator[Knob]:
    yield from _traffic(spec)
    if spec.gateway is not None:
        for name, limiter in spec.gateway.rate_limits.items():
            fields = [field for field in LIMITER_FIELDS if field in type(limiter).model_fields]
            yield from _knobs("gateway", name, limiter, ("gateway", "rate_limits", name), *fields)
        for name, bulkhead in spec.gateway.concurrency.items():
            yield from _knobs("gateway", name, bulkhead, ("gateway", "concurrency", name), "permits")
    for name, service in spec.services.items():
        weighed = tuple(_equal_weights(spec, name))
        yield from _knobs("services", name, service, ("services", name), "replicas", weighed=weighed)
        yield from _knobs("services", name, service.limits, ("services", name, "limits"), "cpus", "memory")
    for name, machine in spec.machines.items():
        yield from _knobs("machines", name, machine, ("machines", name), "cores", "memory")
    yield from _data(spec)
    yield from _resilience(spec)
    yield from _faults(spec)


def _traffic(spec: SystemSpec) -> Iterator[Knob]:
    traffic = spec.traffic
    at = ("traffic",)
    if traffic.users is not None:
        yield from _knobs("traffic", "", traffic.users, (*at, "users"), "population")
        yield from _think_time(traffic.users.think_time, traffic.users, (*at, "users", "think_time"))
    if traffic.open is not None:
        yield from _knobs("traffic", "", traffic.open, (*at, "open"), "rate")
    if traffic.trace is not None:
        yield from _knobs("traffic", "", traffic.trace, (*at, "trace"), "speed")
    yield from _knobs("traffic", "", traffic, at, "users_per_ip")
    for name, surge in traffic.surges.items():
        yield from _knobs("traffic", name, surge, (*at, "surges", name), "factor")
    yield from _knobs("traffic", "", traffic.client, (*at, "client"), "patience")
    retry = traffic.client.retry
    if retry is not None:
        path = (*at, "client", "retry")
        yield from _knobs("traffic", "", retry, path, "max_attempts", "attempt_limit")
        if retry.budget is None:
            field = RetryBudgetSpec.model_fields["ratio"]
            yield Knob(
                format_path((*path, "budget", "ratio")), "traffic", "", "RetryBudgetSpec", "ratio",
                field.description or "", UNSET, (*BUDGETS, UNSET),
            )  # fmt: skip
        else:
            yield from _knobs("traffic", "", retry.budget, (*path, "budget"), "ratio")


def _faults(spec: SystemSpec) -> Iterator[Knob]:
    """Every fault can be left out; how slow a slow one is can be turned."""
    for name, fault in spec.faults.items():
        said = "Whether this fault happens."
        path = format_path(("faults", name))
        yield Knob(path, "faults", name, "FaultSpec", "on", said, ON, (UNSET, ON))
        if "factor" in type(fault).model_fields:
            yield from _knobs("faults", name, fault, ("faults", name), "factor")


def _equal_weights(spec: SystemSpec, service: str) -> Iterator[tuple[str, int]]:
    """Weights that need one entry for each replica. Unequal ones are the reader's to write anew."""
    for name, balancer in spec.load_balancers.items():
        for upstream_name, upstream in balancer.upstreams.items():
            if upstream.service == service and upstream.weights and len(set(upstream.weights)) == 1:
                path = format_path(("load_balancers", name, "upstreams", upstream_name, "weights"))
                yield path, upstream.weights[0]


def _data(spec: SystemSpec) -> Iterator[Knob]:
    for name, service in spec.services.items():
        for pool_name, pool in service.pools.items():
            subject = name if len(service.pools) == 1 else f"{name} {pool_name}"
            yield from _knobs("data", subject, pool, ("services", name, "pools", pool_name), "maximum_pool_size")
    for name, database in spec.databases.items():
        yield from _knobs("data", name, database, ("databases", name), "max_connections")
    for name, cache in spec.caches.items():
        for class_name, data_class in cache.classes.items():
            subject = class_name if len(spec.caches) == 1 else f"{name} {class_name}"
            yield from _knobs("data", subject, data_class, ("caches", name, "classes", class_name), "ttl")


def _resilience(spec: SystemSpec) -> Iterator[Knob]:
    for name, service in spec.services.items():
        for endpoint_name, endpoint in service.endpoints.items():
            for step in walk(endpoint.steps):
                if not isinstance(step, CallStepSpec):
                    continue
                at = ("services", name, "endpoints", endpoint_name, "steps", step.name)
                subject = f"{endpoint_name} → {step.service}"
                for guard_name, fields in GUARD_FIELDS.items():
                    guard = getattr(step, guard_name)
                    if guard is not None:
                        yield from _knobs("resilience", subject, guard, (*at, guard_name), *fields)


GUARD_FIELDS: Final = {
    "retry": ("max_attempts", "wait_duration"),
    "breaker": ("sliding_window_size", "failure_rate_threshold", "wait_duration_in_open_state"),
    "rate_limiter": ("limit_for_period",),
    "time_limiter": ("limit",),
    "bulkhead": ("permits",),
    "thread_pool_bulkhead": ("max_thread_pool_size", "queue_capacity"),
}


def _think_time(distribution: Any, users: Spec, at: tuple[str, ...]) -> Iterator[Knob]:
    """The mean of a distribution, with its percentile moved along; a distribution without one cannot be turned."""
    description = type(users).model_fields["think_time"].description or ""
    if distribution.kind == "constant":
        yield from _knobs("traffic", "", distribution, at, "value", as_path=at, said=description)
        return
    if getattr(distribution, "mean", None) is None:
        return
    percentiles = [name for name in ("p50", "p90", "p95", "p99") if getattr(distribution, name, None) is not None]
    scaled = tuple((format_path((*at, name)), getattr(distribution, name) / distribution.mean) for name in percentiles)
    yield from _knobs("traffic", "", distribution, at, "mean", said=description, scaled=scaled)


def _knobs(
    group: str,
    subject: str,
    owner: Spec,
    at: tuple[str, ...],
    *fields: str,
    as_path: tuple[str, ...] | None = None,
    said: str = "",
    scaled: tuple[tuple[str, float], ...] = (),
    weighed: tuple[tuple[str, int], ...] = (),
) -> Iterator[Knob]:
    """The knobs of some fields of a part of the specification; those it leaves unset are none."""
    written = owner.model_dump(mode="json")
    for field in fields:
        raw = getattr(owner, field)
        if raw is None:
            continue
        info = type(owner).model_fields[field]
        value = _text(written[field])
        options = _options(raw, written[field], owner, field)
        if field in CAN_BE_UNSET and not info.is_required():
            options.append(UNSET)
        yield Knob(
            path=format_path(as_path or (*at, field)),
            group=group,
            subject=subject,
            model="UsersSpec" if said else type(owner).__name__,
            field="think_time" if said else field,
            description=said or info.description or "",
            value=value,
            options=tuple(options),
            scaled=scaled,
            weighed=weighed,
        )


# --- the values of a slider ---


def _options(raw: Any, written: Any, owner: Spec, field: str) -> list[str]:
    """Round values around the current one, smallest first, that the field accepts by itself."""
    low, high = OTHER_REACH.get(field, (1 / REACH, REACH))
    info = type(owner).model_fields[field]
    accepts = TypeAdapter(_annotated(info))
    if isinstance(raw, RateValue):
        values: list[Any] = [RateValue(count, raw.period_s) for count in _round_numbers(raw.count, low, high, True)]
        texts = [(value.per_second, format_rate(value)) for value in values]
        texts.append((raw.per_second, str(written)))
    elif isinstance(written, str) and isinstance(raw, int):
        texts = [(size, format_size(size)) for size in _round_sizes(raw, low, high)]
        texts.append((raw, written))
    elif isinstance(written, str):
        texts = [(seconds, format_duration(seconds)) for seconds in _round_durations(raw, low, high)]
        texts.append((raw, written))
    else:
        numbers = _round_numbers(raw, low, high, isinstance(raw, int))
        texts = [(each, _text(each)) for each in numbers]
        texts.append((raw, _text(written)))
    by_size = dict(texts)  # the current value came last: it stands as the scenario writes it
    ordered = [by_size[size] for size in sorted(by_size)]
    return [text for text in ordered if text == _text(written) or _is_fine(accepts, text)]


def _annotated(info: Any) -> Any:
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def _is_fine(accepts: TypeAdapter[Any], text: str) -> bool:
    try:
        accepts.validate_python(text)
    except ValidationError:
        return False
    return True


def _text(value: Any) -> str:
    """As a person writes it: 2 rather than 2.0."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _round_numbers(value: float, low: float, high: float, is_whole: bool) -> list[float]:
    if is_whole and value <= 2:
        return [float(each) for each in range(1, 11)]
    found = []
    exponent = Decimal(str(value * low or 1)).adjusted()
    while 10.0**exponent <= value * high:
        for mantissa in MANTISSAS:
            each = float(Decimal(str(mantissa)).scaleb(exponent))
            if value * low <= each <= value * high and (not is_whole or (each >= 1 and each == int(each))):
                found.append(each)
        exponent += 1
    return found


def _round_sizes(value: int, low: float, high: float) -> list[int]:
    steps = [(1 << power) * part // 2 for power in range(11, 50) for part in (2, 3)]
    return [size for size in steps if value * low <= size <= value * high]


def _round_durations(value: float, low: float, high: float) -> list[float]:
    longer = [float(seconds) for seconds in ROUND_SECONDS]
    shorter = [each for each in _round_numbers(value, low, high, False) if each < 1]
    return [*shorter, *(each for each in longer if value * low <= each <= value * high)]
