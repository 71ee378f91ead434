"""The parts of Redis one by one: hash table, pool of candidates, expiry cycle, local cache, and a whole system."""

from __future__ import annotations

import gc
from collections import Counter
from typing import Any

import pytest

from experiments.validation.redis_stand import Host, Stand
from models.cache import EMPTY_BYTES, Client, Entries, Entry, Evictor, LocalCache, LocalCacheSpec, Table
from models.cache.table import mix
from models.link import Link, LinkSpec, Trouble
from models.outcomes import CacheUnavailable
from models.service.steps.cache import CacheStep
from models.spec import Context
from sim.probe import NullProbe
from sim.streams import Streams


def chance(seed: int = 1) -> Any:
    return Streams(seed, 0).sequence("chance").next


def filled(count: int, seed: int = 1) -> tuple[Table, list[Entry]]:
    table, entries = Table(chance(seed)), Entries(None)
    made = [entries.store(key, 0.0, 1, mix(key)) for key in range(count)]
    for entry in made:
        table.add(entry)
    return table, made


def test_a_table_grows_and_shrinks_with_its_entries() -> None:
    table, made = filled(1000)
    assert (table.count, table.size) == (1000, 1024)
    for entry in made[:950]:
        table.remove(entry)
    assert (table.count, table.size) == (50, 128)  # shrunk when a tenth was used
    assert {entry.key for entry in table.scan(50)} == set(range(950, 1000))
    for entry in made[950:]:
        table.remove(entry)
    assert (table.count, table.scan(20), table.some(5), table.any()) == (0, [], [], None)


def test_scanning_goes_round_and_meets_everybody() -> None:
    table, _ = filled(300)
    met: Counter[int] = Counter()
    while sum(met.values()) < 300:
        met.update(entry.key for entry in table.scan(20))
    assert set(met) == set(range(300))
    assert max(met.values()) <= 2
    few, _ = filled(3)
    assert sorted(entry.key for entry in few.scan(20)) == [0, 1, 2]


def test_samples_are_neighbours_and_everybody_is_among_them() -> None:
    table, _ = filled(64)
    assert len({entry.key for entry in table.some(5)}) == 5
    assert len(table.some(100)) == 64
    met = Counter(entry.key for _ in range(4000) for entry in table.some(1))
    assert set(met) == set(range(64))
    alone = Counter(entry.key for _ in range(8000) if (entry := table.any()) is not None)
    assert set(alone) == set(range(64))


def test_the_pool_keeps_the_best_sixteen_and_forgets_who_is_gone() -> None:
    clock = [1000.0]
    table, made = filled(40)
    evictor = Evictor("allkeys-lru", 40, table, lambda: clock[0], chance())
    for entry in made:
        entry.touched = 900 + entry.key  # key 0 has been idle for longest
    assert evictor.pick() is made[0]
    for entry in made[:20]:  # gone without the pool's knowledge
        entry.entries.remove(entry.key)
        table.remove(entry)
    assert evictor.pick() is made[20]


@pytest.mark.parametrize(("uses", "least", "most"), [(5, 9, 10), (100, 11, 22), (1000, 30, 60)])
def test_frequency_is_counted_logarithmically(uses: int, least: int, most: int) -> None:
    table, (entry,) = filled(1)
    evictor = Evictor("allkeys-lfu", 5, table, lambda: 0.0, chance(3))
    evictor.created(entry)
    assert entry.lfu_counter == 5
    evictor.used(entry)
    assert entry.lfu_counter == 6  # certain from the initial value on
    for _ in range(uses):
        evictor.used(entry)
    assert min(least, 6) <= entry.lfu_counter <= most


def test_nobody_who_rests_costs_anything() -> None:
    """The expiry cycle makes no event once nobody asks, and has caught up when somebody does."""
    stand = Stand(cls={"ttl": "10s"})
    for key in range(100):
        stand.store(key)
    steps = 0
    while stand.env.peek() < float("inf"):
        stand.env.step()
        steps += 1
    assert steps < 10
    stand.env.run(until=1_000_000.0)
    assert stand.hit(500) is False
    assert (stand.redis.space.count, stand.count("expired")) == (0, 100)


def test_a_cycle_runs_for_those_that_are_due_only() -> None:
    stand = Stand({"free_cpu": "1ms"}, {"ttl": "1s"})
    for key in range(40):
        stand.store(key, 0.1 * key)
    for tick in range(41, 61):  # somebody asks all the time
        stand.hit(500, 0.1 * tick)
    assert stand.redis.space.count < 10
    assert stand.total("expiry_cpu_s") == pytest.approx(0.001 * stand.count("expired"))


