"""What holds for the cache whatever is asked of it, in whatever order, and whoever dies."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.cache import EMPTY_BYTES, Entries, RedisSpec, zipf_weights
from models.outcomes import CacheUnavailable, ClientGone, InstanceDied
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment, Light
from sim.probe import NullProbe, Station
from sim.streams import Streams

steps = st.lists(
    st.tuples(st.sampled_from(["store", "evict", "read", "free"]), st.integers(0, 5), st.integers(0, 8)), max_size=60
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.none() | st.integers(1, 20), steps)
def test_entries_do_what_a_plain_dictionary_would(ttl_s: int | None, steps: list[tuple[str, int, int]]) -> None:
    entries = Entries(ttl_s)
    plain: dict[int, float] = {}
    now = 0.0
    for action, key, gap_s in steps:
        now += gap_s
        if action == "store":
            known = entries.get(key)
            assert (entries.store(key, now) is not known) == (key not in plain)
            plain[key] = math.inf if ttl_s is None else now + ttl_s
        elif action == "evict":
            assert (entries.remove(key) is not None) == (plain.pop(key, None) is not None)
        elif action == "free":
            expired = [key for key, expire_at_s in plain.items() if expire_at_s < now]
            for _ in expired:
                oldest = entries.expired(now)
                assert oldest is not None
                assert plain.pop(oldest.key) == min([oldest.expires_at_s, *plain.values()])
                entries.remove(oldest.key)
            assert entries.expired(now) is None
        assert [entries.is_fresh(key, now) for key in range(6)] == [plain.get(key, -1) >= now for key in range(6)]
        assert len(entries) == len(plain)
        assert entries.earliest_s == min(plain.values(), default=math.inf)
    entries.clear()
    assert (len(entries), entries.earliest_s) == (0, math.inf)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.integers(1, 400), st.floats(0, 4))
def test_popularity_falls_with_rank_as_zipf_says(keys: int, exponent: float) -> None:
    weights = zipf_weights(keys, exponent)
    assert len(weights) == keys
    assert all(math.isclose(weight, rank**-exponent, rel_tol=1e-13) for rank, weight in enumerate(weights, 1))


class Container:
    """A container whose core is never busy with others, and which counts what it is told."""

    path = "redis"

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.is_up = True
        self.memory_bytes = 0
        self.inside: dict[Light, None] = {}

    def run(self, demand_s: float) -> float:
        return demand_s

    def use_memory(self, delta_bytes: int) -> None:
        assert self.is_up
        self.memory_bytes += delta_bytes

    def enter(self) -> Light:
        light = self.env.active
        assert light is not None
        self.inside[light] = None
        return light

    def leave(self, light: Light) -> None:
        self.inside.pop(light, None)


class OneStation(NullProbe):
    def station(self, path: str, servers: float, kind: str) -> Station:
        self.made = super().station(path, servers, kind)
        return self.made


commands = st.tuples(
    st.floats(0, 0.5), st.sampled_from(["lookup", "store", "evict", "run_script"]), st.sampled_from(["a", "b"]),
    st.integers(0, 4), st.none() | st.floats(0, 1), st.sampled_from([ClientGone, InstanceDied]),
)  # fmt: skip


@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    st.lists(commands, min_size=1, max_size=40),
    st.none() | st.tuples(st.floats(0, 5), st.floats(0, 3)),
    st.sampled_from(["noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl", "volatile-random"]),
    st.none() | st.tuples(st.floats(0, 5), st.floats(-3, 3)),
)
def test_nothing_leaks_under_any_interleaving(
    commands: list[tuple[float, str, str, int, float | None, Any]],
    outage: tuple[float, float] | None,
    policy: str,
    step: tuple[float, float] | None,
) -> None:
    """Callers leave and die at any instant, give up, Redis dies and comes back, its clock is set, its memory is full:
    memory, thread and residents add up."""
    env = Environment()
    host, probe = Container(env), OneStation(env)
    spec = RedisSpec.model_validate(
        {
            "command_cpu": {"kind": "exponential", "mean": "200ms"},
            "round_trip": {"kind": "exponential", "mean": "100ms"},
            "classes": {
                "a": {"ttl": "1s", "keys": 5, "popularity": 1, "value": "10B"},
                "b": {"keys": 5, "popularity": 0, "value": "7B"},
            },
            "entry_overhead": "3B",
            "free_cpu": "10ms",
            "client": {"command_timeout": "2s"},
            "maxmemory": f"{EMPTY_BYTES + 50}B",
            "maxmemory_policy": policy,
        }
    )  # fmt: skip
    redis = spec.build(Context(env, Streams(5, 0), probe, "redis"), host)
    ends: Counter[str] = Counter()

    def issue(ordinal: int, command: str, cls: str, key: int) -> Activity:
        request = Request(ordinal, ordinal, 0, 0, 0, env.now)
        request.key = key
        began_at_s = env.now
        try:
            if command == "run_script":
                yield from redis.scripts("gateway").run_script()
            else:
                yield from getattr(redis, command)(redis.client("shop-1"), request, cls, 0)
            ends["done"] += 1
        except (CacheUnavailable, ClientGone, InstanceDied) as failure:
            ends[f"{failure.reason} of {failure.path}"] += 1
        assert request.cache_s == (0.0 if command == "run_script" else env.now - began_at_s)

    def interrupt(light: Light, after_s: float, failure: Any) -> Activity:
        yield after_s
        env.throw(light, failure("replica"))

    def break_down(when: float, for_s: float) -> Activity:
        yield when
        host.is_up = False
        for light in host.inside:
            env.throw(light, InstanceDied("redis"))
        host.inside = {}
        redis.clear()
        host.memory_bytes = 0
        yield for_s
        yield from redis.start()
        host.is_up = True

    def set_clock(when: float, by_s: float) -> Activity:
        yield when
        redis.step_clock(by_s)

    if outage is not None:
        env.start(break_down(*outage))
    if step is not None:
        env.start(set_clock(*step))
    when = 0.0
    for ordinal, (gap_s, command, cls, key, leaves_after_s, failure) in enumerate(commands):
        when += gap_s
        light = env.start(issue(ordinal, command, cls, key), when)
        if leaves_after_s is not None:
            env.start(interrupt(light, leaves_after_s, failure), when)
    while env.peek() != float("inf"):
        env.step()
        assert 0 <= probe.made.busy <= 1
        assert 0 <= host.memory_bytes <= 5 * 13 + 5 * 10
    assert sum(ends.values()) == len(commands)
    assert (probe.made.busy, probe.made.waiting, host.inside) == (0, 0, {})
    held = [redis.data_class(name).shelf.entries for name in "ab"]
    assert host.memory_bytes == redis.space.bytes == 13 * len(held[0]) + 10 * len(held[1])
    assert redis.client("shop-1").queued == redis.client("gateway").queued == 0
    may_end = {"done", "client_gone of replica", "instance_died of replica", "cache_unavailable of redis"}
    assert set(ends) <= may_end | ({"cache_full of redis"} if policy[0] in "nv" else set())
