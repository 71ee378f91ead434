"""Redis 7.0 as a cache: expiry, memory, one command thread."""

from __future__ import annotations

from typing import Any

from experiments.validation.check import Component, expect, expect_near
from experiments.validation.limits import passes
from experiments.validation.redis_stand import Host, Instruments, Stand
from models.cache import EMPTY_BYTES, Keyspace, RedisSpec
from models.outcomes import CacheFull
from models.spec import Context
from models.token_bucket import SpringRedisSpec
from sim.environment import Activity, Environment
from sim.streams import Streams

REDIS = Component(
    "Redis",
    version="7.0.15",
    source="redis: src/expire.c, src/evict.c, src/server.c, src/db.c, src/dict.c",
    section="5",
)


def memory_for(entries: int) -> str:
    """maxmemory in which so many entries of 1100 bytes fit."""
    return f"{EMPTY_BYTES + entries * 1100}B"


def held(stand: Stand, keys: range) -> list[int]:
    """Which keys Redis has, expired or not, without touching them."""
    entries = stand.redis.data_class("hot").shelf.entries
    return [key for key in keys if entries.get(key) is not None]


@REDIS.check(
    "active expiry off: 5 expired keys ⇒ DBSIZE 5; GET one ⇒ nil and 4; on again ⇒ 0",
    "expired keys are counted until somebody asks for them or the active cycle finds them",
)
def expired_keys_are_counted() -> None:
    stand = Stand({"active_expiry": False}, {"ttl": "10s"})
    for key in range(5):
        stand.store(key, 0.0)
    stand.env.run(until=20.0)
    expect(stand.redis.space.count, 5, "DBSIZE")
    expect((stand.hit(3), stand.redis.space.count), (False, 4), "GET one")
    active = Stand(cls={"ttl": "10s"})
    for key in range(5):
        active.store(key, 0.0)
    active.env.run(until=20.0)
    expect((active.hit(9), active.redis.space.count), (False, 0), "active expiry on")
    expect((active.count("expired"), active.host.memory_bytes), (5, 0))


@REDIS.check("an entry is gone when now > its instant", "not at it; reading does not prolong, storing does")
def gone_after_its_instant() -> None:
    stand = Stand(cls={"ttl": "10s"})
    stand.store(1, 0.0)
    expect([stand.hit(1, when) for when in (3.0, 10.0, 10.001)], [True, True, False])
    stand.store(1, 20.0)
    stand.store(1, 26.0)
    expect([stand.hit(1, when) for when in (32.0, 36.0, 36.5)], [True, True, False])


@REDIS.check("active cycle: hz 10, 20 keys per loop, repeat while >10% are stale", "all that expired together goes")
def cycle_repeats_while_much_is_stale() -> None:
    stand = Stand(cls={"ttl": "1s"})
    for key in range(2000):
        stand.store(key)
    stand.env.run(until=0.999)
    expect(stand.redis.space.count, 2000, "before")
    stand.hit(5000, 1.0)
    stand.env.run(until=1.25)
    expect(stand.redis.space.count <= 0.1 * 2000, True, "a cycle later at most a tenth is left")


@REDIS.check("25 ms stalls per 100 ms under mass expiry", "commands wait behind the cycle", "within 5 ms")
def mass_expiry_stalls() -> None:
    stand = Stand({"command_cpu": "10us"}, {"ttl": "1s"})
    redis, shelf = stand.redis, stand.redis.data_class("hot").shelf
    for key in range(60_000):
        redis.space.store(shelf, key, 0.0, 1100)
    waits: list[float] = []

    def ask() -> Activity:
        while stand.env.now < 1.6:
            began_at_s = stand.env.now
            yield from redis.lookup(stand.client, stand.request(0), "hot", 0)
            waits.append(1000.0 * (stand.env.now - began_at_s))
            yield 0.004

    stand.env.start(ask())
    stand.env.run(until=2.0)
    stalls = sorted(wait for wait in waits if wait > 5.0)
    expect(stand.total("expiry_cuts"), 2, "runs cut at 25 ms")
    expect(len(stalls), 3, "stalls: 25 000 keys each, and the rest")
    for stall in stalls[1:]:
        expect_near(stall, 23.0, 2.5, "ms")


@REDIS.check("maxmemory 0 = unlimited", "nothing is evicted or refused")
def unlimited() -> None:
    stand = Stand()
    for key in range(3000):
        stand.store(key)
    expect((len(held(stand, range(3000))), stand.total("oom_errors")), (3000, 0))


