"""Whatever a setting of a file is, it comes back from the file that was written: any values, in any combination."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from experiments.deploy.fresh import make_files
from experiments.errors import InputError
from experiments.scenario import load_scenario

EVERYTHING = load_scenario(str(Path(__file__).parent.parent / "e2e" / "everything_files_say.yaml"))
CALL = "services.shop.endpoints.get.steps.rate"
POOL = "services.shop.pools.main"
UPSTREAM = "load_balancers.edge.upstreams.shops"
BREAKER = "gateway.circuit_breakers.shops"


def whole(low: int, high: int) -> st.SearchStrategy[Any]:
    return st.integers(low, high)


def spans(low_ms: int, high_ms: int) -> st.SearchStrategy[Any]:
    """Times of whole milliseconds, in any spelling."""
    spelled = [
        lambda n: f"{n}ms",
        lambda n: f"{n / 1000}s",
        lambda n: f"{n // 1000 + 1}s",
        lambda n: f"{n // 60000 + 1}m",
    ]
    return st.builds(lambda n, spell: spell(n), st.integers(low_ms, high_ms), st.sampled_from(spelled))


def sizes(low_mb: int, high_mb: int) -> st.SearchStrategy[Any]:
    return st.builds(lambda n, unit: f"{n if unit == 'M' else n * 1024 + 1}{unit}",
                     st.integers(low_mb, high_mb), st.sampled_from("MK"))  # fmt: skip


VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "gateway.restart": st.sampled_from(["always", "unless-stopped", "on-failure", "on-failure:7", "no"]),
    "gateway.limits.cpus": st.sampled_from([0.1, 0.25, 1, 1.75, 8]),
    "gateway.response_timeout": spans(1, 100_000),
    "gateway.connections": st.sampled_from([None, {}, {"max_connections": 3}]),
    "gateway.retries": st.sampled_from([{}, {"retry": {}}, {"retry": {"retries": 1, "methods": ["POST"]}}]),
    "gateway.filters": st.none(),
    "gateway.rate_limits.per_ip.refill": st.builds("{}/{}s".format, whole(1, 9999), whole(1, 3600)),
    "gateway.rate_limits.global.capacity": whole(1, 100_000),
    f"{BREAKER}.wait_duration_in_open_state": spans(1, 100_000),
    f"{BREAKER}.failure_rate_threshold": st.sampled_from([1, 12.5, 99, 100]),
    f"{BREAKER}.time_limit": st.one_of(st.none(), spans(1, 60_000)),
    f"{BREAKER}.status_codes": st.lists(whole(500, 504), max_size=3, unique=True),
    "gateway.concurrency.shop.max_wait": spans(0, 5000),
    "services.shop.replicas": st.just(3),
    "services.shop.limits.memory": sizes(900, 4000),
    "services.shop.health": st.sampled_from(
        [None, {"kind": "docker"}, {"kind": "docker", "interval": "1500ms"}, {"kind": "kubernetes", "liveness": {}}]
    ),
    "services.shop.jvm.max_heap": sizes(300, 800),
    "services.shop.jvm.collector": st.sampled_from([None, "g1", "serial"]),
    "services.shop.jvm.max_ram_percentage": st.sampled_from([25, 33.3, 75.5]),
    "services.shop.shutdown.graceful": st.booleans(),
    "services.shop.shutdown.timeout": spans(1, 100_000),
    "services.shop.open_in_view": st.booleans(),
    f"{POOL}.connection_timeout": spans(250, 60_000),
    f"{POOL}.minimum_idle": st.one_of(st.none(), whole(0, 15)),
    f"{POOL}.initialization_fail_timeout": st.one_of(st.none(), spans(1, 60_000)),
    f"{CALL}.breaker": st.sampled_from([None, {}, {"ignore_exceptions": ["4xx", "time_limit"]}]),
    f"{CALL}.retry": st.sampled_from(
        [None, {}, {"max_attempts": 2, "wait_duration": "1ms"}, {"retry_exceptions": ["instance_died"]}]
    ),
    f"{CALL}.time_limiter": st.sampled_from([None, {}, {"limit": "1m"}]),
    f"{CALL}.read_timeout": st.one_of(st.none(), spans(1, 60_000)),
    "load_balancers.edge.limit_req": st.sampled_from([{}, {"one": {"key": "global", "rate": "100/60s", "burst": 3}}]),
    "load_balancers.edge.worker_connections": whole(16, 4096),
    f"{UPSTREAM}.balancing": st.sampled_from(["hash", "hash_consistent"]),
    f"{UPSTREAM}.fail_timeout": st.builds("{}s".format, whole(1, 600)),
    f"{UPSTREAM}.read_timeout": spans(1, 600_000),
    f"{UPSTREAM}.next_upstream": st.sampled_from([["off"], ["timeout"], ["error", "timeout", "http_502"]]),
    "caches.redis.maxmemory": sizes(1, 500),
    "caches.redis.maxmemory_policy": st.sampled_from(["noeviction", "volatile-ttl", "allkeys-random"]),
    "caches.redis.classes.items.ttl": st.one_of(st.none(), spans(1, 10_000_000)),
    "caches.redis.classes.lists.cache_nulls": st.booleans(),
    "caches.redis.client.command_timeout": spans(1, 100_000),
    "databases.postgres.max_connections": whole(100, 500),
    "databases.postgres.lock_timeout": spans(0, 100_000),
    "databases.postgres.synchronous_standby": st.sampled_from([None, "standby"]),
    "alerts.Errors.above": st.sampled_from([0.001, 0.5, 3, 1e-05]),
    "alerts.Cpu.hold": st.builds("{}s".format, whole(0, 4000)),
}
ONLY_NATURALLY = {
    "one of a kind": "an HTTP client has one for all calls of a service, and these differ",
    "probes": "Docker has no such probes: they are a Kubernetes manifest's",
}
"""Reasons that such combinations have."""
MIXED = ("caches.redis.classes.items.cache_nulls", "caches.redis.classes.lists.cache_nulls")
"""Spring has one answer for all classes of data."""


@pytest.mark.parametrize("section", ["gateway", "services", "load_balancers", "caches"])
@settings(max_examples=3, phases=[Phase.generate])
@given(data=st.data())
def test_any_values_come_back(section: str, data: st.DataObject) -> None:
    """Many of one section, and a few of the others."""
    mine = [path for path in sorted(VALUES) if path.startswith(section)]
    others = [path for path in sorted(VALUES) if not path.startswith(section)]
    paths = data.draw(st.lists(st.sampled_from(mine), min_size=3, max_size=6, unique=True)) if len(mine) > 2 else mine
    paths = [*paths, *data.draw(st.lists(st.sampled_from(others), max_size=3, unique=True))]
    drawn = {path: data.draw(VALUES[path], path) for path in paths}
    try:
        scenario = EVERYTHING.with_settings([f"{path}={json.dumps(value)}" for path, value in drawn.items()])
    except InputError:
        return  # no scenario: two of the values exclude one another
    made = make_files(scenario)
    assert made.lost == []
    odd = {path: why for path, why in made.left.items() if why not in ONLY_NATURALLY.values() and path not in MIXED}
    assert [path for path in odd if not path.endswith((".retry_exceptions", ".ignore_exceptions"))] == []
