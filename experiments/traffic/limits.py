"""What a rate limit would have done to these requests: the limiters' own rules, asked request by request.

Models   Each limit for itself: what one refuses, the others still see. A limit per user or per IP is not asked about
         requests of whom the log does not say who they are of; those are counted.
Units    Nanoseconds since 1970; windows that begin with the clock begin with this one.
Checked  tests/unit/test_traffic_limits.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from experiments.errors import InputError, shown
from experiments.logs.batch import Integers
from experiments.logs.names import Names
from experiments.traffic.order import Ordered
from models.leaky_bucket import LeakyBuckets, LimitReqSpec
from models.limit_keys import LimitKey, RecentBuckets
from models.system import SystemSpec
from models.token_bucket import Bucket4jGreedySpec, Bucket4jIntervallySpec, GreedyRule, IntervallyRule, SpringRedisSpec
from models.token_bucket.spring_redis import LIBRARY_BURST_CAPACITY, RedisBucketRule
from models.unions import LimiterSpec
from models.window_limit import SlidingCounterSpec, WindowSpec
from sim.quantities import RateValue, parse_rate

GUIDE: Final = ("user 100/60s", "ip 200/60s", "global 1000/1s")
"""The guide's limits: Bucket4j, greedy, as `maltan/early` has them."""
KEYS: Final = ("user", "ip", "global")
MOST_KEYS: Final = 1 << 18
SHOWN: Final = 5
WHOSE: Final = {"user": "per user", "ip": "per IP address", "global": "for all together"}

Ask = Callable[[int, int], bool]
"""(key, instant in ns) -> whether the request passes. Instants never fall."""


