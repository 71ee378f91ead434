"""Assembly: the same wishes whatever the configuration, the same run whatever the machine, every limit noted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from experiments.bottleneck import relaxed
from experiments.result import limit_value, setting_value
from experiments.runner import Task, replicate, system_of
from models.system import SystemSpec

PlayFixture = Callable[..., Any]


def exponential(mean: str) -> dict[str, str]:
    return {"kind": "exponential", "mean": mean}


BASE: dict[str, Any] = {
    "machines": {"vm": {"cores": 2, "memory": "4G"}},
    "gateway": {
        "machine": "vm",
        "cpu": exponential("1ms"),
        "limits": {"cpus": 0.9, "memory": "1G"},
        "concurrency": {"shop": {"permits": 30}},
        "rate_limits": {
            "each": {"kind": "bucket4j_greedy", "key": "user", "refill": "50/1s"},
            "all": {
                "kind": "spring_redis",
                "key": "global",
                "replenish_rate": 500,
                "burst_capacity": 900,
                "cache": "redis",
            },
        },
    },
    "services": {
        "shop": {
            "machine": "vm",
            "replicas": 2,
            "pools": {"main": {"database": "db", "maximum_pool_size": 2}},
            "endpoints": {
                name: {
                    "steps": [
                        {"kind": "cpu", "demand": exponential("3ms")},
                        {
                            "kind": "cache",
                            "cache": "redis",
                            "data_class": "items",
                            "on_miss": [{"kind": "db", "pool": "main", "query": "find"}],
                        },
                        {"kind": "call", "service": "stock", "endpoint": "count", "breaker": {}},
                    ]
                }
                for name in ("get", "list")
            },
        },
        "stock": {
            "machine": "vm",
            "workers": {"kind": "event_loop", "loops": 2},
            "endpoints": {"count": {"steps": [{"kind": "delay", "duration": exponential("5ms")}]}},
        },
    },
    "load_balancers": {"nginx": {"machine": "vm", "cpu": "100us", "upstreams": {"shops": {"service": "shop"}}}},
    "caches": {
        "redis": {
            "machine": "vm",
            "command_cpu": "100us",
            "round_trip": "500us",
            "classes": {"items": {"keys": 50, "popularity": 1, "value": "1K", "ttl": "500ms"}},
        }
    },
    "databases": {"db": {"machine": "vm", "queries": {"find": {"cpu": exponential("4ms")}}}},
    "routes": {
        name: {"service": "shop", "endpoint": name, "through": ["gateway", "nginx"]} for name in ("get", "list")
    },
    "traffic": {"open": {"rate": "100/s"}, "mix": {"get": 2, "list": 1}},
}
CLOSED = {"users": {"population": 30, "think_time": exponential("200ms")}, "mix": {"get": 2, "list": 1}}


def changed(path: str, value: Any, base: dict[str, Any] = BASE) -> dict[str, Any]:
    document = deepcopy(base)
    *parents, last = path.split(".")
    node = document
    for name in parents:
        node = node[name]
    node[last] = value
    return document


CHANGES = [
    ("services.shop.replicas", 3),
    ("services.shop.pools.main.maximum_pool_size", 3),
    ("caches.redis.classes.items.ttl", "2s"),
    ("machines.vm.cores", 1),
    ("gateway.concurrency.shop.permits", 2),
    ("services.stock.workers.loops", 1),
]


@pytest.mark.parametrize(("path", "value"), CHANGES)
def test_a_change_of_the_system_moves_no_arrival_of_open_traffic(play: PlayFixture, path: str, value: Any) -> None:
    before = play(BASE).until(5.0).end()
    after = play(changed(path, value)).until(5.0).end()
    wishes = [[(row["t_s"], row["user"], row["ip"], row["endpoint"]) for row in rows] for rows in (before, after)]
    assert wishes[0] == wishes[1]
    assert [row["latency_s"] for row in before] != [row["latency_s"] for row in after], "the change does something"


@pytest.mark.parametrize(("path", "value"), CHANGES)
def test_a_change_of_the_system_moves_no_wish_of_a_closed_user(play: PlayFixture, path: str, value: Any) -> None:
    """The same endpoint, think time and demand at every user's n-th request, whenever that comes."""
    base = {**BASE, "traffic": CLOSED}
    first, second = (wishes_of(play(document).until(5.0).end()) for document in (base, changed(path, value, base)))
    shared = first.keys() & second.keys()
    assert len(shared) > 300
    for key in shared:
        assert first[key] == second[key], key


def wishes_of(rows: list[dict[str, Any]]) -> dict[tuple[int, int], tuple[float, str]]:
    """By user and ordinal: the think time before it, to the nanosecond, and the endpoint."""
    wishes: dict[tuple[int, int], tuple[float, str]] = {}
    ordinals: dict[int, int] = {}
    free_at_s: dict[int, float] = {}
    for row in rows:
        user = row["user"]
        ordinal = ordinals[user] = ordinals.get(user, -1) + 1
        wishes[user, ordinal] = (round(row["t_s"] - free_at_s.get(user, 0.0), 9), row["endpoint"])
        free_at_s[user] = row["t_s"] + row["latency_s"]
    return wishes