@REDIS.check("policy noeviction: writes get OOM, reads and DEL work", "until memory is below the limit again")
def noeviction() -> None:
    stand = Stand({"maxmemory": memory_for(3)})
    for key in range(4):  # the fourth finds the limit reached, not exceeded
        stand.store(key)
    refused = stand.ask("store", 4)
    expect((type(refused.error), refused.error.status, stand.total("oom_errors")), (CacheFull, 500, 1))
    expect([stand.hit(key) for key in range(5)], [True] * 4 + [False], "reads")
    expect(stand.ask("evict", 0).error, None, "DEL")
    expect((stand.ask("store", 4).error, stand.hit(4)), (None, True), "there is room again")


@REDIS.check("maxmemory exceeded, noeviction", "script error ⇒ gateway allows", section="1.1")
def gateway_allows() -> None:
    for burst, fails_open in ((1, 2), (0, 0)):  # with a TTL of 0 the script writes nothing, and does not fail
        env, probe = Environment(), Instruments(Environment())
        spec = RedisSpec.model_validate({"command_cpu": "0s", "round_trip": "0s", "maxmemory": "1B"})
        context = Context(env, Streams(1, 0), probe, "redis")
        redis = spec.build(context, Host(env))
        settings: dict[str, Any] = {"replenish_rate": 3} if not burst else {"replenish_rate": 1, "burst_capacity": 1}
        limiter = SpringRedisSpec(key="user", cache="redis", **settings).build(context.at("limit"), redis.scripts("g"))
        expect(passes(env, limiter, [0.0, 0.0]), [1, 1])
        expect(probe.kept["redis.limit.fail_open"].total, fails_open)


def wrongly_evicted(samples: int, seed: int) -> int:
    """10,000 old entries, 10,000 that were read later, 6000 new ones in their place: how many of those read go."""
    env = Environment()
    clock = [0.0]
    spec = RedisSpec.model_validate(
        {
            "command_cpu": "0s", "round_trip": "0s", "maxmemory": f"{EMPTY_BYTES + 20_000_000}B",
            "maxmemory_policy": "allkeys-lru", "maxmemory_samples": samples,
        }
    )  # fmt: skip
    probe = Instruments(env)
    chance = Streams(seed, 0).sequence("sampling").next
    space = Keyspace(spec, probe.level("bytes"), lambda delta: None, lambda: clock[0], chance)
    shelf = space.shelf(None, seed, probe.count("expired"), probe.count("evicted"))
    for key in range(20_000):
        space.store(shelf, key, 0.0, 1000)
    clock[0] = 100.0
    for key in range(10_000, 20_000):
        space.find(shelf, key, 0.0)
    clock[0] = 200.0
    for key in range(20_000, 26_000):
        space.store(shelf, key, 0.0, 1000)
        space.make_room()
    return sum(shelf.entries.get(key) is None for key in range(10_000, 20_000))


LRU = "allkeys-lru, 10k old + 10k recent + 6k added, recent keys wrongly evicted: samples {}"


@REDIS.check(LRU.format("1: 2738"), "no better than chance", "within 6 % (2548 to 2752 in three more runs)")
def one_sample() -> None:
    expect_near(wrongly_evicted(1, 1), 2738, 165)


@REDIS.check(LRU.format("5: 54"), "nearly always an old one", "within 60 keys of 10,000 (9 to 37 in four more runs)")
def five_samples() -> None:
    expect_near(wrongly_evicted(5, 1), 30, 30)


@REDIS.check(LRU.format("10: 0"), "always an old one")
def ten_samples() -> None:
    expect(wrongly_evicted(10, 1), 0)


@REDIS.check("LRU's 1 s clock", "uses within one second cannot be told apart")
def clock_of_a_second() -> None:
    stand = Stand({"maxmemory": memory_for(99), "maxmemory_policy": "allkeys-lru", "maxmemory_samples": 64})
    second = int(stand.redis.clock_s()) + 1 - stand.redis.clock_s()  # until the next one of Redis' clock
    for key in range(100):
        stand.store(key, second + key * 0.005)
    for key in range(50):
        stand.hit(key, second + 0.6 + key * 0.005)  # read later, but in the same second
    for key in range(100, 140):
        stand.store(key, second + 10.0)
    gone = [key for key in range(100) if key not in held(stand, range(100))]
    expect(any(key < 50 for key in gone), True, "keys read later go as well")


