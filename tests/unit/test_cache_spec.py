"""What a scenario may say of Redis, which keys requests get, and how Redis lives in a container."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from models.cache import Entries, Redis, RedisSpec
from models.machine import Container, ContainerSpec, MachineSpec
from models.outcomes import CacheUnavailable
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

CLASS = {"ttl": "60s", "keys": 100, "popularity": 0.9, "value": "2K"}
REDIS = {"command_cpu": "10us", "round_trip": "300us", "classes": {"hot": CLASS}}


class Standalone:
    """A container that does nothing but run."""

    path = "redis"
    is_up = True

    def run(self, demand_s: float) -> float:
        return demand_s

    def use_memory(self, delta_bytes: int) -> None:
        pass

    def enter(self) -> None:
        pass

    def leave(self, light: Any) -> None:
        pass


def test_a_spec_survives_being_written_and_read() -> None:
    spec = RedisSpec.model_validate(REDIS)
    assert RedisSpec.model_validate(spec.model_dump()) == spec
    assert RedisSpec.model_validate_json(spec.model_dump_json()) == spec
    assert (spec.entry_overhead, spec.classes["hot"].value) == (130, 2048)
    assert RedisSpec.model_validate({"command_cpu": "10us", "round_trip": "0s"}).classes == {}
    without = {key: value for key, value in CLASS.items() if key != "ttl"}
    assert RedisSpec.model_validate({**REDIS, "classes": {"hot": without}}).classes["hot"].ttl is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ttl": "0s"}, "greater than 0"),
        ({"keys": 0}, "greater than 0"),
        ({"keys": 20_000_000}, "less than or equal to 10000000"),
        ({"popularity": -0.5}, "greater than or equal to 0"),
        ({"popularity": float("inf")}, "finite"),
        ({"value": "0B"}, "greater than 0"),
        ({"value": 2048}, "bytes"),
        ({"eviction": "lru"}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RedisSpec.model_validate({**REDIS, "classes": {"hot": {**CLASS, **change}}})


def built(env: Environment, spec: dict[str, Any], host: Any, seed: int = 1) -> Redis:
    context = Context(env, Streams(seed, 0), NullProbe(env), "redis")
    return RedisSpec.model_validate(spec).build(context, host)


def keys_asked(spec: dict[str, Any], requests: int, **given: int) -> list[int]:
    """The keys that requests would find stored by themselves."""
    redis = built(Environment(), {**REDIS, "classes": {"hot": spec}}, Standalone())
    keys = []
    for identity in range(requests):
        request = Request(identity, identity, 0, 0, 0, 0.0)
        request.key = given.get("key")
        keys.append(redis.data_class("hot").key_of(request))
    return keys


def test_keys_are_popular_as_zipf_says() -> None:
    counts = Counter(keys_asked({**CLASS, "keys": 3, "popularity": 1.0}, 11_000))
    assert [counts[rank] for rank in range(3)] == pytest.approx([6000, 3000, 2000], abs=200)
    counts = Counter(keys_asked({**CLASS, "keys": 4, "popularity": 0.0}, 8000))
    assert [counts[rank] for rank in range(4)] == pytest.approx([2000] * 4, abs=200)
    assert set(keys_asked({**CLASS, "keys": 1}, 50)) == {0}


def test_a_key_from_a_trace_is_taken_modulo_the_number_of_keys() -> None:
    assert set(keys_asked(CLASS, 3, key=205)) == {5}


def test_more_popular_classes_keep_the_draws() -> None:
    """The same uniform, read off another curve: a request's rank only falls when popularity rises."""
    flat, steep = (keys_asked({**CLASS, "popularity": popularity}, 500) for popularity in (0.5, 1.5))
    assert all(high <= low for low, high in zip(flat, steep, strict=True))


def test_every_command_of_a_request_has_the_same_key() -> None:
    env = Environment()
    redis = built(env, REDIS, Standalone())
    client = redis.client("shop-1")
    seen = []

    def visit(identity: int) -> Activity:
        request = Request(identity, identity, 0, 0, 0, 0.0)
        yield from redis.evict(client, request, "hot", 0)
        yield from redis.store(client, request, "hot", 3)
        seen.append((yield from redis.lookup(client, request, "hot", 9)) is not None)

    for identity in range(200):
        env.start(visit(identity), float(identity))
    env.run()
    assert seen == [True] * 200


