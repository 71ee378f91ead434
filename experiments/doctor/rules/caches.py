"""Caches that never forget, locks that do not lock, and a limiter that hangs on a Redis."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import Finding, Proof, Rule, Severity
from experiments.doctor.situations import hangs, hasty
from experiments.doctor.subject import Subject
from experiments.doctor.words import shown_bytes
from models.service import CacheStepSpec
from models.token_bucket import SpringRedisSpec

LONG_WAIT_S = 5.0
"""A limiter's answer that may take longer is worse than no limiter (assumed)."""


def no_time_to_live(subject: Subject) -> Iterator[Finding]:
    """What is cached without a time to live stays until somebody evicts it."""
    for name, cache in subject.spec.caches.items():
        for class_name, one in cache.classes.items():
            if one.ttl is not None:
                continue
            whole = one.keys * (one.value + cache.entry_overhead)
            path = ("caches", name, "classes", class_name, "ttl")
            if not any(step.cache == name and step.data_class == class_name for _, _, step in subject.cache_steps()):
                continue  # nobody stores anything in it
            service = _without_names(subject, name, class_name)
            what = (
                f"{service} names no cache: whatever it keeps in {name} has no time to live (Spring's default)"
                if service else f"{class_name} in {name} has no time to live (Spring's default)"
            )  # fmt: skip
            bound = (
                f"maxmemory {shown_bytes(cache.maxmemory)} bounds it" if cache.maxmemory
                else "it grows with every key, and Redis has no maxmemory"
                if subject.is_assumed("caches", name, "classes", class_name, "keys")
                else f"it grows to {shown_bytes(whole)} ({one.keys} keys), and Redis has no maxmemory"
            )  # fmt: skip
            yield Finding(
                "cache-without-ttl", Severity.WARNING,
                (_where_redis_is_named(subject, service) if service else "") or subject.where(*path),
                subject.path(*path), what,
                f"What is cached once is served for ever, changes behind the cache's back included; {bound}.",
                "spring.cache.redis.time-to-live: 300s, or entryTtl for this cache in the RedisCacheManager.",
            )  # fmt: skip


def _without_names(subject: Subject, cache: str, class_name: str) -> str:
    """The service that a class of data was made up for: its files name no cache. Empty where somebody named it."""
    if subject.deployment is None or class_name not in subject.deployment.springs:
        return ""
    is_assumed = subject.is_assumed("caches", cache, "classes", class_name, "keys")
    reading = subject.deployment.springs[class_name]
    is_named = reading.redis is not None and class_name in reading.redis.caches
    return class_name if is_assumed and not is_named else ""


def sync_without_lock(subject: Subject) -> Iterator[Finding]:
    """@Cacheable(sync = true) since Spring Data Redis 3.4: the writer would have to lock, and by default does not."""
    for path, _, step in subject.cache_steps():
        client = subject.spec.caches[step.cache].client
        if not step.sync or client.spring_data_redis == "2.7" or client.cache_writer == "locking":
            continue
        at = (*path, "sync")
        yield Finding(
            "sync-locks-nothing", Severity.ERROR, subject.where(*at), subject.path(*at),
            "sync = true with a cache writer that does not lock (Spring Data Redis 3.4 and later)",
            "Nobody waits for anybody: when a popular entry expires, all who ask for it load it at once.",
            "RedisCacheWriter.lockingRedisCacheWriter, or a local cache in front that loads once.",
            _same_time(subject, step),
        )  # fmt: skip


def _same_time(subject: Subject, step: CacheStepSpec) -> Proof:
    """One entry that everybody asks for and that expires, and a database that takes its time."""
    at = f"caches.{subject.path(step.cache)}.classes.{subject.path(step.data_class)}"
    slow = [
        f"faults.doctor-{number}={{kind: slow, target: databases.{name}, at: 0s, lasts: 60s, factor: 20}}"
        for number, name in enumerate(subject.spec.databases)
    ]  # fmt: skip
    return Proof(
        (f"caches.{subject.path(step.cache)}.client.cache_writer=locking",),
        f"/caches/caches.{step.cache}/classes/{step.data_class}/duplicate_loads",
        f"loads of an entry of {step.data_class} that was being loaded", "down",
        (f"{at}.keys=1", f"{at}.ttl=2s", *slow),
        "everybody asks for one entry that expires every 2 s, and queries take 20 times as long",
    )  # fmt: skip


