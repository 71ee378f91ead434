"""Every field of every specification changes some result: nothing is parsed and then ignored.

The schema is walked from `SystemSpec`. For each field of each class `CASES` has a small system and one change; the
test looks that the change is of that field alone, and that the runs differ in the digest or in the figures named.
A field without a case fails with its name.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from experiments.logs import read_logs
from experiments.replay import Router, replay_trace
from experiments.runner import run
from experiments.scenario import load_scenario
from models.system import SystemSpec

DESCRIPTIVE = {
    ("SystemSpec", "description"): "text for the reader of a report",
    ("SystemSpec", "not_modelled"): "text for the reader of a report",
    **{
        (step, "name"): "names a step in paths of the report, of traces and of --set"
        for step in (
            "CpuStepSpec",
            "DelayStepSpec",
            "CacheStepSpec",
            "EvictStepSpec",
            "DatabaseStepSpec",
            "TransactionStepSpec",
            "CallStepSpec",
        )
    },
}
"""Fields that say something to people and nothing to the simulation. `kind` fields choose a class of a union: every
class of it has cases of its own."""

ECHOES = (
    "scenario",
    "variant",
    "settings",
    "description",
    "seed",
    "replications",
    "simulated_s",
    "warm_up",
    "not_modelled",
    "versions",
    "intervals",
    "sources",
    "provenance",
    "wall",
    "audit",
)
"""Parts of a result that say what was asked, or how long it took."""

GONE = object()
"""As the value of a change: take the key away."""

BASE: dict[str, Any] = {
    "duration": "4s",
    "warm_up": "0s",
    "replications": 1,
    "machines": {
        "vm": {"cores": 2, "memory": "4G", "system_memory": "100M"},
        "spare": {"cores": 1, "memory": "4G"},
    },
    "gateway": {"machine": "spare", "cpu": "1ms", "base_memory": "100M"},
    "services": {
        "shop": {
            "machine": "vm",
            "replicas": 2,
            "base_memory": "100M",
            "workers": {"kind": "tomcat", "threads": 8},
            "pools": {"main": {"database": "postgres", "maximum_pool_size": 4}},
            "endpoints": {
                "get": {
                    "steps": [
                        {"kind": "cpu", "name": "work", "demand": {"kind": "exponential", "mean": "4ms"}},
                        {
                            "kind": "cache",
                            "name": "look",
                            "cache": "redis",
                            "data_class": "items",
                            "on_miss": [{"kind": "db", "name": "load", "pool": "main", "query": "find"}],
                        },
                        {"kind": "call", "name": "ask", "service": "stock", "endpoint": "count"},
                    ]
                },
                "change": {
                    "method": "PUT",
                    "steps": [
                        {"kind": "db", "name": "save", "pool": "main", "query": "write"},
                        {"kind": "evict", "name": "forget", "cache": "redis", "data_class": "items"},
                    ],
                },
            },
        },
        "stock": {
            "machine": "vm",
            "base_memory": "100M",
            "workers": {"kind": "event_loop", "loops": 2},
            "endpoints": {
                "count": {
                    "steps": [{"kind": "delay", "name": "away", "duration": {"kind": "exponential", "mean": "5ms"}}]
                },
                "sum": {"steps": [{"kind": "cpu", "name": "add", "demand": "3ms"}]},
            },
        },
    },
    "load_balancers": {
        "nginx": {
            "machine": "spare",
            "cpu": "100us",
            "base_memory": "20M",
            "upstreams": {"shops": {"service": "shop"}, "stocks": {"service": "stock"}},
        }
    },
    "caches": {
        "redis": {
            "machine": "vm",
            "command_cpu": "100us",
            "round_trip": "500us",
            "base_memory": "10M",
            "classes": {
                "items": {"ttl": "1s", "keys": 200, "popularity": 0.8, "value": "2K"},
                "others": {"ttl": "1s", "keys": 20, "popularity": 0.8, "value": "2K"},
            },
        },
        "second": {
            "machine": "spare",
            "command_cpu": "1ms",
            "round_trip": "1ms",
            "classes": {"items": {"ttl": "1s", "keys": 50, "popularity": 0, "value": "1K"}},
        },
    },
    "databases": {
        "postgres": {
            "machine": "vm",
            "base_memory": "50M",
            "queries": {"find": {"cpu": "3ms"}, "write": {"cpu": "5ms", "io": "2ms"}},
        },
        "archive": {"machine": "spare", "queries": {"find": {"cpu": "7ms"}, "write": {"cpu": "9ms"}}},
    },
    "routes": {
        "get": {"service": "shop", "endpoint": "get", "through": ["gateway", "nginx"]},
        "change": {"service": "shop", "endpoint": "change", "through": ["gateway"]},
    },
    "traffic": {"open": {"rate": "100/s", "users": 50}, "mix": {"get": 4, "change": 1}},
}

WORK = "services.shop.endpoints.get.steps.0"
LOOK = "services.shop.endpoints.get.steps.1"
ASK = "services.shop.endpoints.get.steps.2"
SAVE = "services.shop.endpoints.change.steps.0"
FORGET = "services.shop.endpoints.change.steps.1"
AWAY = "services.stock.endpoints.count.steps.0"
UPSTREAM = "load_balancers.nginx.upstreams.shops"
MAIN = "services.shop.pools.main"


@dataclass(frozen=True)
class Case:
    """`given` and then `change` are laid over `BASE`, by path."""

    change: dict[str, Any]
    given: dict[str, Any] = field(default_factory=dict)
    shows: str = "/digest"
    """JSON pointer to the part of the result that must differ."""
    along: tuple[str, ...] = ()
    """Fields (Class.field) that cannot but change too."""


def exponential(mean: str) -> dict[str, str]:
    return {"kind": "exponential", "mean": mean}


OOM_KILLS = "/machines/machines.vm/oom_kills"

# --- systems in which something happens ---

BUSY = {"traffic.open.rate": "300/s"}
"""More threads than cores."""
TIGHT = {"services.shop.limits": {"memory": "103M"}, "services.shop.memory_per_request": "1M"}
"""Replicas of the shop are killed by their own limit, and come back."""
DIRECT = {"routes.get.through": [], "routes.change.through": []}
CROWDED = {"services.shop.memory_per_request": "8M", "traffic.open.rate": "200/s", **DIRECT}
"""With a machine that is nearly full, memory of requests makes the OOM killer look for somebody."""


def crowded(path: str, memory: str = "1G", machine_memory: str = "1560M", **more: Any) -> dict[str, Any]:
    """The container at `path` is the largest one of a machine that fills up."""
    return {
        **CROWDED,
        f"{path}.machine": "vm",
        f"{path}.base_memory": memory,
        "machines.vm.memory": machine_memory,
    } | more


def container_cases(spec: str, path: str, given: dict[str, Any], extra: dict[str, Any]) -> dict[str, Case]:
    """What every container has. `given`: it is on vm and works; `extra`: it is the largest there and gets killed."""
    return {
        f"{spec}.machine": Case({f"{path}.machine": "spare"}, given),
        f"{spec}.cpu_shares": Case({f"{path}.cpu_shares": 64}, {**given, **BUSY, "machines.vm.cores": 0.9}),
        f"{spec}.base_memory": Case({f"{path}.base_memory": "1500M"}, extra),
        f"{spec}.start_wait": Case({f"{path}.start_wait": "500ms"}, extra),
        f"{spec}.start_cpu": Case({f"{path}.start_cpu": "300ms"}, extra),
        f"{spec}.restart": Case({f"{path}.restart": "no"}, extra),
    }


# --- the table ---

SYSTEM = {
    "SystemSpec.duration": Case({"duration": "3s"}),
    "SystemSpec.warm_up": Case({"warm_up": "1s"}, shows="/requests/arrived"),
    "SystemSpec.replications": Case({"replications": 2}),
    "SystemSpec.seed": Case({"seed": 2}),
    "SystemSpec.machines": Case({"machines.third": {"cores": 1, "memory": "1G"}}, shows="/machines"),
    "SystemSpec.services": Case(
        {
            "services.fat": {
                "machine": "vm",
                "base_memory": "3G",
                "endpoints": {"x": {"steps": [{"kind": "cpu", "demand": "1ms"}]}},
            }
        },
        {**CROWDED, "machines.vm.memory": "3650M"},
        shows=OOM_KILLS,
    ),
    "SystemSpec.gateway": Case({"gateway": GONE}, crowded("gateway"), shows=OOM_KILLS),
    "SystemSpec.load_balancers": Case({"load_balancers": GONE}, crowded("load_balancers.nginx"), shows=OOM_KILLS),
    "SystemSpec.caches": Case({"caches.second": GONE}, crowded("caches.second"), shows=OOM_KILLS),
    "SystemSpec.databases": Case({"databases.archive": GONE}, crowded("databases.archive"), shows=OOM_KILLS),
    "SystemSpec.routes": Case(
        {"routes.count": {"service": "stock", "endpoint": "count"}, "traffic.mix.count": 2}, along=("TrafficSpec.mix",)
    ),
    "SystemSpec.objectives": Case(
        {"objectives.fast": {"path": "/latency_ms/all/mean", "at_most": 1}}, shows="/objectives"
    ),
    "SystemSpec.alerts": Case({"alerts.slow": {"series": "p95_s", "above": 1}}, shows="/alerts"),
    "MachineSpec.cores": Case({"machines.vm.cores": 1}),
    "MachineSpec.memory": Case({"machines.vm.memory": "500M"}, {**CROWDED, "machines.vm.memory": "600M"}),
    "MachineSpec.system_memory": Case({"machines.vm.system_memory": "300M"}, {**CROWDED, "machines.vm.memory": "600M"}),
    "MachineSpec.speed": Case({"machines.vm.speed": 2}),
    "MachineSpec.background": Case(
        {"machines.vm.background": {"metrics": {"memory": "1M", "burst": "100ms", "every": "1s"}}}, BUSY
    ),
    "BackgroundSpec.memory": Case(
        {"machines.vm.background.metrics.memory": "90M"},
        {**CROWDED, "machines.vm.memory": "600M", "machines.vm.background": {"metrics": {"memory": "1M"}}},
    ),
    "BackgroundSpec.burst": Case(
        {"machines.vm.background.metrics.burst": "200ms"},
        {**BUSY, "machines.vm.background": {"metrics": {"memory": "1M", "burst": "100ms", "every": "1s"}}},
    ),
    "BackgroundSpec.every": Case(
        {"machines.vm.background.metrics.every": "500ms"},
        {**BUSY, "machines.vm.background": {"metrics": {"memory": "1M", "burst": "100ms", "every": "1s"}}},
    ),
    "LimitsSpec.cpus": Case({"services.shop.limits.cpus": 0.2}, {"services.shop.limits": {"cpus": 0.4}}),
    "LimitsSpec.memory": Case({"services.shop.limits.memory": "101M"}, TIGHT),
}

SERVICE = {
    "ServiceSpec.workers": Case({"services.shop.workers": {"kind": "event_loop", "loops": 1}}),
    "ServiceSpec.memory_per_request": Case({"services.shop.memory_per_request": "2M"}, TIGHT),
    "ServiceSpec.cold_factor": Case(
        {"services.shop.cold_factor": 20}, {**TIGHT, **DIRECT, "services.shop.cold_requests": 20}
    ),
    "ServiceSpec.cold_requests": Case(
        {"services.shop.cold_requests": 20}, {**TIGHT, **DIRECT, "services.shop.cold_factor": 9}
    ),
    **container_cases("ServiceSpec", "services.shop", {}, TIGHT),
    "ServiceSpec.base_memory": Case({"services.shop.base_memory": "101M"}, TIGHT),
    "ServiceSpec.replicas": Case({"services.shop.replicas": 1}),
    "ServiceSpec.balancing": Case({"services.shop.balancing": "least_connections"}, {"routes.get.through": []}),
    "ServiceSpec.pools": Case(
        {"services.shop.pools.second": {"database": "postgres", "maximum_pool_size": 20, "minimum_idle": 20}},
        {"databases.postgres.max_connections": 11},
    ),
    "ServiceSpec.endpoints": Case(
        {"services.stock.endpoints.more": {"steps": [{"kind": "cpu", "demand": "9ms"}]}, f"{ASK}.endpoint": "more"},
        along=("CallStepSpec.endpoint",),
    ),
    "TomcatSpec.threads": Case({"services.shop.workers.threads": 1}),
    "EventLoopSpec.loops": Case({"services.stock.workers.loops": 1}, {**BUSY, f"{ASK}.endpoint": "sum"}),
    "EndpointSpec.method": Case(
        {"services.shop.endpoints.change.method": "POST"},
        {
            **TIGHT,
            **BUSY,
            "services.shop.limits.memory": "102M",
            "traffic.mix": {"change": 1},
            "routes.change.through": ["nginx"],
        },
    ),
    "EndpointSpec.steps": Case({"services.stock.endpoints.count.steps": [{"kind": "cpu", "demand": "2ms"}]}),
}

SMALL_REDIS = {"caches.redis.limits": {"memory": "10300K"}, "caches.redis.base_memory": "10M"}
"""Redis is killed by its own content."""

REDIS_DIES = {**SMALL_REDIS, f"{LOOK}.on_error": "ignore", "caches.redis.client": {"command_timeout": "300ms"}}
"""Redis is killed by its own content, and callers wait for it for a while."""

STEPS = {
    "CpuStepSpec.probability": Case({f"{WORK}.probability": 0.5}),
    "CpuStepSpec.demand": Case({f"{WORK}.demand": "4ms"}),
    "DelayStepSpec.probability": Case({f"{AWAY}.probability": 0.5}),
    "DelayStepSpec.duration": Case({f"{AWAY}.duration": "5ms"}),
    "CacheStepSpec.probability": Case({f"{LOOK}.probability": 0.5}),
    "CacheStepSpec.cache": Case({f"{LOOK}.cache": "second"}),
    "CacheStepSpec.data_class": Case({f"{LOOK}.data_class": "others"}),
    "CacheStepSpec.sync": Case({f"{LOOK}.sync": True}, BUSY),
    "CacheStepSpec.on_error": Case({f"{LOOK}.on_error": "propagate"}, REDIS_DIES),
    "CacheStepSpec.on_miss": Case({f"{LOOK}.on_miss": []}),
    "EvictStepSpec.probability": Case({f"{FORGET}.probability": 0.5}),
    "EvictStepSpec.cache": Case({f"{FORGET}.cache": "second"}),
    "EvictStepSpec.on_error": Case({f"{FORGET}.on_error": "ignore"}, REDIS_DIES),
    "EvictStepSpec.data_class": Case({f"{FORGET}.data_class": "others"}),
    "DatabaseStepSpec.probability": Case({f"{SAVE}.probability": 0.5}),
    "DatabaseStepSpec.pool": Case(
        {f"{SAVE}.pool": "small"}, {"services.shop.pools.small": {"database": "archive", "maximum_pool_size": 1}}
    ),
    "DatabaseStepSpec.query": Case({f"{SAVE}.query": "find"}),
    "DatabaseStepSpec.blocking": Case(
        {f"{SAVE}.blocking": True}, {"services.shop.workers": {"kind": "event_loop", "loops": 1}, **BUSY}
    ),
    "DelayStepSpec.blocking": Case({f"{AWAY}.blocking": True}),
    "CallStepSpec.probability": Case({f"{ASK}.probability": 0.5}),
    "CallStepSpec.service": Case(
        {f"{ASK}.service": "warehouse"},
        {
            "services.warehouse": {
                "machine": "spare",
                "endpoints": {"count": {"steps": [{"kind": "cpu", "demand": "6ms"}]}},
            }
        },
    ),
    "CallStepSpec.endpoint": Case({f"{ASK}.endpoint": "sum"}),
    "CallStepSpec.breaker": Case(
        {f"{ASK}.breaker": {"sliding_window_size": 10, "minimum_number_of_calls": 5}},
        {f"{ASK}.time_limiter": {"limit": "3ms"}},
    ),
    "CallStepSpec.time_limiter": Case({f"{ASK}.time_limiter": {"limit": "3ms"}}),
    "CallStepSpec.fallback": Case(
        {f"{ASK}.fallback": [{"kind": "cpu", "demand": "1ms"}]}, {f"{ASK}.time_limiter": {"limit": "3ms"}}
    ),
    "TimeLimiterSpec.limit": Case({f"{ASK}.time_limiter.limit": "5ms"}, {f"{ASK}.time_limiter": {"limit": "3ms"}}),
}

FAILING = {
    f"{ASK}.time_limiter": {"limit": "4ms"},
    f"{ASK}.breaker": {
        "sliding_window_size": 10,
        "minimum_number_of_calls": 5,
        "failure_rate_threshold": 60,
        "slow_call_rate_threshold": 80,
        "slow_call_duration_threshold": "10ms",
        "wait_duration_in_open_state": "200ms",
        "permitted_number_of_calls_in_half_open_state": 3,
    },
}
"""A bit less than half of the calls fail: the breaker opens and closes."""
SLOW = {
    **FAILING,
    f"{ASK}.time_limiter": {"limit": "20ms"},
    f"{ASK}.breaker.slow_call_duration_threshold": "5ms",
    f"{ASK}.breaker.slow_call_rate_threshold": 50,
}

BREAKER = {
    "CallBreakerSpec.sliding_window_type": Case({f"{ASK}.breaker.sliding_window_type": "time_based"}, FAILING),
    "CallBreakerSpec.sliding_window_size": Case({f"{ASK}.breaker.sliding_window_size": 20}, FAILING),
    "CallBreakerSpec.minimum_number_of_calls": Case({f"{ASK}.breaker.minimum_number_of_calls": 9}, FAILING),
    "CallBreakerSpec.failure_rate_threshold": Case({f"{ASK}.breaker.failure_rate_threshold": 80}, FAILING),
    "CallBreakerSpec.slow_call_duration_threshold": Case({f"{ASK}.breaker.slow_call_duration_threshold": "8ms"}, SLOW),
    "CallBreakerSpec.slow_call_rate_threshold": Case({f"{ASK}.breaker.slow_call_rate_threshold": 70}, SLOW),
    "CallBreakerSpec.wait_duration_in_open_state": Case(
        {f"{ASK}.breaker.wait_duration_in_open_state": "500ms"}, FAILING
    ),
    "CallBreakerSpec.permitted_number_of_calls_in_half_open_state": Case(
        {f"{ASK}.breaker.permitted_number_of_calls_in_half_open_state": 6}, FAILING
    ),
    "CallBreakerSpec.max_wait_duration_in_half_open_state": Case(
        {f"{ASK}.breaker.max_wait_duration_in_half_open_state": "20ms"}, FAILING
    ),
    "CallBreakerSpec.automatic_transition_from_open_to_half_open_enabled": Case(
        {f"{ASK}.breaker.automatic_transition_from_open_to_half_open_enabled": True},
        {**FAILING, f"{ASK}.breaker.max_wait_duration_in_half_open_state": "1ms"},
    ),
    "CallBreakerSpec.exponential_backoff_multiplier": Case(
        {f"{ASK}.breaker.exponential_backoff_multiplier": 3}, {**FAILING, f"{ASK}.time_limiter.limit": "3ms"}
    ),
    "CallBreakerSpec.exponential_max_wait_duration_in_open_state": Case(
        {f"{ASK}.breaker.exponential_max_wait_duration_in_open_state": "250ms"},
        {**FAILING, f"{ASK}.time_limiter.limit": "3ms", f"{ASK}.breaker.exponential_backoff_multiplier": 3},
    ),
    "CallBreakerSpec.record_exceptions": Case({f"{ASK}.breaker.record_exceptions": ["5xx"]}, FAILING),
    "CallBreakerSpec.ignore_exceptions": Case({f"{ASK}.breaker.ignore_exceptions": ["time_limit"]}, FAILING),
}

LATE = {f"{ASK}.time_limiter": {"limit": "3ms"}}
RETRIED = {**LATE, f"{ASK}.retry": {"wait_duration": "10ms"}}
GROWING = {**LATE, f"{ASK}.retry": {"wait_duration": "10ms", "exponential_backoff_multiplier": 2}}
PACED_CALLS = {
    f"{ASK}.rate_limiter": {"limit_for_period": 1, "limit_refresh_period": "30ms", "timeout_duration": "20ms"}
}
FEW_THREADS = {
    f"{ASK}.thread_pool_bulkhead": {"core_thread_pool_size": 1, "max_thread_pool_size": 2, "queue_capacity": 1},
    "traffic.open.rate": "300/s",
}

GUARDS = {
    "CallStepSpec.style": Case({f"{ASK}.style": "spring_cloud_reactive"}, {**LATE, f"{ASK}.bulkhead": {"permits": 1}}),
    "CallStepSpec.disable_time_limiter": Case(
        {f"{ASK}.disable_time_limiter": True},
        {f"{ASK}.style": "spring_cloud_blocking", f"{AWAY}.duration": exponential("900ms")},
    ),
    "CallStepSpec.retry": Case({f"{ASK}.retry": {"wait_duration": "10ms"}}, LATE),
    "CallStepSpec.rate_limiter": Case(PACED_CALLS),
    "CallStepSpec.bulkhead": Case({f"{ASK}.bulkhead": {"permits": 1}}),
    "CallStepSpec.thread_pool_bulkhead": Case(
        {f"{ASK}.thread_pool_bulkhead": {"max_thread_pool_size": 1, "queue_capacity": 0}}
    ),
    "CallStepSpec.read_timeout": Case({f"{ASK}.read_timeout": "5ms"}),
    "RetrySpec.max_attempts": Case({f"{ASK}.retry.max_attempts": 2}, RETRIED),
    "RetrySpec.wait_duration": Case({f"{ASK}.retry.wait_duration": "20ms"}, RETRIED),
    "RetrySpec.exponential_backoff_multiplier": Case({f"{ASK}.retry.exponential_backoff_multiplier": 2}, RETRIED),
    "RetrySpec.exponential_max_wait_duration": Case({f"{ASK}.retry.exponential_max_wait_duration": "15ms"}, GROWING),
    "RetrySpec.randomized_wait_factor": Case({f"{ASK}.retry.randomized_wait_factor": 0.5}, RETRIED),
    "RetrySpec.retry_exceptions": Case({f"{ASK}.retry.retry_exceptions": ["5xx"]}, RETRIED),
    "RetrySpec.ignore_exceptions": Case({f"{ASK}.retry.ignore_exceptions": ["time_limit"]}, RETRIED),
    "RateLimiterSpec.limit_for_period": Case({f"{ASK}.rate_limiter.limit_for_period": 2}, PACED_CALLS),
    "RateLimiterSpec.limit_refresh_period": Case({f"{ASK}.rate_limiter.limit_refresh_period": "20ms"}, PACED_CALLS),
    "RateLimiterSpec.timeout_duration": Case({f"{ASK}.rate_limiter.timeout_duration": "5ms"}, PACED_CALLS),
    "ThreadPoolBulkheadSpec.core_thread_pool_size": Case(
        {f"{ASK}.thread_pool_bulkhead.core_thread_pool_size": 2}, FEW_THREADS
    ),
    "ThreadPoolBulkheadSpec.max_thread_pool_size": Case(
        {f"{ASK}.thread_pool_bulkhead.max_thread_pool_size": 3}, FEW_THREADS
    ),
    "ThreadPoolBulkheadSpec.queue_capacity": Case({f"{ASK}.thread_pool_bulkhead.queue_capacity": 3}, FEW_THREADS),
    "ThreadPoolBulkheadSpec.keep_alive_duration": Case(
        {f"{ASK}.thread_pool_bulkhead.keep_alive_duration": "1s"}, FEW_THREADS
    ),
}

POOL = {
    "HikariSpec.database": Case({f"{MAIN}.database": "archive"}),
    "HikariSpec.maximum_pool_size": Case({f"{MAIN}.maximum_pool_size": 1}),
    "HikariSpec.minimum_idle": Case({f"{MAIN}.minimum_idle": 0}),
    "HikariSpec.connection_timeout": Case(
        {f"{MAIN}.connection_timeout": "250ms"},
        {f"{MAIN}.maximum_pool_size": 1, "databases.postgres.queries.find.io": "200ms"},
    ),
    "HikariSpec.idle_timeout": Case(
        {f"{MAIN}.idle_timeout": "10s"},
        {f"{MAIN}.minimum_idle": 0, f"{MAIN}.idle_timeout": "60s", "duration": "150s", "traffic.open.rate": "1/10s"},
    ),
    "HikariSpec.max_lifetime": Case(
        {f"{MAIN}.max_lifetime": "30s"}, {"duration": "40s", "traffic.open.rate": "3/s"}, shows="/stations"
    ),
    "HikariSpec.validation": Case(
        {f"{MAIN}.validation": exponential("3ms")}, {"duration": "10s", "traffic.open.rate": "5/s"}
    ),
    "HikariSpec.version": Case(
        {f"{MAIN}.version": "5.1.0"}, {f"{MAIN}.minimum_idle": 0, "databases.postgres.queries.find.io": "30ms"}
    ),
}

CHECKED = {
    f"{MAIN}": {"database": "postgres", "maximum_pool_size": 3, "minimum_idle": 1},
    "services.shop.pools.quiet": {"database": "postgres", "maximum_pool_size": 1},
    f"{LOOK}.on_miss.0.pool": "quiet",
    "services.shop.replicas": 1,
    "databases.postgres.limits": {"memory": "62M"},
    "traffic.open": GONE,
    "traffic.trace": {"file": "burst.csv"},
}
"""The third connection kills the database; somebody comes long after that."""
STARTING = {
    f"{MAIN}.minimum_idle": 1,
    f"{MAIN}.initialization_fail_timeout": "10s",
    f"{MAIN}.connection_timeout": "250ms",
    "databases.postgres.max_connections": 4,
    "services.shop.limits": {"memory": "103M"},
    "services.shop.memory_per_request": "1M",
    "routes.get.through": [],
    "routes.change.through": [],
}
"""Replicas come back to a database without a connection for them."""

POOL |= {
    "HikariSpec.keepalive_time": Case({"services.shop.pools.quiet.keepalive_time": "30s"}, CHECKED),
    "HikariSpec.validation_timeout": Case(
        {f"{MAIN}.validation_timeout": "250ms"},
        {f"{MAIN}.validation": "400ms", "duration": "10s", "traffic.open.rate": "1/s"},
    ),
    "HikariSpec.initialization_fail_timeout": Case({f"{MAIN}.initialization_fail_timeout": "1ms"}, STARTING),
    "HikariSpec.socket_timeout": Case({f"{MAIN}.socket_timeout": "6ms"}),
    "HikariSpec.prepare_threshold": Case(
        {f"{MAIN}.prepare_threshold": 20}, {"databases.postgres.queries.find.plan_cpu": "5ms"}
    ),
}

COPIED = {
    "databases.postgres.tables": {"items": {"rows": 20}},
    "databases.postgres.queries.find": {"cpu": "3ms", "table": "items"},
    "databases.postgres.queries.write": {"cpu": "5ms", "io": "2ms", "table": "items", "writes": True},
    "databases.copy": {"machine": "spare", "standby_of": "postgres", "replication_delay": "5ms"},
    "services.shop.pools.copy": {"database": "copy", "maximum_pool_size": 4},
    "services.shop.data_sources": {"both": {"style": "lazy_proxy", "primary": "main", "replica": "copy"}},
    f"{LOOK}.on_miss.0": {
        "kind": "transaction",
        "name": "reading",
        "pool": "both",
        "read_only": True,
        "steps": [{"kind": "db", "name": "load", "pool": "both", "query": "find"}],
    },
}
"""Reads go to a standby, in read-only transactions."""
READING = f"{LOOK}.on_miss.0"
HOLDING = {
    **COPIED,
    "databases.postgres.tables.items.rows": 2,
    SAVE: {
        "kind": "transaction",
        "name": "changing",
        "pool": "main",
        "steps": [
            {"kind": "db", "name": "save", "pool": "main", "query": "write"},
            {"kind": "delay", "name": "thinking", "duration": "30ms"},
        ],
    },
}
"""Writes keep their rows for a while: others wait for them."""
CROSSING = {
    **HOLDING,
    "databases.postgres.tables.items.rows": GONE,
    "databases.postgres.tables.others": {"rows": 1},
    "databases.postgres.queries.other": {"cpu": "1ms", "table": "others", "writes": True},
    "traffic.open.users": 1,
    f"{SAVE}.steps": [
        {"kind": "db", "name": "early", "pool": "main", "query": "other", "probability": 0.5},
        {"kind": "db", "name": "save", "pool": "main", "query": "write"},
        {"kind": "db", "name": "late", "pool": "main", "query": "other"},
    ],
}
"""Two rows, locked in either order."""
STALE = "/databases/databases.copy/replication/stale_reads"
LAG = "/databases/databases.copy/replication"

DATABASES = {
    "TransactionStepSpec.probability": Case({f"{SAVE}.probability": 0.5}, HOLDING),
    "TransactionStepSpec.pool": Case({f"{READING}.pool": "main"}, COPIED),
    "TransactionStepSpec.read_only": Case({f"{READING}.read_only": False}, COPIED),
    "TransactionStepSpec.steps": Case({f"{SAVE}.steps": [{"kind": "cpu", "name": "x", "demand": "1ms"}]}, HOLDING),
    "DataSourceSpec.style": Case({"services.shop.data_sources.both.style": "routing_data_source"}, COPIED),
    "DataSourceSpec.primary": Case(
        {"services.shop.data_sources.both.primary": "more"},
        {
            **COPIED,
            f"{READING}.read_only": False,
            "services.shop.pools.more": {"database": "postgres", "maximum_pool_size": 1},
            "databases.postgres.queries.find.io": "20ms",
        },
    ),
    "DataSourceSpec.replica": Case({"services.shop.data_sources.both.replica": GONE}, COPIED),
    "ServiceSpec.data_sources": Case(
        {"services.shop.data_sources": {"main_": {"style": "lazy_proxy", "primary": "main"}}, f"{SAVE}.pool": "main_"},
        {**HOLDING, f"{READING}.pool": "main", f"{READING}.steps.0.pool": "main"},
        along=("TransactionStepSpec.pool",),
    ),
    "ServiceSpec.open_in_view": Case(
        {"services.shop.open_in_view": True}, {f"{MAIN}.maximum_pool_size": 1, f"{LOOK}.probability": 0.9}
    ),
    "TableSpec.rows": Case({"databases.postgres.tables.items.rows": 1}, HOLDING),
    "QuerySpec.plan_cpu": Case({"databases.postgres.queries.find.plan_cpu": exponential("3ms")}),
    "QuerySpec.table": Case({"databases.postgres.queries.write.table": GONE}, HOLDING),
    "QuerySpec.writes": Case({"databases.postgres.queries.write.writes": False}, HOLDING),
    "QuerySpec.replay_cpu": Case(
        {"databases.postgres.queries.write.replay_cpu": exponential("2ms")}, COPIED, shows=LAG
    ),
    "DatabaseSpec.tables": Case(
        {"databases.postgres.tables.few": {"rows": 1}, "databases.postgres.queries.write.table": "few"},
        HOLDING,
        along=("QuerySpec.table",),
    ),
    "DatabaseSpec.statement_timeout": Case({"databases.postgres.statement_timeout": "7ms"}),
    "DatabaseSpec.lock_timeout": Case({"databases.postgres.lock_timeout": "10ms"}, HOLDING),
    "DatabaseSpec.deadlock_timeout": Case({"databases.postgres.deadlock_timeout": "300ms"}, CROSSING),
    "DatabaseSpec.idle_in_transaction_session_timeout": Case(
        {"databases.postgres.idle_in_transaction_session_timeout": "20ms"}, HOLDING
    ),
    "DatabaseSpec.standby_of": Case(
        {"databases.copy.standby_of": "archive"},
        {
            **COPIED,
            "services.shop.pools.archive": {"database": "archive"},
            "databases.archive.queries": {"find": {"cpu": "7ms"}, "write": {"cpu": "9ms"}},
            "services.shop.data_sources": {},
            READING: {"kind": "db", "name": "load", "pool": "main", "query": "find"},
        },
        shows=LAG,
    ),
    "DatabaseSpec.replication_delay": Case(
        {"databases.copy.replication_delay": exponential("50ms")}, COPIED, shows=STALE
    ),
    "DatabaseSpec.synchronous_standby": Case({"databases.postgres.synchronous_standby": "copy"}, COPIED),
    "DatabaseSpec.synchronous_commit": Case(
        {"databases.postgres.synchronous_commit": "remote_apply"},
        {
            **COPIED,
            "databases.postgres.synchronous_standby": "copy",
            "databases.postgres.queries.write.replay_cpu": "2ms",
        },
    ),
}

LIMITED = {
    "gateway.rate_limits": {"each": {"kind": "bucket4j_greedy", "key": "user", "refill": "2/1s", "capacity": 3}},
}
SPRING = {
    "gateway.rate_limits": {
        "all": {"kind": "spring_redis", "key": "global", "replenish_rate": 20, "burst_capacity": 30, "cache": "redis"}
    }
}
PERMITS = {"gateway.concurrency": {"shop": {"permits": 2}}}

TWO_ROUTES = {**SPRING, "routes.change": {"service": "stock", "endpoint": "count", "through": ["gateway"]}}
INTERVALLY = {**LIMITED, "gateway.rate_limits.each.kind": "bucket4j_intervally"}
DYING_REDIS = {
    "caches.redis.limits": {"memory": "10300K"},
    "caches.redis.base_memory": "10M",
    "caches.redis.start_wait": "500ms",
    "caches.redis.client": {"command_timeout": "20ms"},
}
"""Redis is killed by its own content, and takes its time to come back."""


def window_cases(spec: str, kind: str) -> dict[str, Case]:
    """What the four ways to count requests in a period have in common."""
    limit = {"kind": kind, "key": "user", "limit": "2/1s"}
    given = {"gateway.rate_limits": {"window": limit}}
    wide = {"gateway.rate_limits": {"window": {**limit, "limit": "1000/1s", "cache": "redis"}}}
    at = "gateway.rate_limits.window"
    return {
        f"{spec}.key": Case({f"{at}.key": "global"}, given),
        f"{spec}.limit": Case({f"{at}.limit": "4/2s"}, given),
        f"{spec}.cache": Case({f"{at}.cache": "redis"}, given),
        f"{spec}.on_cache_failure": Case({f"{at}.on_cache_failure": "refuse"}, {**wide, **DYING_REDIS}),
    }


GATEWAY = {
    **container_cases(
        "GatewaySpec",
        "gateway",
        {"gateway.machine": "vm"},
        crowded("gateway", **{"routes.get.through": ["gateway"], "routes.change.through": ["gateway"]}),
    ),
    "GatewaySpec.cpu": Case({"gateway.cpu": exponential("1ms")}),
    "GatewaySpec.loops": Case({"gateway.loops": 1}, {"gateway.cpu": "6ms", "machines.spare.cores": 4}),
    "GatewaySpec.rate_limits": Case(LIMITED),
    "GatewaySpec.concurrency": Case(PERMITS),
    "GatewaySpec.response_timeout": Case({"gateway.response_timeout": "10ms"}),
    "Bucket4jGreedySpec.key": Case({"gateway.rate_limits.each.key": "global"}, LIMITED),
    "Bucket4jGreedySpec.refill": Case({"gateway.rate_limits.each.refill": "1/1s"}, LIMITED),
    "Bucket4jGreedySpec.capacity": Case({"gateway.rate_limits.each.capacity": 2}, LIMITED),
    "Bucket4jIntervallySpec.key": Case({"gateway.rate_limits.each.key": "global"}, INTERVALLY),
    "Bucket4jIntervallySpec.refill": Case({"gateway.rate_limits.each.refill": "1/1s"}, INTERVALLY),
    "Bucket4jIntervallySpec.capacity": Case({"gateway.rate_limits.each.capacity": 2}, INTERVALLY),
    **window_cases("FixedWindowSpec", "fixed_window"),
    **window_cases("AnchoredWindowSpec", "anchored_window"),
    **window_cases("SlidingLogSpec", "sliding_log"),
    **window_cases("SlidingCounterSpec", "sliding_counter"),
    "SpringRedisSpec.key": Case({"gateway.rate_limits.all.key": "user"}, SPRING),
    "SpringRedisSpec.replenish_rate": Case({"gateway.rate_limits.all.replenish_rate": 30}, SPRING),
    "SpringRedisSpec.burst_capacity": Case({"gateway.rate_limits.all.burst_capacity": 40}, SPRING),
    "SpringRedisSpec.requested_tokens": Case({"gateway.rate_limits.all.requested_tokens": 2}, SPRING),
    "SpringRedisSpec.version": Case({"gateway.rate_limits.all.version": "4.2"}, TWO_ROUTES),
    "SpringRedisSpec.cache": Case({"gateway.rate_limits.all.cache": "second"}, SPRING),
    "BulkheadSpec.permits": Case({"gateway.concurrency.shop.permits": 1}, PERMITS),
    "BulkheadSpec.max_wait": Case({"gateway.concurrency.shop.max_wait": "50ms"}, PERMITS),
}

AT_GATEWAY = {
    "routes.get.through": ["gateway"],
    "traffic.mix": {"get": 1},
    f"{ASK}.time_limiter": {"limit": "3ms"},
    "gateway.cpu": "100us",
}
"""The shop answers 504 to every other request."""
AGAIN = "gateway.retries.again"
TRYING = {**AT_GATEWAY, AGAIN: {}}
PAUSING = {**AT_GATEWAY, AGAIN: {"backoff": {"random_factor": 0.5}}}
GUARD = "gateway.circuit_breakers.guard"
BREAKING = {
    **AT_GATEWAY,
    GUARD: {
        "sliding_window_size": 10,
        "minimum_number_of_calls": 5,
        "wait_duration_in_open_state": "200ms",
        "permitted_number_of_calls_in_half_open_state": 3,
        "status_codes": [504],
    },
}
SELDOM_BREAKING = {**BREAKING, f"{GUARD}.minimum_number_of_calls": 10, f"{GUARD}.failure_rate_threshold": 70}
SLOW_BREAKING = {
    **BREAKING,
    f"{GUARD}.status_codes": [],
    f"{GUARD}.slow_call_duration_threshold": "12ms",
    f"{GUARD}.slow_call_rate_threshold": 40,
}
FALLING_BACK = {**BREAKING, f"{GUARD}.fallback": {"cpu": "1ms"}}
KEYLESS = {**LIMITED, "gateway.key_resolver": {"anonymous_share": 0.5}}
POOLED = {"gateway.connections": {"max_connections": 1, "acquire_timeout": "20ms"}}

GATEWAY_FILTERS = {
    "GatewaySpec.key_resolver": Case({"gateway.key_resolver": {"anonymous_share": 0.5}}, LIMITED),
    "GatewaySpec.circuit_breakers": Case(BREAKING, AT_GATEWAY),
    "GatewaySpec.retries": Case(TRYING, AT_GATEWAY),
    "GatewaySpec.filters": Case({"gateway.filters": ["concurrency", "each"]}, {**LIMITED, **PERMITS}),
    "GatewaySpec.connections": Case(POOLED),
    "KeyResolverSpec.anonymous_share": Case({"gateway.key_resolver.anonymous_share": 0.9}, KEYLESS),
    "KeyResolverSpec.on_missing": Case({"gateway.key_resolver.on_missing": "pass"}, KEYLESS),
    "ConnectionsSpec.max_connections": Case({"gateway.connections.max_connections": 2}, POOLED),
    "ConnectionsSpec.acquire_timeout": Case({"gateway.connections.acquire_timeout": "10ms"}, POOLED),
    "GatewayRetrySpec.services": Case({f"{AGAIN}.services": ["stock"]}, TRYING),
    "GatewayRetrySpec.retries": Case({f"{AGAIN}.retries": 1}, TRYING),
    "GatewayRetrySpec.series": Case({f"{AGAIN}.series": ["client_error"]}, TRYING),
    "GatewayRetrySpec.statuses": Case({f"{AGAIN}.statuses": [504]}, {**TRYING, f"{AGAIN}.series": []}),
    "GatewayRetrySpec.methods": Case({f"{AGAIN}.methods": ["PUT"]}, TRYING),
    "GatewayRetrySpec.exceptions": Case({f"{AGAIN}.exceptions": ["io"]}, {**TRYING, "gateway.response_timeout": "8ms"}),
    "GatewayRetrySpec.backoff": Case({f"{AGAIN}.backoff": {}}, TRYING),
    "GatewayRetrySpec.timeout": Case({f"{AGAIN}.timeout": "30ms"}, PAUSING),
    "BackoffSpec.first": Case({f"{AGAIN}.backoff.first": "8ms"}, PAUSING),
    "BackoffSpec.maximum": Case({f"{AGAIN}.backoff.maximum": "9ms"}, PAUSING),
    "BackoffSpec.factor": Case({f"{AGAIN}.backoff.factor": 3}, PAUSING),
    "BackoffSpec.based_on_previous_value": Case({f"{AGAIN}.backoff.based_on_previous_value": False}, PAUSING),
    "BackoffSpec.random_factor": Case({f"{AGAIN}.backoff.random_factor": 0.2}, PAUSING),
    "GatewayBreakerSpec.services": Case({f"{GUARD}.services": ["stock"]}, BREAKING),
    "GatewayBreakerSpec.status_codes": Case({f"{GUARD}.status_codes": [503]}, BREAKING),
    "GatewayBreakerSpec.time_limit": Case({f"{GUARD}.time_limit": "8ms"}, BREAKING),
    "GatewayBreakerSpec.fallback": Case({f"{GUARD}.fallback": {"cpu": "1ms"}}, BREAKING),
    "FallbackSpec.cpu": Case({f"{GUARD}.fallback.cpu": exponential("4ms")}, FALLING_BACK),
    "FallbackSpec.status": Case({f"{GUARD}.fallback.status": 503}, FALLING_BACK),
    **{
        f"GatewayBreakerSpec.{name}": Case({f"{GUARD}.{name}": value}, given)
        for name, value, given in (
            ("sliding_window_type", "time_based", SELDOM_BREAKING),
            ("sliding_window_size", 20, SELDOM_BREAKING),
            ("minimum_number_of_calls", 9, BREAKING),
            ("failure_rate_threshold", 80, BREAKING),
            ("slow_call_duration_threshold", "9ms", SLOW_BREAKING),
            ("slow_call_rate_threshold", 70, SLOW_BREAKING),
            ("wait_duration_in_open_state", "500ms", BREAKING),
            ("permitted_number_of_calls_in_half_open_state", 6, BREAKING),
            ("max_wait_duration_in_half_open_state", "20ms", BREAKING),
            (
                "automatic_transition_from_open_to_half_open_enabled",
                True,
                {**BREAKING, f"{GUARD}.max_wait_duration_in_half_open_state": "1ms"},
            ),
            ("exponential_backoff_multiplier", 3, BREAKING),
            (
                "exponential_max_wait_duration_in_open_state",
                "250ms",
                {**BREAKING, f"{GUARD}.exponential_backoff_multiplier": 3},
            ),
        )
    },
}

DYING = {**TIGHT, "services.shop.start_wait": "100ms", "traffic.mix": {"get": 1}, "routes.get.through": ["nginx"]}
ERRING = {
    "routes.get.through": ["nginx"],
    "traffic.mix": {"get": 1},
    "services.shop.replicas": 3,
    f"{ASK}.time_limiter": {"limit": "10ms"},
    f"{UPSTREAM}.next_upstream": ["http_504"],
}
"""The shop answers 504 to one request in seven, and nginx asks another replica."""

NGINX = "load_balancers.nginx"
PACED = {f"{NGINX}.limit_req": {"pace": {"key": "user", "rate": "1r/s", "burst": 2}}}
CONNECTED = {f"{NGINX}.limit_conn": {"few": {"key": "global", "connections": 2}}}
MANY = {
    "traffic.open.rate": "400/s",
    "traffic.open.users": 3000,
    f"{AWAY}.duration": "1s",
    f"{NGINX}.worker_connections": 5000,
}
"""Of so many users each comes hardly twice, and stays long."""

HASHED = {f"{UPSTREAM}.balancing": "hash", f"{UPSTREAM}.hash_key": "user"}

BALANCER = {
    "LoadBalancerSpec.limit_req": Case(PACED),
    "LoadBalancerSpec.limit_req_status": Case({f"{NGINX}.limit_req_status": 429}, PACED),
    "LoadBalancerSpec.limit_req_dry_run": Case({f"{NGINX}.limit_req_dry_run": True}, PACED),
    "LimitReqSpec.key": Case({f"{NGINX}.limit_req.pace.key": "global"}, PACED),
    "LimitReqSpec.rate": Case({f"{NGINX}.limit_req.pace.rate": "100r/m"}, PACED),
    "LimitReqSpec.burst": Case({f"{NGINX}.limit_req.pace.burst": 3}, PACED),
    "LimitReqSpec.delay": Case({f"{NGINX}.limit_req.pace.delay": 1}, PACED),
    "LimitReqSpec.nodelay": Case({f"{NGINX}.limit_req.pace.nodelay": True}, PACED),
    "LimitReqSpec.zone": Case(
        {f"{NGINX}.limit_req.pace.zone": "32K"}, {**MANY, **PACED, f"{NGINX}.limit_req.pace.burst": 0}
    ),
    "LoadBalancerSpec.limit_conn": Case(CONNECTED),
    "LoadBalancerSpec.limit_conn_status": Case({f"{NGINX}.limit_conn_status": 429}, CONNECTED),
    "LoadBalancerSpec.limit_conn_dry_run": Case({f"{NGINX}.limit_conn_dry_run": True}, CONNECTED),
    "LimitConnSpec.key": Case({f"{NGINX}.limit_conn.few.key": "user"}, CONNECTED),
    "LimitConnSpec.connections": Case({f"{NGINX}.limit_conn.few.connections": 3}, CONNECTED),
    "LimitConnSpec.zone": Case(
        {f"{NGINX}.limit_conn.few.zone": "32K"}, {**MANY, **CONNECTED, f"{NGINX}.limit_conn.few.key": "user"}
    ),
    **container_cases(
        "LoadBalancerSpec",
        "load_balancers.nginx",
        {"load_balancers.nginx.machine": "vm"},
        crowded("load_balancers.nginx", **{"routes.get.through": ["nginx"]}),
    ),
    "LoadBalancerSpec.cpu": Case({"load_balancers.nginx.cpu": exponential("100us")}),
    "LoadBalancerSpec.upstreams": Case(
        {
            "load_balancers.nginx.upstreams.halls": {"service": "hall", "connect_time": "9ms"},
            "routes.change.through": ["nginx"],
        },
        {
            "services.hall": {"machine": "vm", "endpoints": {"x": {"steps": [{"kind": "cpu", "demand": "1ms"}]}}},
            "routes.change": {"service": "hall", "endpoint": "x"},
        },
        along=("RouteSpec.through",),
    ),
    "UpstreamSpec.service": Case(
        {f"{UPSTREAM}.service": "stock", "load_balancers.nginx.upstreams.stocks.service": "shop"},
        {"load_balancers.nginx.upstreams.stocks.connect_time": "5ms"},
    ),
    "UpstreamSpec.balancing": Case({f"{UPSTREAM}.balancing": "least_conn"}),
    "UpstreamSpec.weights": Case({f"{UPSTREAM}.weights": [3, 1]}),
    "UpstreamSpec.max_fails": Case({f"{UPSTREAM}.max_fails": 3}, ERRING),
    "UpstreamSpec.fail_timeout": Case({f"{UPSTREAM}.fail_timeout": "1s"}, {**DYING, **BUSY}),
    "UpstreamSpec.connect_timeout": Case(
        {f"{UPSTREAM}.connect_timeout": "2ms"}, {f"{UPSTREAM}.connect_time": exponential("1ms")}
    ),
    "UpstreamSpec.send_timeout": Case(
        {f"{UPSTREAM}.send_timeout": "2ms"}, {f"{UPSTREAM}.send_time": exponential("1ms")}
    ),
    "UpstreamSpec.read_timeout": Case({f"{UPSTREAM}.read_timeout": "10ms"}),
    "UpstreamSpec.next_upstream": Case({f"{UPSTREAM}.next_upstream": ["error"]}, ERRING),
    "UpstreamSpec.next_upstream_tries": Case(
        {f"{UPSTREAM}.next_upstream_tries": 2},
        {**ERRING, f"{ASK}.time_limiter": {"limit": "4ms"}, f"{UPSTREAM}.max_fails": 0},
    ),
    "UpstreamSpec.next_upstream_timeout": Case({f"{UPSTREAM}.next_upstream_timeout": "15ms"}, ERRING),
    "UpstreamSpec.connect_time": Case({f"{UPSTREAM}.connect_time": exponential("100us")}),
    "UpstreamSpec.send_time": Case({f"{UPSTREAM}.send_time": exponential("100us")}),
    "UpstreamSpec.hash_key": Case({f"{UPSTREAM}.hash_key": "ip"}, HASHED),
    "UpstreamSpec.port": Case({f"{UPSTREAM}.port": 9090}, {**HASHED, f"{UPSTREAM}.balancing": "hash_consistent"}),
    "UpstreamSpec.backup": Case({f"{UPSTREAM}.backup": [2]}),
    "UpstreamSpec.down": Case({f"{UPSTREAM}.down": [2]}),
    "UpstreamSpec.max_conns": Case({f"{UPSTREAM}.max_conns": 1}, BUSY),
    "UpstreamSpec.zone": Case({f"{UPSTREAM}.zone": True}, {"load_balancers.nginx.workers": 2}),
    "UpstreamSpec.keepalive": Case({f"{UPSTREAM}.keepalive": 8}),
    "UpstreamSpec.keepalive_requests": Case({f"{UPSTREAM}.keepalive_requests": 2}, {f"{UPSTREAM}.keepalive": 8}),
    "UpstreamSpec.keepalive_timeout": Case({f"{UPSTREAM}.keepalive_timeout": "10ms"}, {f"{UPSTREAM}.keepalive": 8}),
    "UpstreamSpec.keepalive_time": Case({f"{UPSTREAM}.keepalive_time": "50ms"}, {f"{UPSTREAM}.keepalive": 8}),
    "LoadBalancerSpec.version": Case({"load_balancers.nginx.version": "1.29.7"}),
    "LoadBalancerSpec.workers": Case({"load_balancers.nginx.workers": 2}),
    "LoadBalancerSpec.worker_connections": Case({"load_balancers.nginx.worker_connections": 5}),
    "LoadBalancerSpec.real_ip": Case({"load_balancers.nginx.real_ip": True}, {**HASHED, f"{UPSTREAM}.hash_key": "ip"}),
}

FULL_REDIS = {"caches.redis.maxmemory": "1000K", "caches.redis.maxmemory_policy": "allkeys-lru"}
"""893K of it are taken when nothing is stored: some 40 of 200 entries fit."""

ALL_EXPIRE = {"caches.redis.free_cpu": "500us", "caches.redis.classes.items.ttl": "100ms", "traffic.open.rate": "200/s"}
"""Removing what has expired keeps the command thread from commands."""

LOCKING_WRITER = {
    "caches.redis.client": {"spring_data_redis": "3.4", "cache_writer": "locking"}, f"{LOOK}.sync": True, **BUSY,
}  # fmt: skip
CUT_OFF = {
    "faults.crash": {"kind": "crash", "target": "caches.redis", "at": "1s", "lasts": "100ms"},
    "faults.cut": {"kind": "partition", "between": ["services.shop", "caches.redis"], "at": "1010ms", "lasts": "400ms"},
}
"""Redis dies, and while it is connected again nothing gets through."""

NULLS = {"caches.redis.classes.items.missing": 0.5}
LOCAL = {
    "caches.redis.classes.items.local": {"maximum_size": 50, "expire_after_write": "300ms"},
    "services.shop.limits": {"memory": "200M"},
}

SMALL_DATABASE = {"databases.postgres.limits": {"memory": "62M"}, f"{MAIN}.minimum_idle": 0}
"""The third connection kills the database."""

STORES = {
    **container_cases("CacheSpec", "caches.redis", {}, SMALL_REDIS),
    "CacheSpec.base_memory": Case({"caches.redis.base_memory": "10250K"}, SMALL_REDIS),
    "CacheSpec.command_cpu": Case({"caches.redis.command_cpu": exponential("100us")}),
    "CacheSpec.round_trip": Case({"caches.redis.round_trip": exponential("500us")}),
    "CacheSpec.classes": Case(
        {
            "caches.redis.classes.more": {"ttl": "1s", "keys": 9, "popularity": 0, "value": "1K"},
            f"{LOOK}.data_class": "more",
        },
        along=("CacheStepSpec.data_class",),
    ),
    "CacheSpec.maxmemory": Case({"caches.redis.maxmemory": "950K"}, FULL_REDIS),
    "CacheSpec.maxmemory_policy": Case({"caches.redis.maxmemory_policy": "noeviction"}, FULL_REDIS),
    "CacheSpec.maxmemory_samples": Case(
        {"caches.redis.maxmemory_samples": 1},
        {**FULL_REDIS, "caches.redis.classes.items.ttl": "10s", "caches.redis.classes.items.popularity": 1.2},
    ),
    "CacheSpec.active_expiry": Case({"caches.redis.active_expiry": False}, ALL_EXPIRE),
    "CacheSpec.free_cpu": Case({"caches.redis.free_cpu": "100us"}, ALL_EXPIRE),
    "RedisClientSpec.command_timeout": Case({"caches.redis.client.command_timeout": "100ms"}, REDIS_DIES),
    "RedisClientSpec.connect_timeout": Case({"caches.redis.client": {"connect_timeout": "200ms"}}, CUT_OFF),
    "RedisClientSpec.spring_data_redis": Case(
        {"caches.redis.client": {"spring_data_redis": "3.4"}}, {f"{LOOK}.sync": True, **BUSY}
    ),
    "RedisClientSpec.cache_writer": Case(
        {"caches.redis.client.cache_writer": "locking"},
        {"caches.redis.client": {"spring_data_redis": "3.4"}},
        along=("RedisClientSpec.lock_sleep",),
    ),
    "RedisClientSpec.lock_sleep": Case({"caches.redis.client.lock_sleep": "7ms"}, LOCKING_WRITER),
    "CacheSpec.entry_overhead": Case({"caches.redis.entry_overhead": "1000B"}, SMALL_REDIS),
    "CacheClassSpec.ttl": Case({"caches.redis.classes.items.ttl": "200ms"}),
    "CacheClassSpec.keys": Case({"caches.redis.classes.items.keys": 100}),
    "CacheClassSpec.popularity": Case({"caches.redis.classes.items.popularity": 2}),
    "CacheClassSpec.missing": Case(
        {"caches.redis.classes.items.missing": 0.9}, {**NULLS, "caches.redis.classes.items.cache_nulls": False}
    ),
    "CacheClassSpec.cache_nulls": Case({"caches.redis.classes.items.cache_nulls": False}, NULLS),
    "CacheClassSpec.local": Case({"caches.redis.classes.items.local": {"maximum_size": 20}}),
    "LocalCacheSpec.maximum_size": Case({"caches.redis.classes.items.local.maximum_size": 5}, LOCAL),
    "LocalCacheSpec.expire_after_write": Case({"caches.redis.classes.items.local.expire_after_write": "1s"}, LOCAL),
    "CacheClassSpec.value": Case({"caches.redis.classes.items.value": "4K"}, SMALL_REDIS),
    **container_cases("DatabaseSpec", "databases.postgres", {}, SMALL_DATABASE),
    "DatabaseSpec.base_memory": Case({"databases.postgres.base_memory": "54M"}, SMALL_DATABASE),
    "DatabaseSpec.max_connections": Case({"databases.postgres.max_connections": 5}),
    "DatabaseSpec.reserved_connections": Case({"databases.postgres.reserved_connections": 97}),
    "DatabaseSpec.connect_time": Case(
        {"databases.postgres.connect_time": exponential("50ms")}, {f"{MAIN}.minimum_idle": 0}
    ),
    "DatabaseSpec.connect_cpu": Case(
        {"databases.postgres.connect_cpu": exponential("50ms")}, {f"{MAIN}.minimum_idle": 0}
    ),
    "DatabaseSpec.memory_per_connection": Case(
        {"databases.postgres.memory_per_connection": "10M"}, {"databases.postgres.limits": {"memory": "100M"}}
    ),
    "DatabaseSpec.queries": Case(
        {"databases.postgres.queries.heavy": {"cpu": "20ms"}, f"{SAVE}.query": "heavy"},
        along=("DatabaseStepSpec.query",),
    ),
    "QuerySpec.cpu": Case({"databases.postgres.queries.find.cpu": exponential("3ms")}),
    "QuerySpec.io": Case({"databases.postgres.queries.find.io": exponential("3ms")}),
}

USERS = {"traffic.open": GONE, "traffic.users": {"population": 20, "think_time": exponential("100ms")}}
SESSIONS = {**USERS, "traffic.users.session": {"requests": 3, "gap": "1s"}}
PER_IP = {"gateway.rate_limits": {"ip": {"kind": "bucket4j_greedy", "key": "ip", "refill": "2/1s"}}}
TRACE = {"traffic.open": GONE, "traffic.trace": {"file": "first.csv"}}
TRACES = {
    "first.csv": "t_s,endpoint,user\n" + "".join(f"{n / 50},get,{n % 7}\n" for n in range(60)),
    "second.csv": "t_s,endpoint,user\n" + "".join(f"{n / 50},change,{n % 7}\n" for n in range(60)),
    "burst.csv": "t_s,endpoint,user\n" + "".join(f"1,change,{n}\n" for n in range(3)) + "90,get,3\n",
}

TRAFFIC = {
    "RouteSpec.service": Case(
        {"routes.change.service": "other"},
        {
            "services.other": {
                "machine": "spare",
                "endpoints": {"change": {"steps": [{"kind": "cpu", "demand": "6ms"}]}},
            }
        },
    ),
    "RouteSpec.endpoint": Case({"routes.change.endpoint": "get"}),
    "RouteSpec.through": Case({"routes.change.through": []}),
    "TrafficSpec.users": Case(USERS, along=("TrafficSpec.open",)),
    "TrafficSpec.open": Case(USERS, along=("TrafficSpec.users",)),
    "TrafficSpec.trace": Case(TRACE, along=("TrafficSpec.open",)),
    "TrafficSpec.users_per_ip": Case({"traffic.users_per_ip": 5}, PER_IP),
    "TrafficSpec.mix": Case({"traffic.mix": {"get": 1, "change": 1}}),
    "UsersSpec.population": Case({"traffic.users.population": 30}, USERS),
    "UsersSpec.think_time": Case({"traffic.users.think_time": "100ms"}, USERS),
    "UsersSpec.session": Case({"traffic.users.session": {"requests": 3, "gap": "1s"}}, USERS),
    "SessionSpec.requests": Case({"traffic.users.session.requests": 10}, SESSIONS),
    "SessionSpec.gap": Case({"traffic.users.session.gap": exponential("1s")}, SESSIONS),
    "OpenSpec.kind": Case({"traffic.open.kind": "constant"}),
    "OpenSpec.rate": Case({"traffic.open.rate": "120/s"}),
    "OpenSpec.users": Case({"traffic.open.users": 5}, LIMITED),
    "TraceSpec.file": Case({"traffic.trace.file": "second.csv"}, TRACE),
    "TraceSpec.speed": Case({"traffic.trace.speed": 2}, TRACE),
    "ClientSpec.patience": Case({"traffic.client": {"patience": "15ms"}}),
    "ClientSpec.round_trip": Case({"traffic.client": {"round_trip": "20ms"}}),
}

RETRY = "traffic.client.retry"
RETRYING = {RETRY: {"max_attempts": 4, "attempt_limit": "15ms"}}
PAUSING = {**RETRYING, f"{RETRY}.backoff": {"base": "10ms", "cap": "30ms"}}
SAVING = {**RETRYING, f"{RETRY}.budget": {"ratio": 0.3, "min_per_s": 1, "ttl": "2s"}}
RELOADING = {"traffic.client": {"reload": {"after": "15ms", "probability": 0.5, "at_most": 1}}}

CLIENTS = {
    "ClientSpec.retry": Case(RETRYING),
    "ClientSpec.reload": Case(RELOADING),
    "ClientRetrySpec.max_attempts": Case({f"{RETRY}.max_attempts": 2}, RETRYING),
    "ClientRetrySpec.attempt_limit": Case({f"{RETRY}.attempt_limit": "25ms"}, RETRYING),
    "ClientRetrySpec.statuses": Case({f"{RETRY}.statuses": [503]}, {**LIMITED, **RETRYING}),
    "ClientRetrySpec.reasons": Case({f"{RETRY}.reasons": []}, RETRYING),
    "ClientRetrySpec.non_idempotent": Case(
        {f"{RETRY}.non_idempotent": True}, {**RETRYING, "services.shop.endpoints.change.method": "POST"}
    ),
    "ClientRetrySpec.backoff": Case({f"{RETRY}.backoff": {"base": "10ms"}}, RETRYING),
    "ClientRetrySpec.budget": Case({f"{RETRY}.budget": {"min_per_s": 1}}, RETRYING),
    "ClientBackoffSpec.base": Case({f"{RETRY}.backoff.base": "20ms"}, PAUSING),
    "ClientBackoffSpec.factor": Case({f"{RETRY}.backoff.factor": 1}, PAUSING),
    "ClientBackoffSpec.cap": Case({f"{RETRY}.backoff.cap": "10ms"}, PAUSING),
    "ClientBackoffSpec.jitter": Case({f"{RETRY}.backoff.jitter": "equal"}, PAUSING),
    "RetryBudgetSpec.per": Case({f"{RETRY}.budget.per": "user"}, SAVING),
    "RetryBudgetSpec.ratio": Case({f"{RETRY}.budget.ratio": 0.1}, SAVING),
    "RetryBudgetSpec.min_per_s": Case({f"{RETRY}.budget.min_per_s": 0}, SAVING),
    "RetryBudgetSpec.ttl": Case({f"{RETRY}.budget.ttl": "1s"}, SAVING),
    "ReloadSpec.after": Case({"traffic.client.reload.after": exponential("15ms")}, RELOADING),
    "ReloadSpec.probability": Case({"traffic.client.reload.probability": 0.9}, RELOADING),
    "ReloadSpec.at_most": Case({"traffic.client.reload.at_most": 3}, RELOADING),
}

RAMP = {"traffic.shape": {"kind": "ramp", "start": 0.2, "end": 1.2, "at": "1s", "lasts": "2s"}}
PIECES = {"traffic.shape": {"kind": "piecewise", "points": [{"at": "0s", "factor": 1}, {"at": "1s", "factor": 0.5}]}}
DAY = {"traffic.shape": {"kind": "diurnal", "low": 0.3, "day": "3s", "peak_at": "1s"}}
BURSTS = {"traffic.shape": {"kind": "bursty", "factor": 2, "calm": "500ms", "burst": "200ms"}}
STAIRS = {"traffic.shape": {"kind": "step", "levels": [1, 0.5], "lasts": "1s"}}
SPIKE = {"traffic.shape": {"kind": "spike", "at": "1s", "factor": 0.5, "lasts": "1s"}}
CROWD = {"traffic.shape": {"kind": "flash_crowd", "at": "1s", "rise": "0s", "factor": 2, "half_life": "1s"}}
CYCLE = {"traffic.shape": {"kind": "cycle", "levels": [1, 0.5], "part": "1s"}}
SURGE = {"traffic.surges": {"rush": {"at": "1s", "lasts": "1s", "factor": 2}}}

SHAPES = {
    "TrafficSpec.shape": Case(RAMP),
    "TrafficSpec.surges": Case(SURGE),
    "RampSpec.start": Case({"traffic.shape.start": 0.5}, RAMP),
    "RampSpec.end": Case({"traffic.shape.end": 2}, RAMP),
    "RampSpec.at": Case({"traffic.shape.at": "0s"}, RAMP),
    "RampSpec.lasts": Case({"traffic.shape.lasts": "1s"}, RAMP),
    "PiecewiseSpec.points": Case({"traffic.shape.points": [{"at": "0s", "factor": 1}]}, PIECES),
    "PiecewiseSpec.every": Case({"traffic.shape.every": "2s"}, PIECES),
    "PointSpec.at": Case({"traffic.shape.points.1.at": "2s"}, PIECES),
    "PointSpec.factor": Case({"traffic.shape.points.1.factor": 2}, PIECES),
    "StepSpec.levels": Case({"traffic.shape.levels": [1, 0.3]}, STAIRS),
    "StepSpec.lasts": Case({"traffic.shape.lasts": "2s"}, STAIRS),
    "SpikeSpec.at": Case({"traffic.shape.at": "2s"}, SPIKE),
    "SpikeSpec.factor": Case({"traffic.shape.factor": 2}, SPIKE),
    "SpikeSpec.rise": Case({"traffic.shape.rise": "500ms"}, SPIKE),
    "SpikeSpec.lasts": Case({"traffic.shape.lasts": "1500ms"}, SPIKE),
    "SpikeSpec.fall": Case({"traffic.shape.fall": "1s"}, SPIKE),
    "FlashCrowdSpec.at": Case({"traffic.shape.at": "2s"}, CROWD),
    "FlashCrowdSpec.rise": Case({"traffic.shape.rise": "1s"}, CROWD),
    "FlashCrowdSpec.factor": Case({"traffic.shape.factor": 3}, CROWD),
    "FlashCrowdSpec.half_life": Case({"traffic.shape.half_life": "5s"}, CROWD),
    "CycleSpec.levels": Case({"traffic.shape.levels": [0.5, 1]}, CYCLE),
    "CycleSpec.part": Case({"traffic.shape.part": "500ms"}, CYCLE),
    "CycleSpec.begins_at": Case({"traffic.shape.begins_at": "1500ms"}, CYCLE),
    "DiurnalSpec.low": Case({"traffic.shape.low": 0.9}, DAY),
    "DiurnalSpec.peak_at": Case({"traffic.shape.peak_at": "2s"}, DAY),
    "DiurnalSpec.day": Case({"traffic.shape.day": "2s"}, DAY),
    "BurstySpec.factor": Case({"traffic.shape.factor": 3}, BURSTS),
    "BurstySpec.calm": Case({"traffic.shape.calm": exponential("1s")}, BURSTS),
    "BurstySpec.burst": Case({"traffic.shape.burst": exponential("400ms")}, BURSTS),
    "SurgeSpec.at": Case({"traffic.surges.rush.at": "2s"}, SURGE),
    "SurgeSpec.lasts": Case({"traffic.surges.rush.lasts": "2s"}, SURGE),
    "SurgeSpec.factor": Case({"traffic.surges.rush.factor": 3}, SURGE),
}

MEAN = "/latency_ms/all/mean"
JUDGED = {"replications": 2, "objectives": {"fast": {"path": MEAN, "at_most": 1000}}}
SLOW_ALERT = {"alerts": {"slow": {"series": "p95_s", "above": 0.02, "window": "1s", "hold": "1s", "every": "1s"}}}
RISING = {**SLOW_ALERT, "traffic.open.rate": "220/s"}
"""Response times grow during the run."""

EXPECTED = {
    "ObjectiveSpec.path": Case(
        {"objectives.fast.path": "/requests/arrived"},
        {**JUDGED, "objectives.fast.at_most": 100},
        shows="/objectives/0/verdict",
    ),
    "ObjectiveSpec.at_most": Case({"objectives.fast.at_most": 0.001}, JUDGED, shows="/objectives/0/verdict"),
    "ObjectiveSpec.at_least": Case(
        {"objectives.fast.at_least": 1000},
        {"replications": 2, "objectives": {"fast": {"path": MEAN, "at_least": 1}}},
        shows="/objectives/0/verdict",
    ),
    "AlertSpec.series": Case({"alerts.slow.series": "errors_per_s"}, SLOW_ALERT, shows="/alerts"),
    "AlertSpec.above": Case({"alerts.slow.above": 10}, SLOW_ALERT, shows="/alerts"),
    "AlertSpec.window": Case({"alerts.slow.window": "4s"}, {**RISING, "alerts.slow.above": 0.03}, shows="/alerts"),
    "AlertSpec.hold": Case({"alerts.slow.hold": "2s"}, SLOW_ALERT, shows="/alerts"),
    "AlertSpec.every": Case({"alerts.slow.every": "2s"}, SLOW_ALERT, shows="/alerts"),
}


def demand(**fields: Any) -> dict[str, Any]:
    return {f"{WORK}.demand": fields}


def shaped(spec: str, given: dict[str, Any], **changes: Any) -> dict[str, Case]:
    """Cases of a distribution, as the demand of a step."""
    return {
        f"{spec}.{name}": Case({f"{WORK}.demand.{name}": value}, demand(**given)) for name, value in changes.items()
    }


LOGNORMAL = {"kind": "lognormal", "mean": "4ms"}
BRANCHES = [{"probability": 0.5, "mean": "2ms"}, {"probability": 0.5, "mean": "6ms"}]
DISTRIBUTIONS = {
    **shaped("ConstantSpec", {"kind": "constant", "value": "4ms"}, value="5ms"),
    **shaped("UniformSpec", {"kind": "uniform", "low": "1ms", "high": "5ms"}, low="2ms", high="6ms"),
    **shaped("ExponentialSpec", {"kind": "exponential", "mean": "4ms"}, mean="5ms"),
    **shaped("LognormalSpec", {**LOGNORMAL, "p95": "9ms"}, mean="5ms", p95="8ms"),
    **shaped("LognormalSpec", {**LOGNORMAL, "p50": "3ms"}, p50="2ms"),
    **shaped("LognormalSpec", {**LOGNORMAL, "p90": "7ms"}, p90="8ms"),
    **shaped("LognormalSpec", {**LOGNORMAL, "p99": "12ms"}, p99="15ms"),
    **shaped("GammaSpec", {"kind": "gamma", "mean": "4ms", "shape": 2}, mean="5ms", shape=3),
    **shaped("ErlangSpec", {"kind": "erlang", "mean": "4ms", "stages": 2}, mean="5ms", stages=3),
    **shaped("WeibullSpec", {"kind": "weibull", "mean": "4ms", "shape": 0.7}, mean="5ms", shape=1.5),
    **shaped("HyperexponentialSpec", {"kind": "hyperexponential", "mean": "4ms", "scv": 3}, mean="5ms", scv=4),
    **shaped(
        "HyperexponentialSpec",
        {"kind": "hyperexponential", "branches": BRANCHES},
        branches=[*BRANCHES[:1], {"probability": 0.25, "mean": "6ms"}, {"probability": 0.25, "mean": "9ms"}],
    ),
    "BranchSpec.probability": Case(
        {f"{WORK}.demand.branches.0.probability": 0.7, f"{WORK}.demand.branches.1.probability": 0.3},
        demand(kind="hyperexponential", branches=BRANCHES),
    ),
    "BranchSpec.mean": Case(
        {f"{WORK}.demand.branches.1.mean": "8ms"}, demand(kind="hyperexponential", branches=BRANCHES)
    ),
    **shaped(
        "ParetoSpec", {"kind": "pareto", "shape": 1.5, "low": "1ms", "high": "50ms"}, shape=2, low="2ms", high="20ms"
    ),
    **shaped("EmpiricalSpec", {"kind": "empirical", "values": ["1ms", "4ms"]}, values=["1ms", "5ms"], weights=[3, 1]),
}

SHOP = "services.shop.workers"
JVM = "services.shop.jvm"
HEAP = {
    "live_set": "20M",
    "allocation_per_request": "2M",
    "live_per_request": "50K",
    "max_heap": "64M",
    "initial_heap": "64M",
    "collector": "serial",
}
JAVA = {JVM: HEAP}
"""Some collections a second."""
TIGHT = {"live_set": "100M", "allocation_per_request": "2M", "collector": "serial"}
FILLING = {JVM: {**HEAP, "tenured_per_request": "500K"}}
"""Full ones among them."""
COLD = {"services.shop.cold_factor": 9, "services.shop.cold_requests": 50}
FULL = {f"{SHOP}.max_connections": 1, f"{SHOP}.accept_count": 0}

RUNTIME = {
    "ServiceSpec.jvm": Case(JAVA),
    "GatewaySpec.jvm": Case({"gateway.jvm": HEAP}),
    "ServiceSpec.starts_cold": Case({"services.shop.starts_cold": True}, COLD),
    "ServiceSpec.compile_cpu": Case(
        {"services.shop.compile_cpu": "1s"}, {**COLD, "services.shop.starts_cold": True, "machines.vm.cores": 1}
    ),
    "TomcatSpec.min_spare_threads": Case({f"{SHOP}.min_spare_threads": 4}, JAVA, shows="/containers"),
    "TomcatSpec.max_connections": Case({f"{SHOP}.max_connections": 2}, {f"{SHOP}.accept_count": 0}),
    "TomcatSpec.accept_count": Case({f"{SHOP}.accept_count": 2}, FULL),
    "TomcatSpec.syn_backoff": Case({f"{SHOP}.syn_backoff": "exponential"}, FULL),
    "EventLoopSpec.blocking": Case({"services.stock.workers.blocking": True}, BUSY),
    "JvmSpec.live_set": Case({f"{JVM}.live_set": "30M"}, FILLING),
    "JvmSpec.allocation_per_request": Case({f"{JVM}.allocation_per_request": "3M"}, JAVA),
    "JvmSpec.live_per_request": Case({f"{JVM}.live_per_request": "500K"}, JAVA),
    "JvmSpec.tenured_per_request": Case({f"{JVM}.tenured_per_request": "200K"}, JAVA),
    "JvmSpec.leak_per_request": Case({f"{JVM}.leak_per_request": "100K"}, JAVA),
    "JvmSpec.max_heap": Case({f"{JVM}.max_heap": "128M"}, FILLING),
    "JvmSpec.initial_heap": Case({f"{JVM}.initial_heap": "16M"}, {JVM: {**HEAP, "live_set": "5M"}}),
    "JvmSpec.max_ram_percentage": Case(
        {f"{JVM}.max_ram_percentage": 75}, {JVM: TIGHT, "services.shop.limits.memory": "512M"}
    ),
    "JvmSpec.collector": Case({f"{JVM}.collector": "g1"}, JAVA),
    "JvmSpec.pause_cpu": Case({f"{JVM}.pause_cpu": "5ms"}, JAVA),
    "JvmSpec.copy_cpu": Case({f"{JVM}.copy_cpu": "10ms"}, {**BUSY, **JAVA}),
    "JvmSpec.mark_cpu": Case({f"{JVM}.mark_cpu": "1ms"}, FILLING),
    "JvmSpec.exit_on_out_of_memory": Case(
        {f"{JVM}.exit_on_out_of_memory": True}, {JVM: {**HEAP, "leak_per_request": "1M"}}
    ),
    "JvmSpec.thread_stack": Case({f"{JVM}.thread_stack": "1M"}, JAVA, shows="/containers"),
}

FAULT = "faults.f"
SHOP_1 = "services.shop.replica-1"
WHEN = {"at": "1s", "lasts": "500ms"}
FAULTS: dict[str, dict[str, Any]] = {
    "CrashSpec": {"kind": "crash", "target": SHOP_1},
    "HangSpec": {"kind": "hang", "target": SHOP_1},
    "SlowSpec": {"kind": "slow", "target": SHOP_1, "factor": 5},
    "RefuseSpec": {"kind": "refuse", "target": SHOP_1},
    "ErrorSpec": {"kind": "error", "target": SHOP_1},
    "StealSpec": {"kind": "steal", "target": "machines.vm", "share": 0.8},
    "ReplicaLagSpec": {"kind": "replica_lag", "target": "databases.copy", "lag": "300ms"},
    "NetworkSpec": {"kind": "network", "between": ["gateway", "services.shop"], "delay": "20ms"},
    "PartitionSpec": {"kind": "partition", "between": ["gateway", "services.shop"]},
    "ClockStepSpec": {"kind": "clock_step", "target": "caches.redis", "forward": "700ms"},
}
"""One fault of each kind that lasts."""


def fault(spec: str, **more: Any) -> dict[str, Any]:
    """A system in which it shows: with a standby, where it is about one."""
    return {**(COPIED if spec == "ReplicaLagSpec" else {}), FAULT: {**FAULTS[spec], **(more or WHEN)}}


def timing_cases(spec: str) -> dict[str, Case]:
    shows = STALE if spec == "ReplicaLagSpec" else "/digest"
    chance = fault(spec, mean_time_between="400ms", mean_duration="300ms")
    again = fault(spec, mean_time_between="400ms", lasts="300ms")
    return {
        f"{spec}.at": Case({f"{FAULT}.at": "2s"}, fault(spec), shows),
        f"{spec}.lasts": Case({f"{FAULT}.lasts": "1500ms"}, fault(spec), shows),
        f"{spec}.every": Case({f"{FAULT}.every": "1s"}, fault(spec), shows),
        f"{spec}.mean_time_between": Case({f"{FAULT}.mean_time_between": "1s"}, again, shows),
        f"{spec}.mean_duration": Case({f"{FAULT}.mean_duration": "900ms"}, chance, shows),
    }


WIRE = {"links.wire": {"between": ["gateway", "services.shop"], "delay": "1ms"}}
ROLLING = {"faults.new": {"kind": "rolling_restart", "target": "services.shop", "at": "1s"}}
LONG = {f"{AWAY}.duration": exponential("300ms"), "services.shop.workers.threads": 90, **ROLLING}
GRACEFUL = {**LONG, "services.shop.shutdown": {"graceful": True, "stop_grace_period": "400ms"}}
SICK = {FAULT: {"kind": "hang", "target": SHOP_1, "at": "500ms"}}
SHOP_HEALTH = "services.shop.health"
DOCKER = {SHOP_HEALTH: {"kind": "docker", "interval": "300ms", "timeout": "200ms", "restart_unhealthy": True}, **SICK}
ALIVE = {SHOP_HEALTH: {"kind": "kubernetes", "liveness": {"period": "200ms", "timeout": "100ms"}}, **SICK}
READY = {
    SHOP_HEALTH: {"kind": "kubernetes", "readiness": {"period": "200ms", "timeout": "100ms"}},
    FAULT: {"kind": "hang", "target": SHOP_1, "at": "500ms", "lasts": "1s"},
}

DISRUPTIONS = {
    "SystemSpec.faults": Case(fault("CrashSpec")),
    "SystemSpec.links": Case(WIRE),
    **{name: case for spec in FAULTS for name, case in timing_cases(spec).items()},
    "CrashSpec.target": Case({f"{FAULT}.target": "services.shop.replica-2"}, fault("CrashSpec")),
    "HangSpec.target": Case({f"{FAULT}.target": "databases.postgres"}, fault("HangSpec")),
    "SlowSpec.target": Case({f"{FAULT}.target": "gateway"}, fault("SlowSpec")),
    "SlowSpec.factor": Case({f"{FAULT}.factor": 2}, fault("SlowSpec")),
    "RefuseSpec.target": Case({f"{FAULT}.target": "services.shop"}, fault("RefuseSpec")),
    "ErrorSpec.target": Case({f"{FAULT}.target": "services.stock"}, fault("ErrorSpec")),
    "ErrorSpec.probability": Case({f"{FAULT}.probability": 0.5}, fault("ErrorSpec")),
    "ErrorSpec.status": Case({f"{FAULT}.status": 503}, fault("ErrorSpec")),
    "ErrorSpec.after_work": Case({f"{FAULT}.after_work": True}, fault("ErrorSpec")),
    "StealSpec.target": Case({f"{FAULT}.target": "machines.spare"}, fault("StealSpec")),
    "StealSpec.share": Case({f"{FAULT}.share": 0.4}, fault("StealSpec")),
    "ReplicaLagSpec.target": Case(
        {f"{FAULT}.target": "databases.late"},
        {**fault("ReplicaLagSpec"), "databases.late": {"machine": "spare", "standby_of": "postgres"}},
        shows=LAG,
    ),
    "ReplicaLagSpec.lag": Case({f"{FAULT}.lag": "5ms"}, fault("ReplicaLagSpec"), shows=LAG),
    "NetworkSpec.between": Case({f"{FAULT}.between": ["client", "gateway"]}, fault("NetworkSpec")),
    "NetworkSpec.delay": Case({f"{FAULT}.delay": exponential("5ms")}, fault("NetworkSpec")),
    "NetworkSpec.loss": Case({f"{FAULT}.loss": 0.2}, fault("NetworkSpec")),
    "PartitionSpec.between": Case({f"{FAULT}.between": ["services.shop", "caches.redis"]}, fault("PartitionSpec")),
    "ClockStepSpec.target": Case({f"{FAULT}.target": "caches.second"}, fault("ClockStepSpec")),
    "ClockStepSpec.forward": Case({f"{FAULT}.forward": "3s"}, fault("ClockStepSpec")),
    "ClockStepSpec.back": Case(
        {f"{FAULT}.back": "3s"}, {FAULT: {"kind": "clock_step", "target": "caches.redis", "back": "100ms", "at": "1s"}}
    ),
    "RollingRestartSpec.target": Case({"faults.new.target": "services.stock"}, ROLLING),
    "RollingRestartSpec.at": Case({"faults.new.at": "2s"}, ROLLING),
    "RollingRestartSpec.every": Case({"faults.new.every": "1s"}, ROLLING),
    "LinkSpec.between": Case({"links.wire.between": ["client", "gateway"]}, WIRE),
    "LinkSpec.delay": Case({"links.wire.delay": exponential("3ms")}, WIRE),
    "LinkSpec.loss": Case({"links.wire.loss": 0.1}, WIRE),
    "LinkSpec.keep_alive": Case({"links.wire.keep_alive": False}, WIRE),
    "ShutdownSpec.graceful": Case({"services.shop.shutdown.graceful": True}, LONG),
    "ShutdownSpec.timeout": Case({"services.shop.shutdown.timeout": "50ms"}, GRACEFUL),
    "ShutdownSpec.stop_grace_period": Case({"services.shop.shutdown.stop_grace_period": "5s"}, GRACEFUL),
    "ShutdownSpec.deregistration": Case({"services.shop.shutdown.deregistration": "500ms"}, LONG),
    "ServiceSpec.health": Case({SHOP_HEALTH: ALIVE[SHOP_HEALTH]}, SICK),
    "DockerHealthSpec.interval": Case({f"{SHOP_HEALTH}.interval": "500ms"}, DOCKER),
    "DockerHealthSpec.timeout": Case({f"{SHOP_HEALTH}.timeout": "1s"}, DOCKER),
    "DockerHealthSpec.retries": Case({f"{SHOP_HEALTH}.retries": 1}, DOCKER),
    "DockerHealthSpec.start_period": Case(
        {f"{SHOP_HEALTH}.start_period": "2s"},
        {**DOCKER, "faults.first": {"kind": "crash", "target": SHOP_1, "at": "300ms"}},
    ),
    "DockerHealthSpec.restart_unhealthy": Case({f"{SHOP_HEALTH}.restart_unhealthy": False}, DOCKER),
    "DockerHealthSpec.cpu": Case({f"{SHOP_HEALTH}.cpu": "50ms"}, DOCKER),
    "KubernetesHealthSpec.liveness": Case({f"{SHOP_HEALTH}.liveness": {"period": "300ms"}}, READY),
    "KubernetesHealthSpec.readiness": Case({f"{SHOP_HEALTH}.readiness": {"period": "300ms"}}, ALIVE),
    "KubernetesHealthSpec.startup": Case(
        {f"{SHOP_HEALTH}.startup": {"period": "700ms", "failure_threshold": 30}}, {**ALIVE, **ROLLING}
    ),
    "KubernetesHealthSpec.cpu": Case({f"{SHOP_HEALTH}.cpu": "50ms"}, ALIVE),
    "ProbeSpec.period": Case({f"{SHOP_HEALTH}.liveness.period": "400ms"}, ALIVE),
    "ProbeSpec.timeout": Case({f"{SHOP_HEALTH}.liveness.timeout": "1s"}, ALIVE),
    "ProbeSpec.failure_threshold": Case({f"{SHOP_HEALTH}.liveness.failure_threshold": 1}, ALIVE),
    "ProbeSpec.success_threshold": Case(
        {f"{SHOP_HEALTH}.readiness.success_threshold": 4}, {**READY, "routes.get.through": ["gateway"]}
    ),
    "ProbeSpec.initial_delay": Case(
        {f"{SHOP_HEALTH}.liveness.initial_delay": "1s"},
        {**ALIVE, "faults.again": {"kind": "hang", "target": SHOP_1, "at": "1500ms"}},
    ),
}

CASES: dict[str, Case] = {
    **SYSTEM,
    **SERVICE,
    **RUNTIME,
    **STEPS,
    **BREAKER,
    **GUARDS,
    **POOL,
    **DATABASES,
    **GATEWAY,
    **GATEWAY_FILTERS,
    **BALANCER,
    **STORES,
    **TRAFFIC,
    **CLIENTS,
    **SHAPES,
    **EXPECTED,
    **DISTRIBUTIONS,
    **DISRUPTIONS,
}
PROVEN_BELOW = {"RouteSpec.path": "what it maps are the lines of an access log"}


# --- the schema ---


def specs_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from specs_in(part)


def all_specs() -> list[type[BaseModel]]:
    """Every specification that a scenario can hold."""
    found: dict[type[BaseModel], None] = {}
    left: list[type[BaseModel]] = [SystemSpec]
    while left:
        spec = left.pop()
        if spec not in found:
            found[spec] = None
            for info in spec.model_fields.values():
                left += specs_in(info.annotation)
    return list(found)


def fields_to_prove() -> list[str]:
    """All fields, less the descriptive ones, discriminators, and those that only hold one fixed specification."""
    names = []
    for spec in all_specs():
        for name, info in spec.model_fields.items():
            is_part = isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
            is_kind = name == "kind" and len(typing.get_args(info.annotation)) == 1
            if not (is_part or is_kind or (spec.__name__, name) in DESCRIPTIVE):
                names.append(f"{spec.__name__}.{name}")
    return names


def test_every_field_has_a_case() -> None:
    known = {*CASES, *PROVEN_BELOW}
    assert not [name for name in fields_to_prove() if name not in known], "fields that nothing proves to be alive"
    assert not [name for name in known if name not in fields_to_prove()], "cases of fields that do not exist"


def test_descriptive_fields_are_texts() -> None:
    by_name = {spec.__name__: spec for spec in all_specs()}
    for spec, name in DESCRIPTIVE:
        assert by_name[spec].model_fields[name].annotation in (str, list[str])


# --- runs ---


class Here(Executor):
    """Runs every replication at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def laid_over(*patches: dict[str, Any]) -> dict[str, Any]:
    document = deepcopy(BASE)
    for patch in patches:
        for path, value in patch.items():
            *parents, last = path.split(".")
            node: Any = document
            for name in parents:
                node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
            if value is GONE:
                node.pop(last, None)
            elif isinstance(node, list):
                node[int(last)] = deepcopy(value)
            else:
                node[last] = deepcopy(value)
    return document


