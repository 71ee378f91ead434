"""Resilience4j's instances: what stands around calls, with the configurations they inherit from.

Models   resilience4j.{circuitbreaker,retry,bulkhead,thread-pool-bulkhead,timelimiter,ratelimiter}: instances (and the
         older `backends`), configs, base-config (chains of them; cycles are refused), configs.default for who names
         none. Exceptions are read as the failures that the simulator tells apart; others are reported.
Source   Resilience4j 2.3, Common*ConfigurationProperties.java
Omits    Predicates, event buffers, and what is customised in code.
Checked  tests/unit/test_spring_gateway.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from experiments.deploy.fact import Fact
from experiments.deploy.spring.exceptions import failure_name
from experiments.deploy.spring.findings import DURATION, ENUM, INTEGER, NUMBER, TRUTH, Findings, Kind
from experiments.deploy.spring.names import uniform
from experiments.deploy.spring.properties import Properties, Value

ROOT = "resilience4j"
FROM = "Resilience4j 2.3"
DEFAULT = "default"

Rules = dict[str, tuple[str, Kind]]
"""Settings of a guard: their names in the scenario, and how they are written."""

_BREAKER: Rules = {
    "sliding-window-type": ("sliding_window_type", ENUM),
    "sliding-window-size": ("sliding_window_size", INTEGER),
    "ring-buffer-size-in-closed-state": ("sliding_window_size", INTEGER),
    "minimum-number-of-calls": ("minimum_number_of_calls", INTEGER),
    "failure-rate-threshold": ("failure_rate_threshold", NUMBER),
    "slow-call-duration-threshold": ("slow_call_duration_threshold", DURATION),
    "slow-call-rate-threshold": ("slow_call_rate_threshold", NUMBER),
    "wait-duration-in-open-state": ("wait_duration_in_open_state", DURATION),
    "permitted-number-of-calls-in-half-open-state": ("permitted_number_of_calls_in_half_open_state", INTEGER),
    "ring-buffer-size-in-half-open-state": ("permitted_number_of_calls_in_half_open_state", INTEGER),
    "max-wait-duration-in-half-open-state": ("max_wait_duration_in_half_open_state", DURATION),
    "automatic-transition-from-open-to-half-open-enabled": (
        "automatic_transition_from_open_to_half_open_enabled", TRUTH,
    ),
}  # fmt: skip
_RETRY: Rules = {
    "max-attempts": ("max_attempts", INTEGER),
    "max-retry-attempts": ("max_attempts", INTEGER),
    "wait-duration": ("wait_duration", DURATION),
}
_BULKHEAD: Rules = {
    "max-concurrent-calls": ("permits", INTEGER),
    "max-concurrent-call": ("permits", INTEGER),
    "max-wait-duration": ("max_wait", DURATION),
    "max-wait-time": ("max_wait", DURATION),
}
_POOL: Rules = {
    "core-thread-pool-size": ("core_thread_pool_size", INTEGER),
    "max-thread-pool-size": ("max_thread_pool_size", INTEGER),
    "queue-capacity": ("queue_capacity", INTEGER),
    "keep-alive-duration": ("keep_alive_duration", DURATION),
}
_LIMITER: Rules = {"timeout-duration": ("limit", DURATION)}
_RATE: Rules = {
    "limit-for-period": ("limit_for_period", INTEGER),
    "limit-refresh-period": ("limit_refresh_period", DURATION),
    "timeout-duration": ("timeout_duration", DURATION),
}
_BREAKER_DEFAULTS = {
    "sliding_window_type": "count_based", "sliding_window_size": 100, "minimum_number_of_calls": 100,
    "failure_rate_threshold": 50, "slow_call_duration_threshold": "1m", "slow_call_rate_threshold": 100,
    "wait_duration_in_open_state": "1m", "permitted_number_of_calls_in_half_open_state": 10,
    "max_wait_duration_in_half_open_state": "0s", "automatic_transition_from_open_to_half_open_enabled": False,
}  # fmt: skip
GUARDS: dict[str, tuple[str, Rules, dict[str, object]]] = {
    "circuitbreaker": ("breaker", _BREAKER, _BREAKER_DEFAULTS),
    "retry": ("retry", _RETRY, {"max_attempts": 3, "wait_duration": "500ms"}),
    "bulkhead": ("bulkhead", _BULKHEAD, {"permits": 25, "max_wait": "0s"}),
    "thread-pool-bulkhead": ("thread_pool_bulkhead", _POOL, {"queue_capacity": 100, "keep_alive_duration": "20ms"}),
    "timelimiter": ("time_limiter", _LIMITER, {"limit": "1s"}),
    "ratelimiter": (
        "rate_limiter", _RATE, {"limit_for_period": 50, "limit_refresh_period": "500ns", "timeout_duration": "5s"},
    ),
}  # fmt: skip
"""What Spring calls each guard, what a call step calls it, its settings and their defaults."""
_NO_EFFECT = (
    "register-health-indicator", "allow-health-indicator-to-fail", "event-consumer-buffer-size",
    "writable-stack-trace-enabled", "subscribe-for-events", "base-config", "cancel-running-future",
    "enable-exponential-backoff", "enable-randomized-wait", "ignore-class-binding-exceptions",
)  # fmt: skip


@dataclass(slots=True)
class Guards:
    """The guards under one name; their facts begin as a call step's do: `breaker.sliding_window_size`."""

    name: str
    facts: list[Fact] = field(default_factory=list)

    def of(self, kind: str) -> list[Fact]:
        """The facts of one guard: breaker, retry, bulkhead, thread_pool_bulkhead, time_limiter, rate_limiter."""
        return [fact for fact in self.facts if fact.path[0] == kind]

    @property
    def kinds(self) -> list[str]:
        return list(dict.fromkeys(fact.path[0] for fact in self.facts))


