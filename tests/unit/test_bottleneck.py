"""What breaks first: which limits bind, and which of those is named."""

from __future__ import annotations

import re
from typing import Any

import pytest

from experiments.bottleneck import binding, candidates, describe, relaxed
from experiments.dashboard.texts import Words
from models.assembly import Limit
from sim.quantities import parse_rate


def station(**fields: Any) -> dict[str, Any]:
    return {"arrivals": 1000, "utilisation": 0.5, "mean_wait_ms": 1.0, "refused": 0, "expired": 0} | fields


def machine(**fields: Any) -> dict[str, Any]:
    return {"cpu_utilisation": 0.5, "run_queue": 0.1, "oom_kills": 0, "memory_peak_share": 0.5} | fields


def container(**fields: Any) -> dict[str, Any]:
    return {"cpu_of_limit": 0.5, "throttled_share": 0.0, "throttled_threads": 0.0, "deaths": 0} | fields


CORES = Limit("machines.vm", "machines.vm.cores", "machine_cpu")
MEMORY = Limit("machines.vm", "machines.vm.memory", "machine_memory")
CPUS = Limit("api", "services.api.limits.cpus", "container_cpu")
LIMIT = Limit("api", "services.api.limits.memory", "container_memory")
THREADS = Limit("api.threads", "services.api.workers.threads", "station")
POOL = Limit("api.pool", "services.api.pools.main.maximum_pool_size", "station")
CONNECTIONS = Limit("db.connections", "databases.db.max_connections", "station")
RATE = Limit("gateway.rate_limits.all", "gateway.rate_limits.all.refill", "rate")
HEAP = Limit("api", "services.api.jvm.max_heap", "heap")
ALL = [RATE, THREADS, POOL, CONNECTIONS, CPUS, LIMIT, CORES, MEMORY, HEAP]


def tree(**changes: dict[str, Any]) -> dict[str, Any]:
    """Figures of a system in which nothing binds, with changes by part."""
    return {
        "machines": {"machines.vm": machine(**changes.get("machine", {}))},
        "jvms": {"api": {"out_of_memory": 0, "paused_share": 0.05} | changes.get("jvm", {})},
        "containers": {"api": container(**changes.get("container", {}))},
        "stations": {
            "api.threads": station(**changes.get("threads", {})),
            "api.pool": station(**changes.get("pool", {})),
            "db.connections": station(utilisation=1.0, **changes.get("connections", {})),
        },
        "limiters": {
            "gateway.rate_limits.all": {"asked": 1000, "refused": 0, "refused_share": 0.0} | changes.get("rate", {})
        },
    }


def first(**changes: dict[str, Any]) -> str | None:
    found = next(binding(candidates(ALL, tree(**changes))), None)
    return None if found is None else found.limit.setting


def test_nothing_binds_where_everything_has_room() -> None:
    assert first() is None
    ranked = candidates(ALL, tree(pool={"utilisation": 0.7}))
    assert ranked[0].limit is POOL, "the nearest one comes first"
    assert len(ranked) == len(ALL)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"machine": {"cpu_utilisation": 0.8}}, CORES),
        ({"machine": {"cpu_utilisation": 0.79}}, None),
        ({"machine": {"oom_kills": 1, "memory_peak_share": 1.0}}, MEMORY),
        ({"machine": {"oom_kills": 1, "memory_peak_share": 0.6}}, None),  # a container died by its own limit
        ({"container": {"deaths": 0.2}, "machine": {"oom_kills": 0.2}}, LIMIT),
        ({"container": {"deaths": 2}}, None),  # restarted on purpose
        ({"container": {"throttled_share": 0.1}}, CPUS),
        ({"container": {"cpu_of_limit": 0.85}}, CPUS),
        ({"jvm": {"out_of_memory": 0.2}}, HEAP),
        ({"jvm": {"paused_share": 0.11}, "container": {"throttled_share": 0.5}}, HEAP),  # the collector takes the CPU
        ({"jvm": {"paused_share": 0.10}}, None),
        ({"threads": {"utilisation": 0.9}}, THREADS),
        ({"pool": {"refused": 3, "expired": 2}}, POOL),
        ({"pool": {"refused": 3, "expired": 1}}, None),
        ({"connections": {"refused": 5}}, CONNECTIONS),
        ({"rate": {"refused": 5, "refused_share": 0.005}}, RATE),
    ],
)
def test_what_binds(changes: dict[str, Any], setting: Limit | None) -> None:
    assert first(**changes) == (None if setting is None else setting.setting)