def test_costs_differ_by_lane_and_command_but_not_by_order() -> None:
    costs = {"command_cpu": {"kind": "exponential", "mean": "1s"}, "round_trip": {"kind": "exponential", "mean": "1s"}}

    def times(order: list[tuple[str, int]]) -> dict[tuple[str, int], float]:
        env = Environment()
        redis = built(env, {**REDIS, **costs}, Standalone())
        spent: dict[tuple[str, int], float] = {}

        def visit() -> Activity:
            for command, lane in order:
                request = Request(7, 7, 0, 0, 0, 0.0)
                yield from getattr(redis, command)(redis.client("shop-1"), request, "hot", lane)
                spent[command, lane] = request.cache_s

        env.start(visit())
        env.run()
        return spent

    order = [(command, lane) for command in ("lookup", "store", "evict") for lane in (0, 1)]
    assert len(set(times(order).values())) == 6
    assert times(order) == pytest.approx(times(order[::-1]), abs=1e-12)


def test_keys_belong_to_the_identity_of_a_request_not_to_when_it_comes() -> None:
    part = built(Environment(), REDIS, Standalone()).data_class("hot")
    keys = [[part.key_of(Request(ordinal, identity, 0, 0, 0, 0.0)) for identity in range(50)] for ordinal in (1, 99)]
    assert keys[0] == keys[1]


def test_expired_entries_go_one_by_one_and_not_before_their_time() -> None:
    entries = Entries(10.0)
    for key, stored_s in enumerate([0.0, 5.0, 5.0, 7.0]):
        entries.store(key, stored_s)
    freed = []
    for now in (10.0, 10.5, 15.0, 15.5, 17.0, 17.5):
        freed.append(0)
        while (entry := entries.expired(now)) is not None:
            entries.remove(entry.key)
            freed[-1] += 1
    assert freed == [0, 1, 0, 2, 0, 1]


def test_a_class_without_a_ttl_never_expires() -> None:
    entries = Entries(None)
    entries.store(1, 0.0)
    assert entries.expired(1e12) is None
    assert entries.is_fresh(1, 1e12)


def in_a_container(env: Environment, limit: str, ttl: str = "60s") -> tuple[Container, Redis]:
    """A Redis of 10 keys of 1 MiB in a real container of 4 MiB that holds 1 MiB when idle."""
    context = Context(env, Streams(1, 0), NullProbe(env), "machine")
    machine = MachineSpec.model_validate({"cores": 2, "memory": "1G"}).build(context)
    spec = ContainerSpec.model_validate(
        {"machine": "machine", "base_memory": "1M", "limits": {"memory": limit}, "start_wait": "1s"}
    )
    at = Context(env, Streams(1, 0), NullProbe(env), "redis")
    host = Container(machine, at, spec)
    cls = {"ttl": ttl, "keys": 10, "popularity": 0, "value": "1M"}
    settings = {"command_cpu": "1ms", "round_trip": "1ms", "classes": {"hot": cls}, "entry_overhead": 0}
    redis = RedisSpec.model_validate(settings).build(at, host)
    host.on_killed = redis.clear
    host.on_start = redis.start
    return host, redis


def store_keys(env: Environment, redis: Redis, every_s: float, number: int) -> list[tuple[float, bool]]:
    """Store keys 0, 1, ... one by one; when each command ended, and whether it could be carried out."""
    results: list[tuple[float, bool]] = []

    def store(key: int) -> Activity:
        request = Request(key, key, 0, 0, 0, env.now)
        request.key = key
        try:
            yield from redis.store(redis.client("shop-1"), request, "hot", 0)
            results.append((env.now, True))
        except CacheUnavailable:
            results.append((env.now, False))

    for key in range(number):
        env.start(store(key), key * every_s)
    env.run(until=number * every_s + 5)
    return results


def test_content_is_memory_of_the_container() -> None:
    env = Environment()
    host, redis = in_a_container(env, "100M")
    assert all(done for _, done in store_keys(env, redis, 0.1, 10))
    assert host.memory_bytes == 11 << 20


def test_too_much_content_kills_the_container_and_is_lost() -> None:
    """The fourth value exceeds the limit. Commands wait until Docker has started Redis again, empty."""
    env = Environment()
    host, redis = in_a_container(env, "4M")
    results = store_keys(env, redis, 0.2, 7)
    # killed at 0.602 s; 0.1 s of back-off and 1 s to start: the attempt to connect 1.023 s later finds it up
    assert [done for _, done in results] == [True] * 7
    assert [round(when, 3) for when, _ in results[4:]] == [2.651, 2.652, 2.653]
    assert (host.deaths.total, host.is_up) == (1, True)
    assert (redis.space.bytes, host.memory_bytes) == (3 << 20, 4 << 20)


def test_expiry_gives_memory_back() -> None:
    env = Environment()
    host, redis = in_a_container(env, "4M", ttl="300ms")
    assert all(done for _, done in store_keys(env, redis, 0.2, 10))
    assert host.deaths.total == 0
    assert host.memory_bytes <= 3 << 20