def read_guards(properties: Properties) -> dict[str, Guards]:
    """All instances by name, as they are written, with what they inherit."""
    found: dict[str, Guards] = {}
    spelled: dict[str, str] = {}
    for spring, (kind, rules, defaults) in GUARDS.items():
        for name, layers in _instances(properties, f"{ROOT}.{spring}").items():
            known = spelled.setdefault(uniform(name), name)
            guards = found.setdefault(known, Guards(known))
            guards.facts += _guard(properties, kind, rules, defaults, layers)
    return found


def default_guard(properties: Properties, kind: str) -> list[Fact]:
    """What a guard without an instance of its own gets: configs.default, else the library's defaults."""
    spring = next(spring for spring, (name, _, _) in GUARDS.items() if name == kind)
    _, rules, defaults = GUARDS[spring]
    configs = properties.children(f"{ROOT}.{spring}.configs")
    base = next((key for name, key in configs.items() if uniform(name) == DEFAULT), None)
    return _guard(properties, kind, rules, defaults, [base] if base else [])


def _instances(properties: Properties, root: str) -> dict[str, list[str]]:
    """The instances under a root, each with the prefixes that its settings are looked for under, its own first."""
    configs = {uniform(name): key for name, key in properties.children(f"{root}.configs").items()}
    found: dict[str, list[str]] = {}
    for place in ("instances", "backends"):
        for name, key in properties.children(f"{root}.{place}").items():
            found.setdefault(name, list(_layers(properties, name, key, configs)))
    return found


def _layers(properties: Properties, name: str, key: str, configs: dict[str, str]) -> Iterator[str]:
    """An instance's own prefix, then those of its base configurations."""
    yield key
    seen: list[str] = []
    current = key
    while True:
        base = properties.take(f"{current}.base-config")
        if base is None:
            if current != key:
                return  # a configuration inherits only from the one it names
            following = next((one for one in (uniform(name), DEFAULT) if one in configs), None)
        else:
            following = uniform(base.text.strip())
            if following not in configs:
                properties.problem(base, f"base-config: there is no configs.{base.text[:40]}. The start would fail.")
                return
        if following is None:
            return
        if following in seen:
            if base is not None:
                properties.problem(base, f"base-config {base.text[:40]} leads back to itself: a cycle. It ends here.")
            return
        seen.append(following)
        current = configs[following]
        yield current


