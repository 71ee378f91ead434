"""Circuit breakers that never open, or open for the wrong reasons."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import Finding, Proof, Rule, Severity
from experiments.doctor.load import endpoint_per_s, through_gateway_per_s
from experiments.doctor.situations import fails
from experiments.doctor.subject import Subject
from models.circuit_breaker import CircuitBreakerSpec

LONG_JUDGEMENT_S = 60.0
"""A breaker that needs longer than that for its first judgement lets users wait through the outage."""


def breakers(subject: Subject) -> Iterator[tuple[tuple[str, ...], CircuitBreakerSpec, float | None]]:
    """Every breaker: its path, its settings, and the calls a second it sees at most. Each replica has its own."""
    for path, service, step in subject.call_steps():
        breaker = step.breaker_in_force
        if breaker is not None:
            calls = endpoint_per_s(subject.spec, path[1], path[3])
            attempts = step.retry.max_attempts if step.retry is not None else 1
            each = None if calls is None else calls * step.probability * attempts / service.replicas
            yield (*path, "breaker"), breaker, each
    gateway = subject.spec.gateway
    for name, filter_ in gateway.circuit_breakers.items() if gateway is not None else ():
        calls = through_gateway_per_s(subject.spec, filter_.services)
        yield ("gateway", "circuit_breakers", name), filter_, calls


def window_never_filled(subject: Subject) -> Iterator[Finding]:
    """A time-based window does not lower the minimum number of calls, as a count-based one does."""
    for path, breaker, calls in breakers(subject):
        if breaker.sliding_window_type != "time_based" or calls is None:
            continue
        within = calls * breaker.sliding_window_size
        if within >= breaker.minimum_number_of_calls:
            continue
        at = (*path, "minimum_number_of_calls")
        is_far = 2 * within <= breaker.minimum_number_of_calls and not subject.is_traffic_assumed
        least = max(1, int(within / 2))
        yield Finding(
            "breaker-never-opens", Severity.ERROR if is_far else Severity.WARNING, subject.where(*at),
            subject.path(*at),
            f"a time-based window of {breaker.sliding_window_size} s beside a minimum of "
            f"{breaker.minimum_number_of_calls} calls",
            f"At most {calls:.3g} calls a second come to each breaker{_taken(subject)}, {within:.3g} in a window: the "
            f"failure rate is not looked at, and the breaker does not open, whatever fails.",
            f"Set minimumNumberOfCalls to about {least}, or count calls instead of seconds "
            "(slidingWindowType COUNT_BASED, which lowers the minimum to its size).",
            _opens(subject, path, f"{subject.path(*at)}={least}"),
        )  # fmt: skip


def _opens(subject: Subject, path: tuple[str, ...], setting: str) -> Proof | None:
    """While what is called answers errors: a breaker that opens calls it no more."""
    if path[0] != "services":
        return None
    step = next(step for at, _, step in subject.call_steps() if at == path[:-1])
    figure = f"/calls/{subject.path(*path[:-1])}/calls"
    return Proof((setting,), figure, f"calls of {step.service}", "down", *fails(f"services.{step.service}"))


def _taken(subject: Subject) -> str:
    return " (the traffic is assumed)" if subject.is_traffic_assumed else ""


def judges_late(subject: Subject) -> Iterator[Finding]:
    """How long it takes to see as many calls as a judgement needs."""
    for path, breaker, calls in breakers(subject):
        if breaker.sliding_window_type != "count_based" or not calls:
            continue
        needed = min(breaker.minimum_number_of_calls, breaker.sliding_window_size)
        if needed / calls <= LONG_JUDGEMENT_S:
            continue
        yield Finding(
            "breaker-late", Severity.WARNING, subject.where(*path), subject.path(*path),
            f"the first judgement needs {needed} calls, and at most {calls:.3g} a second come to each "
            f"breaker{_taken(subject)}",
            f"That is {needed / calls:.0f} s of failures before it opens.",
            f"A smaller window, such as slidingWindowSize 10: {10 / calls:.0f} s.",
            _opens(subject, path, f"{subject.path(*path)}.sliding_window_size=10"),
        )  # fmt: skip


def slow_calls_never_counted(subject: Subject) -> Iterator[Finding]:
    """A call that is cut off earlier than it would count as slow never counts as slow."""
    for path, _, step in subject.call_steps():
        breaker, limiter = step.breaker_in_force, step.time_limiter_in_force
        if breaker is None or limiter is None or breaker.slow_call_duration_threshold < limiter.limit:
            continue
        if breaker.slow_call_rate_threshold >= 100 and "slow_call_duration_threshold" not in breaker.model_fields_set:
            continue  # nobody asked for slow calls to be counted
        at = (*path, "breaker", "slow_call_duration_threshold")
        yield Finding(
            "breaker-never-slow", Severity.NOTE, subject.where(*at), subject.path(*at),
            f"calls count as slow after {breaker.slow_call_duration_threshold:g} s, and are cut off after "
            f"{limiter.limit:g} s",
            "No call is ever slow: each that takes that long has failed before.",
            f"Set slowCallDurationThreshold below {limiter.limit:g} s, or leave slow calls out.",
        )  # fmt: skip


def server_errors_not_counted(subject: Subject) -> Iterator[Finding]:
    """To the gateway's CircuitBreaker filter a 5xx is an answer like any other, unless it is listed."""
    gateway = subject.spec.gateway
    for name, breaker in gateway.circuit_breakers.items() if gateway is not None else ():
        if any(500 <= status <= 599 for status in breaker.status_codes):
            continue
        path = ("gateway", "circuit_breakers", name)
        yield Finding(
            "breaker-blind-to-5xx", Severity.ERROR, subject.where(*path), subject.path(*path),
            "the CircuitBreaker filter lists no statusCodes",
            "A service that answers every request with 500 counts as healthy here: the breaker opens on time limits "
            "and refused connections alone.",
            "List them: statusCodes: [500, 502, 503, 504].",
            _answers(subject, name),
        )  # fmt: skip


def _answers(subject: Subject, name: str) -> Proof | None:
    """While a service answers nothing but 500, an open breaker's fallback answers instead."""
    gateway = subject.spec.gateway
    breaker = gateway.circuit_breakers[name] if gateway is not None else None
    behind = [route.service for route in subject.spec.routes.values() if "gateway" in route.through]
    wanted = next((one for one in behind if breaker is None or breaker.services is None or one in breaker.services), "")
    if breaker is None or breaker.fallback is None or not wanted:
        return None
    setting = f"gateway.circuit_breakers.{name}.status_codes=[500, 502, 503, 504]"
    return Proof((setting,), "/goodput_per_s", "good answers a second", "up", *fails(f"services.{wanted}"))


RULES = (
    Rule("breaker-never-opens", "A time-based window beside a minimum it can never reach", window_never_filled),
    Rule("breaker-late", "A breaker that needs a minute of failures", judges_late),
    Rule("breaker-never-slow", "Slow calls that are cut off before they are slow", slow_calls_never_counted),
    Rule("breaker-blind-to-5xx", "5xx answers that the gateway's breaker does not count", server_errors_not_counted),
)
