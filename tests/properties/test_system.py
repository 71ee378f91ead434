"""Whole systems under every trouble at once: small limits, kills, restarts, impatient clients, retries.

Whatever happens, nothing but simulated outcomes happens: the audit holds, every request has one outcome, and when the
last request has come and everything has been worked off, whatever was taken has come back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from experiments.trace import Trace
from models.assembly import System, assemble
from models.system import SystemSpec
from sim.environment import Environment
from sim.recorder import Recorder, Recording
from sim.replication import audit
from sim.streams import Streams

MOST_EVENTS = 300_000
"""A run that takes more has got stuck at an instant, or never ends."""

durations = st.sampled_from(["0s", "1ms", "5ms", "20ms", "100ms"])
demands = st.one_of(
    durations,
    st.builds(lambda mean: {"kind": "exponential", "mean": mean}, st.sampled_from(["1ms", "5ms", "20ms"])),
)
maybe = st.booleans()


def sometimes(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


cpu = st.builds(lambda demand: {"kind": "cpu", "demand": demand}, demands)
delay = st.builds(lambda duration: {"kind": "delay", "duration": duration}, demands)
query = st.just({"kind": "db", "pool": "main", "query": "find"})
evict = st.just({"kind": "evict", "cache": "redis", "data_class": "items"})
cache = st.builds(
    lambda steps: {"kind": "cache", "cache": "redis", "data_class": "items", "on_miss": steps},
    st.lists(st.one_of(cpu, delay, query), max_size=2),
)
breaker = st.builds(
    lambda wait, half_open, automatic: {
        "sliding_window_size": 4,
        "minimum_number_of_calls": 2,
        "slow_call_duration_threshold": "10ms",
        "wait_duration_in_open_state": wait,
        "permitted_number_of_calls_in_half_open_state": 2,
        "max_wait_duration_in_half_open_state": half_open,
        "automatic_transition_from_open_to_half_open_enabled": automatic,
    },
    st.sampled_from(["1ms", "50ms"]),
    st.sampled_from(["0s", "20ms"]),
    maybe,
)
call = st.builds(
    lambda breaker, limit, fallback: {
        "kind": "call",
        "service": "back",
        "endpoint": "work",
        "breaker": breaker,
        "time_limiter": limit and {"limit": limit},
        "fallback": fallback,
    },
    sometimes(breaker),
    sometimes(st.sampled_from(["1ms", "10ms"])),
    sometimes(st.lists(st.one_of(cpu, delay, cache), max_size=2)),
)
workers = st.one_of(
    st.builds(
        lambda threads, connections, backlog: {
            "kind": "tomcat",
            "threads": threads,
            "max_connections": connections,
            "accept_count": backlog,
        },
        st.integers(1, 3),
        st.sampled_from([1, 3, 8192]),
        st.integers(0, 2),
    ),
    st.builds(
        lambda loops, blocking: {"kind": "event_loop", "loops": loops, "blocking": blocking},
        st.integers(1, 2),
        st.booleans(),
    ),
)


@st.composite
def containers(draw: st.DrawFn, base_m: int) -> dict[str, Any]:
    """A container whose memory limit, if it has one, is close."""
    limits = {
        "memory": draw(sometimes(st.integers(base_m, base_m + 8).map("{}M".format))),
        "cpus": draw(sometimes(st.sampled_from([0.2, 0.9]))),
    }
    return {
        "machine": "vm",
        "base_memory": f"{base_m}M",
        "limits": limits,
        "start_wait": draw(st.sampled_from(["0s", "10ms"])),
        "start_cpu": draw(st.sampled_from(["0s", "20ms"])),
    }


@st.composite
def services(draw: st.DrawFn, steps: st.SearchStrategy[Any], method: str) -> dict[str, Any]:
    pool = {
        "database": "postgres",
        "maximum_pool_size": draw(st.integers(1, 3)),
        "minimum_idle": draw(st.integers(0, 2)),
        "connection_timeout": draw(st.sampled_from(["250ms", "1s"])),
        "version": draw(st.sampled_from(["4.0.3", "5.0.1", "5.1.0"])),
    }
    return {
        **draw(containers(20)),
        "replicas": draw(st.integers(1, 2)),
        "balancing": draw(st.sampled_from(["round_robin", "least_connections"])),
        "workers": draw(workers),
        "memory_per_request": draw(st.sampled_from(["0B", "1M", "4M"])),
        "cold_factor": 2,
        "cold_requests": 2,
        "pools": {"main": pool},
        "endpoints": {"work": {"method": method, "steps": draw(st.lists(steps, min_size=1, max_size=3))}},
    }


@st.composite
def systems(draw: st.DrawFn) -> dict[str, Any]:
    method = draw(st.sampled_from(["GET", "POST"]))
    conditions = ["error", "timeout", "http_500", "http_502", "http_503", "http_504", "non_idempotent"]
    limiter = draw(
        sometimes(
            st.sampled_from(
                [
                    {"kind": "bucket4j_greedy", "key": "user", "refill": "5/1s"},
                    {
                        "kind": "spring_redis",
                        "key": "global",
                        "replenish_rate": 9,
                        "burst_capacity": 9,
                        "cache": "redis",
                    },
                ]
            )
        )
    )
    gateway = {
        **draw(containers(30)),
        "cpu": draw(demands),
        "loops": draw(st.integers(1, 2)),
        "rate_limits": {"some": limiter} if limiter else {},
        "concurrency": {
            "front": {"permits": draw(st.integers(1, 4)), "max_wait": draw(st.sampled_from(["0s", "20ms"]))}
        },
        "response_timeout": draw(sometimes(st.sampled_from(["10ms", "200ms"]))),
    }
    upstream = {
        "service": "front",
        "balancing": draw(st.sampled_from(["round_robin", "least_conn"])),
        "max_fails": draw(st.integers(0, 1)),
        "fail_timeout": "1s",
        "read_timeout": draw(st.sampled_from(["5ms", "60s"])),
        "next_upstream": draw(st.lists(st.sampled_from(conditions), min_size=1, unique=True)),
        "connect_time": draw(durations),
        "send_time": draw(durations),
    }
    database = {
        **draw(containers(40)),
        "max_connections": draw(st.integers(3, 10)),
        "reserved_connections": 2,
        "memory_per_connection": draw(st.sampled_from(["0B", "2M"])),
        "connect_time": draw(durations),
        "connect_cpu": "1ms",
        "queries": {"find": {"cpu": draw(demands), "io": draw(durations)}},
    }
    redis = {
        **draw(containers(5)),
        "command_cpu": draw(st.sampled_from(["0s", "100us"])),
        "round_trip": draw(st.sampled_from(["0s", "1ms"])),
        "classes": {"items": {"ttl": "50ms", "keys": 5, "popularity": 1, "value": draw(st.sampled_from(["1K", "2M"]))}},
    }
    client = {
        "patience": draw(sometimes(st.sampled_from(["5ms", "30ms", "300ms"]))),
        "round_trip": draw(sometimes(st.just("2ms"))),
    }
    return {
        "machines": {
            "vm": {
                "cores": draw(st.sampled_from([1, 2])),
                "memory": draw(st.sampled_from(["130M", "160M", "1G"])),
                "background": {"metrics": {"memory": "1M", "burst": "5ms", "every": "100ms"}},
            }
        },
        "gateway": gateway,
        "services": {
            "front": draw(services(st.one_of(cpu, delay, query, cache, evict, call), method)),
            "back": draw(services(st.one_of(cpu, delay, query, cache), "GET")),
        },
        "load_balancers": {"nginx": {**draw(containers(2)), "cpu": "100us", "upstreams": {"fronts": upstream}}},
        "caches": {"redis": redis},
        "databases": {"postgres": database},
        "routes": {
            "way": {
                "service": "front",
                "endpoint": "work",
                "through": draw(st.sampled_from([[], ["nginx"], ["gateway"], ["gateway", "nginx"]])),
            }
        },
        "traffic": {"trace": {"file": "none"}, "mix": {"way": 1}, "client": client},
    }


traces = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.001, 0.01, 0.1, 0.5]), st.integers(0, 2)), min_size=1, max_size=40
)


def drained(document: dict[str, Any], gaps: list[tuple[float, int]]) -> tuple[System, Recording]:
    """Run the traffic, and on until nothing is left to happen."""
    spec = SystemSpec.model_validate(document)
    trace = Trace(
        t_s=np.cumsum([gap for gap, _ in gaps]),
        user=np.array([user for _, user in gaps], dtype=np.int64),
    )
    env = Environment()
    recorder = Recorder(env, list(spec.routes), 0.0, 1.0)
    system = assemble(spec, env, Streams(1, 0), recorder, trace)
    system.start()
    for _ in range(MOST_EVENTS):
        if env.peek() == float("inf"):
            break
        env.step()
    else:
        raise AssertionError(f"still going on at {env.now} s")
    failed = [check for check in audit(env, recorder, system) if not check.passed]
    assert not failed, failed
    return system, recorder.result()


@given(systems(), traces)
@settings(max_examples=150, phases=[Phase.explicit, Phase.generate])
def test_everything_taken_comes_back(document: dict[str, Any], gaps: list[tuple[float, int]]) -> None:
    system, recording = drained(document, gaps)
    assert recording.arrived == len(gaps)
    assert recording.in_flight == system.in_flight == 0
    assert sum(recording.ended) == len(gaps)
    for path, station in recording.whole.stations.items():
        is_kept = path == "databases.postgres.connections"  # pools keep them open
        assert is_kept or (station.busy, station.waiting) == (0, 0), path
    for container in system.containers.values():
        assert container.cpu.runnable == 0, container.path
    assert_at_rest(system)


def assert_at_rest(system: System) -> None:
    """Nobody is in a replica, pools have all their connections, memory is what an idle system holds."""
    open_connections = 0
    for service in system.services.values():
        for replica in service.replicas:
            assert replica.in_progress == 0
            for pool in replica.pools.values():
                assert (pool.in_use, pool.waiting) == (0, 0)
                assert pool.idle == pool.total
                open_connections += pool.total
            expected = replica.host.base_bytes if replica.host.is_up else 0
            assert replica.host.memory_bytes == expected, replica.host.path
    database = system.databases["postgres"]
    if database.epoch:  # pools find out that a connection has died when they use it
        assert database.open_connections <= open_connections
    else:
        assert database.open_connections == open_connections
    connection_bytes = system.spec.databases["postgres"].memory_per_connection
    host = system.containers["databases.postgres"]
    if host.is_up:
        assert host.memory_bytes == host.base_bytes + database.open_connections * connection_bytes
    for machine in system.machines.values():
        held = machine.spec.system_memory
        for container in machine.containers:  # background residents among them
            held += container.memory_bytes
        assert machine.memory_bytes == held