def _bucket4j(spec: Bucket4jGreedySpec | Bucket4jIntervallySpec) -> Ask:
    capacity, tokens, period_ns = spec.burst, spec.refill_tokens, spec.refill_period_ns
    is_greedy = isinstance(spec, Bucket4jGreedySpec)
    full_after = -(-capacity * period_ns // tokens) if is_greedy else -(-capacity // tokens) * period_ns
    buckets: RecentBuckets = RecentBuckets(full_after)
    made: dict[int, int] = {}

    def new(key: int, now_ns: int) -> GreedyRule | IntervallyRule:
        if is_greedy:
            return GreedyRule(capacity, tokens, period_ns, now_ns)
        if key not in made and len(made) >= MOST_KEYS:
            del made[next(iter(made))]
        began_ns = made.setdefault(key, now_ns)  # it decides when tokens come back for good
        return IntervallyRule(capacity, tokens, period_ns, now_ns - (now_ns - began_ns) % period_ns)

    def ask(key: int, now_ns: int) -> bool:
        bucket = buckets.get(key, now_ns)
        if bucket is None:
            bucket = new(key, now_ns)
            buckets.put(key, bucket)
        return bool(bucket.take(now_ns))

    return ask


def _window(spec: WindowSpec) -> Ask:
    periods = 2 if isinstance(spec, SlidingCounterSpec) else 1
    windows: RecentBuckets = RecentBuckets(periods * spec.period_ns)

    def ask(key: int, now_ns: int) -> bool:
        window = windows.get(key, now_ns)
        if window is None:
            window = spec.rule()
            windows.put(key, window)
        return bool(window.admit(now_ns))

    return ask


def _spring_redis(spec: SpringRedisSpec) -> Ask:
    burst = LIBRARY_BURST_CAPACITY if spec.burst_capacity is None else spec.burst_capacity
    limits = (spec.replenish_rate, burst, spec.requested_tokens)
    ttl_s = RedisBucketRule(*limits).ttl_s
    buckets: RecentBuckets = RecentBuckets(max(1, ttl_s))

    def ask(key: int, now_ns: int) -> bool:
        now_s = now_ns // 1_000_000_000
        bucket: RedisBucketRule = buckets.get(key, now_s) or RedisBucketRule(*limits)
        is_allowed, _ = bucket.check(now_s)
        if ttl_s:
            buckets.put(key, bucket)
        return is_allowed

    return ask


def _limit_req(spec: LimitReqSpec) -> Ask:
    zone = LeakyBuckets([spec.build()])

    def ask(key: int, now_ns: int) -> bool:
        return zone.ask([key], now_ns // 1_000_000)[1] is not None

    return ask


class Limit:
    """One limit, and what it did."""

    def __init__(self, name: str, words: str, key: LimitKey, ask: Ask) -> None:
        self.name = name
        self.words = words
        self.key = key
        self.asked = 0
        self.refused = 0
        self.unknown = 0
        """Requests that it is not asked about, for nobody knows whose they are."""
        self.by_key: dict[int, int] = {}
        self.is_cut = False
        """Whether there were more keys with refusals than are kept."""
        self.first_ns: int | None = None
        self._ask = ask

    def judge(self, found: Ordered) -> None:
        """Requests in the order of their arrivals."""
        ask, instants = self._ask, found.instant_ns
        if self.key == "global":
            keys: list[int] = [0] * len(instants)
        else:
            column: Integers = found.rows.user if self.key == "user" else found.rows.ip
            is_known = column >= 0
            self.unknown += int((~is_known).sum())
            keys, instants = column[is_known].tolist(), instants[is_known]
        self.asked += len(keys)
        for key, now_ns in zip(keys, instants.tolist(), strict=True):
            if not ask(key, now_ns):
                self._refuse(key, now_ns)

    def _refuse(self, key: int, now_ns: int) -> None:
        self.refused += 1
        if self.first_ns is None:
            self.first_ns = now_ns
        if key in self.by_key or len(self.by_key) < MOST_KEYS:
            self.by_key[key] = self.by_key.get(key, 0) + 1
        else:
            self.is_cut = True

    def as_dict(self, names: Names) -> dict[str, Any]:
        worst = sorted(self.by_key.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
        table = names.users if self.key == "user" else names.ips
        return {
            "limit": self.name, "rule": self.words, "key": self.key, "asked": self.asked, "unknown": self.unknown,
            "refused": self.refused, "refused_share": self.refused / self.asked if self.asked else None,
            "keys_refused": len(self.by_key), "is_cut": self.is_cut, "first_refused_ns": self.first_ns,
            "worst": [] if self.key == "global" else [
                {"name": table.text(key), "refused": count} for key, count in worst
            ],
        }  # fmt: skip


def _rate(rate: RateValue) -> str:
    """`200 a minute`, as one says it."""
    said = {1.0: "a second", 60.0: "a minute", 3600.0: "an hour", 86_400.0: "a day"}.get(rate.period_s)
    return f"{rate.count:g} {said}" if said else f"{rate.count:g} in {rate.period_s:g} s"


def limit_of(name: str, spec: Any) -> Limit:
    """A limit of a scenario."""
    if isinstance(spec, LimitReqSpec):
        words = f"{_rate(spec.rate)} {WHOSE[spec.key]}, burst {spec.burst} (nginx limit_req)"
        return Limit(name, words, spec.key, _limit_req(spec))
    if isinstance(spec, SpringRedisSpec):
        burst = LIBRARY_BURST_CAPACITY if spec.burst_capacity is None else spec.burst_capacity
        words = f"{spec.replenish_rate} a second {WHOSE[spec.key]}, burst {burst} (spring_redis)"
        return Limit(name, words, spec.key, _spring_redis(spec))
    if isinstance(spec, Bucket4jGreedySpec | Bucket4jIntervallySpec):
        words = f"{_rate(spec.refill)} {WHOSE[spec.key]}, burst {spec.burst} ({spec.kind})"
        return Limit(name, words, spec.key, _bucket4j(spec))
    words = f"{_rate(spec.limit)} {WHOSE[spec.key]} ({spec.kind})"
    return Limit(name, words, spec.key, _window(spec))


def limits_of(spec: SystemSpec) -> list[Limit]:
    """The rate limits of a scenario, of its gateway and of its load balancers."""
    found = []
    if spec.gateway is not None:
        found += [limit_of(f"gateway.rate_limits.{name}", each) for name, each in spec.gateway.rate_limits.items()]
    for balancer, proxy in spec.load_balancers.items():
        path = f"load_balancers.{balancer}.limit_req"
        found += [limit_of(f"{path}.{name}", each) for name, each in proxy.limit_req.items()]
    return found


def limits_written(texts: Sequence[str]) -> list[Limit]:
    """Limits as `--limit` has them: `ip 200/60s [kind] [name=value]...`. Raises InputError."""
    return [_written(text) for text in texts]


def _a_second(text: str) -> str:
    """The rate of a limiter that only counts whole tokens a second."""
    rate = parse_rate(text)
    if rate.period_s != 1 or rate.count != int(rate.count):
        raise ValueError(f"must be a whole number a second for spring_redis, got {text}")
    return str(int(rate.count))


def _written(text: str) -> Limit:
    words = text.split()
    if len(words) < 2 or words[0] not in KEYS:
        raise InputError(
            f"--limit: must be 'user|ip|global RATE [KIND]', got {shown(text)}. Write e.g. --limit 'ip 200/60s'."
        )
    plain = [word for word in words[2:] if "=" not in word]
    more = dict(word.split("=", 1) for word in words[2:] if "=" in word)
    kind = plain[0] if plain else "bucket4j_greedy"
    if len(plain) > 1:
        raise InputError(f"--limit: must have one kind at most, got {shown(' '.join(plain))}. Leave one.")
    given: dict[str, Any] = {"key": words[0], **more}
    try:
        if kind == "limit_req":
            return limit_of(text, LimitReqSpec.model_validate({**given, "rate": words[1]}))
        value = {"limit": words[1]}
        if kind == "spring_redis":
            value = {"replenish_rate": _a_second(words[1]), "cache": "redis"}
        elif kind.startswith("bucket4j"):
            value = {"refill": words[1]}
        return limit_of(text, TypeAdapter(LimiterSpec).validate_python({**given, "kind": kind, **value}))
    except ValueError as error:
        if not isinstance(error, ValidationError):
            raise InputError(f"--limit: {str(error).rstrip('.')}. (--limit {shown(text)})") from None
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != kind)
        said = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
        said = said[:1].lower() + said[1:]
        raise InputError(f"--limit: {where + ': ' if where else ''}{said}. (--limit {shown(text)})") from None
