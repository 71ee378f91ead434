"""Figures of one replication: containers, machines, caches, limiters and waste, against what can be said by hand."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.figures import cpu_paths, figures
from experiments.runner import Task, replicate
from models.system import SystemSpec

M = 1 << 20


def measured(document: dict[str, Any], duration_s: float = 20.0, warm_up_s: float = 0.0) -> dict[str, Any]:
    spec = SystemSpec.model_validate(document)
    return figures(replicate(Task(spec.model_dump_json(), None, 1, 0, duration_s, warm_up_s, 1.0)), spec)


def system(steps: list[dict[str, Any]], rate: str = "10/s", **service: Any) -> dict[str, Any]:
    return {
        "machines": {
            "vm": {
                "cores": 2,
                "memory": "1G",
                "system_memory": "100M",
                "background": {"metrics": {"memory": "24M", "burst": "200ms", "every": "1s"}},
            }
        },
        "services": {
            "api": {"machine": "vm", "base_memory": "200M", "endpoints": {"get": {"steps": steps}}, **service}
        },
        "routes": {"get": {"service": "api", "endpoint": "get"}},
        "traffic": {"open": {"kind": "constant", "rate": rate}, "mix": {"get": 1}},
    }


def test_cpu_and_memory_add_up() -> None:
    """10 a second of 30 ms, and a resident that burns 200 ms a second while somebody is served."""
    tree = measured(system([{"kind": "cpu", "demand": "30ms"}, {"kind": "delay", "duration": "80ms"}], replicas=2))
    machine, containers = tree["machines"]["machines.vm"], tree["containers"]
    per_replica = [containers[f"services.api.replica-{number}"] for number in (1, 2)]
    assert [each["cpu_cores"] for each in per_replica] == pytest.approx([0.15, 0.15], rel=0.02)
    assert [each["cpu_of_limit"] for each in per_replica] == [None, None]
    assert machine["cpu_utilisation"] == pytest.approx((0.3 + 0.2) / 2, rel=0.05)
    assert machine["memory_peak_bytes"] == (100 + 24 + 400) * M
    assert machine["memory_peak_share"] == machine["memory_mean_share"] == (100 + 24 + 400) / 1024
    assert (machine["oom_kills"], machine["throttled_s"]) == (0, 0)


def test_paths_of_everything_that_burns_cpu() -> None:
    spec = SystemSpec.model_validate(system([{"kind": "cpu", "demand": "1ms"}], replicas=2))
    assert cpu_paths(spec, "vm") == [
        "machines.vm.background.metrics", "services.api.replica-1", "services.api.replica-2",
    ]  # fmt: skip


def test_a_quota_is_used_up_at_any_speed() -> None:
    """Half a core each 100 ms; the demand is 0.4 CPU-seconds a second."""
    document = system([{"kind": "cpu", "demand": "40ms"}], limits={"cpus": 0.5, "memory": "300M"})
    tree = measured(document)
    container = tree["containers"]["services.api.replica-1"]
    assert container["cpu_of_limit"] == pytest.approx(0.8, rel=0.02)
    assert tree["machines"]["machines.vm"]["throttled_s"] == pytest.approx(container["throttled_share"] * 20.0)
    document["machines"]["vm"]["speed"] = 2
    fast = measured(document)["containers"]["services.api.replica-1"]
    assert fast["cpu_cores"] == pytest.approx(container["cpu_cores"] / 2, rel=0.02)


def test_a_run_queue_is_what_wants_a_core_and_has_none() -> None:
    document = system([{"kind": "cpu", "demand": "1h"}], rate="1/1s")
    document["machines"]["vm"].update(background={}, cores=1)
    tree = measured(document, duration_s=11.5)
    # n threads from second n on: the mean number without a core is the mean of n - 1
    waiting = sum(n - 1 for n in range(1, 11)) + 0.5 * 10
    assert tree["machines"]["machines.vm"]["run_queue"] == pytest.approx(waiting / 11.5, rel=0.02)
    assert tree["machines"]["machines.vm"]["cpu_utilisation"] == pytest.approx(10.5 / 11.5, rel=0.02)


def test_parts_of_the_p99_add_up_to_it() -> None:
    steps = [
        {"kind": "cpu", "demand": "20ms"},
        {"kind": "delay", "duration": {"kind": "exponential", "mean": "30ms"}},
    ]
    tree = measured(system(steps, rate="100/s"), 30.0)
    parts = tree["p99_parts_ms"]
    assert sum(parts.values()) == pytest.approx(tree["latency_ms"]["all"]["p99"], rel=0.05)
    assert parts["delay"] > parts["cpu"] == pytest.approx(20.0)
    assert parts["other"] == pytest.approx(0.0, abs=1e-6)


def test_the_warm_up_is_left_out() -> None:
    tree = measured(system([{"kind": "cpu", "demand": "1ms"}]), 20.0, 5.0)
    assert tree["requests"]["arrived"] == pytest.approx(150, abs=1)
    assert tree["throughput_per_s"] == pytest.approx(10.0, rel=0.01)


def test_caches_and_limiters_say_what_was_asked() -> None:
    look = {"kind": "cache", "cache": "redis", "data_class": "items"}
    document = system([look])
    document["caches"] = {
        "redis": {
            "machine": "vm", "command_cpu": "0s", "round_trip": "0s",
            "classes": {
                "items": {"keys": 1, "popularity": 0, "value": "1K", "ttl": "950ms"},
                "idle": {"keys": 1, "popularity": 0, "value": "1K"},
            },
        }
    }  # fmt: skip
    document["gateway"] = {
        "machine": "vm", "cpu": "0s",
        "rate_limits": {"all": {"kind": "bucket4j_greedy", "key": "global", "refill": "5/1s"}},
    }  # fmt: skip
    document["routes"]["get"]["through"] = ["gateway"]
    tree = measured(document)
    limiter = tree["limiters"]["gateway.rate_limits.all"]
    assert limiter["asked"] == tree["requests"]["arrived"]
    assert limiter["refused"] == tree["requests"]["refused"]["rate_limited"]
    assert limiter["refused_share"] == limiter["refused"] / limiter["asked"] == pytest.approx(0.5, abs=0.05)
    cache = tree["caches"]["caches.redis"]
    items = cache["classes"]["items"]
    assert cache["lookups"] == items["lookups"] == items["hits"] + items["misses"] == tree["requests"]["succeeded"]
    assert cache["hit_ratio"] == items["hits"] / items["lookups"]
    assert cache["classes"]["idle"]["hit_ratio"] is None
    assert items["stores"] == items["misses"]


def test_waste_is_work_for_those_who_have_gone() -> None:
    steps = [
        {"kind": "call", "service": "back", "endpoint": "get", "time_limiter": {"limit": "10ms"}, "fallback": []},
        {"kind": "delay", "duration": "100ms"},
        {"kind": "cpu", "demand": "5ms"},
    ]
    document = system(steps)
    document["services"]["back"] = {
        "machine": "vm", "endpoints": {"get": {"steps": [{"kind": "delay", "duration": "20ms"}]}},
    }  # fmt: skip
    document["traffic"]["client"] = {"patience": "50ms"}
    tree = measured(document)
    arrived = tree["requests"]["arrived"]
    assert tree["requests"]["abandoned"] == pytest.approx(arrived, abs=2)
    assert tree["waste"]["calls_left"] == pytest.approx(arrived, abs=2)
    assert tree["waste"]["bursts"] == pytest.approx(arrived, abs=3)
    assert tree["waste"]["cpu_s"] == pytest.approx(0.005 * tree["waste"]["bursts"])
