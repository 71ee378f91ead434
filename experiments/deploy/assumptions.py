"""What no file tells: values that stand in until somebody measures them, and how they would be measured.

Source   As in the shipped scenarios: Spring Boot on a small machine, PostgreSQL 15 and Redis 7 on loopback.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Assumed(NamedTuple):
    """A value with what is assumed of it."""

    value: Any
    note: str


_LOG = "windtunnel calibrate with an access log measures it"
_TRAFFIC = "windtunnel traffic with an access log measures it"

MACHINE: dict[str, Assumed] = {
    "cores": Assumed(4, "The files do not say on what they run: nproc tells, or --assume."),
    "memory": Assumed("16G", "The files do not say on what they run: free -h tells, or --assume."),
    "system_memory": Assumed("350M", "A Linux server with Docker."),
}
CONTAINER: dict[str, Assumed] = {
    "start_wait": Assumed("1s", "docker logs tells how long a start takes."),
    "start_cpu": Assumed("1s", "CPU time of a start: docker stats tells."),
}
SERVICE: dict[str, Assumed] = {
    **CONTAINER,
    "base_memory": Assumed("100M", "docker stats on an idle container tells."),
}
JVM_SERVICE: dict[str, Assumed] = {
    "base_memory": Assumed("230M", "A Spring Boot process beside its heap: jcmd VM.native_memory tells."),
    "start_wait": Assumed("1s", "The application's log tells how long a start takes."),
    "start_cpu": Assumed("10s", "CPU time of a start of Spring Boot: docker stats tells."),
    "cold_factor": Assumed(4, "A JVM that has just started."),
    "cold_requests": Assumed(300, "A JVM that has just started."),
    "compile_cpu": Assumed("6s", "The JIT compiler's time after a start."),
}
JVM: dict[str, Assumed] = {
    "live_set": Assumed("60M", "The heap after a full collection: jcmd GC.heap_info tells."),
    "allocation_per_request": Assumed("500K", "jvm_gc_memory_allocated_bytes_total by requests tells."),
    "live_per_request": Assumed("100K", "Memory a request holds while it is worked on."),
}
GATEWAY: dict[str, Assumed] = {
    **CONTAINER,
    "base_memory": Assumed("200M", "docker stats on an idle container tells."),
    "cpu": Assumed({"kind": "lognormal", "mean": "3ms", "p95": "7ms"}, f"CPU time of a request: {_LOG}."),
}
LOAD_BALANCER: dict[str, Assumed] = {
    "base_memory": Assumed("10M", "docker stats on an idle container tells."),
    "start_wait": Assumed("0s", "nginx is there at once."),
    "start_cpu": Assumed("50ms", "CPU time of a start."),
    "cpu": Assumed("0.1ms", f"CPU time of a request in nginx: {_LOG}."),
}
CACHE: dict[str, Assumed] = {
    "base_memory": Assumed("30M", "docker stats on an idle container tells."),
    "start_wait": Assumed("0s", "An empty Redis is there at once."),
    "start_cpu": Assumed("100ms", "CPU time of a start."),
    "command_cpu": Assumed({"kind": "exponential", "mean": "0.05ms"}, "redis-benchmark tells."),
    "round_trip": Assumed({"kind": "gamma", "mean": "0.3ms", "shape": 4}, "redis-cli --latency tells."),
}
DATABASE: dict[str, Assumed] = {
    "base_memory": Assumed("120M", "docker stats on an idle container tells."),
    "start_wait": Assumed("1s", "The server's log tells."),
    "start_cpu": Assumed("500ms", "CPU time of a start."),
}
DATA_CLASS: dict[str, Assumed] = {
    "keys": Assumed(1000, "How many different things are asked for: windtunnel traffic tells for paths with ids."),
    "popularity": Assumed(1.0, "Zipf's exponent: windtunnel traffic tells for paths with ids."),
    "value": Assumed("4K", "redis-cli --bigkeys tells."),
}
QUERY: dict[str, Assumed] = {
    "cpu": Assumed({"kind": "lognormal", "mean": "2ms", "p95": "5ms"}, "pg_stat_statements tells."),
    "io": Assumed({"kind": "exponential", "mean": "1ms"}, "pg_stat_statements with track_io_timing tells."),
}
RESIDENT_MEMORY = {
    "prometheus": "180M", "grafana": "120M", "alertmanager": "25M", "node-exporter": "20M", "rabbitmq": "150M",
    "kafka": "600M", "cp-kafka": "600M", "mongo": "200M", "mongodb": "200M", "elasticsearch": "1G", "opensearch": "1G",
    "jaeger": "60M", "all-in-one": "60M", "zipkin": "250M", "opentelemetry-collector-contrib": "150M",
    "memcached": "70M",
}  # fmt: skip
RESIDENT = Assumed("80M", "docker stats tells.")

DEMAND = Assumed({"kind": "lognormal", "mean": "10ms", "p95": "25ms"}, f"CPU time of a request: {_LOG}.")
ENDPOINT = Assumed("handle", "The files name no endpoints: one stands for all.")
CALL = Assumed(None, "Who calls whom, and how often, stands in code: once for each request here.")
USERS = Assumed(20, f"Users at once: {_TRAFFIC}.")
THINK = Assumed({"kind": "exponential", "mean": "2s"}, f"Time between an answer and the next request: {_TRAFFIC}.")
MIX = Assumed(1, f"Every route as often as the others: {_TRAFFIC}.")
PATIENCE = Assumed("30s", "A browser's user gives up.")
ROUND_TRIP = Assumed({"kind": "gamma", "mean": "30ms", "shape": 4}, "Between users and the entry: ping tells.")
RUN: dict[str, Assumed] = {
    "duration": Assumed("10m", "Long enough for narrow intervals."),
    "warm_up": Assumed("auto", "Found by a pilot run."),
    "replications": Assumed(5, "Enough for a narrow interval."),
    "seed": Assumed(1, "Any."),
}
