"""Circuit breakers that never open, or open for the wrong reasons."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import Finding, Rule, Severity
from experiments.doctor.load import endpoint_per_s, requests_per_s
from experiments.doctor.subject import Subject
from models.circuit_breaker import CircuitBreakerSpec

LONG_JUDGEMENT_S = 60.0
"""A breaker that needs longer than that for its first judgement lets users wait through the outage."""


def breakers(subject: Subject) -> Iterator[tuple[tuple[str, ...], CircuitBreakerSpec, float | None]]:
    """Every breaker: its path, its settings, and the calls a second it sees at most."""
    for path, _, step in subject.call_steps():
        if step.breaker is not None:
            calls = endpoint_per_s(subject.spec, path[1], path[3])
            yield (*path, "breaker"), step.breaker, None if calls is None else calls * step.probability
    gateway = subject.spec.gateway
    for name, breaker in gateway.circuit_breakers.items() if gateway is not None else ():
        yield ("gateway", "circuit_breakers", name), breaker, requests_per_s(subject.spec)


def window_never_filled(subject: Subject) -> Iterator[Finding]:
    """A time-based window does not lower the minimum number of calls, as a count-based one does."""
    for path, breaker, calls in breakers(subject):
        if breaker.sliding_window_type != "time_based" or calls is None:
            continue
        within = calls * breaker.sliding_window_size
        if within >= breaker.minimum_number_of_calls:
            continue
        yield Finding(
            "breaker-never-opens", Severity.ERROR, subject.where(*path, "minimum_number_of_calls"),
            subject.path(*path, "minimum_number_of_calls"),
            f"a time-based window of {breaker.sliding_window_size} s beside a minimum of "
            f"{breaker.minimum_number_of_calls} calls",
            f"At most {calls:.3g} calls a second come here, {within:.3g} in a window: the rate is never looked at, "
            "and the "
            "breaker never opens, whatever fails.",
            f"Set minimumNumberOfCalls to about {max(1, int(within / 2))}, or count calls instead of seconds "
            "(slidingWindowType COUNT_BASED, which lowers the minimum to its size).",
        )  # fmt: skip


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
            f"the first judgement needs {needed} calls, and at most {calls:.3g} a second come",
            f"That is {needed / calls:.0f} s of failures before it opens.",
            f"A smaller window, such as slidingWindowSize 10: {10 / calls:.0f} s.",
        )  # fmt: skip


def slow_calls_never_counted(subject: Subject) -> Iterator[Finding]:
    """A call that is cut off earlier than it would count as slow never counts as slow."""
    for path, _, step in subject.call_steps():
        breaker, limiter = step.breaker, step.time_limiter
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
            "and "
            "refused connections alone.",
            "List them: statusCodes: [500, 502, 503, 504].",
        )  # fmt: skip


RULES = (
    Rule("breaker-never-opens", "A time-based window beside a minimum it can never reach", window_never_filled),
    Rule("breaker-late", "A breaker that needs a minute of failures", judges_late),
    Rule("breaker-never-slow", "Slow calls that are cut off before they are slow", slow_calls_never_counted),
    Rule("breaker-blind-to-5xx", "5xx answers that the gateway's breaker does not count", server_errors_not_counted),
)
