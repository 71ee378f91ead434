"""Resilience4j's instances: what stands around the calls of a service, and the gateway's breakers and bulkheads.

Models   An instance has the name of the service that is called where all calls of it are guarded alike, else that of
         the call's step. Failures are written as the exceptions that stand for them.
Source   Resilience4j 2.3
Checked  tests/e2e/test_export_files.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.deploy.fresh.words import Plan, kept, spring_time, uniform
from experiments.deploy.spring.exceptions import failure_name
from experiments.deploy.spring.findings import INTEGER, NUMBER, TRUTH, Kind
from experiments.deploy.spring.resilience import GUARDS

KINDS = {mine: spring for spring, (mine, _, _) in GUARDS.items()}
_EXCEPTIONS = (
    "java.util.concurrent.TimeoutException", "io.github.resilience4j.circuitbreaker.CallNotPermittedException",
    "io.github.resilience4j.ratelimiter.RequestNotPermitted", "io.github.resilience4j.bulkhead.BulkheadFullException",
    "java.io.IOException", "java.net.ConnectException", "org.springframework.web.client.HttpClientErrorException",
    "org.springframework.web.client.HttpServerErrorException",
    *(f"org.springframework.web.client.HttpClientErrorException${name}" for name in (
        "BadRequest", "Unauthorized", "Forbidden", "NotFound", "MethodNotAllowed", "Conflict", "Gone",
        "UnprocessableEntity", "TooManyRequests")),
    *(f"org.springframework.web.client.HttpServerErrorException${name}" for name in (
        "InternalServerError", "NotImplemented", "BadGateway", "ServiceUnavailable", "GatewayTimeout")),
)  # fmt: skip
_LISTS = {"record_exceptions": "record-exceptions", "retry_exceptions": "retry-exceptions",
          "ignore_exceptions": "ignore-exceptions"}  # fmt: skip


def guards_of(step: Mapping[str, Any]) -> dict[str, Any]:
    """What stands around a call, by Resilience4j's kinds."""
    return {kind: step[kind] for kind in KINDS if step.get(kind) is not None}


def call_instances(plan: Plan, service: str) -> dict[str, Any]:
    """The instances of a service, as they stand under resilience4j."""
    calls = [(name, step) for _, name, step in plan.steps(service) if step.get("kind") == "call"]
    found: dict[str, dict[str, Any]] = {}
    for name, step in calls:
        mine = guards_of(step)
        for candidate in (str(step["service"]), name) if mine else ():
            known = uniform(candidate)
            around = [guards_of(one) for other, one in calls if known in (uniform(one["service"]), uniform(other))]
            if all(one == mine for one in around):
                found.setdefault(candidate, mine)
                break
    return instances({(kind, name): said for name, mine in found.items() for kind, said in mine.items()})


def instances(guards: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    """Guards by kind and name, as they stand under resilience4j."""
    found: dict[str, Any] = {}
    for (kind, name), said in guards.items():
        found.setdefault(KINDS[kind], {"instances": {}})["instances"][name] = instance(kind, said)
    return found


def instance(kind: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one; of one that says nothing its first default, so that it is there."""
    _, rules, defaults = GUARDS[KINDS[kind]]
    written: dict[str, Any] = {}
    for name, (path, rule) in rules.items():
        if path not in {known for known, _ in _paths(written, rules)} and said.get(path) is not None:
            text = _written(rule, said[path])
            if text is not None:
                written[name] = text
    written |= _intervals(kind, said)
    for path, name in _LISTS.items():
        listed = exceptions(said[path]) if said.get(path) else None
        if listed:
            written[name] = listed
    if not written:
        path, default = next(iter(defaults.items()))
        name, rule = next((name, rule) for name, (known, rule) in rules.items() if known == path)
        written[name] = _written(rule, default)
    return written


def _paths(written: Mapping[str, Any], rules: Mapping[str, tuple[str, Kind]]) -> list[tuple[str, Kind]]:
    return [rules[name] for name in written if name in rules]


def _written(rule: Kind, value: object) -> Any:
    if rule.write is None:
        return None
    try:
        text = rule.write(value, "")
    except (ValueError, TypeError, OverflowError):
        return None
    return value if rule in (INTEGER, NUMBER, TRUTH) else text


def _intervals(kind: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Waits that grow or are spread are switched on by words of their own."""
    longest = "exponential_max_wait_duration" + ("_in_open_state" if kind == "breaker" else "")
    found: dict[str, Any] = {}
    if said.get("exponential_backoff_multiplier") is not None:
        found = {"enable-exponential-backoff": True,
                 "exponential-backoff-multiplier": said["exponential_backoff_multiplier"],
                 longest.replace("_", "-"): spring_time(said[longest]) if said.get(longest) else None}  # fmt: skip
    if kind == "retry" and said.get("randomized_wait_factor") is not None:
        found |= {"enable-randomized-wait": True, "randomized-wait-factor": said["randomized_wait_factor"]}
    return kept(found)


def exceptions(failures: list[Any]) -> list[str] | None:
    """Exceptions that stand for just these failures, in this order; None where there are none that do."""
    rest = [str(one) for one in failures]
    found: list[str] = []
    while rest:
        fitting = [(failure_name(name), name) for name in _EXCEPTIONS]
        best = next(((stands, name) for stands, name in sorted(fitting, key=lambda one: -len(one[0]))
                     if stands and list(stands) == rest[: len(stands)]), None)  # fmt: skip
        if best is None:
            return None
        rest = rest[len(best[0]) :]
        found.append(best[1])
    return found