@REDIS.check("≤500 µs of eviction per command, then the command runs although over the limit", "the rest goes between")
def eviction_is_cut() -> None:
    classes = {"big": {"keys": 10, "popularity": 0, "value": "2000000B"}}
    stand = Stand({"maxmemory": memory_for(2100), "maxmemory_policy": "volatile-random", "classes": classes})
    for key in range(2100):
        stand.store(key)
    stand.store(1, cls="big")
    # 16 evictions of 1 us each between looks at the clock: 512 take more than 500 us
    answer = stand.ask("store", 9000)
    expect(answer.error, None)
    expect_near(answer.request.cache_s, 512e-6, 1e-9, "eviction before the command")
    expect(stand.redis.space.is_over, True, "still over the limit")
    stand.env.run(until=stand.env.now + 0.01)
    expect((stand.redis.space.is_over, stand.total("eviction_cuts") >= 2), (False, True), "evicted between commands")


@REDIS.check("volatile-* with no TTL keys behaves as noeviction", "writes fail")
def volatile_without_ttl() -> None:
    for policy in ("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"):
        stand = Stand({"maxmemory": memory_for(3), "maxmemory_policy": policy}, {"ttl": None})
        for key in range(4):
            stand.store(key)
        expect(type(stand.ask("store", 4).error), CacheFull, policy)
        expect(len(held(stand, range(4))), 4, policy)


@REDIS.check("volatile-ttl", "what would expire first goes first, where the samples see everything")
def soonest_first() -> None:
    settings = {"maxmemory": memory_for(10), "maxmemory_policy": "volatile-ttl", "maxmemory_samples": 64}
    stand = Stand(settings)
    for key in range(10):
        stand.store(key, float(key))
    for key in (3, 0):
        stand.store(key, 20.0)  # they now end last
    for key in range(10, 14):
        stand.store(key, 21.0)
    expect(held(stand, range(14)), [0, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13])


@REDIS.check("allkeys-lfu", "what is asked for often stays, whenever that was")
def frequent_ones_stay() -> None:
    settings = {"maxmemory": memory_for(100), "maxmemory_policy": "allkeys-lfu", "maxmemory_samples": 10}
    stand = Stand(settings)
    for key in range(100):
        stand.store(key)
    for _ in range(100):
        for key in range(20):
            stand.hit(key)
    for key in range(100, 400):
        stand.store(key)
    expect(held(stand, range(20)), list(range(20)))


@REDIS.check("LFU counters lose 1 for each minute unused", "what was popular long ago goes")
def counters_decay() -> None:
    settings = {"maxmemory": memory_for(100), "maxmemory_policy": "allkeys-lfu", "maxmemory_samples": 64}
    stand = Stand(settings, {"ttl": None})
    for key in range(20):
        stand.store(key, 0.0)
        for _ in range(200):
            stand.hit(key)
    for key in range(20, 100):
        stand.store(key, 3600.0)  # an hour later all 20 counters are at 0, and new ones start at 5
    for key in range(100, 121):
        stand.store(key, 3600.0)
    expect(held(stand, range(100)), list(range(20, 100)))


@REDIS.check("One command thread (io-threads 1)", "commands are carried out one after the other")
def one_at_a_time() -> None:
    stand = Stand({"command_cpu": "250ms", "round_trip": "1s"})
    results = [stand.do("lookup", key) for key in range(4)]
    stand.env.run()
    expect([result.ended_s for result in results], [1.25, 1.5, 1.75, 2.0])


@REDIS.check("clock set back and forward", "what expires, expires by the wall clock")
def clock_steps() -> None:
    stand = Stand(cls={"ttl": "10s"})
    stand.store(1, 0.0)
    stand.env.run(until=9.0)
    stand.redis.step_clock(-5.0)
    expect([stand.hit(1, when) for when in (14.0, 15.0, 15.5)], [True, True, False], "set back by 5 s")
    stand.store(2, 20.0)
    stand.redis.step_clock(11.0)
    expect(stand.hit(2), False, "set forward by 11 s")


@REDIS.check("memory is lost with the process", "a Redis that died comes back empty")
def empty_after_death() -> None:
    stand = Stand({"command_cpu": "1us"})
    stand.store(1)
    stand.host.die(stand.redis)
    expect((stand.redis.space.count, stand.redis.space.bytes), (0, 0))
    stand.host.come_up(stand.redis)
    expect(stand.hit(1), False)


REDIS.leaves_out("fast expire cycle", "up to 1 ms between event loops; only the slow cycle is run")
REDIS.leaves_out("io-threads above 1, replicas, persistence", "one Redis without them is modelled")
