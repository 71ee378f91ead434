"""What Redis 7 and Spring's cache abstraction do with entries, expiry and misses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from models.cache import Redis, RedisSpec
from models.outcomes import CacheUnavailable, InstanceDied
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment, Light
from sim.probe import Count, Level, NullProbe, Station
from sim.streams import Streams

LEFT_OUT = {
    "active expiry off: GET one of 5 expired keys leaves 4": "active expiry is never off; all that has expired goes",
    "noeviction: writes get OOM, reads and DEL work": "maxmemory is not modelled: the container's limit kills instead",
    "allkeys-lru, samples 1, 5, 10": "maxmemory and its evictions are not modelled",
    "active expiry cycle: stalls of 25 ms per 100 ms under mass expiry": "its CPU time is not modelled",
    "sync=true, locking writer": "nobody is kept from loading what another loads",
    "nulls are cached": "a load always finds a value",
}


class Container:
    """A container whose core is never busy with others."""

    path = "redis"

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.is_up = True
        self.memory_bytes = 0
        self.inside: dict[Light, None] = {}

    def run(self, demand_s: float) -> float:
        return demand_s

    def use_memory(self, delta_bytes: int) -> None:
        self.memory_bytes += delta_bytes

    def enter(self) -> Light:
        light = self.env.active
        assert light is not None
        self.inside[light] = None
        return light

    def leave(self, light: Light) -> None:
        self.inside.pop(light, None)

    def die(self, redis: Redis) -> None:
        self.is_up = False
        for light in self.inside:
            self.env.throw(light, InstanceDied(self.path))
        self.inside = {}
        redis.clear()
        self.memory_bytes = 0


class Instruments(NullProbe):
    """Keeps what it hands out."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.kept: dict[str, Any] = {}

    def _keep(self, path: str, instrument: Any) -> Any:
        assert path not in self.kept
        return self.kept.setdefault(path, instrument)

    def count(self, path: str) -> Count:
        return self._keep(path, super().count(path))

    def level(self, path: str, value: float = 0.0) -> Level:
        return self._keep(path, super().level(path, value))

    def station(self, path: str, servers: float, kind: str) -> Station:
        return self._keep(path, super().station(path, servers, kind))


class Stand:
    """A Redis with one class of 1000-byte values, asked by requests that say their key."""

    def __init__(self, ttl: str | None = "60s", command_cpu: str = "0s", round_trip: str = "0s") -> None:
        self.env = Environment()
        self.host = Container(self.env)
        self.probe = Instruments(self.env)
        cls = {"ttl": ttl, "keys": 1000, "popularity": 0, "value": "1000B"}
        spec = RedisSpec.model_validate(
            {"command_cpu": command_cpu, "round_trip": round_trip, "classes": {"hot": cls}, "entry_overhead": "100B"}
        )
        context = Context(self.env, Streams(1, 0), self.probe, "redis")
        self.redis = spec.build(context, self.host)
        self.asked = 0

    def request(self, key: int) -> Request:
        request = Request(self.asked, self.asked, 0, 0, 0, self.env.now)
        request.key = key
        self.asked += 1
        return request

    def do(self, command: str, key: int) -> SimpleNamespace:
        """Start a command now. The result fills in when it ends."""
        result = SimpleNamespace(value=None, error=None, ended_s=None, request=self.request(key), light=None)

        def process() -> Activity:
            try:
                result.value = yield from getattr(self.redis, command)(result.request, "hot", 0)
            except (CacheUnavailable, InstanceDied) as error:
                result.error = error
            result.ended_s = self.env.now

        result.light = self.env.start(process())
        return result

    def at(self, when: float, command: str, key: int) -> Any:
        if when > self.env.now:
            self.env.run(until=when)
        result = self.do(command, key)
        while result.ended_s is None:
            self.env.step()
        return result.value

    def count(self, name: str) -> int:
        return self.probe.kept[f"redis.classes.hot.{name}"].total


def test_expired_entries_use_memory_until_they_are_freed() -> None:
    """5 expired keys: DBSIZE 5, GET gives nil; the active cycle then leaves 0."""
    stand = Stand(ttl="10s")
    for key in range(5):
        stand.at(0.0, "store", key)
    stand.env.run(until=20.0)
    assert stand.host.memory_bytes == 5 * 1100
    assert stand.at(20.0, "lookup", 3) is False
    assert stand.host.memory_bytes == 0
    assert stand.count("expired") == 5