@lru_cache(maxsize=32)
def result_of(folder: Path, text: str) -> dict[str, Any]:
    """What a run finds, less what only repeats the question."""
    for name, lines in TRACES.items():
        (folder / name).write_text(lines)
    path = folder / "case.json"
    path.write_text(text)
    document = run(load_scenario(path), executor=Here()).document
    assert document["audit"]["passed"]
    found = {name: value for name, value in document.items() if name not in ECHOES}
    found["alerts"] = [{key: alert[key] for key in ("fired_in", "first_at_s", "firing_s")} for alert in found["alerts"]]
    found["objectives"] = [{key: each[key] for key in ("value", "interval", "verdict")} for each in found["objectives"]]
    return found


def at(document: Any, pointer: str) -> Any:
    for name in pointer.split("/")[1:]:
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def differing(first: Any, second: Any, place: str) -> Iterator[str]:
    """Fields (Class.field) whose own values differ; what differs inside nested specifications is theirs."""
    if isinstance(first, BaseModel) and type(first) is type(second):
        for name in type(first).model_fields:
            yield from differing(getattr(first, name), getattr(second, name), f"{type(first).__name__}.{name}")
    elif isinstance(first, dict) and isinstance(second, dict) and list(first) == list(second):
        for name, value in first.items():
            yield from differing(value, second[name], place)
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        for one, other in zip(first, second, strict=True):
            yield from differing(one, other, place)
    elif first != second:
        yield place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fields")