def limiter_on_full_redis(subject: Subject) -> Iterator[Finding]:
    """A Redis that refuses to write makes RedisRateLimiter let everybody pass."""
    for name, _, cache_name in _redis_limiters(subject):
        cache = subject.spec.caches[cache_name]
        if not cache.maxmemory or cache.maxmemory_policy != "noeviction":
            continue
        path = ("caches", cache_name, "maxmemory_policy")
        yield Finding(
            "limiter-off-when-full", Severity.WARNING, subject.where(*path), subject.path(*path),
            f"the limiter {name} keeps its buckets in {cache_name}: maxmemory {shown_bytes(cache.maxmemory)}, "
            "noeviction",
            "Once the memory is full, its script ends in an error, and RedisRateLimiter lets everybody pass: the "
            "limit is gone exactly when there is much to do.",
            "A Redis of its own for limits, or an eviction policy such as volatile-lru.",
            Proof(
                (f"{subject.path(*path)}=volatile-lru",), "/requests/refused/rate_limited",
                "requests refused by limits", "up", *hasty(50.0, 5),
            ),
        )  # fmt: skip


def limiter_waits_for_redis(subject: Subject) -> Iterator[Finding]:
    """Lettuce's command timeout is 60 s, and while it reconnects, commands queue."""
    for name, _, cache_name in _redis_limiters(subject):
        client = subject.spec.caches[cache_name].client
        if client.command_timeout <= LONG_WAIT_S:
            continue
        path = ("caches", cache_name, "client", "command_timeout")
        yield Finding(
            "limiter-waits-for-redis", Severity.ERROR, _where_redis_is_named(subject, "") or subject.where(*path),
            subject.path(*path),
            f"the limiter {name} waits for {cache_name} for up to {client.command_timeout:g} s",
            f"It lets requests pass when Redis fails, but only after {client.command_timeout:g} s: a Redis that "
            "hangs makes every request hang for as long.",
            "Set spring.data.redis.timeout (spring.redis.timeout before Spring Boot 3) to e.g. 200ms.",
            Proof(
                (f"{subject.path(*path)}=200ms",), "/goodput_per_s", "good answers a second", "up",
                *hangs(f"caches.{cache_name}", 40),
            ),
        )  # fmt: skip


def _where_redis_is_named(subject: Subject, service: str) -> str:
    """In an application's own file (empty: the gateway's): what concerns the connection belongs beside it."""
    deployment = subject.deployment
    if deployment is None:
        return ""
    for name in [service] if service else [unit.name for unit in deployment.of_role("gateway")]:
        reading = deployment.springs.get(name)
        for key in ("spring.data.redis", "spring.redis") if reading is not None else ():
            for last in ("timeout", "host", "url"):
                said = reading.properties.get(f"{key}.{last}") if reading is not None else None
                if said is not None:
                    return str(said.where)
    return ""


def _redis_limiters(subject: Subject) -> Iterator[tuple[str, object, str]]:
    gateway = subject.spec.gateway
    for name, limiter in gateway.rate_limits.items() if gateway is not None else ():
        cache = getattr(limiter, "cache", None)
        is_open = isinstance(limiter, SpringRedisSpec) or getattr(limiter, "on_cache_failure", "") == "allow"
        if cache is not None and is_open:
            yield name, limiter, cache


def no_cache(subject: Subject) -> Iterator[Finding]:
    """The guide's checklist: Redis cache in use."""
    if not subject.spec.databases or next(subject.cache_steps(), None) is not None:
        return
    database = next(iter(subject.spec.databases))
    path = ("databases", database)
    yield Finding(
        "no-cache", Severity.NOTE, subject.where(*path), subject.path(*path), "no endpoint asks a cache",
        f"Every read goes to {database}.",
        "Cache what is read often and changes seldom (@Cacheable with a time to live).",
    )  # fmt: skip


RULES = (
    Rule("limiter-waits-for-redis", "A limiter behind Lettuce's 60 s", limiter_waits_for_redis),
    Rule("limiter-off-when-full", "A limiter whose Redis may refuse to write", limiter_on_full_redis),
    Rule("sync-locks-nothing", "@Cacheable(sync = true) that locks nothing", sync_without_lock),
    Rule("cache-without-ttl", "A cache that never forgets", no_time_to_live),
    Rule("no-cache", "No cache in use", no_cache),
)