def test_a_local_cache_keeps_the_last_ones_used_for_a_while() -> None:
    cache = LocalCache(LocalCacheSpec.model_validate({"maximum_size": 2, "expire_after_write": "10s"}))
    assert [cache.put(key, key, 100, 0.0) for key in (1, 2)] == [False, False]
    assert cache.get(1, 5.0) == 1
    assert cache.put(3, 7, 100, 6.0) is True
    assert [cache.get(key, 9.0) for key in (1, 2, 3)] == [1, None, 7]
    assert [cache.get(key, 10.0) for key in (1, 3)] == [None, 7]
    assert (len(cache), cache.bytes) == (1, 212)
    cache.remove(3)
    assert (len(cache), cache.bytes) == (0, 0)


def test_redis_time_of_day_differs_from_run_to_run_and_can_be_set() -> None:
    first, second = Stand(seed=1).redis, Stand(seed=2).redis
    assert 0 <= first.clock_s() < 1
    assert first.clock_s() != second.clock_s()
    before = first.clock_s()
    first.step_clock(-10.0)
    assert first.clock_s() == before - 10.0


def across_a_link(stand: Stand) -> tuple[Host, Client, Link]:
    """A process that asks across a link on which a message takes 10 ms."""
    spec = LinkSpec.model_validate({"between": ["shop", "redis"], "delay": "10ms"})
    link = Link(Context(stand.env, Streams(1, 0), NullProbe(stand.env), "wire"), spec)
    stand.redis.links = {Host.path: link}
    owner = Host(stand.env)
    return owner, stand.redis.client("shop-2", owner), link


def test_an_answer_that_is_on_its_way_arrives_whatever_becomes_of_redis() -> None:
    stand = Stand({"command_cpu": "1ms"})
    _, client, _ = across_a_link(stand)
    result = stand.do("store", 1, client)
    stand.env.run(until=0.015)  # carried out at 11 ms
    stand.host.die(stand.redis)
    stand.env.run(until=1.0)
    assert (result.error, result.ended_s) == (None, pytest.approx(0.021))


def test_a_process_that_was_started_anew_connects_with_its_first_command() -> None:
    """SYN and its answer, then the command and its own; where nothing gets through, 10 s and no connection."""
    stand = Stand()
    owner, client, link = across_a_link(stand)
    owner.die()
    owner.is_up = True
    first, second = stand.do("lookup", 1, client), stand.do("lookup", 1, client)
    stand.env.run(until=1.0)
    assert [first.ended_s, second.ended_s] == pytest.approx([0.04, 0.04])
    later = stand.do("lookup", 1, client)
    stand.env.run(until=2.0)
    assert later.ended_s == pytest.approx(1.02)
    owner.die()
    link.suffer(Trouble(is_cut=True))
    owner.is_up = True
    cut_off = stand.do("lookup", 1, client)
    stand.env.run(until=20.0)
    assert (type(cut_off.error), cut_off.ended_s) == (CacheUnavailable, 12.0)


def test_who_will_never_be_asked_again_reconnects_no_longer_than_somebody_waits() -> None:
    stand = Stand({"client": {"command_timeout": "50s"}})
    _, client, link = across_a_link(stand)
    stand.host.die(stand.redis)
    link.suffer(Trouble(is_cut=True))
    result = stand.do("lookup", 1, client)
    stand.env.run(until=20.0)
    stand.redis.desert()
    stand.env.run()
    assert result.ended_s == 50.0
    assert stand.env.now < 100.0


def test_a_process_that_died_leaves_nobody_behind_who_reconnects() -> None:
    stand = Stand()
    owner, client, link = across_a_link(stand)
    stand.host.die(stand.redis)
    link.suffer(Trouble(is_cut=True))
    stand.env.run(until=20.0)
    owner.die()
    stand.env.run()
    assert (client.is_connected, stand.env.now < 100.0) == (False, True)


