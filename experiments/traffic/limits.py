"""What a rate limit would have done to these requests: the limiters' own rules, asked request by request.

Models   Each limit for itself: what one refuses, the others still see. A limit per user or per IP is not asked about
         requests of whom the log does not say who they are of; those are counted.
         Of very many users or addresses a part is asked about, chosen by a hash of who they are: one in 2, 4, 8, ...,
         whole ones, all of their requests. What was counted of the others is forgotten. limit_req's zone is bounded by
         itself, as nginx's is.
Units    Nanoseconds since 1970; windows that begin with the clock begin with this one.
Checked  tests/unit/test_traffic_limits.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from experiments.errors import InputError
from experiments.logs.batch import Integers
from experiments.logs.names import Names
from experiments.traffic.counts import SECOND_NS
from experiments.traffic.order import Ordered
from experiments.traffic.sessions import LEVELS, kept, levels
from models.leaky_bucket import LeakyBuckets, LimitReqSpec
from models.limit_keys import LimitKey
from models.system import SystemSpec
from models.token_bucket import Bucket4jGreedySpec, Bucket4jIntervallySpec, GreedyRule, IntervallyRule, SpringRedisSpec
from models.token_bucket.spring_redis import LIBRARY_BURST_CAPACITY, RedisBucketRule
from models.window_limit import SlidingCounterSpec, SlidingLogSpec, WindowSpec
from sim.quantities import RateValue

MOST_KEYS: Final = 1 << 18
LOGGED: Final = 8
"""So many remembered instants take about the room of a bucket."""
SHOWN: Final = 5
WHOSE: Final = {"user": "per user", "ip": "per IP address", "global": "for all together"}


class Books:
    """Who has which bucket, or window; forgotten when nobody has asked for it during `keep` (in the unit of `now`),
    for it is then as if it had never been used. In two generations, so that forgetting needs no search."""

    def __init__(self, keep: int, make: Callable[[int, int], Any], admit: Callable[[Any, int], bool]) -> None:
        """`make`: a new one for a key at an instant. `admit`: whether a request passes at an instant."""
        self._keep = max(1, keep)
        self._make = make
        self._admit = admit
        self._young: dict[int, Any] = {}
        self._old: dict[int, Any] = {}
        self._turned_at = 0

    def ask(self, key: int, now: int) -> bool:
        """Whether the request of a key passes."""
        if now - self._turned_at >= self._keep:
            self._old, self._young, self._turned_at = self._young, {}, now
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None) if self._old else None
            found = self._young[key] = self._make(key, now) if found is None else found
        return self._admit(found, now)

    def size(self) -> int:
        """How much is remembered: buckets, and the requests of windows that remember each."""
        logs = (getattr(found, "passed_at_ns", ()) for book in (self._young, self._old) for found in book.values())
        return len(self._young) + len(self._old) + sum(map(len, logs)) // LOGGED

    def thin(self, halvings: int) -> None:
        """Forget all but one key in 2 ** `halvings`."""
        self._young, self._old = (_thinned(book, halvings) for book in (self._young, self._old))


def _thinned(book: dict[int, Any], halvings: int) -> dict[int, Any]:
    keys = np.fromiter(book, np.int64, len(book))
    return {key: book[key] for key in keys[kept(keys, halvings)].tolist()}


def _bucket4j(spec: Bucket4jGreedySpec | Bucket4jIntervallySpec) -> Books:
    capacity, tokens, period_ns = spec.burst, spec.refill_tokens, spec.refill_period_ns
    is_greedy = isinstance(spec, Bucket4jGreedySpec)
    full_after = -(-capacity * period_ns // tokens) if is_greedy else -(-capacity // tokens) * period_ns
    made: dict[int, int] = {}

    def new(key: int, now_ns: int) -> GreedyRule | IntervallyRule:
        if is_greedy:
            return GreedyRule(capacity, tokens, period_ns, now_ns)
        if key not in made and len(made) >= MOST_KEYS:
            del made[next(iter(made))]
        began_ns = made.setdefault(key, now_ns)  # it decides when tokens come back for good
        return IntervallyRule(capacity, tokens, period_ns, now_ns - (now_ns - began_ns) % period_ns)

    return Books(full_after, new, lambda bucket, now_ns: bool(bucket.take(now_ns)))


def _window(spec: WindowSpec) -> Books:
    if isinstance(spec, SlidingLogSpec) and spec.limit.count > MOST_KEYS * LOGGED:
        raise InputError(
            f"{spec.kind}: must have a limit of at most {MOST_KEYS * LOGGED}, for it remembers each request, got "
            f"{spec.limit.count:g}. Try sliding_counter."
        )
    periods = 2 if isinstance(spec, SlidingCounterSpec) else 1
    return Books(
        periods * spec.period_ns, lambda _key, _now_ns: spec.rule(),
        lambda window, now_ns: bool(window.admit(now_ns)),
    )  # fmt: skip


def _spring_redis(spec: SpringRedisSpec) -> Books:
    burst = LIBRARY_BURST_CAPACITY if spec.burst_capacity is None else spec.burst_capacity
    limits = (spec.replenish_rate, burst, spec.requested_tokens)
    ttl_s = RedisBucketRule(*limits).ttl_s

    def admit(bucket: RedisBucketRule, now_ns: int) -> bool:
        if not ttl_s:  # Redis keeps nothing of it
            bucket = RedisBucketRule(*limits)
        return bucket.check(now_ns // SECOND_NS)[0]

    return Books(max(1, ttl_s) * SECOND_NS, lambda _key, _now_ns: RedisBucketRule(*limits), admit)


class _Zone:
    """nginx's own zone, which forgets by itself."""

    def __init__(self, spec: LimitReqSpec) -> None:
        self._zone = LeakyBuckets([spec.build()])

    def ask(self, key: int, now_ns: int) -> bool:
        return self._zone.ask([key], now_ns // 1_000_000)[1] is not None

    def size(self) -> int:
        return 0

    def thin(self, halvings: int) -> None:
        """Nothing is ever too much."""


class Limit:
    """One limit, and what it did."""

    def __init__(self, name: str, words: str, key: LimitKey, books: Books | _Zone, most: int = MOST_KEYS) -> None:
        self.name = name
        self.words = words
        self.key = key
        self.unknown = 0
        """Requests that it is not asked about, for nobody knows whose they are."""
        self.by_key: dict[int, int] = {}
        """Requests refused of the keys that are asked about, ..."""
        self.is_cut = False
        """... or were there more of them?"""
        self.halvings = 0
        """One key in 2 ** this is asked about."""
        self.first_ns: int | None = None
        self._asked = np.zeros(LEVELS, np.int64)
        self._refused = np.zeros(LEVELS, np.int64)
        """By how long a key stays in the sample."""
        self._books = books
        self._most = most

    @property
    def asked(self) -> int:
        return int(self._asked.sum())

    @property
    def refused(self) -> int:
        return int(self._refused.sum())

    def judge(self, found: Ordered) -> None:
        """Requests in the order of their arrivals."""
        keys, instants = self._keys(found), found.instant_ns
        is_asked = keys >= 0
        self.unknown += int((~is_asked).sum())
        is_asked &= kept(keys, self.halvings)
        keys, instants = keys[is_asked], instants[is_asked]
        if not len(keys):
            return
        ask = self._books.ask
        passed = [ask(key, now_ns) for key, now_ns in zip(keys.tolist(), instants.tolist(), strict=True)]
        refused = np.flatnonzero(~np.array(passed))
        self._asked += self._by_level(keys)
        self._refused += self._by_level(keys[refused])
        if len(refused):
            self.first_ns = int(instants[refused[0]]) if self.first_ns is None else self.first_ns
            self._note(keys[refused])
        while self._books.size() > self._most and self.halvings < LEVELS - 1 and self.key != "global":
            self._thin()

    def _keys(self, found: Ordered) -> Integers:
        if self.key == "global":
            return np.zeros(len(found.instant_ns), np.int64)
        return found.rows.user if self.key == "user" else found.rows.ip

    def _by_level(self, keys: Integers) -> Integers:
        if self.key == "global":
            return np.bincount([LEVELS - 1], weights=[len(keys)], minlength=LEVELS).astype(np.int64)
        return np.bincount(levels(keys), minlength=LEVELS)

    def _note(self, keys: Integers) -> None:
        """Whose requests were refused."""
        found, counts = np.unique(keys, return_counts=True)
        for key, count in zip(found.tolist(), counts.tolist(), strict=True):
            if key in self.by_key or len(self.by_key) < MOST_KEYS:
                self.by_key[key] = self.by_key.get(key, 0) + count
            else:
                self.is_cut = True

    def _thin(self) -> None:
        """Ask about half as many keys, as if the others had never come."""
        self._asked[self.halvings] = self._refused[self.halvings] = 0
        self.halvings += 1
        self._books.thin(self.halvings)
        self.by_key = _thinned(self.by_key, self.halvings)

    def as_dict(self, names: Names) -> dict[str, Any]:
        worst = sorted(self.by_key.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
        table = names.users if self.key == "user" else names.ips
        return {
            "limit": self.name, "rule": self.words, "key": self.key, "asked": self.asked, "unknown": self.unknown,
            "one_in": 2**self.halvings,
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
        return Limit(name, words, spec.key, _Zone(spec))
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
