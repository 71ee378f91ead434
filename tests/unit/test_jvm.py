"""JVMs: what they make of a container, when they collect, who is stopped, and what happens when the heap is full."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from models.jvm import Ergonomics, G1Heap, Heap, JvmSpec, cpu_count, default_heap
from models.jvm.stoppable import StoppableCpu
from sim.bins import BINS, quantile_s
from sim.environment import Activity, Environment
from sim.processor import Processor, Quota

PlayFixture = Callable[..., Any]
M = 1 << 20
HEAP = {"live_set": "20M", "allocation_per_request": "1M", "max_heap": "128M", "initial_heap": "128M"}


def spec(**fields: Any) -> JvmSpec:
    return JvmSpec(**HEAP | fields)


def heap(cpus: int = 1, **fields: Any) -> Heap:
    made = spec(**fields)
    ergonomics = Ergonomics.of(made, cpus, 512 * M)
    return (G1Heap if ergonomics.collector == "g1" else Heap)(made, ergonomics)


# --- what it makes of its container ---


@pytest.mark.parametrize(
    ("limit", "cores", "cpus"), [(0.5, 2, 1), (1.0, 2, 1), (1.5, 2, 2), (None, 4, 4), (2.5, 2.0, 2)]
)
def test_processors_are_the_quota_rounded_up(limit: float | None, cores: float, cpus: int) -> None:
    assert cpu_count(limit, cores) == cpus


def test_a_share_of_the_memory_and_what_is_set() -> None:
    assert default_heap(4096 * M) == 1024 * M
    assert default_heap(1024 * M, 75.0) == 768 * M
    assert Ergonomics.of(spec(max_heap="300M"), 1, 512 * M).max_heap == 300 * M
    assert Ergonomics.of(spec(max_heap=None, max_ram_percentage=50), 1, 512 * M).max_heap == 256 * M
    assert Ergonomics.of(spec(initial_heap=None), 1, 4096 * M).initial_heap == 64 * M
    assert Ergonomics.of(spec(collector="g1"), 1, 512 * M).collector == "g1"
    assert Ergonomics.of(spec(collector="g1"), 16, 512 * M).gc_threads == 13


def test_a_heap_that_begins_larger_than_it_may_grow_is_refused() -> None:
    with pytest.raises(ValidationError, match="initial_heap: must be at most max_heap"):
        spec(max_heap="100M", initial_heap="101M")
    assert Ergonomics.of(spec(max_heap=None, initial_heap="300M"), 1, 512 * M).max_heap == 300 * M


def test_parts_of_an_allocation_are_not_more_than_it() -> None:
    with pytest.raises(ValidationError, match="allocation_per_request: must hold"):
        spec(live_per_request="600K", leak_per_request="600K")


# --- the rule ---


def requests(where: Heap, number: int, at_once: int = 0) -> tuple[int, int]:
    """Young and full collections of so many requests, of which `at_once` are in progress."""
    young = full = 0
    inside: list[int] = []
    for _ in range(number):
        while not where.take(1 * M):
            if where.collect(0.0).is_full:
                full += 1
            else:
                young += 1
        inside.append(where.enter())
        if len(inside) > at_once:
            where.leave(inside.pop(0))
    return young, full


def test_eden_decides_how_often_it_collects() -> None:
    where = heap()
    assert where.room == 34944 << 10
    assert requests(where, 341) == (10, 0), "34 requests of 1M fit"
    assert where.live == 20 * M
    assert where.epoch == 10


def test_what_is_in_use_is_copied_and_what_does_not_fit_is_promoted_until_the_old_generation_is_full() -> None:
    roomy = heap(live_per_request="100K")
    assert requests(roomy, 2000, at_once=10)[1] == 0
    crowded = heap(live_per_request="1M")
    young, full = requests(crowded, 2000, at_once=30)
    assert full > 0
    assert young > full
    assert crowded.live == 50 * M, "20 for good and 30 in progress"


def test_garbage_that_lived_on_for_a_while_fills_the_old_generation() -> None:
    where = heap(tenured_per_request="100K")
    young, full = requests(where, 3400)
    assert full == pytest.approx(3400 * 100 / 1024 / 65, abs=2), "65M are free in the old generation"
    assert young + full == 99


def test_a_leak_makes_collections_ever_closer_until_nothing_fits() -> None:
    where = heap(leak_per_request="100K")
    epochs = [where.epoch]
    for _ in range(5):
        requests(where, 200)
        epochs.append(where.epoch)
    gaps = [after - before for before, after in pairwise(epochs)]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 2 * gaps[0]
    assert where.live == 20 * M + 1000 * (100 << 10)


def test_g1_marks_beside_and_then_clears_the_old_regions() -> None:
    where = heap(cpus=2, collector="g1", tenured_per_request="200K", max_heap="256M")
    assert isinstance(where, G1Heap)
    marked = full = 0
    for _ in range(3000):
        while not where.take(1 * M):
            full += where.collect(0.0).is_full
            if where.marking_s:
                assert where._old_used > 0.45 * where._committed
                where.end_marking()
                marked += 1
        where.leave(where.enter())
    assert marked >= 2
    assert full == 0
    assert 128 * M < where._committed <= 256 * M, "it has grown"
    unmarked = heap(cpus=2, collector="g1", tenured_per_request="200K", max_heap="256M")
    assert requests(unmarked, 3000)[1] > 0, "who never marks has to stop everybody"


def test_g1_keeps_its_initial_size_while_pauses_are_rare() -> None:
    def committed(every_s: float) -> int:
        where = heap(cpus=2, collector="g1", max_heap="1G", initial_heap="64M", pause_cpu="2ms")
        assert isinstance(where, G1Heap)
        for n in range(4000):
            if not where.take(1 * M):
                where.collect(n * every_s)
        return where._committed

    assert committed(1.0) == 64 * M
    assert committed(0.0001) > 200 * M


# --- at work ---


def system(jvm: dict[str, Any], steps: list[dict[str, Any]] | None = None, **service: Any) -> dict[str, Any]:
    steps = steps or [{"kind": "cpu", "demand": "10ms"}]
    return {
        "machines": {"vm": {"cores": 4, "memory": "4G"}},
        "services": {
            "api": {
                "machine": "vm",
                "endpoints": {"get": {"steps": steps}},
                "jvm": HEAP | jvm,
                **service,
            }
        },
        "routes": {"get": {"service": "api", "endpoint": "get"}},
    }


SERIAL = {"collector": "serial", "pause_cpu": "50ms", "thread_stack": "1M"}
EVERY = {**SERIAL, "allocation_per_request": "30M"}
"""Two requests never fit eden together: every one but the first begins with a collection."""
FULL = EVERY | {"live_per_request": "30M", "mark_cpu": "0s", "pause_cpu": "0s"}
"""Three of them fill the heap."""


def test_a_collection_stops_everybody_and_who_comes_waits(play: PlayFixture) -> None:
    long = [{"kind": "cpu", "demand": "200ms"}]
    game = play(system(EVERY, long), [0.0, 0.1, 0.12]).until(None)
    rows = game.end()
    ends = [row["t_s"] + row["latency_s"] for row in rows]
    # the second one stops the first for 50 ms; the third waits for that, and then stops both for 50 ms
    assert ends == pytest.approx([0.3, 0.4, 0.4])
    assert [row["wait_s"] for row in rows] == pytest.approx([0.1, 0.1, 0.08])
    assert [row["cpu_s"] for row in rows] == pytest.approx([0.2] * 3)
    pauses = game.recording.whole.tallies["services.api.replica-1.jvm.young_s"]
    assert (pauses.count, pauses.total) == (2, pytest.approx(0.1))


def test_the_collector_s_cpu_counts_against_the_quota(play: PlayFixture) -> None:
    game = play(system({**EVERY, "pause_cpu": "300ms"}, limits={"cpus": 0.5}), [0.0, 1.0]).until(None)
    rows = game.end()
    pauses = game.recording.whole.tallies["services.api.replica-1.jvm.young_s"]
    assert pauses.total == pytest.approx(0.6, abs=0.06), "300 ms of CPU at half a core"
    assert rows[1]["latency_s"] > pauses.total
    assert game.system.containers["services.api.replica-1"].cpu.cpu_s == pytest.approx(0.32)


def test_who_leaves_during_a_collection_does_not_end_it(play: PlayFixture) -> None:
    document = system(EVERY)
    document["traffic"] = {"client": {"patience": "120ms"}}
    document["services"]["api"]["jvm"]["pause_cpu"] = "300ms"
    game = play(document, [0.0, 0.1, 0.15, 2.0]).until(None)
    rows = game.end()
    assert [row["outcome"] for row in rows] == ["succeeded", "abandoned", "abandoned", "abandoned"]
    whole, path = game.recording.whole, "services.api.replica-1.jvm"
    bins = [whole.counts[f"{path}.pause_bins.{number}"] for number in range(BINS)]
    assert whole.tallies[f"{path}.young_s"].count == sum(bins) == 3
    assert quantile_s(bins, 0.99) == pytest.approx(whole.tallies[f"{path}.young_s"].largest, rel=0.1)


def test_no_room_is_an_error_of_that_request_and_the_process_lives(play: PlayFixture) -> None:
    delay = [{"kind": "delay", "duration": "1s"}]
    game = play(system(FULL, delay), [0.01 * n for n in range(5)] + [3.0]).until(None)
    rows = game.end()
    assert [row["status"] for row in rows] == [200, 200, 200, 500, 500, 200], "20M and three times 30M fit 123M"
    assert game.recording.requests.by_reason(2) == {"out_of_memory": 2}
    assert game.recording.whole.counts["services.api.replica-1.deaths"] == 0


def test_or_it_exits(play: PlayFixture) -> None:
    delay = [{"kind": "delay", "duration": "1s"}]
    full = FULL | {"exit_on_out_of_memory": True}
    game = play(system(full, delay), [0.01 * n for n in range(5)] + [3.0]).until(None)
    rows = game.end()
    assert [row["status"] for row in rows] == [502, 502, 502, 502, 502, 200]
    assert game.recording.whole.counts["services.api.replica-1.deaths"] == 1


def test_stopped_frozen_and_slowed_threads_lose_and_gain_nothing() -> None:
    env = Environment()
    container = Processor(env, 2).container("a", 1024.0, Quota(0.05, 0.1, 0.03))
    threads = StoppableCpu(env, container)
    ended: list[int] = []

    def thread(number: int) -> Activity:
        yield threads.run(0.1 + 0.01 * number)
        ended.append(number)

    def trouble() -> Activity:
        for number in range(20):
            yield 0.037
            threads.stop()
            if number % 3 == 0:
                container.freeze()
            container.slow_down(2.0)
            yield 0.01
            assert len(threads.tasks) == 5 - len(ended)
            if number % 3 == 0:
                container.thaw()
            container.slow_down(1.0)
            threads.go_on()

    for number in range(5):
        env.start(thread(number))
    env.start(trouble())
    env.run()
    assert ended == [0, 1, 2, 3, 4]
    assert container.cpu_s == pytest.approx(0.6)
    assert container.cpu_s == pytest.approx(container.served_s + container.rounding_s, rel=1e-9)


def test_threads_are_made_when_they_are_needed_and_take_memory(play: PlayFixture) -> None:
    delay = [{"kind": "delay", "duration": "1s"}]
    workers = {"kind": "tomcat", "threads": 4, "min_spare_threads": 2}
    game = play(system(SERIAL, delay, base_memory="100M", workers=workers), [0.0] * 3 + [5.0] * 9)
    host = game.system.containers["services.api.replica-1"]
    young = 42 * M + (640 << 10)
    seen = [(game.until(time) and host.memory_bytes - young) // M for time in (0.5, 4.0, 5.5)]
    assert seen == [100 + 20 + 3, 100 + 20 + 3, 100 + 20 + 4]
    game.until(None).end()
    assert game.recording.whole.levels["services.api.replica-1.jvm.threads"].peak == 4


def test_a_killed_jvm_begins_anew(play: PlayFixture) -> None:
    document = system({**EVERY, "pause_cpu": "400ms"}, limits={"memory": "200M"}, base_memory="60M")
    game = play(document, [0.0, 1.0, 1.1, 5.0]).until(1.2)
    game.system.containers["services.api.replica-1"].kill("a bug")
    game.until(1.3)
    assert game.system.services["api"].replicas[0]._jvm._heap_level.value == 20 * M, "and so is the level of its heap"
    rows = game.until(None).end()
    assert [row["status"] for row in rows] == [200, 502, 502, 200]
    assert rows[3]["latency_s"] == pytest.approx(0.01), "its heap is empty again"


def test_a_gateway_has_a_jvm_too(play: PlayFixture) -> None:
    document = system(SERIAL)
    document["services"]["api"].pop("jvm")
    document["gateway"] = {"machine": "vm", "cpu": "1ms", "jvm": HEAP | EVERY}
    document["routes"]["get"]["through"] = ["gateway"]
    game = play(document, [0.0, 1.0, 2.0]).until(None)
    assert [row["latency_s"] for row in game.end()] == pytest.approx([0.011, 0.061, 0.061])
    assert game.recording.whole.tallies["gateway.jvm.young_s"].count == 2


@pytest.mark.parametrize(
    ("jvm", "limits", "setting"),
    [
        ({}, {}, "services.api.jvm.max_heap"),
        ({"max_heap": None}, {"memory": "512M"}, "services.api.limits.memory"),
        ({"max_heap": None}, {}, "machines.vm.memory"),
    ],
)
def test_a_full_heap_can_be_what_breaks_first(
    play: PlayFixture, jvm: dict[str, Any], limits: dict[str, Any], setting: str
) -> None:
    game = play(system(jvm, limits=limits), [0.0])
    assert [limit.setting for limit in game.system.limits if limit.kind == "heap"] == [setting]


def test_a_cold_start_at_the_very_beginning_with_its_compiler(play: PlayFixture) -> None:
    cold = {"cold_factor": 3, "cold_requests": 2, "starts_cold": True, "compile_cpu": "4s"}
    document = system(SERIAL, **cold)
    game = play(document, [0.0, 5.0, 10.0]).until(None)
    assert [row["cpu_s"] for row in game.end()] == pytest.approx([0.03, 0.02, 0.01])
    assert game.system.containers["services.api.replica-1"].cpu.cpu_s == pytest.approx(0.06 + 4.0)