def test_demands_belong_to_the_request(play: PlayFixture) -> None:
    """Where nothing is shared, a request's CPU time is the same whatever happens to the others."""

    def cpu_times(document: dict[str, Any]) -> list[float]:
        return [row["cpu_s"] for row in play(document).until(5.0).end() if row["outcome"] == "succeeded"]

    document = changed("services.shop.endpoints.get.steps", [{"kind": "cpu", "demand": exponential("3ms")}])
    document = changed("services.shop.endpoints.list.steps", [{"kind": "cpu", "demand": exponential("3ms")}], document)
    base = cpu_times(document)
    for path, value in (("services.shop.replicas", 3), ("machines.vm.cores", 1), ("gateway.loops", 1)):
        other = cpu_times(changed(path, value, document))
        number = min(len(base), len(other))
        assert number > 400
        assert base[: number - 20] == pytest.approx(other[: number - 20], abs=1e-12)


def test_more_users_leave_the_wishes_of_the_others_as_they_were(play: PlayFixture) -> None:
    few = {**BASE, "traffic": CLOSED}
    many = changed("traffic.users.population", 45, few)
    first, second = (wishes_of(play(document).until(3.0).end()) for document in (few, many))
    shared = first.keys() & second.keys()
    assert {user for user, _ in second} - {user for user, _ in first} == set(range(30, 45))
    assert len(shared) > 200
    for key in shared:
        assert first[key] == second[key], key


@pytest.mark.parametrize("traffic", [BASE["traffic"], CLOSED])
def test_the_block_in_which_chance_is_drawn_changes_nothing(play: PlayFixture, traffic: dict[str, Any]) -> None:
    digests = set()
    for block in (4, 256, 4096):
        game = play({**BASE, "traffic": traffic}, block=block).until(2.0)
        game.end()
        digests.add(game.recording.digest)
    assert len(digests) == 1


def task_of(document: dict[str, Any], seed: int = 1, replication: int = 0) -> Task:
    spec = SystemSpec.model_validate(document)
    return Task(spec.model_dump_json(), None, seed, replication, 2.0, 0.0, 1.0)


def test_equal_tasks_have_equal_digests_and_others_have_not() -> None:
    digests = [replicate(task).digest for task in (task_of(BASE), task_of(BASE), task_of(BASE, 2), task_of(BASE, 1, 1))]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_the_order_of_a_process_s_hashes_changes_nothing(tmp_path: Path, project: Path) -> None:
    script = tmp_path / "digest.py"
    script.write_text(
        "import json, sys\n"
        "from experiments.runner import Task, replicate\n"
        "from models.system import SystemSpec\n"
        "spec = SystemSpec.model_validate(json.load(open(sys.argv[1])))\n"
        "print(replicate(Task(spec.model_dump_json(), None, 1, 0, 2.0, 0.0, 1.0)).digest)\n"
    )
    (tmp_path / "system.json").write_text(json.dumps(BASE))
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "system.json")],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == replicate(task_of(BASE)).digest


def test_every_limit_names_a_setting_that_can_be_raised() -> None:
    spec = SystemSpec.model_validate(BASE)
    system = system_of(spec)
    settings = {limit.setting for limit in system.limits}
    assert settings == {
        "machines.vm.cores",
        "machines.vm.memory",
        "gateway.limits.cpus",
        "gateway.limits.memory",
        "gateway.loops",
        "gateway.concurrency.shop.permits",
        "gateway.rate_limits.each.refill",
        "gateway.rate_limits.all.replenish_rate",
        "services.shop.workers.threads",
        "services.stock.workers.loops",
        "services.shop.pools.main.maximum_pool_size",
        "databases.db.max_connections",
        "load_balancers.nginx.workers",
        "load_balancers.nginx.worker_connections",
    }
    measured = {"stations": {limit.station: {"servers": 4} for limit in system.limits}}
    for limit in system.limits:
        assert relaxed(limit_value(spec, limit, measured)) is not None
    assert setting_value(spec, "gateway.loops") is None, "what is left to the component counts as it has decided"


def test_pools_are_full_when_a_run_begins(play: PlayFixture) -> None:
    """A system that has been up: nobody waits for first connections."""
    game = play(BASE)
    for replica in game.system.services["shop"].replicas:
        assert (replica.pools["main"].total, replica.pools["main"].idle) == (2, 2)
    assert game.system.databases["db"].open_connections == 4


def test_the_audit_covers_every_container(play: PlayFixture) -> None:
    game = play(BASE).until(1.0)
    names = {check.name for check in game.system.checks()}
    for path in game.system.containers:
        assert {f"{path}: CPU time", f"{path}: threads"} <= names
    game.end()


def test_a_load_balancer_burns_its_cpu_before_it_asks(play: PlayFixture) -> None:
    document = changed("load_balancers.nginx.cpu", "100ms")
    for route in document["routes"].values():
        route["through"] = ["nginx"]
    (row,) = play(document, [0.0]).until(None).end()
    assert row["cpu_s"] > 0.1
    game = play(document, [0.0])
    game.system.containers["load_balancers.nginx"].is_up = False
    assert game.until(None).end()[0]["status"] == 502
