"""RequestRateLimiter filters, with RedisRateLimiter or Bucket4jRateLimiter.

Source   Spring Cloud Gateway 3.1 (Redis) and 4.2 (Bucket4j)
Checked  tests/unit/test_spring_gateway.py
"""

from __future__ import annotations

import re
from functools import partial

from experiments.deploy.spring import values
from experiments.deploy.spring.definitions import Definition
from experiments.deploy.spring.findings import DURATION, INTEGER, Findings, Kind
from experiments.deploy.spring.properties import Value
from sim.quantities import format_duration, parse_rate

_KEYS = (
    ("ip", ("ip", "addr", "address", "host", "clientip")),
    ("user", ("user", "principal", "apikey", "token", "account", "customer", "session", "tenant")),
    ("global", ("global", "all", "fixed", "constant", "shared", "common", "path", "single")),
)
NAMES = {"user": "per_user", "ip": "per_ip", "global": "global"}


def key_of(definition: Definition) -> tuple[str, Value | None, str]:
    """Whose requests share a bucket, what says so, and how sure that is."""
    resolver = definition.arg("key-resolver")
    if resolver is None:
        return "user", None, "Spring Cloud Gateway: the principal's name"
    bean = re.sub("[^a-z]", "", resolver.text.lower()).replace("keyresolver", "").replace("resolver", "")
    for key, words in _KEYS:
        if any(bean.startswith(word) or bean.endswith(word) for word in words):
            return key, resolver, f"By the name of {resolver.text}: what it reads stands in code."
    return "user", resolver, f"What {resolver.text} reads stands in code; users are assumed."


def read_rate_limit(findings: Findings, definition: Definition, name: str, redis: str) -> bool:
    """The facts of one limiter under rate_limits.<name>; False where it cannot be modelled (reported)."""
    limit = findings.below("rate_limits", name)
    properties = findings.properties
    if definition.short:
        properties.ledger.problem(definition.place, "RequestRateLimiter has no short notation: the start would fail.")
        return False
    bean = definition.arg("rate-limiter")
    if definition.below("bucket4j-rate-limiter"):
        done = _bucket4j(limit, definition)
    elif definition.below("redis-rate-limiter"):
        done = _redis(limit, definition, redis)
    else:
        what = "its limiter's settings stand in code" if bean is None else f"the limiter {bean.text} is made in code"
        properties.ledger.problem(definition.place, f"RequestRateLimiter: {what}. Write it into the scenario by hand.")
        return False
    if not done:
        return False
    key, said_by, note = key_of(definition)
    if said_by is None:
        limit.default("key", key, note)
    elif "assumed" in note:
        limit.assume("key", key, note)
        properties.models(said_by)
    else:
        limit.add("key", key, said_by, None, note)
    _answers(findings, definition)
    for one in definition.properties:
        if not properties.is_done(one) and one.name[-1] == "name":
            properties.models(properties.read(one.key, one))
    return True


def _answers(findings: Findings, definition: Definition) -> None:
    """What those without a key are answered."""
    properties = findings.properties
    deny = definition.arg("deny-empty-key")
    if deny is not None:
        is_denied = findings.parse(deny, Kind(values.truth, None))
        resolver = findings.below("key_resolver")
        if is_denied is not None and not any(fact.path[-1] == "on_missing" for fact in resolver.facts):
            resolver.add("on_missing", "deny" if is_denied else "pass", deny, _write_denial)
            resolver.assume("anonymous_share", 0.0, "Share of users without a key: nobody said.")
    status = definition.arg("status-code")
    if status is not None and status.text.strip() in ("429", "TOO_MANY_REQUESTS"):
        properties.models(status)


def _write_denial(value: object, before: str) -> str:
    if value not in ("deny", "pass"):
        raise ValueError("deny-empty-key knows deny and pass")
    return values.write_truth(value == "deny", before)


