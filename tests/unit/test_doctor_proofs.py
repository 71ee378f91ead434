"""Every proof of the doctor is carried out where its claim shows; where nothing moves, nothing is claimed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from experiments.doctor import RULES, Subject, examine
from experiments.doctor.finding import Finding, Proof, Severity
from experiments.doctor.prove import Proven, prove
from experiments.doctor.report import as_json, proofs_told
from experiments.scenario.load import scenario_of

POOL = {"database": "postgres", "maximum_pool_size": 10, "connection_timeout": "1s"}
WELL = {"health": {"kind": "docker"}, "shutdown": {"graceful": True, "timeout": "5s"}}
SYSTEM: dict[str, Any] = {
    "duration": "60s",
    "machines": {"vm": {"cores": 2, "memory": "8G"}},
    "services": {
        "shop": {
            "machine": "vm", "workers": {"kind": "tomcat", "threads": 50}, "pools": {"main": POOL}, **WELL,
            "endpoints": {
                "read": {"steps": [
                    {"kind": "cache", "cache": "redis", "data_class": "things",
                     "on_miss": [{"kind": "db", "pool": "main", "query": "find"}]},
                    {"kind": "call", "name": "ask", "service": "stock", "endpoint": "left", "read_timeout": "2s"},
                ]},
                "write": {"method": "POST", "steps": [{"kind": "db", "pool": "main", "query": "find"}]},
            },
        },
        "stock": {"machine": "vm", **WELL, "endpoints": {"left": {"steps": [{"kind": "cpu", "demand": "1ms"}]}}},
    },
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
"""50 requests a second, of which 40 read."""

ASK = "services.shop.endpoints.read.steps.ask"
UPSTREAM = "load_balancers.nginx.upstreams.shop"
TIGHT = "{kind: bucket4j_greedy, key: user, refill: 100/60s}"
JVM = "services.shop.jvm={live_set: %s, allocation_per_request: %s, max_heap: %s}"


def redis(rate: int, burst: int | None) -> str:
    return f"{{kind: spring_redis, key: user, cache: redis, replenish_rate: {rate}, burst_capacity: {burst or 'null'}}}"


def breaker(kind: str, size: int, least: int) -> str:
    return (
        f"{ASK}.breaker={{sliding_window_type: {kind}, sliding_window_size: {size}, minimum_number_of_calls: {least}}}"
    )


def subject(*settings: str) -> Subject:
    return Subject.of_scenario(scenario_of(copy.deepcopy(SYSTEM), "shop").with_settings(list(settings)))


CASES: list[tuple[str, tuple[str, ...], str, float]] = [
    # rule, settings that it fires on, how the figure is called, the least factor between the two runs
    ("limiter-off", (f"gateway.rate_limits={{one: {redis(3, None)}}}",), "requests refused", 100),
    ("limits-contradict", (f"gateway.rate_limits={{one: {TIGHT}, two: {redis(100, 200)}}}",), "requests refused", 100),
    ("limits-contradict", (
        f"gateway.rate_limits={{one: {TIGHT}, two: {redis(100, 200)}}}",
        "gateway.rate_limits.three={kind: bucket4j_greedy, key: ip, refill: 200/60s}"), "requests refused", 100),
    ("limiter-waits-for-redis", (f"gateway.rate_limits={{one: {redis(10, 20)}}}",
                                 "caches.redis.client.command_timeout=60s"), "good answers a second", 1.2),
    ("limiter-off-when-full", (f"gateway.rate_limits={{one: {redis(10, 20)}}}", "caches.redis.maxmemory=1M",
                               "caches.redis.maxmemory_policy=noeviction"), "requests refused", 5),
    ("sync-locks-nothing", ("services.shop.endpoints.read.steps.cache.sync=true",
                            "caches.redis.client.spring_data_redis='3.4'"), "that was being loaded", 50),
    ("breaker-never-opens", (breaker("time_based", 2, 100),), "calls of stock", 3),
    ("breaker-late", (breaker("count_based", 3000, 3000),), "calls of stock", 3),
    ("breaker-blind-to-5xx", ("gateway.circuit_breakers={all: {fallback: {cpu: 1ms}}}",), "good answers a second", 2),
    ("time-limits-order", ("services.shop.pools.main.connection_timeout=30s", f"{UPSTREAM}.read_timeout=10s"),
     "queries for nobody", 20),
    ("time-limits-order", (f"{ASK}.read_timeout=5s", f"{ASK}.time_limiter={{limit: 3s}}"), "work for nobody, s", 50),
    ("time-limits-order", ("caches.redis.client.command_timeout=60s", "traffic.client.patience=10s"),
     "bursts of CPU for nobody", 20),
    ("call-without-limit", (f"{ASK}.read_timeout=null",), "the mean response time", 2),
    ("pools-above-database", ("services.shop.replicas=10", "databases.postgres.max_connections=102"),
     "connections refused", 20),
    ("memory-above-machine", ("machines.vm.memory=1G", JVM % ("500M", "5M", "900M"), "services.shop.base_memory=200M"),
     "processes killed for memory", 5),
    ("heap-above-limit", (JVM % ("350M", "5M", "400M"), "services.shop.limits.memory=512M",
                          "services.shop.base_memory=200M"), "requests without success", 100),
    ("quota-below-one-cpu", (JVM % ("50M", "1M", "100M"), "services.shop.limits.cpus=0.5",
                             "services.shop.endpoints.write.steps=[{kind: cpu, demand: 30ms}]"),
     "the 95th percentile", 1.5),
    ("retries-multiply", (f"{ASK}.retry={{max_attempts: 3}}", "traffic.client.retry={max_attempts: 2}"),
     "calls of stock", 1.3),
    ("reads-go-to-primary", (
        "databases.standby={machine: vm, standby_of: postgres}", "services.shop.pools.reads={database: standby}",
        "services.shop.data_sources={routed: {style: routing_data_source, primary: main, replica: reads}}",
        "services.shop.endpoints.read.steps=[{kind: transaction, pool: routed, read_only: true, "
        "steps: [{kind: db, pool: routed, query: find}]}]"), "cores that standby keeps busy", 100),
    ("past-the-gateway", ("routes.write.through=[nginx]",), "requests refused", 1.2),
    ("fail-timeout-long", (f"{UPSTREAM}.fail_timeout=30s", "services.shop.replicas=2", "services.shop.start_wait=3s"),
     "requests without success", 100),
    ("no-key-no-service", ("gateway.key_resolver={anonymous_share: 0.2, on_missing: error}",),
     "requests without success", 100),
    ("no-health-check", ("services.shop.health=null", "services.shop.replicas=2"), "good answers a second", 1.5),
    ("not-graceful", ("services.shop.shutdown.graceful=false",
                      "services.shop.endpoints.write.steps=[{kind: delay, duration: 500ms}]"), "requests cut off", 1),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "settings", "says", "factor"), CASES, ids=[case[0] for case in CASES])
def test_it_shows_what_it_claims(rule: str, settings: tuple[str, ...], says: str, factor: float) -> None:
    system = subject(*settings)
    ours = next(one for one in examine(system) if one.rule == rule and one.proof is not None)
    assert ours.proof is not None
    assert says in ours.proof.says
    proofs = prove(system, [ours])
    assert proofs.not_shown == []
    proven = proofs.shown[0]
    low, high = sorted((proven.before, proven.after))
    assert high > low * factor
    assert (proven.after > proven.before) == (ours.proof.goes == "up")
    assert ", ".join(ours.proof.settings) in proven.sentence
    assert proven.sentence.startswith("60 s simulated")


def test_every_proof_of_a_rule_is_carried_out_here() -> None:
    """Of all rules that have proofs: looked for in what fires each of them."""
    proving = {case[0] for case in CASES}
    found = {one.rule for case in CASES for one in examine(subject(*case[1])) if one.proof is not None}
    assert found == proving
    assert proving <= {rule.name for rule in RULES}


def test_what_moves_the_other_way_is_no_proof() -> None:
    """More users are no remedy for refusals."""
    wrong = Proof(("traffic.users.population=200",), "/requests/arrived", "requests", "down")
    system = subject()
    finding = Finding("no-cache", Severity.NOTE, "a.yaml:1", "x", "what", "why", "change", wrong)
    proofs = prove(system, [finding])
    assert (dict(proofs.shown), proofs.not_shown) == ({}, [0])
    assert "0 of 1" in proofs_told([finding], proofs) and "no-cache (a.yaml:1)" in proofs_told([finding], proofs)
    assert as_json("x", [finding], proofs)["not_shown"] == [{"rule": "no-cache", "where": "a.yaml:1", "path": "x"}]


def test_a_change_that_does_not_fit_is_no_proof_and_no_error() -> None:
    odd = Proof(("services.shop.replicas=0",), "/requests/arrived", "requests", "down")
    finding = Finding("no-cache", Severity.NOTE, "a.yaml:1", "x", "what", "why", "change", odd)
    assert prove(subject(), [finding]).not_shown == [0]


def test_what_is_told_together_is_proven_once_and_progress_counts() -> None:
    system = subject("services.shop.health=null", "services.stock.health=null")
    findings = [one for one in examine(system) if one.rule == "no-health-check"]
    assert len(findings) == 2
    told: list[str] = []
    proofs = prove(system, findings, told.append)
    assert len(proofs.shown) + len(proofs.not_shown) == len(told) == 1
    assert told[0].startswith("proof 1 of 1: no-health-check (")


def test_the_sentence_reads_as_one() -> None:
    proof = Proof(("a.b=1",), "/requests/arrived", "good answers a second", "up", (), "redis hangs for 40 s of it")
    assert Proven(proof, 15.0, 1234.5).sentence == (
        "60 s simulated; redis hangs for 40 s of it. Good answers a second: 15 as it is, 1,234 with a.b=1."
    )