@pytest.mark.parametrize("name", CASES)
def test_the_field_changes_a_result(name: str, folder: Path) -> None:
    case = CASES[name]
    base, changed = laid_over(case.given), laid_over(case.given, case.change)
    differ = set(differing(SystemSpec.model_validate(base), SystemSpec.model_validate(changed), ""))
    assert differ == {name, *case.along}, "the case changes something else"
    before, after = (at(result_of(folder, json.dumps(document)), case.shows) for document in (base, changed))
    assert before != after, f"{case.shows} is the same"


def test_a_route_s_path_maps_an_access_log(folder: Path) -> None:
    """RouteSpec.path and EndpointSpec.method decide to which route a line of a log goes."""
    log = folder / "access.log"
    line = '10.0.0.1 - - [21/Jul/2025:10:00:{:02d} +0900] "{} /api/items/{} HTTP/1.1" 200 12\n'
    log.write_text("".join(line.format(n, "PUT" if n % 2 else "GET", n) for n in range(40)))

    def routes(path: str, method: str = "PUT") -> list[int]:
        document = laid_over({"routes.change.path": path, "services.shop.endpoints.change.method": method})
        trace, _ = replay_trace(read_logs([str(log)]), Router(SystemSpec.model_validate(document), []))
        (block,) = trace.blocks()
        trace.close()
        assert block.endpoint is not None
        return [int(number) for number in block.endpoint]

    mapped = routes("/api/items/{id}")
    assert mapped[1::2] == [1] * 20
    assert routes("") != mapped
    assert routes("/api/items/{id}", "DELETE") != mapped
