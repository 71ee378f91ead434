"""What real files have a place for: paths of a scenario, and the file and setting that say them.

Models   What import reads and what is written here, in one table. A path that is none of these (demands, the mix,
         machines, what users do) no file can say.
Checked  tests/e2e/test_export_files.py: of every shipped scenario, and against what import finds in files
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from experiments.scenario.paths import at_path, heard, step_names

_COMPOSE = "docker-compose.yml"
_SPRING = "application.yml"
_NGINX = "nginx.conf"
_REDIS = "redis.conf"
_POSTGRES = "postgresql.conf"
_RULES = "rules.yml"

_CONTAINER = {
    "restart": (_COMPOSE, "restart"),
    "cpu_shares": (_COMPOSE, "cpu_shares"),
    "limits.cpus": (_COMPOSE, "deploy.resources.limits.cpus"),
    "limits.memory": (_COMPOSE, "deploy.resources.limits.memory"),
}
_JVM = {
    "jvm.max_heap": (_COMPOSE, "JAVA_TOOL_OPTIONS: -Xmx"),
    "jvm.initial_heap": (_COMPOSE, "JAVA_TOOL_OPTIONS: -Xms"),
    "jvm.max_ram_percentage": (_COMPOSE, "JAVA_TOOL_OPTIONS: -XX:MaxRAMPercentage"),
    "jvm.collector": (_COMPOSE, "JAVA_TOOL_OPTIONS: -XX:+UseSerialGC"),
    "jvm.exit_on_out_of_memory": (_COMPOSE, "JAVA_TOOL_OPTIONS: -XX:+ExitOnOutOfMemoryError"),
}
_HEALTH = {f"health.{key}": (_COMPOSE, f"healthcheck.{key}") for key in ("interval", "timeout", "retries",
                                                                         "start_period")}  # fmt: skip
_BREAKER = (
    "sliding_window_type", "sliding_window_size", "minimum_number_of_calls", "failure_rate_threshold",
    "slow_call_duration_threshold", "slow_call_rate_threshold", "wait_duration_in_open_state",
    "permitted_number_of_calls_in_half_open_state", "max_wait_duration_in_half_open_state",
    "automatic_transition_from_open_to_half_open_enabled", "exponential_backoff_multiplier",
    "exponential_max_wait_duration_in_open_state",
)  # fmt: skip
_GUARDS = {
    "breaker": (*_BREAKER, "record_exceptions", "ignore_exceptions"),
    "retry": ("max_attempts", "wait_duration", "exponential_backoff_multiplier", "exponential_max_wait_duration",
              "randomized_wait_factor", "retry_exceptions", "ignore_exceptions"),
    "bulkhead": ("permits", "max_wait"),
    "thread_pool_bulkhead": ("core_thread_pool_size", "max_thread_pool_size", "queue_capacity", "keep_alive_duration"),
    "time_limiter": ("limit",),
    "rate_limiter": ("limit_for_period", "limit_refresh_period", "timeout_duration"),
}  # fmt: skip
_CALLS = {f"endpoints.*.steps.*.{kind}.{key}": (_SPRING, f"resilience4j, {kind}")
          for kind, keys in _GUARDS.items() for key in keys}  # fmt: skip
_POOLS = {
    f"pools.*.{key}": (_SPRING, "spring.datasource")
    for key in ("database", "maximum_pool_size", "minimum_idle", "connection_timeout", "idle_timeout", "max_lifetime",
                "keepalive_time", "validation_timeout", "initialization_fail_timeout", "socket_timeout",
                "prepare_threshold")
}  # fmt: skip
_SERVICE = {
    **_CONTAINER, **_JVM, **_HEALTH, **_CALLS, **_POOLS,
    "replicas": (_COMPOSE, "deploy.replicas"),
    "health.kind": (_COMPOSE, "healthcheck.test"),
    "shutdown.stop_grace_period": (_COMPOSE, "stop_grace_period"),
    "shutdown.graceful": (_SPRING, "server.shutdown"),
    "shutdown.timeout": (_SPRING, "spring.lifecycle.timeout-per-shutdown-phase"),
    "workers.kind": (_SPRING, "spring.main.web-application-type"),
    "workers.threads": (_SPRING, "server.tomcat.threads.max"),
    "workers.min_spare_threads": (_SPRING, "server.tomcat.threads.min-spare"),
    "workers.max_connections": (_SPRING, "server.tomcat.max-connections"),
    "workers.accept_count": (_SPRING, "server.tomcat.accept-count"),
    "workers.loops": (_COMPOSE, "JAVA_TOOL_OPTIONS: -Dreactor.netty.ioWorkerCount"),
    "open_in_view": (_SPRING, "spring.jpa.open-in-view"),
    "data_sources.*.primary": (_SPRING, "spring.datasource"),
    "data_sources.*.replica": (_SPRING, "spring.datasource"),
    "endpoints.*.steps.*.read_timeout": (_SPRING, "spring.cloud.openfeign.client.config"),
}  # fmt: skip
_GATEWAY = {
    **_CONTAINER, **_JVM,
    **{f"rate_limits.*.{key}": (_SPRING, "RequestRateLimiter") for key in (
        "kind", "key", "capacity", "refill", "replenish_rate", "burst_capacity", "requested_tokens", "cache")},
    "key_resolver.on_missing": (_SPRING, "RequestRateLimiter: deny-empty-key"),
    **{f"concurrency.*.{key}": (_SPRING, "resilience4j.bulkhead") for key in ("permits", "max_wait")},
    **{f"circuit_breakers.*.{key}": (_SPRING, "resilience4j.circuitbreaker") for key in _BREAKER},
    "circuit_breakers.*.services": (_SPRING, "CircuitBreaker"),
    "circuit_breakers.*.status_codes": (_SPRING, "CircuitBreaker: statusCodes"),
    "circuit_breakers.*.time_limit": (_SPRING, "resilience4j.timelimiter"),
    "circuit_breakers.*.fallback.status": (_SPRING, "CircuitBreaker: fallbackUri"),
    **{f"retries.*.{key}": (_SPRING, "Retry") for key in (
        "services", "retries", "series", "statuses", "methods", "exceptions", "timeout")},
    **{f"retries.*.backoff.{key}": (_SPRING, "Retry: backoff") for key in (
        "first", "maximum", "factor", "based_on_previous_value", "random_factor")},
    "filters": (_SPRING, "the order of the filters"),
    "connections.max_connections": (_SPRING, "httpclient.pool.max-connections"),
    "connections.acquire_timeout": (_SPRING, "httpclient.pool.acquire-timeout"),
    "response_timeout": (_SPRING, "httpclient.response-timeout"),
}  # fmt: skip
_BALANCER = {
    **_CONTAINER,
    "workers": (_NGINX, "worker_processes"),
    "worker_connections": (_NGINX, "worker_connections"),
    "version": (_COMPOSE, "image: nginx"),
    "real_ip": (_NGINX, "set_real_ip_from"),
    **{f"limit_req.*.{key}": (_NGINX, "limit_req") for key in ("key", "rate", "burst", "delay", "nodelay", "zone")},
    **{f"limit_conn.*.{key}": (_NGINX, "limit_conn") for key in ("key", "connections", "zone")},
    **{f"limit_{kind}_{key}": (_NGINX, f"limit_{kind}_{key}") for kind in ("req", "conn")
       for key in ("status", "dry_run")},
    **{f"upstreams.*.{key}": (_NGINX, f"upstream, {key}") for key in (
        "service", "balancing", "hash_key", "port", "weights", "backup", "down", "max_conns", "zone", "max_fails",
        "fail_timeout", "keepalive", "keepalive_requests", "keepalive_timeout", "keepalive_time")},
    **{f"upstreams.*.{key}": (_NGINX, f"proxy_{key}") for key in (
        "connect_timeout", "send_timeout", "read_timeout", "next_upstream", "next_upstream_tries",
        "next_upstream_timeout")},
}  # fmt: skip
_CACHE = {
    **_CONTAINER,
    **{key: (_REDIS, key.replace("_", "-")) for key in ("maxmemory", "maxmemory_policy", "maxmemory_samples")},
    "client.command_timeout": (_SPRING, "spring.redis.timeout"),
    "client.connect_timeout": (_SPRING, "spring.redis.connect-timeout"),
    "classes.*.ttl": (_SPRING, "spring.cache.redis.time-to-live"),
    "classes.*.cache_nulls": (_SPRING, "spring.cache.redis.cache-null-values"),
}
_DATABASE = {
    **_CONTAINER,
    "max_connections": (_POSTGRES, "max_connections"),
    "reserved_connections": (_POSTGRES, "superuser_reserved_connections"),
    **{key: (_POSTGRES, key) for key in (
        "statement_timeout", "lock_timeout", "deadlock_timeout", "idle_in_transaction_session_timeout",
        "synchronous_commit")},
    "synchronous_standby": (_POSTGRES, "synchronous_standby_names"),
    "standby_of": (_COMPOSE, "pg_basebackup"),
}  # fmt: skip
PLACES: dict[str, tuple[str, str]] = {
    **{f"services.*.{key}": place for key, place in _SERVICE.items()},
    **{f"gateway.{key}": place for key, place in _GATEWAY.items()},
    **{f"load_balancers.*.{key}": place for key, place in _BALANCER.items()},
    **{f"caches.*.{key}": place for key, place in _CACHE.items()},
    **{f"databases.*.{key}": place for key, place in _DATABASE.items()},
    "machines.*.background.*.limits.cpus": (_COMPOSE, "deploy.resources.limits.cpus"),
    "machines.*.background.*.limits.memory": (_COMPOSE, "deploy.resources.limits.memory"),
    "routes.*.service": (_SPRING, "routes"),
    "routes.*.through": (_SPRING, "routes"),
    **{f"alerts.*.{key}": (_RULES, key) for key in ("series", "above", "window", "hold", "every")},
}
"""By path with * for a name: the file and the setting in it."""
_BY_PARTS = {tuple(pattern.split(".")): place for pattern, place in PLACES.items()}


def pattern_of(path: Sequence[str]) -> tuple[str, ...] | None:
    """The pattern that a path fits; None where no file has a place for it."""
    return next((parts for parts in _BY_PARTS if _fits(parts, path)), None)


def place_of(path: Sequence[str]) -> tuple[str, str] | None:
    """The file and the setting that say a path; None where no file can."""
    parts = pattern_of(path)
    return None if parts is None else _BY_PARTS[parts]


def _fits(parts: Sequence[str], path: Sequence[str]) -> bool:
    return len(parts) == len(path) and all(part in ("*", name) for part, name in zip(parts, path, strict=True))


def _calls(endpoints: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for endpoint in endpoints:
        steps = endpoint.get("steps") or []
        for at in step_names(steps).values():
            step = at_path(steps, at)
            if step.get("kind") == "call":
                yield step


def why_not(document: Mapping[str, Any], path: Sequence[str]) -> str | None:
    """Why this scenario's value has no place although others of its path have; None where it has one."""

    def around(length: int) -> Any:
        return at_path(document, heard(tuple(path[:length]), document)) or {}

    if tuple(path[:2]) == ("gateway", "rate_limits"):
        kind = str(around(3).get("kind"))
        if kind not in ("spring_redis", "bucket4j_greedy", "bucket4j_intervally"):
            return f"no filter of the gateway's is a {kind}"
    if path[:2] == ("gateway", "key_resolver") and around(3) == "error":
        return "that a key resolver throws is its code"
    if path[0] == "services" and path[2] == "health" and around(3).get("kind") != "docker":
        return "Docker has no such probes: they are a Kubernetes manifest's"
    if path[0] == "services" and path[-1] == "read_timeout" and len(path) == 7:
        steps = (around(2).get("endpoints") or {}).values()
        if len({step.get("read_timeout") for step in _calls(steps) if step["service"] == around(6)["service"]}) > 1:
            return "an HTTP client has one for all calls of a service, and these differ"
    if path[0] == "services" and path[2] == "data_sources" and not around(4).get("replica"):
        return "Spring's files tell of a routing data source by its two pools"
    if path[0] == "routes" and path[-1] in ("service", "through") and "gateway" not in (around(2).get("through") or []):
        return "no route of a gateway leads there"
    return None
