"""Random systems in which everything meets: every component, with small limits that coincide to the instant.

`document(seed)` is a valid scenario as a mapping. All durations come from a short list of round ones, so that time
limits, pauses, faults and the ends of work fall on the same instants.
"""

from __future__ import annotations

from random import Random
from typing import Any

from models.edges import edges
from models.system import SystemSpec

SHORT = ["10ms", "50ms", "100ms", "200ms"]
LONG = ["100ms", "200ms", "300ms", "500ms", "1s"]
WORK = ["0s", "1ms", "5ms", "20ms", "50ms", "100ms"]
INSTANTS = ["0s", "100ms", "200ms", "300ms", "500ms", "1s", "1100ms", "1500ms", "2s", "3s"]
STATUSES = [429, 500, 502, 503, 504]
METHODS = ["GET", "GET", "GET", "PUT", "POST"]


class Dice:
    """What chance decides."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def one(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    def of(self, choices: list[Any]) -> Any:
        return self._random.choice(choices)

    def some(self, choices: list[Any], least: int = 0) -> list[Any]:
        return self._random.sample(choices, self._random.randint(least, len(choices)))

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def luck(self, probability: float) -> bool:
        return self._random.random() < probability

    def shuffled(self, items: list[Any]) -> list[Any]:
        return self._random.sample(items, len(items))

    def maybe(self, chance: float, /, **fields: Any) -> dict[str, Any]:
        """These fields, each drawn to be there or not."""
        return {name: value for name, value in fields.items() if self.luck(chance)}

    def demand(self, choices: list[str] = WORK) -> Any:
        value = self.of(choices)
        if value != "0s" and self.luck(0.3):
            return {"kind": "exponential", "mean": value}
        return value


def container(dice: Dice, base_m: int, room_m: int = 8) -> dict[str, Any]:
    return {
        "machine": dice.one("vm", "vm", "other"),
        "base_memory": f"{base_m}M",
        "limits": {
            **dice.maybe(0.3, memory=f"{base_m + dice.number(1, room_m)}M"),
            **dice.maybe(0.2, cpus=dice.one(0.2, 0.5, 0.9)),
        },
        **dice.maybe(0.3, restart=dice.one("no", "always", "on-failure:3")),
        **dice.maybe(0.5, start_wait=dice.of(SHORT)),
        **dice.maybe(0.3, start_cpu=dice.of(SHORT)),
    }


def breaker(dice: Dice) -> dict[str, Any]:
    return {
        **dice.maybe(0.5, sliding_window_type=dice.one("count_based", "time_based")),
        "sliding_window_size": dice.number(1, 4),
        "minimum_number_of_calls": dice.number(1, 3),
        "failure_rate_threshold": dice.one(1, 50, 100),
        **dice.maybe(0.5, slow_call_duration_threshold=dice.of(SHORT)),
        "wait_duration_in_open_state": dice.of(SHORT),
        "permitted_number_of_calls_in_half_open_state": dice.number(1, 2),
        **dice.maybe(0.5, max_wait_duration_in_half_open_state=dice.of(SHORT)),
        "automatic_transition_from_open_to_half_open_enabled": dice.luck(0.5),
        **dice.maybe(0.3, exponential_backoff_multiplier=dice.one(1.5, 2)),
    }


def retry(dice: Dice) -> dict[str, Any]:
    return {
        "max_attempts": dice.number(1, 4),
        "wait_duration": dice.of(SHORT),
        **dice.maybe(0.3, exponential_backoff_multiplier=2),
        **dice.maybe(0.3, randomized_wait_factor=0.5),
        **dice.maybe(0.3, retry_exceptions=dice.some(["time_limit", "5xx", "circuit_open", "connection_refused"], 1)),
        **dice.maybe(0.2, ignore_exceptions=dice.some(["429", "instance_died", "rate_limited"])),
    }


def jvm(dice: Dice) -> dict[str, Any]:
    return {
        "live_set": dice.one("1M", "3M"),
        "allocation_per_request": dice.one("200K", "2M", "6M"),
        **dice.maybe(0.5, live_per_request=dice.one("50K", "100K")),
        **dice.maybe(0.3, tenured_per_request="50K"),
        **dice.maybe(0.2, leak_per_request="20K"),
        "max_heap": dice.one("8M", "16M"),
        **dice.maybe(0.5, initial_heap="4M"),
        **dice.maybe(0.7, collector=dice.one("serial", "g1")),
        **dice.maybe(0.3, pause_cpu=dice.of(SHORT)),
        **dice.maybe(0.4, exit_on_out_of_memory=True),
    }


def call(dice: Dice, services: list[str], deeper: Any) -> dict[str, Any]:
    style = dice.one("annotations", "spring_cloud_blocking", "spring_cloud_reactive")
    step: dict[str, Any] = {
        "kind": "call", "service": dice.of(services), "endpoint": dice.one("work", "change"), "style": style,
        **dice.maybe(0.4, retry=retry(dice), breaker=breaker(dice), time_limiter={"limit": dice.of(SHORT)}),
        **dice.maybe(0.3, read_timeout=dice.of(SHORT), fallback=deeper()),
    }  # fmt: skip
    if style == "annotations":
        step |= dice.maybe(
            0.3,
            rate_limiter={
                "limit_for_period": dice.number(1, 5), "limit_refresh_period": dice.of(SHORT),
                "timeout_duration": dice.one("0s", *SHORT),
            },
        )  # fmt: skip
    elif "time_limiter" not in step:
        step |= dice.maybe(0.3, disable_time_limiter=True)
    if dice.luck(0.3):
        step["bulkhead"] = {"permits": dice.number(1, 3), "max_wait": dice.one("0s", *SHORT)}
    elif dice.luck(0.4) and style != "spring_cloud_reactive":
        step["thread_pool_bulkhead"] = {
            "core_thread_pool_size": 1, "max_thread_pool_size": dice.number(1, 2),
            "queue_capacity": dice.number(0, 2), **dice.maybe(0.5, keep_alive_duration=dice.of(SHORT)),
        }  # fmt: skip
    return step


class Steps:
    """Steps of one service."""

    def __init__(self, dice: Dice, sources: list[str], callees: list[str]) -> None:
        self._dice = dice
        self._sources = sources
        self._callees = callees

    def steps(self, depth: int, most: int = 3, locked: str = "") -> list[dict[str, Any]]:
        """`locked`: the class of a synchronised load that these are part of. Two classes locked in either order would
        be a deadlock in the real thing, too."""
        return [self._step(depth, locked) for _ in range(self._dice.number(1, most))]

    def _step(self, depth: int, locked: str) -> dict[str, Any]:
        dice = self._dice
        kinds = ["cpu", "delay", "db", "evict"]
        if depth:
            kinds += ["cache", "cache", "transaction", *(["call", "call", "call"] if self._callees else [])]
        kind = dice.of(kinds)
        more = dice.maybe(0.2, probability=0.5)
        if kind == "cpu":
            return {"kind": kind, "demand": dice.demand(), **more}
        if kind == "delay":
            return {"kind": kind, "duration": dice.demand(), **more}
        if kind == "db":
            query = dice.one("find", "find", "write", "lookup")
            return {"kind": kind, "pool": dice.of(self._sources), "query": query, **more}
        if kind == "transaction":
            return {
                "kind": kind, "pool": dice.of(self._sources), "read_only": dice.luck(0.3),
                "steps": self.steps(depth - 1, locked=locked), **more,
            }  # fmt: skip
        if kind == "call":
            return {**call(dice, self._callees, lambda: self.steps(depth - 1, 1, locked)), **more}
        about = {"cache": "redis", "data_class": dice.one("items", "users"), **dice.maybe(0.4, on_error="ignore")}
        if kind == "evict":
            return {"kind": kind, **about, **more}
        is_locked = dice.luck(0.4) and locked in ("", about["data_class"])
        on_miss = self.steps(depth - 1, 2, about["data_class"] if is_locked else locked)
        return {"kind": kind, **about, "sync": is_locked, "on_miss": on_miss, **more}


def health(dice: Dice) -> dict[str, Any]:
    if dice.luck(0.5):
        return {
            "kind": "docker", "interval": dice.of(LONG), "timeout": dice.of(SHORT), "retries": dice.number(1, 2),
            "restart_unhealthy": dice.luck(0.6), "start_period": dice.of(["0s", *SHORT]),
        }  # fmt: skip

    def probe() -> dict[str, Any]:
        return {
            "period": dice.of(LONG), "timeout": dice.of(SHORT), "failure_threshold": dice.number(1, 2),
            **dice.maybe(0.3, initial_delay=dice.of(SHORT)),
        }  # fmt: skip

    started = {"startup": {**probe(), "failure_threshold": dice.number(2, 9)}} if dice.luck(0.3) else {}
    return {"kind": "kubernetes", **dice.maybe(0.6, readiness=probe()), "liveness": probe(), **started}


def service(dice: Dice, callees: list[str], has_standby: bool) -> dict[str, Any]:
    def pool(database: str) -> dict[str, Any]:
        return {
            "database": database, "maximum_pool_size": dice.number(1, 3),
            **dice.maybe(0.5, minimum_idle=dice.number(0, 3), socket_timeout=dice.of(SHORT)),
            "connection_timeout": dice.one("250ms", "300ms", "500ms", "1s"),
            **dice.maybe(0.3, max_lifetime="30s", keepalive_time="30s", idle_timeout="10s"),
            **dice.maybe(0.3, initialization_fail_timeout=dice.one("0s", "1s", None), validation_timeout="250ms"),
            **dice.maybe(0.5, version=dice.one("4.0.3", "5.0.1", "5.1.0", "6.3.0")),
        }  # fmt: skip

    pools, sources = {"main": pool("postgres")}, {}
    if dice.luck(0.4):
        if has_standby:
            pools["reads"] = pool("standby")
            style = dice.one("lazy_proxy", "routing_data_source")
            sources["routed"] = {"style": style, "primary": "main", "replica": "reads"}
        else:
            sources["lazy"] = {"style": "lazy_proxy", "primary": "main"}
    if dice.luck(0.7):
        workers: dict[str, Any] = {
            "kind": "tomcat", "threads": dice.number(1, 4), "accept_count": dice.number(0, 2),
            "max_connections": dice.one(1, 2, 5, 8192), "min_spare_threads": dice.number(0, 2),
            **dice.maybe(0.3, syn_backoff="exponential"),
        }  # fmt: skip
    else:
        workers = {"kind": "event_loop", "loops": dice.number(1, 2), "blocking": dice.luck(0.4)}
    names = [name for name in [*pools, *sources] if name != "reads"]
    steps = Steps(dice, names, callees)
    java = {"jvm": jvm(dice)} if dice.luck(0.3) else {}
    return {
        **container(dice, 20, 30 if java else 8), **java,
        "workers": workers,
        "replicas": dice.number(1, 3),
        "balancing": dice.one("round_robin", "least_connections"),
        "memory_per_request": dice.one("0B", "0B", "1M", "4M"),
        **dice.maybe(0.3, cold_factor=2, cold_requests=3, compile_cpu="50ms", starts_cold=True, open_in_view=True),
        "pools": pools, "data_sources": sources,
        **dice.maybe(0.4, health=health(dice)),
        **dice.maybe(
            0.5,
            shutdown={
                "graceful": dice.luck(0.6), "timeout": dice.of(LONG), "stop_grace_period": dice.of(LONG),
                "deregistration": dice.of(["0s", *SHORT]),
            },
        ),
        "endpoints": {
            "work": {"method": dice.of(METHODS), "steps": steps.steps(2)},
            "change": {"method": dice.of(METHODS), "steps": steps.steps(1)},
        },
    }  # fmt: skip


def gateway(dice: Dice, services: list[str]) -> dict[str, Any]:
    key = lambda: dice.one("user", "ip", "global")  # noqa: E731
    window = lambda kind: {  # noqa: E731
        "kind": kind, "key": key(), "limit": dice.one("5/1s", "20/1s"),
        **dice.maybe(0.5, cache="redis"),
    }  # fmt: skip
    limits = {
        "greedy": {"kind": "bucket4j_greedy", "key": key(), "refill": "10/1s", **dice.maybe(0.5, capacity=3)},
        "spring": {
            "kind": "spring_redis", "key": key(), "replenish_rate": 5, "burst_capacity": 10, "cache": "redis",
            **dice.maybe(0.5, version="4.2"),
        },
        **{kind: window(kind) for kind in ("fixed_window", "anchored_window", "sliding_log", "sliding_counter")},
    }  # fmt: skip
    for each in limits.values():
        if "cache" in each and each["kind"] != "spring_redis":
            each |= dice.maybe(0.5, on_cache_failure=dice.one("allow", "refuse"))
    limits = {name: limits[name] for name in dice.some(list(limits))[:2]}
    breakers = {
        f"breaker_{number}": {
            **breaker(dice), **dice.maybe(0.4, services=dice.some(services, 1), status_codes=dice.some(STATUSES)),
            "time_limit": dice.one(None, *SHORT),
            **dice.maybe(0.4, fallback={"cpu": dice.demand(), "status": dice.one(200, 503)}),
        }
        for number in range(dice.number(0, 2))
    }  # fmt: skip
    retries = {
        f"retry_{number}": {
            "retries": dice.number(1, 3), **dice.maybe(0.3, services=dice.some(services, 1)),
            **dice.maybe(0.4, statuses=dice.some(STATUSES), methods=dice.some(["GET", "PUT", "POST"], 1)),
            **dice.maybe(0.4, series=["client_error", "server_error"], exceptions=dice.some(["io", "timeout"])),
            **dice.maybe(
                0.5, timeout=dice.of(LONG),
                backoff={"first": dice.of(SHORT), **dice.maybe(0.5, maximum="200ms", random_factor=0.5)},
            ),
        }
        for number in range(dice.number(0, 2))
    }  # fmt: skip
    concurrency = {
        name: {"permits": dice.number(1, 4), "max_wait": dice.one("0s", *SHORT)} for name in dice.some(services)
    }
    names = [*limits, *breakers, *retries, *(["concurrency"] if concurrency else [])]
    java = {"jvm": jvm(dice)} if dice.luck(0.2) else {}
    return {
        **container(dice, 30, 30 if java else 8), **java,
        "cpu": dice.demand(["0s", "1ms", "20ms", "100ms"]),
        "loops": dice.number(1, 3),
        "rate_limits": limits, "concurrency": concurrency, "circuit_breakers": breakers, "retries": retries,
        **dice.maybe(0.6, filters=dice.shuffled(names)),
        **dice.maybe(0.3, key_resolver={"anonymous_share": 0.3, "on_missing": dice.one("deny", "error", "pass")}),
        **dice.maybe(
            0.4, response_timeout=dice.of(SHORT),
            connections={"max_connections": dice.number(1, 3), "acquire_timeout": dice.of(SHORT)},
        ),
    }  # fmt: skip


def nginx(dice: Dice, services: dict[str, Any]) -> dict[str, Any]:
    def upstream(name: str) -> dict[str, Any]:
        replicas = services[name]["replicas"]
        balancing = dice.one("round_robin", "least_conn", "ip_hash", "hash", "hash_consistent", "random", "random_two")
        conditions = ["error", "timeout", "http_429", "http_500", "http_503", "http_504", "non_idempotent"]
        backup = [replicas] if replicas > 1 and balancing in ("round_robin", "least_conn") and dice.luck(0.3) else []
        return {
            "service": name, "balancing": balancing,
            **({"hash_key": dice.one("user", "ip", "uri")} if balancing.startswith("hash") else {}),
            **dice.maybe(0.3, weights=[dice.number(1, 3) for _ in range(replicas)], down=dice.some([1])),
            "backup": backup,
            **dice.maybe(0.4, max_conns=dice.number(1, 3), zone=True, keepalive=dice.number(1, 2)),
            **dice.maybe(0.3, keepalive_requests=2, keepalive_timeout=dice.of(SHORT), keepalive_time=dice.of(LONG)),
            "max_fails": dice.number(0, 2), "fail_timeout": dice.one("0s", "1s", "2s"),
            "connect_timeout": dice.of(SHORT), "send_timeout": dice.of(SHORT), "read_timeout": dice.of(LONG),
            "next_upstream": dice.some(conditions, 1),
            **dice.maybe(0.3, next_upstream_tries=dice.number(1, 3), next_upstream_timeout=dice.of(SHORT)),
            "connect_time": dice.of(["0s", *SHORT]), "send_time": dice.of(["0s", "0s", *SHORT]),
        }  # fmt: skip

    key = lambda: dice.one("user", "ip", "global")  # noqa: E731
    return {
        **container(dice, 2, 3),
        "cpu": dice.demand(["0s", "1ms", "20ms"]),
        "workers": dice.number(1, 2), "worker_connections": dice.one(4, 5, 8, 512), "real_ip": dice.luck(0.3),
        "upstreams": {f"to-{name}": upstream(name) for name in services},
        **dice.maybe(
            0.3,
            limit_conn={"zone": {"key": key(), "connections": dice.number(1, 3)}},
            limit_req={
                "zone": {"key": key(), "rate": dice.one("5/s", "10/s"), "burst": dice.number(0, 3),
                         **dice.maybe(0.3, nodelay=True)}
            },
        ),
        **dice.maybe(0.3, version="1.29.8"),
    }  # fmt: skip


def lettuce(dice: Dice) -> dict[str, Any]:
    """A lock of the locking writer that a dead process leaves behind would be waited for for ever, as in Redis: only
    asked for here, which those of 2.7 do."""
    writer = dice.one({"cache_writer": "locking", "lock_sleep": dice.of(SHORT)}, {"spring_data_redis": "3.4"}, {})
    return {**writer, **dice.maybe(0.8, command_timeout=dice.of(SHORT)), **dice.maybe(0.3, connect_timeout="100ms")}


def redis(dice: Dice) -> dict[str, Any]:
    def data_class() -> dict[str, Any]:
        return {
            **dice.maybe(0.7, ttl=dice.of(LONG)), "keys": dice.number(1, 6), "popularity": dice.one(0, 1),
            "value": dice.one("1K", "300K", "2M"), **dice.maybe(0.3, missing=0.5, cache_nulls=False),
            **dice.maybe(0.4, local={"maximum_size": 2, **dice.maybe(0.7, expire_after_write=dice.of(SHORT))}),
        }  # fmt: skip

    return {
        **container(dice, 5),
        "command_cpu": dice.of(["0s", "100us", "10ms", "100ms"]), "round_trip": dice.of(["0s", "1ms", "100ms"]),
        "classes": {"items": data_class(), "users": data_class()},
        **dice.maybe(0.5, client=lettuce(dice)),
        **dice.maybe(
            0.5, maxmemory=dice.one("900K", "1500K", "4M"),
            maxmemory_policy=dice.one("noeviction", "allkeys-lru", "allkeys-lfu", "volatile-ttl", "volatile-random"),
        ),
        **dice.maybe(0.3, active_expiry=False, free_cpu="1ms"),
    }  # fmt: skip


def databases(dice: Dice) -> dict[str, Any]:
    primary = {
        **container(dice, 40),
        "max_connections": dice.number(4, 12), "reserved_connections": dice.number(0, 3),
        "memory_per_connection": dice.one("0B", "1M"),
        "connect_time": dice.of(WORK), "connect_cpu": dice.of(["0s", "1ms"]),
        **dice.maybe(
            0.35, statement_timeout=dice.of(SHORT), lock_timeout=dice.of(SHORT),
            idle_in_transaction_session_timeout=dice.of(SHORT), deadlock_timeout=dice.of(SHORT),
        ),
        "tables": {"things": {"rows": dice.number(1, 3)}},
        "queries": {
            "find": {"cpu": dice.demand(), "io": dice.of(WORK), **dice.maybe(0.3, table="things")},
            "lookup": {"cpu": "1ms", **dice.maybe(0.3, plan_cpu="1ms")},
            "write": {"cpu": dice.demand(), "writes": True, "table": "things", **dice.maybe(0.5, replay_cpu="20ms")},
        },
    }  # fmt: skip
    if primary["connect_cpu"] != "0s" and primary["connect_time"] == "0s":
        primary["connect_time"] = "5ms"
    found = {"postgres": primary}
    if dice.luck(0.5):
        found["standby"] = {
            **container(dice, 40), "standby_of": "postgres", "replication_delay": dice.of(SHORT),
            **dice.maybe(0.3, statement_timeout=dice.of(SHORT)), "max_connections": dice.number(4, 8),
        }  # fmt: skip
        if dice.luck(0.5):
            primary |= {"synchronous_standby": "standby", "synchronous_commit": dice.one("on", "remote_apply")}
    return found


def client(dice: Dice) -> dict[str, Any]:
    return {
        **dice.maybe(0.6, patience=dice.of(LONG)),
        **dice.maybe(0.4, round_trip=dice.of(SHORT)),
        **dice.maybe(
            0.4,
            retry={
                "max_attempts": dice.number(2, 4), **dice.maybe(0.6, attempt_limit=dice.of(SHORT)),
                **dice.maybe(0.5, backoff={"base": dice.of(SHORT), "jitter": dice.one("none", "full", "equal")}),
                **dice.maybe(0.4, budget={"per": dice.one("client", "user"), "min_per_s": dice.number(0, 2)}),
                **dice.maybe(0.3, non_idempotent=True),
            },
            reload={"after": dice.demand(LONG), "at_most": dice.number(1, 3), **dice.maybe(0.5, probability=0.5)},
        ),
    }  # fmt: skip


def traffic(dice: Dice, routes: list[str], ends_at: str) -> dict[str, Any]:
    if dice.luck(0.5):
        load: dict[str, Any] = {"open": {"rate": dice.one("5/s", "20/s", "40/s"), "users": dice.number(1, 5)}}
    else:
        users = {"population": dice.number(1, 8), "think_time": dice.demand(["1ms", "10ms", "100ms"])}
        load = {"users": users | dice.maybe(0.4, session={"requests": 3, "gap": dice.of(LONG)})}
    points = [{"at": "0s", "factor": 1}, {"at": ends_at, "factor": 1}, {"at": ends_at, "factor": 0}]
    surges = {"rush": {"at": dice.of(INSTANTS), "lasts": dice.of(LONG), "factor": dice.one(0, 2, 3)}}
    return {
        **load, "users_per_ip": dice.number(1, 3), "mix": {name: dice.number(1, 3) for name in routes},
        "client": client(dice), "shape": {"kind": "piecewise", "points": points}, **dice.maybe(0.3, surges=surges),
    }  # fmt: skip


CONTAINERS = ["gateway", "load_balancers.nginx", "caches.redis", "databases.postgres"]


def fault(dice: Dice, found: dict[str, Any], pairs: list[list[str]], replicas: list[str]) -> dict[str, Any]:
    """One fault that is over at some time."""
    when: dict[str, Any] = {"at": dice.of(INSTANTS), "lasts": dice.of(LONG)}
    if dice.luck(0.3):
        when["every"] = "2s"
    elif dice.luck(0.2):
        when = {"mean_time_between": dice.of(LONG), "mean_duration": dice.of(SHORT)}
    kind = dice.one(
        "crash", "crash", "hang", "slow", "refuse", "error", "steal", "network", "partition", "clock_step",
        "rolling_restart", "replica_lag",
    )  # fmt: skip
    everywhere = [*CONTAINERS, *replicas, *(["databases.standby"] if "standby" in found["databases"] else [])]
    if "gateway" not in found:
        everywhere.remove("gateway")
    if kind == "replica_lag" and "standby" not in found["databases"]:
        kind = "crash"
    if kind == "crash" and "mean_duration" not in when and dice.luck(0.5):
        del when["lasts"]
    if kind in ("crash", "hang"):
        return {"kind": kind, "target": dice.of(everywhere), **when}
    if kind == "slow":
        return {"kind": kind, "target": dice.of(everywhere), "factor": 10, **when}
    if kind == "refuse":
        return {"kind": kind, "target": dice.of([name for name in everywhere if name != "caches.redis"]), **when}
    if kind == "error":
        return {
            "kind": kind, "target": dice.of(replicas), "probability": dice.one(0.5, 1), "status": dice.of(STATUSES),
            "after_work": dice.luck(0.5), **when,
        }  # fmt: skip
    if kind == "steal":
        return {"kind": kind, "target": dice.one("machines.vm", "machines.other"), "share": dice.one(0.5, 0.9), **when}
    if kind == "clock_step":
        return {"kind": kind, "target": "caches.redis", dice.one("forward", "back"): dice.of(LONG), **when}
    if kind == "replica_lag":
        return {"kind": kind, "target": "databases.standby", "lag": dice.of(LONG), **when}
    if kind == "rolling_restart":
        return {"kind": kind, "target": dice.of(replicas).partition(".replica-")[0], "at": dice.of(INSTANTS)}
    if kind == "network":
        return {"kind": kind, "between": dice.of(pairs), "delay": dice.of(SHORT), "loss": dice.one(0, 0.3), **when}
    return {"kind": kind, "between": dice.of(pairs), **when}


def document(seed: int) -> dict[str, Any]:
    """A random system, valid as it is."""
    dice = Dice(seed)
    stores = databases(dice)
    services: dict[str, Any] = {}
    for name in ["depth", "middle", "front", "side"][: dice.number(2, 4)]:
        services[name] = service(dice, list(services), "standby" in stores)
    names = list(services)
    has_gateway = dice.luck(0.75)
    ways = [["nginx"], [], *([["gateway"], ["gateway", "nginx"]] * 2 if has_gateway else [])]
    routes = {
        f"{name}-{endpoint}": {"service": name, "endpoint": endpoint, "through": dice.of(ways)}
        for name in dice.some(names, 1)
        for endpoint in dice.some(["work", "change"], 1)
    }
    found: dict[str, Any] = {
        "duration": "3s", "warm_up": "0s", "replications": 1, "seed": dice.number(0, 1000),
        "machines": {
            "vm": {
                "cores": dice.one(1, 2, 4), "memory": dice.one("200M", "300M", "2G"),
                **dice.maybe(0.3, speed=2),
                "background": dice.maybe(0.5, metrics={"memory": "1M", "burst": dice.of(SHORT), "every": "200ms"}),
            },
            "other": {"cores": dice.one(1, 2), "memory": dice.one("200M", "2G")},
        },
        **({"gateway": gateway(dice, names)} if has_gateway else {}),
        "services": services,
        "load_balancers": {"nginx": nginx(dice, services)},
        "caches": {"redis": redis(dice)}, "databases": stores,
        "routes": routes, "traffic": traffic(dice, list(routes), "2s"),
    }  # fmt: skip
    if dice.luck(0.85):
        _disrupt(dice, found)
    return found


def _disrupt(dice: Dice, found: dict[str, Any]) -> None:
    """Links and faults, between whoever speaks to whom in this system."""
    pairs = [list(edge) for edge in edges(SystemSpec.model_validate(found))]
    replicas = [f"services.{name}" for name in found["services"]]
    replicas += [f"services.{name}.replica-1" for name in found["services"]]
    wired = dice.shuffled(pairs)[: dice.number(0, 2)]
    found["links"] = {
        f"wire-{number}": {
            "between": pair, "delay": dice.of(["0s", *SHORT]), "loss": dice.one(0, 0, 0.2), "keep_alive": dice.luck(0.5)
        }
        for number, pair in enumerate(wired)
    }  # fmt: skip
    found["faults"] = {f"fault-{number}": fault(dice, found, pairs, replicas) for number in range(dice.number(0, 4))}