def test_whatever_has_expired_is_freed_at_the_next_command() -> None:
    stand = Stand(ttl="10s")
    for key in range(3):
        stand.at(5.0 * key, "store", key)
    held = []
    for when in (10.0, 12.0, 16.0, 30.0):
        stand.at(when, "lookup", 9)
        held.append(stand.host.memory_bytes // 1100)
    assert held == [3, 2, 1, 0]


def test_an_entry_is_gone_only_after_its_instant() -> None:
    stand = Stand(ttl="10s")
    stand.at(0.0, "store", 1)
    assert stand.at(10.0, "lookup", 1) is True
    assert stand.at(10.001, "lookup", 1) is False


def test_reading_does_not_prolong() -> None:
    stand = Stand(ttl="10s")
    stand.at(0.0, "store", 1)
    assert [stand.at(when, "lookup", 1) for when in (3.0, 6.0, 9.0, 12.0)] == [True, True, True, False]


def test_storing_again_prolongs() -> None:
    stand = Stand(ttl="10s")
    stand.at(0.0, "store", 1)
    stand.at(6.0, "store", 1)
    assert stand.host.memory_bytes == 1100
    assert [stand.at(when, "lookup", 1) for when in (12.0, 16.0, 16.5)] == [True, True, False]


def test_without_a_ttl_entries_stay() -> None:
    stand = Stand(ttl=None)
    stand.at(0.0, "store", 1)
    assert stand.at(1e9, "lookup", 1) is True


def test_an_update_evicts() -> None:
    stand = Stand()
    stand.at(0.0, "store", 1)
    stand.at(1.0, "evict", 1)
    stand.at(1.0, "evict", 1)
    assert stand.at(2.0, "lookup", 1) is False
    assert (stand.count("evictions"), stand.host.memory_bytes) == (1, 0)


def test_no_single_flight() -> None:
    """Ten requests miss the same key while it takes 0.3 s to load: all ten load it."""
    stand = Stand()
    loads = []

    def cacheable(request: Request) -> Activity:
        if not (yield from stand.redis.lookup(request, "hot", 0)):
            yield 0.3
            loads.append(stand.env.now)
            yield from stand.redis.store(request, "hot", 0)

    for _ in range(10):
        stand.env.start(cacheable(stand.request(7)))
    stand.env.run()
    assert len(loads) == 10
    assert (stand.count("misses"), stand.count("stores"), stand.count("duplicate_loads")) == (10, 10, 9)
    assert stand.at(1.0, "lookup", 7) is True


def test_one_command_at_a_time() -> None:
    stand = Stand(command_cpu="250ms", round_trip="1s")
    results = [stand.do("lookup", key) for key in range(4)]
    stand.env.run()
    assert [result.ended_s for result in results] == [1.25, 1.5, 1.75, 2.0]
    assert [result.request.cache_s for result in results] == [1.25, 1.5, 1.75, 2.0]
    station = stand.probe.kept["redis.command_thread"]
    assert (station.kind, station.servers, station.arrivals, station.most_waiting) == ("command thread", 1, 4, 3)


def test_scripts_take_turns_with_commands() -> None:
    stand = Stand(command_cpu="250ms", round_trip="1s")
    ended = []

    def script() -> Activity:
        yield from stand.redis.run_script()
        ended.append(stand.env.now)

    stand.env.start(script())
    result = stand.do("lookup", 1)
    stand.env.run()
    assert (ended, result.ended_s) == ([1.25], 1.5)


def test_failures_of_redis_propagate_at_once_when_it_is_down() -> None:
    stand = Stand(round_trip="1s")
    stand.host.is_up = False
    results = [stand.do(command, 1) for command in ("lookup", "store", "evict")]
    stand.env.run()
    for result in results:
        assert isinstance(result.error, CacheUnavailable)
        assert (result.error.path, result.error.status, result.ended_s) == ("redis", 500, 0.0)


def test_redis_dies_under_its_commands_and_forgets() -> None:
    stand = Stand(command_cpu="1s", round_trip="500ms")
    stand.at(0.0, "store", 1)
    assert stand.env.now == 1.5
    under_way = [stand.do("lookup", 1) for _ in range(3)]
    stand.env.run(until=2.5)  # one is being worked on, two wait for the thread
    on_its_way = stand.do("lookup", 1)
    stand.env.run(until=2.75)
    stand.host.die(stand.redis)
    stand.env.run()
    assert [type(result.error) for result in (*under_way, on_its_way)] == [CacheUnavailable] * 4
    assert [result.ended_s for result in (*under_way, on_its_way)] == [2.75, 2.75, 2.75, 3.0]
    assert [result.request.cache for result in under_way] == [""] * 3
    station = stand.probe.kept["redis.command_thread"]
    assert (station.busy, station.waiting) == (0, 0)
    stand.host.is_up = True
    assert stand.at(10.0, "lookup", 1) is False
    assert (stand.probe.kept["redis.content_bytes"].value, stand.host.memory_bytes) == (0, 0)
    stand.at(20.0, "store", 1)
    assert stand.host.memory_bytes == 1100


def test_the_death_of_the_caller_is_not_one_of_redis() -> None:
    stand = Stand(command_cpu="1s")
    result = stand.do("lookup", 1)
    stand.env.run(until=0.5)
    stand.env.throw(result.light, InstanceDied("replica"))
    stand.env.run()
    assert isinstance(result.error, InstanceDied)
    assert (stand.probe.kept["redis.command_thread"].busy, stand.host.inside) == (0, {})
    assert result.request.cache_s == 0.5


@pytest.mark.parametrize(
    ("outcomes", "noted"), [("h", "hit"), ("m", "miss"), ("hm", "miss"), ("mh", "miss"), ("hh", "hit")]
)
def test_a_request_notes_a_miss_if_any_lookup_missed(outcomes: str, noted: str) -> None:
    stand = Stand()
    stand.at(0.0, "store", 1)
    request = stand.request(0)

    def lookups() -> Activity:
        for outcome in outcomes:
            request.key = 1 if outcome == "h" else 2
            yield from stand.redis.lookup(request, "hot", 0)

    stand.env.start(lookups())
    stand.env.run()
    assert request.cache == noted