SYSTEM: dict[str, Any] = {
    "machines": {"vm": {"cores": 4, "memory": "4G"}},
    "gateway": {
        "machine": "vm",
        "cpu": "1ms",
        "rate_limits": {"each": {"kind": "spring_redis", "key": "user", "replenish_rate": 9, "burst_capacity": 9,
                                 "cache": "redis"}},
    },
    "services": {
        "shop": {
            "machine": "vm",
            "endpoints": {
                "get": {
                    "steps": [
                        {"kind": "cache", "cache": "redis", "data_class": "items",
                         "on_miss": [{"kind": "cpu", "demand": "5ms"}]}
                    ]
                }
            },
        }
    },
    "caches": {
        "redis": {
            "machine": "vm",
            "command_cpu": "100us",
            "round_trip": "1ms",
            "start_wait": "1s",
            "client": {"command_timeout": "500ms"},
            "classes": {"items": {"ttl": "60s", "keys": 100, "popularity": 0, "value": "1K"}},
        }
    },
    "routes": {"get": {"service": "shop", "endpoint": "get", "through": ["gateway"]}},
    "traffic": {},
}  # fmt: skip


def test_a_dead_redis_holds_requests_until_its_clients_give_up_or_it_is_back(play: Any) -> None:
    """The limiter waits 500 ms and lets pass, the cached call waits 500 ms and fails; who comes late is served."""
    running = play(SYSTEM, [0.5, 1.1, 2.2, 5.0], keys=[1, 1, 1, 1])
    running.until(1.0)
    running.system.containers["caches.redis"].kill("a test")
    running.until(6.0)
    rows = running.end()
    assert [row["status"] for row in rows] == [200, 500, 200, 200]
    assert rows[1]["latency_s"] == pytest.approx(1.0, abs=0.01)
    # down for 1.1 s from 1.0 on; attempts 2 ** n - 1 ms later: the one at 3.047 s comes too late for the limiter at
    # 2.7 s, and in time for the cached call after it
    assert rows[2]["latency_s"] == pytest.approx(3.047 - 2.2, abs=0.05)
    assert rows[3]["latency_s"] < 0.02


def test_a_redis_that_is_cut_off_for_good_does_not_keep_a_finished_system_going(play: Any) -> None:
    running = play({**SYSTEM, "links": {"wire": {"between": ["services.shop", "caches.redis"]}}}, [0.5, 1.1])
    running.until(1.0)
    running.system.containers["caches.redis"].kill("a test")
    running.system.caches["redis"].links["services.shop"].suffer(Trouble(is_cut=True))
    running.env.run()
    assert running.env.now < 100.0


def test_requests_leave_nothing_behind_in_a_step_within_a_transaction(play: Any) -> None:
    get = {"kind": "cache", "cache": "redis", "data_class": "items", "on_miss": []}
    steps = [{"kind": "transaction", "pool": "main", "steps": [get]}]
    shop = {"machine": "vm", "pools": {"main": {"database": "db"}}, "endpoints": {"get": {"steps": steps}}}
    document = {**SYSTEM, "databases": {"db": {"machine": "vm"}}, "services": {"shop": shop}}
    running = play(document, [0.1 * n for n in range(1, 21)])
    running.until(5.0)
    assert [row["status"] for row in running.end()] == [200] * 20
    known = [step for step in gc.get_objects() if isinstance(step, CacheStep) and step._cache is cache_of(running)]
    assert [len(step._clients) for step in known] == [1]


def cache_of(running: Any) -> Any:
    return running.system.caches["redis"]


def test_a_synchronised_load_within_one_of_the_same_class_has_its_lock_already(play: Any) -> None:
    inner = {"kind": "cache", "cache": "redis", "data_class": "items", "sync": True, "on_miss": []}
    outer = {**inner, "on_miss": [inner]}
    shop = {**SYSTEM["services"]["shop"], "endpoints": {"get": {"steps": [outer]}}}
    running = play({**SYSTEM, "services": {"shop": shop}}, [0.5, 0.5], keys=[1, 2])
    running.until(5.0)
    assert [row["status"] for row in running.end()] == [200, 200]


def test_a_full_redis_is_what_breaks_first(play: Any) -> None:
    """Writes are refused: requests fail, and the limiter lets everything pass."""
    caches = {"redis": {**SYSTEM["caches"]["redis"], "maxmemory": f"{EMPTY_BYTES + 3 * 1154 + 4 * 2 * 155}B"}}
    running = play({**SYSTEM, "caches": caches}, [0.1 * n for n in range(1, 9)], keys=list(range(8)))
    running.until(5.0)
    rows = running.end()
    assert [row["status"] for row in rows] == [200] * 4 + [500] * 4
    counts = running.recording.measured.counts
    assert counts["caches.redis.oom_errors"] == 4 + 4
    assert counts["gateway.rate_limits.each.fail_open"] == 4
    limits = {limit.setting: limit for limit in running.system.limits}
    assert limits["caches.redis.maxmemory"].kind == "cache_memory"
