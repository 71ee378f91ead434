"""Faults: when they are on, what they do while they are, and that they take back what they did."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from models.faults import Fault, HangSpec
from models.spec import Context
from models.system import SystemSpec
from sim.environment import Environment
from sim.probe import NullProbe
from sim.streams import Streams

PlayFixture = Callable[..., Any]


def system(steps: list[dict[str, Any]], faults: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "machines": {"vm": {"cores": 1, "memory": "4G"}},
        "services": {
            "shop": {
                "machine": "vm", "replicas": 1, "workers": {"kind": "tomcat", "threads": 2},
                "pools": {"main": {"database": "db", "maximum_pool_size": 2}},
                "endpoints": {"get": {"steps": steps}},
            },
        },
        "caches": {
            "redis": {
                "machine": "vm", "command_cpu": "0s", "round_trip": "1ms",
                "classes": {"items": {"keys": 1, "popularity": 0, "value": "1K", "ttl": "10s"}},
            }
        },
        "databases": {"db": {"machine": "vm", "queries": {"find": {"cpu": "100ms"}}}},
        "routes": {"get": {"service": "shop", "endpoint": "get"}},
        "traffic": {"mix": {"get": 1}},
        "faults": faults or {},
        **more,
    }  # fmt: skip


CPU = [{"kind": "cpu", "demand": "100ms"}]
DELAY = [{"kind": "delay", "duration": "100ms"}]


def latencies(play: PlayFixture, document: dict[str, Any], times: list[float]) -> list[float]:
    return [round(row["latency_s"], 6) for row in play(document, times).until(None).end()]


def rows(play: PlayFixture, document: dict[str, Any], times: list[float]) -> list[dict[str, Any]]:
    return play(document, times).until(None).end()  # type: ignore[no-any-return]


# --- when ---


class Noted(NullProbe):
    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.env = env
        self.spans: list[list[float]] = []

    def note(self, path: str, text: str) -> None:
        assert path == "faults.f"
        if text.startswith("begins: "):
            self.spans.append([self.env.now])
        else:
            assert text == "ends"
            self.spans[-1].append(self.env.now)


class Idle:
    def begin(self, lasts_s: float | None, over: Callable[[], None]) -> str:
        return "nothing"

    def end(self) -> None:
        return None


def spans(until: float, seed: int = 1, **when: Any) -> list[list[float]]:
    env = Environment()
    probe = Noted(env)
    spec = HangSpec.model_validate({"target": "gateway", **when})
    Fault(Context(env, Streams(seed, 0), probe, "faults.f"), spec, Idle()).start()
    env.run(until)
    return probe.spans


def test_a_timetable_says_when_it_is_on() -> None:
    assert spans(100.0, at="10s", lasts="5s") == [[10.0, 15.0]]
    assert spans(100.0, at="10s", lasts="5s", every="30s") == [[10.0, 15.0], [40.0, 45.0], [70.0, 75.0]]
    assert spans(100.0, at="10s") == [[10.0]], "to the end of the run"


def test_it_comes_at_random_from_a_stream_of_its_own() -> None:
    found = spans(1e6, mean_time_between="1h", mean_duration="1m")
    gaps = [after[0] - before[1] for before, after in pairwise(found)]
    durations = [span[1] - span[0] for span in found if len(span) == 2]
    assert 200 < len(found) < 350
    assert sum(gaps) / len(gaps) == pytest.approx(3600, rel=0.2)
    assert sum(durations) / len(durations) == pytest.approx(60, rel=0.2)
    assert found == spans(1e6, mean_time_between="1h", mean_duration="1m")
    assert found != spans(1e6, seed=2, mean_time_between="1h", mean_duration="1m")
    assert {round(s[1] - s[0], 9) for s in spans(1e5, mean_time_between="1h", lasts="1m") if len(s) == 2} == {60.0}


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ({}, "exactly one of at and mean_time_between"),
        ({"at": "1s", "mean_time_between": "1h", "lasts": "1s"}, "exactly one of at and mean_time_between"),
        ({"mean_time_between": "1h", "every": "1h", "lasts": "1s"}, "every: goes with at"),
        ({"at": "1s", "lasts": "1s", "mean_duration": "1s"}, "at most one of lasts and mean_duration"),
        ({"at": "1s", "mean_duration": "1s"}, "goes with mean_time_between"),
        ({"at": "1s", "every": "10s"}, "since it comes again"),
        ({"at": "1s", "every": "10s", "lasts": "10s"}, "must be longer than it lasts"),
    ],
)
def test_a_timetable_that_makes_no_sense_is_refused(when: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        HangSpec.model_validate({"target": "gateway", **when})


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "crash", "target": "services.shpo", "at": "1s"}, "got 'services.shpo'. There are: "),
        ({"kind": "steal", "target": "services.shop", "at": "1s", "share": 0.5}, "There are: machines.vm"),
        ({"kind": "error", "target": "caches.redis", "at": "1s"}, "There are: services.shop, services.shop.replica-1"),
        ({"kind": "refuse", "target": "caches.redis", "at": "1s"}, "There are: services.shop"),
        ({"kind": "clock_step", "target": "databases.db", "forward": "1s", "at": "1s"}, "There are: caches.redis"),
        ({"kind": "replica_lag", "target": "databases.db", "lag": "1s", "at": "1s"}, "There are: none"),
        ({"kind": "rolling_restart", "target": "shop", "at": "1s"}, "There are: services.shop"),
        ({"kind": "partition", "between": ["client", "caches.redis"], "at": "1s"}, r"are: \[client, services.shop\]"),
    ],
)  # fmt: skip
def test_who_is_not_there_cannot_be_hit(fault: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SystemSpec.model_validate(system(CPU, {"f": fault}, traffic={"trace": {"file": "none"}, "mix": {"get": 1}}))


# --- what ---


def test_a_crash_kills_and_the_restart_policy_brings_back(play: PlayFixture) -> None:
    document = system(DELAY, {"f": {"kind": "crash", "target": "services.shop", "at": "1s"}})
    found = rows(play, document, [0.95, 1.05, 1.5])
    assert [row["status"] for row in found] == [502, 502, 200]


def test_a_crash_that_lasts_is_down_for_so_long(play: PlayFixture) -> None:
    document = system(DELAY, {"f": {"kind": "crash", "target": "services.shop.replica-1", "at": "1s", "lasts": "10s"}})
    found = rows(play, document, [5.0, 10.9, 11.1])
    assert [row["status"] for row in found] == [502, 502, 200]


@pytest.mark.parametrize("steps", [CPU, DELAY], ids=["burns CPU", "waits outside"])
def test_what_hangs_takes_what_comes_and_answers_nothing(play: PlayFixture, steps: Any) -> None:
    document = system(steps, {"f": {"kind": "hang", "target": "services.shop", "at": "1s", "lasts": "9s"}})
    game = play(document, [0.95, 2.0, 3.0, 11.0])
    game.until(9.0)
    replica = game.system.services["shop"].replicas[0]
    assert replica.in_progress == 3, "connections pile up"
    found = game.until(None).end()
    assert all(row["status"] == 200 for row in found)
    assert found[0]["latency_s"] > 9.0
    assert found[1]["latency_s"] > 8.0
    assert found[3]["latency_s"] == pytest.approx(0.1)


def test_what_is_killed_does_not_hang_any_more(play: PlayFixture) -> None:
    faults = {
        "hang": {"kind": "hang", "target": "services.shop", "at": "1s", "lasts": "100s"},
        "crash": {"kind": "crash", "target": "services.shop", "at": "5s"},
    }
    found = rows(play, system(CPU, faults), [2.0, 6.0])
    assert [row["status"] for row in found] == [502, 200]
    assert found[1]["latency_s"] == pytest.approx(0.1)


def test_what_is_slow_burns_more_cpu(play: PlayFixture) -> None:
    faults = {
        "twice": {"kind": "slow", "target": "services.shop", "factor": 2, "at": "1s", "lasts": "4s"},
        "thrice": {"kind": "slow", "target": "services.shop", "factor": 3, "at": "2s", "lasts": "1s"},
    }
    found = rows(play, system(CPU, faults), [0.0, 1.5, 2.1, 3.5, 6.0])
    assert [round(row["latency_s"], 6) for row in found] == [0.1, 0.2, 0.6, 0.2, 0.1]
    assert [round(row["cpu_s"], 6) for row in found] == [0.1, 0.2, 0.6, 0.2, 0.1]


def test_who_refuses_finishes_what_it_has(play: PlayFixture) -> None:
    document = system(DELAY, {"f": {"kind": "refuse", "target": "services.shop", "at": "1s", "lasts": "1s"}})
    found = rows(play, document, [0.95, 1.5, 2.5])
    assert [(row["status"], round(row["latency_s"], 6)) for row in found] == [(200, 0.1), (502, 0.0), (200, 0.1)]


def test_errors_come_at_once_or_after_the_work(play: PlayFixture) -> None:
    fault = {"kind": "error", "target": "services.shop", "at": "1s", "lasts": "1s", "status": 503}
    found = rows(play, system(DELAY, {"f": fault}), [0.5, 1.5, 2.5])
    assert [(row["status"], round(row["latency_s"], 6)) for row in found] == [(200, 0.1), (503, 0.0), (200, 0.1)]
    late = rows(play, system(DELAY, {"f": {**fault, "after_work": True}}), [1.5])
    assert [(row["status"], round(row["latency_s"], 6)) for row in late] == [(503, 0.1)]


def test_errors_come_as_often_as_they_are_said_to(play: PlayFixture) -> None:
    fault = {"kind": "error", "target": "services.shop", "at": "0s", "probability": 0.3}
    found = rows(play, system(DELAY, {"f": fault}), [float(n) for n in range(500)])
    assert 120 < sum(row["status"] == 500 for row in found) < 180


def test_stolen_time_slows_every_core_and_is_a_wait(play: PlayFixture) -> None:
    document = system(CPU, {"f": {"kind": "steal", "target": "machines.vm", "at": "1s", "lasts": "5s", "share": 0.75}})
    found = rows(play, document, [0.0, 2.0, 7.0])
    assert [round(row["latency_s"], 6) for row in found] == [0.1, 0.4, 0.1]
    assert round(found[1]["wait_s"], 6) == 0.3


def test_redis_clock_is_set_and_set_back(play: PlayFixture) -> None:
    steps = [{"kind": "cache", "cache": "redis", "data_class": "items", "on_miss": DELAY}]

    def misses(**fault: Any) -> list[str]:
        document = system(steps, {"f": {"kind": "clock_step", "target": "caches.redis", "at": "1s", **fault}})
        return [row["cache"] for row in rows(play, document, [0.0, 2.0, 3.0])]

    assert misses(forward="7500ms") == ["miss", "hit", "miss"]
    assert misses(forward="20s") == ["miss", "miss", "hit"]
    assert misses(back="20s") == ["miss", "hit", "hit"]
    assert misses(forward="7500ms", lasts="500ms") == ["miss", "hit", "hit"]


def test_faults_leave_a_run_that_is_over_alone(play: PlayFixture) -> None:
    fault = {"kind": "hang", "target": "services.shop", "at": "1h", "every": "1h", "lasts": "1s"}
    game = play(system(DELAY, {"f": fault}), [0.0])
    game.until(None).end()
    assert game.env.now < 3600, "what has not begun does not begin"


def test_notes_say_when_it_begins_and_when_it_ends(play: PlayFixture) -> None:
    fault = {"kind": "slow", "target": "services.shop", "factor": 2, "at": "1s", "lasts": "2s"}
    game = play(system(DELAY, {"lazy": fault}), [0.0, 5.0])
    game.until(None).end()
    said = [(t, text) for t, path, text in game.notes if path == "faults.lazy"]
    assert said == [(1.0, "begins: services.shop is slower by a factor of 2 for 2s"), (3.0, "ends")]


# --- hangs of what is asked ---


def test_a_cache_that_hangs_is_waited_for_as_long_as_lettuce_waits(play: PlayFixture) -> None:
    steps = [{"kind": "cache", "cache": "redis", "data_class": "items", "on_miss": DELAY}]
    document = system(steps, {"f": {"kind": "hang", "target": "caches.redis", "at": "1s", "lasts": "10m"}})
    document["caches"]["redis"]["client"] = {"command_timeout": "5s"}
    found = rows(play, document, [0.0, 2.0])
    assert found[0]["status"] == 200
    assert found[1]["latency_s"] >= 5.0


def test_a_database_that_hangs_keeps_connections_and_callers(play: PlayFixture) -> None:
    document = system(
        [{"kind": "db", "pool": "main", "query": "find"}],
        {"f": {"kind": "hang", "target": "databases.db", "at": "1s", "lasts": "40s"}},
    )
    document["services"]["shop"]["workers"]["threads"] = 5
    found = rows(play, document, [0.95, 0.95, 2.0])
    assert [row["status"] for row in found] == [200, 200, 500]
    assert found[0]["latency_s"] > 39.0
    assert found[2]["latency_s"] == pytest.approx(30.0, abs=0.1), "the pool's connection timeout"
