"""Every rule of the doctor: one system that it fires on, and one close by that it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.doctor import RULES, Finding, Severity, Subject, examine
from experiments.scenario.load import scenario_of

POOL = {"database": "postgres", "maximum_pool_size": 10, "connection_timeout": "1s"}
SHOP: dict[str, Any] = {
    "machine": "vm", "workers": {"kind": "tomcat", "threads": 50}, "pools": {"main": POOL},
    "health": {"kind": "docker"}, "shutdown": {"graceful": True, "timeout": "5s"},
    "endpoints": {
        "read": {"steps": [
            {"kind": "cache", "cache": "redis", "data_class": "things",
             "on_miss": [{"kind": "db", "pool": "main", "query": "find"}]},
            {"kind": "call", "name": "ask", "service": "stock", "endpoint": "left", "read_timeout": "2s"},
        ]},
        "write": {"method": "POST", "steps": [{"kind": "db", "pool": "main", "query": "find"}]},
    },
}  # fmt: skip
STOCK: dict[str, Any] = {
    "machine": "vm", "health": {"kind": "docker"}, "shutdown": {"graceful": True, "timeout": "5s"},
    "endpoints": {"left": {"steps": [{"kind": "cpu", "demand": "1ms"}]}},
}  # fmt: skip
SOUND: dict[str, Any] = {
    "duration": "60s",
    "machines": {"vm": {"cores": 2, "memory": "8G"}},
    "services": {"shop": SHOP, "stock": STOCK},
    "gateway": {
        "machine": "vm", "cpu": "1ms",
        "rate_limits": {"each": {"kind": "bucket4j_greedy", "key": "user", "refill": "100/60s"}},
    },
    "load_balancers": {"nginx": {"machine": "vm", "cpu": "100us", "upstreams": {"shop": {"service": "shop"}}}},
    "caches": {"redis": {"machine": "vm", "command_cpu": "20us", "round_trip": "200us",
                         "client": {"command_timeout": "200ms"},
                         "classes": {"things": {"keys": 1000, "value": "1K", "popularity": 1, "ttl": "60s"}}}},
    "databases": {"postgres": {"machine": "vm", "queries": {"find": {"cpu": "1ms"}}}},
    "routes": {
        "read": {"service": "shop", "endpoint": "read", "through": ["gateway", "nginx"]},
        "write": {"service": "shop", "endpoint": "write", "through": ["gateway", "nginx"]},
    },
    "traffic": {"users": {"population": 100, "think_time": "2s"}, "mix": {"read": 4, "write": 1}},
}  # fmt: skip
"""50 requests a second, of which 40 read; nothing is wrong with it."""

READ, ASK = "services.shop.endpoints.read.steps", "services.shop.endpoints.read.steps.ask"
UPSTREAM = "load_balancers.nginx.upstreams.shop"
TIGHT = "{kind: bucket4j_greedy, key: user, refill: 100/60s}"
STANDBY = ("databases.standby={machine: vm, standby_of: postgres}", "services.shop.pools.reads={database: standby}",
           "services.shop.pools.reads.maximum_pool_size=5")  # fmt: skip


def limits(**more: str) -> str:
    """Setting: further rate limits beside the sound one."""
    return "gateway.rate_limits={" + ", ".join(f"{name}: {one}" for name, one in more.items()) + "}"


def redis(rate: int, burst: int | None, requested: int = 1) -> str:
    return (
        f"{{kind: spring_redis, key: user, cache: redis, replenish_rate: {rate}, burst_capacity: {burst or 'null'}, "
        f"requested_tokens: {requested}}}"
    )


def breaker(kind: str, size: int, least: int) -> str:
    return (
        f"{ASK}.breaker={{sliding_window_type: {kind}, sliding_window_size: {size}, minimum_number_of_calls: {least}}}"
    )


def alert(name: str, series: str, above: float, hold: str) -> str:
    return f"alerts.{name}={{series: {series}, above: {above}, hold: {hold}}}"


def found(*settings: str) -> list[Finding]:
    scenario = scenario_of(SOUND, "shop").with_settings(list(settings))
    return examine(Subject.of_scenario(scenario))


GONE = "faults.gone={kind: crash, target: services.shop, at: 5s, lasts: 40s}"

CASES: list[tuple[str, tuple[str, ...], tuple[str, ...], str, tuple[str, ...]]] = [
    # rule, settings that it fires on, settings that it leaves alone, path, figures it names
    ("limiter-off", (limits(one=redis(3, None)),), (limits(one=redis(2, None)),),
     "gateway.rate_limits.one.burst_capacity", ("burstCapacity 1", "replenishRate 3", "floor(2 x 1 / 3)")),
    ("limits-contradict", (limits(one=TIGHT, two=redis(100, 200)),), (limits(one=TIGHT, two=redis(10, 200)),),
     "gateway.rate_limits.two", ("100 requests a second", "one 100 a minute", "burstCapacity 6000")),
    ("limits-contradict", (limits(one=TIGHT, two=redis(100, 200)),), (limits(one=TIGHT, two=redis(100, 6000, 60)),),
     "gateway.rate_limits.two", ()),
    ("limit-unreachable", (limits(one=TIGHT, two=redis(10, 200)),), (limits(one=TIGHT, two=redis(10, 20)),),
     "gateway.rate_limits.two", ("10/s", "1.66667/s")),
    ("no-rate-limit", ("gateway.rate_limits={}",), (), "gateway", ("100 users",)),
    ("limiter-waits-for-redis", (limits(one=redis(10, 20)), "caches.redis.client.command_timeout=60s"),
     (limits(one=redis(10, 20)), "caches.redis.client.command_timeout=5s"),
     "caches.redis.client.command_timeout", ("60 s", "limiter one")),
    ("limiter-off-when-full",
     (limits(one=redis(10, 20)), "caches.redis.maxmemory=64M", "caches.redis.maxmemory_policy=noeviction"),
     (limits(one=redis(10, 20)), "caches.redis.maxmemory=64M", "caches.redis.maxmemory_policy=volatile-lru"),
     "caches.redis.maxmemory_policy", ("64M", "noeviction")),
    ("sync-locks-nothing", (f"{READ}.cache.sync=true", "caches.redis.client.spring_data_redis='3.4'"),
     (f"{READ}.cache.sync=true", "caches.redis.client.spring_data_redis='2.7'"), f"{READ}.cache.sync", ("3.4",)),
    ("sync-locks-nothing", (f"{READ}.cache.sync=true", "caches.redis.client.spring_data_redis='3.4'"),
     (f"{READ}.cache.sync=true", "caches.redis.client.spring_data_redis='3.4'",
      "caches.redis.client.cache_writer=locking"), f"{READ}.cache.sync", ()),
    ("cache-without-ttl", ("caches.redis.classes.things.ttl=null",), (), "caches.redis.classes.things.ttl",
     ("1000 keys",)),
    ("no-cache", ("services.shop.endpoints.read.steps=[{kind: db, pool: main, query: find}]",), (),
     "databases.postgres", ("postgres",)),
    ("breaker-never-opens", (breaker("time_based", 2, 100),), (breaker("time_based", 3, 100),),
     f"{ASK}.breaker.minimum_number_of_calls", ("40 calls a second", "80 in a window", "about 40")),
    ("breaker-late", (breaker("count_based", 3000, 3000),), (breaker("count_based", 2400, 3000),), f"{ASK}.breaker",
     ("3000 calls", "75 s", "0 s")),
    ("breaker-never-slow",
     (f"{ASK}.breaker={{slow_call_duration_threshold: 3s}}", f"{ASK}.time_limiter={{limit: 3s}}"),
     (f"{ASK}.breaker={{slow_call_duration_threshold: 2s}}", f"{ASK}.time_limiter={{limit: 3s}}"),
     f"{ASK}.breaker.slow_call_duration_threshold", ("after 3 s",)),
    ("breaker-blind-to-5xx", ("gateway.circuit_breakers={all: {}}",),
     ("gateway.circuit_breakers={all: {status_codes: [500]}}",), "gateway.circuit_breakers.all", ("500",)),
    ("time-limits-order", ("services.shop.pools.main.connection_timeout=30s", f"{UPSTREAM}.read_timeout=10s"),
     ("services.shop.pools.main.connection_timeout=10s", f"{UPSTREAM}.read_timeout=10s"),
     "services.shop.pools.main.connection_timeout", ("30 s", "10 s", "20 s longer", "connection-timeout: 5000")),
    ("time-limits-order", (f"{ASK}.read_timeout=5s", f"{ASK}.time_limiter={{limit: 3s}}"),
     (f"{ASK}.read_timeout=2s", f"{ASK}.time_limiter={{limit: 3s}}"), f"{ASK}.read_timeout", ("5 s", "3 s")),
    ("call-without-limit", (f"{ASK}.read_timeout=null",),
     (f"{ASK}.read_timeout=null", f"{ASK}.style=spring_cloud_blocking"), ASK, ("50 threads",)),
    ("threads-above-pool", ("services.shop.workers.threads=101",), ("services.shop.workers.threads=100",),
     "services.shop.pools.main.maximum_pool_size", ("101 threads", "10 connections", "91 threads wait")),
    ("pools-above-database", ("services.shop.replicas=10", "databases.postgres.max_connections=102"),
     ("services.shop.replicas=10", "databases.postgres.max_connections=103"), "databases.postgres.max_connections",
     ("100 connections", "lets 99 in", "last 1 are refused", "maximum-pool-size 9 for each of the 10 pools")),
    ("memory-above-machine", ("services.shop.limits.memory=3G", "services.shop.replicas=3"),
     ("services.shop.limits.memory=3G", "services.shop.replicas=2"), "machines.vm.memory", ("9.1G", "8G", "shop 9G")),
    ("heap-above-limit",
     ("services.shop.jvm={live_set: 50M, allocation_per_request: 100K, max_heap: 400M}",
      "services.shop.limits.memory=512M", "services.shop.base_memory=120M"),
     ("services.shop.jvm={live_set: 50M, allocation_per_request: 100K, max_heap: 380M}",
      "services.shop.limits.memory=512M", "services.shop.base_memory=120M"),
     "services.shop.limits.memory", ("400M", "120M", "512M")),
    ("cpus-above-machine", ("services.shop.limits.cpus=1.5", "services.stock.limits.cpus=0.6"),
     ("services.shop.limits.cpus=1.5", "services.stock.limits.cpus=0.5"), "machines.vm.cores", ("2.1", "2 cores")),
    ("quota-below-one-cpu",
     ("services.shop.jvm={live_set: 50M, allocation_per_request: 100K}", "services.shop.limits.cpus=0.5"),
     ("services.shop.jvm={live_set: 50M, allocation_per_request: 100K}", "services.shop.limits.cpus=1.5"),
     "services.shop.limits.cpus", ("0.5 CPU", "50 ms")),
    ("quota-below-one-cpu",
     ("services.shop.jvm={live_set: 50M, allocation_per_request: 100K, collector: g1}",
      "services.shop.limits.cpus=0.5"),
     ("services.shop.jvm={live_set: 50M, allocation_per_request: 100K, collector: serial}",
      "services.shop.limits.cpus=0.5"),
     "services.shop.limits.cpus", ("G1 is forced",)),
    ("retries-multiply", (f"{ASK}.retry={{max_attempts: 3}}", "traffic.client.retry={max_attempts: 2}"),
     (f"{ASK}.retry={{max_attempts: 10}}",), f"{ASK}.retry",
     ("6 attempts", "2 (traffic.client.retry) x 3")),
    ("write-tried-again", ("gateway.retries={again: {methods: [GET, POST]}}",),
     ("gateway.retries={again: {methods: [GET, PUT]}}",), "gateway.retries.again", ("POST",)),
    ("write-tried-again", (f"{UPSTREAM}.next_upstream=[error, non_idempotent]",),
     (f"{UPSTREAM}.next_upstream=[error]",), f"{UPSTREAM}.next_upstream", ("non_idempotent",)),
    ("write-not-tried-again", ("services.shop.replicas=2",), (), f"{UPSTREAM}.next_upstream", ("write", "502")),
    ("reads-go-to-primary",
     (*STANDBY, "services.shop.data_sources={routed: {style: routing_data_source, primary: main, replica: reads}}"),
     (*STANDBY, "services.shop.data_sources={routed: {style: lazy_proxy, primary: main, replica: reads}}"),
     "services.shop.data_sources.routed.style", ("standby",)),
    ("standby-unread",
     (*STANDBY, "services.shop.data_sources={routed: {style: lazy_proxy, primary: main, replica: reads}}"),
     (*STANDBY, "services.shop.data_sources={routed: {style: lazy_proxy, primary: main, replica: reads}}",
      "services.shop.endpoints.read.steps=[{kind: transaction, pool: routed, read_only: true, "
      "steps: [{kind: db, pool: routed, query: find}]}]"),
     "services.shop.data_sources.routed.replica", ("reads",)),
    ("past-the-gateway", ("routes.write.through=[nginx]",), (), "routes.write.through", ("each", "shop")),
    ("max-fails-alone", (f"{UPSTREAM}.max_fails=3",), (f"{UPSTREAM}.max_fails=3", "services.shop.replicas=2"),
     f"{UPSTREAM}.max_fails", ("max_fails 3",)),
    ("fail-timeout-long", (f"{UPSTREAM}.fail_timeout=30s", "services.shop.replicas=2"),
     (f"{UPSTREAM}.fail_timeout=10s", "services.shop.replicas=2"), f"{UPSTREAM}.fail_timeout", ("30 s", "31 s")),
    ("alert-compares-a-rate", (alert("errors", "errors_per_s", 0.05, "1m"),),
     (alert("errors", "error_share", 0.05, "1m"),), "alerts.errors", ("0.05", "20 s", "50 requests a second", "0.1 %")),
    ("alert-too-late", (alert("errors", "error_share", 0.05, "5m"),), (alert("errors", "error_share", 0.05, "1m"),),
     "alerts.errors.hold", ("300 s",)),
    ("alert-too-late",
     (alert("errors", "error_share", 0.05, "1m"), GONE),
     (alert("errors", "error_share", 0.05, "30s"), GONE),
     "alerts.errors.hold", ("60 s", "40 s")),
    ("no-key-no-service", ("gateway.key_resolver={anonymous_share: 0.2, on_missing: error}",),
     ("gateway.key_resolver={anonymous_share: 0.2, on_missing: pass}",), "gateway.key_resolver.on_missing",
     ("500", "20 %")),
    ("no-health-check", ("services.shop.health=null",), (), "services.shop.health", ("shop",)),
    ("not-graceful", ("services.shop.shutdown.graceful=false",), (), "services.shop.shutdown", ("shop",)),
    ("killed-while-graceful", ("services.shop.shutdown.timeout=11s",), ("services.shop.shutdown.timeout=10s",),
     "services.shop.shutdown.stop_grace_period", ("11 s", "10 s", "16s")),
    ("pool-not-set", ("services.stock.pools.main={database: postgres}",), (),
     "services.stock.pools.main.maximum_pool_size", ("10",)),
]  # fmt: skip
OF_FILES = {"file-problem", "verbose-logs", "log-level-unset", "hpa-without-requests", "standby-is-none"}


def test_nothing_is_wrong_with_what_is_sound():
    assert found() == []


@pytest.mark.parametrize(
    ("rule", "fires", "spares", "path", "figures"),
    CASES,
    ids=[case[0] for case in CASES],
)
def test_it_fires_and_its_near_miss_does_not(rule, fires, spares, path, figures):
    ours = [finding for finding in found(*fires) if finding.rule == rule and finding.path == path]
    assert len(ours) == 1
    said = f"{ours[0].what} {ours[0].why} {ours[0].change}"
    assert [figure for figure in figures if figure not in said] == []
    assert [finding for finding in found(*spares) if finding.rule == rule and finding.path == path] == []


def test_every_rule_has_a_case_and_a_name_of_its_own():
    names = [rule.name for rule in RULES]
    assert sorted(set(names)) == sorted(names)
    assert {case[0] for case in CASES} | OF_FILES == set(names)


def test_the_worst_comes_first_and_nothing_twice():
    findings = found(
        "gateway.circuit_breakers={all: {time_limit: null}}", "services.shop.health=null", f"{UPSTREAM}.max_fails=3"
    )
    assert [finding.severity for finding in findings] == [Severity.ERROR, Severity.WARNING, Severity.NOTE]


def test_a_breaker_of_each_replica_sees_its_share():
    """Forty calls a second over four replicas are ten for each."""
    one = found(breaker("time_based", 10, 100))
    four = found(breaker("time_based", 10, 200), "services.shop.replicas=4")
    assert "breaker-never-opens" not in {finding.rule for finding in one}
    assert "10 calls a second" in next(finding.why for finding in four if finding.rule == "breaker-never-opens")


def test_the_heap_that_fits_is_named():
    """Two JVMs of 6G on 8G: what is beside their heaps leaves less than that for each."""
    jvm = "{live_set: 100M, allocation_per_request: 1M, max_heap: 6G}"
    (ours,) = [one for one in found(f"services.shop.jvm={jvm}", f"services.stock.jvm={jvm}")
               if one.rule == "memory-above-machine"]  # fmt: skip
    assert "for each of the 2 JVMs without a limit" in ours.change
    heap = int(ours.change.partition("-Xmx")[2].partition("m")[0])
    assert 3072 < heap < 4096
    fitting = jvm.replace("6G", f"{heap}M")
    settings = (f"services.shop.jvm={fitting}", f"services.stock.jvm={fitting}")
    assert "memory-above-machine" not in {one.rule for one in found(*settings)}


def test_nothing_is_said_of_load_that_changes():
    assert "breaker-never-opens" not in {
        finding.rule
        for finding in found(breaker("time_based", 2, 100), "traffic.surges={rush: {at: 10s, lasts: 10s, factor: 10}}")
    }
