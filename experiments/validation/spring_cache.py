"""Spring's cache abstraction on Redis, and a local cache in front of it: what several requests for one key do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from experiments.validation.check import Component, expect, expect_near
from experiments.validation.redis_stand import Host, Stand
from models.cache import CacheClassSpec, RedisClientSpec
from models.outcomes import CacheUnavailable, InstanceDied
from models.request import Visit
from models.service.spec import CacheStepSpec, EvictStepSpec
from models.service.steps.cache import CacheStep, EvictStep
from models.spec import Context
from models.step import Step
from sim.environment import Activity
from sim.probe import NullProbe
from sim.streams import Streams

SPRING_CACHE = Component(
    "Spring cache",
    version="Spring Framework 91eb426, Spring Data Redis 2.7 to 4.0 (a1bd567)",
    source="spring-context: cache/interceptor/CacheAspectSupport.java; spring-data-redis: cache/RedisCache.java, "
    "cache/DefaultRedisCacheWriter.java, cache/RedisCacheConfiguration.java",
    section="5",
)


class _Loading(Step):
    """A step that takes 0.3 s and notes when it was done."""

    def __init__(self, context: Context, stand: Stand) -> None:
        super().__init__(context, "load", probability=1.0)
        self._stand = stand
        self.loaded_at_s: list[float] = []

    def process(self, *_: Any) -> Activity:
        yield 0.3
        self.loaded_at_s.append(self._stand.env.now)


class _Replica:
    """One whose container does nothing else."""

    def __init__(self, name: str, host: Host) -> None:
        self.name = name
        self.host = host


class Shop:
    """Replicas whose requests read a key through a cache, or change it."""

    def __init__(self, redis: dict[str, Any] | None = None, cls: dict[str, Any] | None = None, **step: Any) -> None:
        self.stand = Stand(redis, cls)
        context = Context(self.stand.env, Streams(1, 0), NullProbe(self.stand.env), "shop")
        self.loading = _Loading(context.at("load"), self.stand)
        read = CacheStepSpec(name="read", cache="redis", data_class="hot", **step)
        change = EvictStepSpec(name="change", cache="redis", data_class="hot", on_error=read.on_error)
        self._read = CacheStep(context.at("read"), read, self.stand.redis, [self.loading])
        self._change = EvictStep(context.at("change"), change, self.stand.redis)
        self.replicas = [_Replica(f"item-{number}", Host(self.stand.env)) for number in range(3)]
        self._visit = Visit("shop", "get")

    def read(self, key: int, replica: int = 0) -> SimpleNamespace:
        return self._start(self._read, key, replica)

    def change(self, key: int, replica: int = 0) -> SimpleNamespace:
        return self._start(self._change, key, replica)

    def _start(self, step: Any, key: int, replica: int) -> SimpleNamespace:
        result = SimpleNamespace(error=None, ended_s=None, light=None, request=self.stand.request(key))

        def process() -> Activity:
            try:
                yield from step.process(result.request, self._visit, self.replicas[replica])
            except (CacheUnavailable, InstanceDied) as error:
                result.error = error
            result.ended_s = self.stand.env.now

        result.light = self.stand.env.start(process())
        return result

    def until(self, when: float) -> None:
        self.stand.env.run(until=when)

    @property
    def loads(self) -> int:
        return len(self.loading.loaded_at_s)


@SPRING_CACHE.check("@Cacheable: lookup, miss, invoke, put: no single flight", "ten misses, ten loads, ten puts")
def no_single_flight() -> None:
    shop = Shop()
    for _ in range(10):
        shop.read(7)
    shop.until(1.0)
    count = shop.stand.count
    expect((shop.loads, count("misses"), count("stores"), count("duplicate_loads")), (10, 10, 10, 9))
    shop.read(7)
    shop.until(2.0)
    expect((shop.loads, count("hits")), (10, 1))


@SPRING_CACHE.check("sync=true before 3.4: in-process lock", "one load in each replica; the others look again")
def locked_in_the_process() -> None:
    shop = Shop(sync=True)
    results = [shop.read(7, replica) for replica in (0, 0, 0, 1, 1)]
    shop.until(1.0)
    expect(shop.loads, 2, "one in each of two replicas")
    expect([result.ended_s for result in results], [0.3] * 5)
    expect((shop.stand.count("misses"), shop.stand.count("hits")), (5 + 2, 3), "those who load look twice")
    expect([result.request.wait_s for result in results], [0.0, 0.3, 0.3, 0.0, 0.3])


@SPRING_CACHE.check("sync=true before 3.4: one lock for all keys", "loads of different keys wait for each other")
def one_lock_for_all_keys() -> None:
    shop = Shop(sync=True)
    results = [shop.read(key) for key in range(3)]
    shop.until(2.0)
    expect([round(result.ended_s, 9) for result in results], [0.3, 0.6, 0.9])


@SPRING_CACHE.check("since Spring Data Redis 3.4 the default non-locking writer takes no lock at all", "as if without")
def no_lock_since_3_4() -> None:
    shop = Shop({"client": {"spring_data_redis": "3.4"}}, sync=True)
    for _ in range(10):
        shop.read(7)
    shop.until(1.0)
    expect((shop.loads, shop.stand.count("duplicate_loads")), (10, 9))


@SPRING_CACHE.check("Default TTL: none; time-to-idle off", "an entry stays, and reading prolongs none")
def stays() -> None:
    expect(CacheClassSpec(keys=1, popularity=0, value="1K").ttl, None)
    stand = Stand(cls={"ttl": None})
    stand.store(1, 0.0)
    expect(stand.hit(1, 1e9), True)


@SPRING_CACHE.check("nulls are cached", "a load that found nothing is not repeated, unless nulls are not cached")
def nulls() -> None:
    for cache_nulls, loads in ((True, 1), (False, 3)):
        shop = Shop(cls={"missing": 1.0, "cache_nulls": cache_nulls})
        for number in range(3):
            shop.read(7)
            shop.until(number + 1.0)
        expect((shop.loads, shop.stand.count("stores")), (loads, 1 if cache_nulls else 0))
    expect(shop.stand.host.memory_bytes, 0)
    small = Stand(cls={"missing": 1.0})
    small.store(1)
    expect(small.host.memory_bytes, 64 + 100, "a serialised NullValue, and what goes with it")


@SPRING_CACHE.check("Exceptions from Redis propagate unless a CacheErrorHandler is set", "500, or as after a miss")
def errors() -> None:
    for on_error, outcome in (("propagate", (True, 0.0, 0)), ("ignore", (False, 0.3, 1))):
        shop = Shop(on_error=on_error)
        for replica in shop.replicas:
            replica.host.deaths.total = 1  # processes that were started after Redis had died: refused at once
        shop.stand.host.die(shop.stand.redis)
        result, changed = shop.read(1), shop.change(1)
        shop.until(1.0)
        expect((result.error is not None, result.ended_s, shop.loads), outcome)
        expect(changed.error is not None, on_error == "propagate")
    expect(shop.stand.count("errors_ignored"), 3, "get, put and evict")


@SPRING_CACHE.check("with a connected client each command waits before its exception", "get and put: twice the limit")
def ignored_errors_cost_time() -> None:
    shop = Shop({"client": {"command_timeout": "1s"}}, on_error="ignore")
    shop.read(1)
    shop.until(5.0)
    shop.stand.host.die(shop.stand.redis)
    result = shop.read(1)
    shop.until(10.0)
    expect((result.error, result.ended_s), (None, 5.0 + 1.0 + 0.3 + 1.0))


@SPRING_CACHE.check("a put that began before an evict", "leaves what is stale until it expires")
def stale_put() -> None:
    shop = Shop()
    shop.read(1)
    shop.until(0.1)
    shop.change(1)  # while the old value is still being loaded
    shop.until(1.0)
    shop.read(1)
    shop.until(2.0)
    expect((shop.stand.count("hits"), shop.stand.count("stale_hits")), (1, 1))


@SPRING_CACHE.check("a local cache in front", "hits without Redis; other replicas stay stale until theirs expires")
def local_tier() -> None:
    shop = Shop(cls={"local": {"maximum_size": 2, "expire_after_write": "10s"}})
    count = shop.stand.count
    shop.read(1)
    shop.until(1.0)
    shop.read(1, replica=1)  # from Redis into the second replica
    shop.until(2.0)
    shop.read(1)
    shop.read(1, replica=1)
    shop.until(3.0)
    expect((shop.loads, count("local.hits"), count("hits"), count("misses")), (1, 2, 1, 1))
    shop.change(1)
    shop.until(4.0)
    shop.read(1)
    shop.read(1, replica=1)
    shop.until(5.0)
    expect((shop.loads, count("local.hits"), count("local.stale_hits")), (2, 3, 1))
    shop.until(12.0)
    shop.read(1, replica=1)
    shop.until(13.0)
    expect((count("local.stale_hits"), count("hits")), (1, 2), "expired, then fresh from Redis")
    for key in (2, 3):
        shop.read(key, replica=1)
    shop.until(14.0)
    expect(count("local.evictions"), 1)
    expect(shop.replicas[1].host.memory_bytes, 2 * (1000 + 112), "memory of the replica")


@SPRING_CACHE.check("defaults of the client", "60 s; the locks of Spring Data Redis 2.7")
def client_defaults() -> None:
    spec = RedisClientSpec()
    expect((spec.command_timeout, spec.spring_data_redis), (60.0, "2.7"))


LOCKING = {"client": {"cache_writer": "locking", "lock_sleep": "40ms", "spring_data_redis": "3.4"}}


@SPRING_CACHE.check("Locking writer locks the whole cache name", "one load at a time in all replicas; who waits polls")
def locking_writer() -> None:
    expect(RedisClientSpec.model_validate({"cache_writer": "locking"}).lock_sleep, 0.05)
    shop = Shop(LOCKING, sync=True)
    results = [shop.read(key, replica=key) for key in range(3)]
    shop.until(0.13)
    changed = shop.change(9)
    shop.until(2.0)
    # a load takes 0.3 s; polls every 40 ms from 0 on, the evict's from 0.13 on
    expect([round(result.ended_s, 9) for result in (*results, changed)], [0.3, 0.62, 0.94, 0.97])
    expect(round(results[2].request.wait_s, 9), 0.64)
    expect(shop.stand.count("lock_polls"), 8 + 16 + 21)


@SPRING_CACHE.check("sync=true with a locking writer: get, lock, get again", "ten misses, one load in all replicas")
def one_load_for_all() -> None:
    shop = Shop(LOCKING, sync=True)
    results = [shop.read(7, replica=number % 3) for number in range(10)]
    shop.until(1.0)
    expect((shop.loads, shop.stand.count("stores")), (1, 1))
    expect([round(result.ended_s, 9) for result in results], [0.3] + [0.32] * 9)


@SPRING_CACHE.check("Locking writer before 3.4: nothing here takes its lock", "one more command before each")
def asks_first() -> None:
    for writer, command_s in (("non_locking", 0.001), ("locking", 0.002)):
        shop = Shop({"command_cpu": "1ms", "client": {"cache_writer": writer}})
        stored = shop.stand.do("store", 7)
        shop.until(0.3)
        read = shop.read(7)
        shop.until(1.0)
        expect_near(stored.ended_s, command_s, 1e-9)
        expect_near(read.ended_s, 0.3 + command_s, 1e-9)


@SPRING_CACHE.check("Locking writer: a lock has no time to live", "who dies with it keeps all others out")
def lock_left_behind() -> None:
    shop = Shop(LOCKING, sync=True)
    first = shop.read(1)
    shop.until(0.1)
    shop.stand.env.throw(first.light, InstanceDied(Host.path))
    late = shop.read(2)
    shop.until(60.0)
    expect((first.ended_s, late.ended_s, shop.loads), (0.1, None, 0))
    shop.stand.host.die(shop.stand.redis)  # and forgets the lock
    shop.stand.host.come_up(shop.stand.redis)
    shop.until(61.0)
    expect((late.error, shop.loads), (None, 1))