def test_the_deepest_of_those_that_bind_is_named() -> None:
    """A queue in front of something slow fills because of what is slow behind it."""
    everything: dict[str, Any] = {
        "rate": {"refused_share": 0.5, "refused": 500}, "threads": {"utilisation": 1.0},
        "container": {"throttled_share": 0.9}, "machine": {"cpu_utilisation": 1.0},
    }  # fmt: skip
    named = []
    for part, healed in (("machine", {}), ("container", {}), ("threads", {}), ("rate", {})):
        named.append(first(**everything))
        everything[part] = healed
    assert named == [CORES.setting, CPUS.setting, THREADS.setting, RATE.setting]
    assert first(**everything) is None


def test_of_one_depth_the_one_that_costs_requests_most_is_named() -> None:
    full = {"utilisation": 0.95}
    assert first(threads={**full, "mean_wait_ms": 5.0}, pool={**full, "mean_wait_ms": 50.0}) == POOL.setting
    assert first(threads={**full, "mean_wait_ms": 50.0}, pool={**full, "mean_wait_ms": 5.0}) == THREADS.setting
    assert first(threads={**full, "mean_wait_ms": 50.0}, pool={**full, "refused": 900}) == POOL.setting


def test_replicas_share_a_setting_and_the_hardest_pressed_speaks() -> None:
    figures = tree(threads={"utilisation": 0.3})
    figures["stations"]["api-2.threads"] = station(utilisation=0.9)
    second = Limit("api-2.threads", THREADS.setting, "station")
    for order in ([THREADS, second], [second, THREADS]):
        (found,) = candidates(order, figures)
        assert (found.limit, found.binds) == (second, True)


def test_what_nobody_asked_is_no_candidate() -> None:
    figures = tree(threads={"arrivals": 0, "utilisation": None}, rate={"asked": 0, "refused_share": None})
    assert {found.limit for found in candidates(ALL, figures)} == {*ALL} - {THREADS, RATE}


def test_an_open_connection_is_not_a_busy_one() -> None:
    assert first(connections={}) is None
    ranked = candidates([CONNECTIONS], tree())
    assert ranked[0].use == 0.0


def test_the_dashboard_says_all_evidence_in_korean_too() -> None:
    cache = Limit("caches.redis", "caches.redis.maxmemory", "cache_memory")
    figures = tree(rate={"refused": 5, "refused_share": 0.005})
    figures["caches"] = {"caches.redis": {"oom_errors": 1, "evicted": 2, "classes": {"items": {"stores": 9}}}}
    found = candidates([*ALL, cache], figures)
    for mean in ({"mean_held_ms": 12.0}, {"mean_held_ms": None}):
        held = {"refused_share": 0.1, "refused": 5, "held": 7, "held_share": 0.2, **mean}
        found += candidates([RATE], tree(rate=held))
    assert {each.limit for each in found} == {*ALL, cache}
    for each in found:
        said = Words("ko").evidence(each.evidence)
        assert said != each.evidence, each.evidence
        numbers = sorted(re.findall(r"[\d.]+(?: %)?", each.evidence))
        assert sorted(re.findall(r"[\d.]+(?: %)?", said)) == numbers


def test_the_entry_of_the_result() -> None:
    (found, *_) = candidates(ALL, tree(machine={"cpu_utilisation": 0.93, "run_queue": 4.2}))
    assert describe(found, 2) == {
        "station": "machines.vm",
        "limit_path": "machines.vm.cores",
        "value": 2,
        "binds": True,
        "evidence": "cores 93 % busy, 4.2 threads waiting for one on average",
        "confirmed": None,
    }


def test_a_quarter_more() -> None:
    assert [relaxed(value) for value in (1, 4, 10, 200, 0.5)] == [2, 5, 13, 250, 0.625]


@pytest.mark.parametrize(
    ("written", "more"), [("100/60s", "125/60s"), ("512M", "640M"), ("4G", "5G"), ("3/1s", "4/1s")]
)
def test_a_quarter_more_of_what_is_written_with_a_unit(written: str, more: str) -> None:
    found = relaxed(written)
    if "/" in more:
        assert (parse_rate(found).per_second) == pytest.approx(parse_rate(more).per_second)
    else:
        assert found == more
