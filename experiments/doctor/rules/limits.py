"""Rate limits that do not limit, or that say two things."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from experiments.doctor.finding import Finding, Proof, Rule, Severity
from experiments.doctor.situations import hasty
from experiments.doctor.subject import Subject
from models.token_bucket import SpringRedisSpec

MINUTE_AND_SECOND = 60.0
"""Two limits for the same callers that differ by this factor: one was meant per minute, one was written per second."""

_REFUSED = ("/requests/refused/rate_limited", "requests refused by limits")


def per_second(limiter: object) -> float:
    """What a limiter lets through in the long run, requests per second."""
    if isinstance(limiter, SpringRedisSpec):
        return limiter.replenish_rate / limiter.requested_tokens
    rate = getattr(limiter, "refill", None) or getattr(limiter, "limit", None)
    return float(getattr(rate, "per_second", 0.0))


def burst(limiter: object) -> float:
    """What it lets through at once."""
    if isinstance(limiter, SpringRedisSpec):
        return (limiter.burst_capacity or 1) / limiter.requested_tokens
    return float(getattr(limiter, "burst", 0) or getattr(getattr(limiter, "limit", None), "count", 0.0))


def limiters(subject: Subject) -> Iterator[tuple[str, object]]:
    gateway = subject.spec.gateway
    yield from gateway.rate_limits.items() if gateway is not None else ()


def burst_below_half_a_rate(subject: Subject) -> Iterator[Finding]:
    """RedisRateLimiter keeps its bucket for floor(2 x burst / rate) seconds: 0 means not at all."""
    for name, limiter in limiters(subject):
        if not isinstance(limiter, SpringRedisSpec):
            continue
        capacity, rate = limiter.burst_capacity or 1, limiter.replenish_rate
        if 2 * capacity // rate > 0:
            continue
        path = ("gateway", "rate_limits", name)
        unsaid = " (its default)" if limiter.burst_capacity is None else ""
        yield Finding(
            "limiter-off", Severity.ERROR,
            subject.where(*path, "burst_capacity"), subject.path(*path, "burst_capacity"),
            f"burstCapacity {capacity}{unsaid} is less than half of replenishRate {rate}",
            f"Redis keeps the bucket for floor(2 x {capacity} / {rate}) = 0 s, which is not at all: every request "
            "finds a full bucket, and nobody is ever refused.",
            f"Set burstCapacity to at least {rate} (it is how many may come at once).",
            Proof((f"{subject.path(*path)}.burst_capacity={rate}",), *_REFUSED, "up", *hasty(4.0 * rate)),
        )  # fmt: skip


def minute_beside_second(subject: Subject) -> Iterator[Finding]:
    """The same number, per minute here and per second there."""
    for (first_name, first), (second_name, second) in combinations(limiters(subject), 2):
        if getattr(first, "key", None) != getattr(second, "key", None):
            continue
        slow, fast = sorted((per_second(first), per_second(second)))
        if not slow or not 0.9 <= fast / slow / MINUTE_AND_SECOND <= 1.1:
            continue
        tight, loose = (first_name, second_name) if per_second(first) == slow else (second_name, first_name)
        path = ("gateway", "rate_limits", loose)
        other = subject.where("gateway", "rate_limits", tight)
        yield Finding(
            "limits-contradict", Severity.ERROR, subject.where(*path), subject.path(*path),
            f"{loose} lets {fast:g} requests a second through, {tight} {slow * 60:g} a minute ({other}): "
            f"the same number, {MINUTE_AND_SECOND:g} times apart",
            f"Both count the same callers (per {getattr(first, 'key', '')}), so {tight} decides and {loose} never "
            "refuses anybody. One of them was meant per the other's time.",
            f"Keep the one that is meant and remove the other. RedisRateLimiter counts per second: {slow * 60:g} a "
            f"minute is replenishRate {slow * 60:g}, burstCapacity {slow * 3600:g}, requestedTokens 60.",
            _decides(subject, tight, loose, slow),
        )  # fmt: skip


def _decides(subject: Subject, tight: str, loose: str, slow: float) -> Proof:
    """Without the tight one nobody is refused, where only these two stand."""
    alone = tuple(
        f"gateway.rate_limits.{subject.path(name)}=null" for name, _ in limiters(subject) if name not in (tight, loose)
    )  # fmt: skip
    settings, words = hasty(8.0 * slow, 5)  # some may come without a key
    words += f", and {tight} and {loose} are the only limits" if alone else ""
    change = (f"gateway.rate_limits.{subject.path(tight)}=null",)
    return Proof(change, *_REFUSED, "down", (*settings, *alone), words)


def no_limits(subject: Subject) -> Iterator[Finding]:
    """Nobody is ever refused before work begins."""
    limited = any(balancer.limit_req or balancer.limit_conn for balancer in subject.spec.load_balancers.values())
    if limited or next(limiters(subject), None) is not None:
        return
    users = subject.spec.traffic.users
    expected = f"{users.population} users" if users is not None else "the traffic"
    yield Finding(
        "no-rate-limit", Severity.WARNING, subject.where("gateway"), "gateway",
        "no rate limit stands anywhere on the way",
        f"One client that repeats without pause takes as much as it can get from {expected}; "
        "overload is met by queues, not by refusals.",
        "Set limits per user and per address at the gateway, or limit_req in nginx.",
    )  # fmt: skip


def limit_nobody_reaches(subject: Subject) -> Iterator[Finding]:
    """A looser limit for the same callers that can never refuse: neither its rate nor its burst is the smaller one."""
    for (first_name, first), (second_name, second) in combinations(limiters(subject), 2):
        if getattr(first, "key", None) != getattr(second, "key", None):
            continue
        for loose_name, loose, tight_name, tight in (
            (first_name, first, second_name, second), (second_name, second, first_name, first)
        ):  # fmt: skip
            looser = per_second(loose) > per_second(tight) > 0 and burst(loose) >= burst(tight) > 0
            factor = per_second(loose) / per_second(tight) / MINUTE_AND_SECOND if per_second(tight) else 0.0
            if looser and not 0.9 <= factor <= 1.1:
                path = ("gateway", "rate_limits", loose_name)
                yield Finding(
                    "limit-unreachable", Severity.NOTE, subject.where(*path), subject.path(*path),
                    f"{loose_name} ({per_second(loose):g}/s) can never refuse: {tight_name} ({per_second(tight):g}/s) "
                    "counts the same callers and is tighter in rate and in burst",
                    "It is asked on every request for nothing.",
                    f"Remove {loose_name}, or say whom else it is for.",
                )  # fmt: skip


RULES = (
    Rule("limiter-off", "A Redis limiter whose bucket is never kept", burst_below_half_a_rate),
    Rule("limits-contradict", "100 a minute beside 100 a second", minute_beside_second),
    Rule("limit-unreachable", "A limit that a tighter one makes pointless", limit_nobody_reaches),
    Rule("no-rate-limit", "No rate limit anywhere", no_limits),
)