def _guard(
    properties: Properties, kind: str, rules: Rules, defaults: dict[str, object], layers: list[str]
) -> list[Fact]:
    """The facts of one guard, the strongest prefix first."""
    findings = Findings(properties, (kind,))
    for name, (path, rule) in rules.items():
        if _has(findings, path):
            continue
        value = _first(properties, layers, name)
        if value is not None:
            findings.put(path, value, rule, _inherited(value, layers))
    for path, default in defaults.items():
        if not _has(findings, path):
            name, rule = next((name, rule) for name, (known, rule) in rules.items() if known == path)
            findings.default(path, default, FROM, f"{layers[0]}.{name}" if layers else "", rule)
    if kind in ("breaker", "retry"):
        _intervals(findings, kind, layers)
        _exceptions(findings, kind, layers)
    _no_effect(properties, layers)
    return findings.facts


def _inherited(value: Value, layers: list[str]) -> str:
    return "" if not layers or value.key.startswith(f"{layers[0]}.") else f"inherited: {value.key}"


def _has(findings: Findings, path: str) -> bool:
    return any(fact.path[-1] == path for fact in findings.facts)


def _first(properties: Properties, layers: list[str], name: str) -> Value | None:
    for layer in layers:
        value = properties.get(f"{layer}.{name}")
        if value is not None:
            return value
    return None


def _is_on(properties: Properties, layers: list[str], name: str) -> bool:
    value = _first(properties, layers, name)
    if value is None:
        return False
    properties.models(value)
    return value.text.strip().lower() == "true"


def _intervals(findings: Findings, kind: str, layers: list[str]) -> None:
    """Waits that grow, or are spread: only where they are switched on."""
    properties = findings.properties
    longest = "exponential-max-wait-duration" + ("-in-open-state" if kind == "breaker" else "")
    if _is_on(properties, layers, "enable-exponential-backoff"):
        value = _first(properties, layers, "exponential-backoff-multiplier")
        if value is None or findings.put("exponential_backoff_multiplier", value, NUMBER) is None:
            findings.default("exponential_backoff_multiplier", 1.5, FROM)
        value = _first(properties, layers, longest)
        if value is not None:
            findings.put(longest.replace("-", "_"), value, DURATION)
    value = _first(properties, layers, "randomized-wait-factor")
    if _is_on(properties, layers, "enable-randomized-wait"):
        if kind == "breaker":
            where = _first(properties, layers, "enable-randomized-wait")
            if where is not None:
                properties.problem(where, "enable-randomized-wait: a breaker's wait is not spread here.")
        elif value is None or findings.put("randomized_wait_factor", value, NUMBER) is None:
            findings.default("randomized_wait_factor", 0.5, FROM)


_LISTS = {
    "breaker": {"record-exceptions": "record_exceptions", "ignore-exceptions": "ignore_exceptions"},
    "retry": {"retry-exceptions": "retry_exceptions", "ignore-exceptions": "ignore_exceptions"},
}


def _exceptions(findings: Findings, kind: str, layers: list[str]) -> None:
    """Lists of exceptions, as far as the simulator has a name for what they stand for."""
    properties = findings.properties
    for name, path in _LISTS[kind].items():
        for layer in layers:
            items = properties.items(f"{layer}.{name}")
            if items:
                break
        else:
            continue
        known: list[str] = []
        modelled: Value | None = None
        for item in items:
            names = failure_name(item.text)
            if names:
                known += [one for one in names if one not in known]
                modelled = modelled or item
                properties.models(item)
            else:
                properties.leave(item.origin)
                properties.problem(item, f"{name}: the simulator has no failure that is a {item.text[:100]}.")
        if modelled is not None:
            note = "Exceptions as the failures they stand for: change the list of exceptions in the file."
            findings.add(path, known, modelled, None, note)
        elif path != "ignore_exceptions":
            note = f"{name} names only exceptions that the simulator does not tell apart: it takes all failures."
            properties.problem(items[0], note)


def _no_effect(properties: Properties, layers: list[str]) -> None:
    for layer in layers:
        for name in _NO_EFFECT:
            one = properties.find(f"{layer}.{name}")
            if one is not None:
                properties.harmless(one, "changes nothing in which calls pass")