def _redis(limit: Findings, definition: Definition, redis: str) -> bool:
    properties = limit.properties
    rate = definition.arg("redis-rate-limiter.replenish-rate")
    if rate is None or limit.put("replenish_rate", rate, INTEGER) is None:
        properties.ledger.problem(definition.place, "redis-rate-limiter lacks its replenishRate: the start would fail.")
        return False
    limit.add("kind", "spring_redis", rate, None, "RedisRateLimiter")
    for path, name, default in (("burst_capacity", "burst-capacity", 1), ("requested_tokens", "requested-tokens", 1)):
        value = definition.arg(f"redis-rate-limiter.{name}")
        if value is None:
            if path == "requested_tokens":
                limit.default(path, default, "Spring Cloud Gateway")
            else:
                properties.ledger.problem(
                    definition.place, "redis-rate-limiter without burstCapacity has one of 1: it lets everything pass "
                    "where replenishRate is 3 or more.",
                )  # fmt: skip
        else:
            limit.put(path, value, INTEGER)
    if redis:
        where = properties.get("spring.data.redis.host") or properties.get("spring.redis.host")
        if where is not None:
            limit.add("cache", redis, where, None, "The Redis that the gateway is connected to.")
            return True
    limit.assume("cache", redis or "redis", "spring.data.redis.host is not set: localhost in the file.")
    return True


def _bucket4j(limit: Findings, definition: Definition) -> bool:
    properties = limit.properties

    def get(name: str) -> Value | None:
        return definition.arg(f"bucket4j-rate-limiter.{name}")

    capacity, period = get("capacity"), get("refill-period")
    tokens, style, requested = get("refill-tokens"), get("refill-style"), get("requested-tokens")
    if capacity is None or period is None:
        properties.ledger.problem(
            definition.place, "bucket4j-rate-limiter needs capacity and refillPeriod: the start would fail."
        )
        return False
    size, pause = limit.parse(capacity, INTEGER), limit.parse(period, DURATION)
    count = size if tokens is None else limit.parse(tokens, INTEGER)
    if size is None or pause is None or count is None:
        return False
    kind = "greedy" if style is None else style.text.strip().lower()
    if kind not in ("greedy", "intervally"):
        properties.ledger.problem(definition.place, f"bucket4j-rate-limiter.refillStyle {kind} is not modelled.")
        return False
    if style is None:
        limit.default("kind", "bucket4j_greedy", "Spring Cloud Gateway 4.2: refillStyle GREEDY")
        properties.models(capacity)
    else:
        limit.add("kind", f"bucket4j_{kind}", style, _write_style)
    if requested is not None:
        if requested.text.strip() == "1":
            properties.models(requested)
        else:
            properties.leave(requested.origin)
            properties.problem(requested, "requestedTokens other than 1 are not modelled with Bucket4j.")
    limit.add("capacity", size, capacity, values.write_integer)
    refill = f"{count}/{pause}"
    if tokens is None:
        limit.add("refill", refill, period, partial(_write_period_alone, count), "As many tokens as its capacity.")
    else:
        limit.add("refill", refill, period, _write_period)
        limit.add("refill", refill, tokens, _write_tokens)
    return True


def _write_style(value: object, before: str) -> str:
    text = str(value).removeprefix("bucket4j_")
    if text not in ("greedy", "intervally"):
        raise ValueError("must be bucket4j_greedy or bucket4j_intervally")
    return text.lower() if before.islower() else text.upper()


def _write_tokens(value: object, _before: str) -> str:
    count = parse_rate(value).count
    if count != int(count):
        raise ValueError("must be a whole number of tokens for a period")
    return str(int(count))


def _write_period(value: object, before: str) -> str:
    return values.write_duration(format_duration(parse_rate(value).period_s), before)


def _write_period_alone(tokens: object, value: object, before: str) -> str:
    """The period, where the file says nothing of tokens."""
    if parse_rate(value).count != tokens:
        raise ValueError("refillTokens is not set, so it is the capacity: add it to refill another number")
    return _write_period(value, before)
