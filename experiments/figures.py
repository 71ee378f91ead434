"""What one replication measured, as a tree of plain numbers: the raw material of `result.json`.

Every key ends in its unit (`_ms`, `_s`, `_per_s`, `_bytes`, `_share`); counts and ratios have none. A figure that
cannot be told from what was measured (a p99 of too few requests, the hit ratio of a cache nobody asked) is null.
"""

from __future__ import annotations

from typing import Any

from experiments.calls import call_limiters, calls
from experiments.database_figures import database_figures
from experiments.disruptions import health, links
from experiments.jvm_figures import jvms, listeners
from experiments.recovery import recovery_figures
from experiments.waste import waste
from models.outcomes import Outcome
from models.system import SystemSpec, containers
from sim.recorder import InstrumentFigures, RequestFigures
from sim.replication import Replication
from sim.statistics import LogHistogram

Tree = dict[str, Any]
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
P99_BAND = (0.985, 0.995)
"""Requests between these quantiles explain what the p99 is made of."""


def figures(replication: Replication, spec: SystemSpec) -> Tree:
    """Everything a replication says about the measured span."""
    recording = replication.recording
    requests, span_s, instruments = recording.requests, recording.span_s, recording.measured
    by_container = _containers(instruments, spec)
    return {
        **_outcomes(requests, None, span_s),
        "endpoints": {
            name: _outcomes(requests, number, span_s)
            for number, name in enumerate(spec.routes)
            if requests.arrived(number)
        },
        "p99_parts_ms": _parts(requests),
        "stations": _stations(instruments),
        "containers": by_container,
        "machines": _machines(instruments, spec, by_container),
        "caches": _caches(instruments, spec),
        "limiters": _limiters(instruments, spec),
        "databases": database_figures(instruments, spec),
        "upstreams": _upstreams(instruments, spec),
        "jvms": jvms(instruments, span_s),
        "listeners": listeners(instruments),
        "links": links(instruments),
        "health": health(instruments, spec),
        "calls": calls(instruments, spec),
        "waste": waste(instruments, requests, span_s),
        "recoveries": recovery_figures(replication),
    }


def headline(replication: Replication) -> Tree:
    """How the requests of a replication ended and how long that took: the cheap part of `figures`."""
    recording = replication.recording
    return _outcomes(recording.requests, None, recording.span_s)


def _outcomes(requests: RequestFigures, endpoint: int | None, span_s: float) -> Tree:
    """How the requests of one endpoint, or of all, ended and how long that took."""
    succeeded = requests.count(endpoint, Outcome.SUCCEEDED)
    abandoned = requests.count(endpoint, Outcome.ABANDONED)
    ended = requests.count(endpoint)
    completed = ended - abandoned
    errors = requests.count(endpoint, least_status=500)
    return {
        "requests": {
            "arrived": requests.arrived(endpoint),
            "completed": completed,
            "succeeded": succeeded,
            "refused": requests.by_reason(Outcome.REFUSED, endpoint),
            "failed": requests.by_reason(Outcome.FAILED, endpoint),
            "abandoned": abandoned,
            "in_flight": requests.arrived(endpoint) - ended,
        },
        "throughput_per_s": completed / span_s if span_s else None,
        "goodput_per_s": succeeded / span_s if span_s else None,
        "success_rate": succeeded / ended if ended else None,
        "error_rate": errors / ended if ended else None,
        "latency_ms": {
            "all": _latency(requests.latency(endpoint)),
            "succeeded": _latency(requests.latency(endpoint, succeeded=True)),
        },
    }


def _latency(histogram: LogHistogram) -> Tree:
    return {
        "mean": _ms(histogram.mean),
        **{name: _ms(histogram.quantile(q)) for name, q in QUANTILES.items()},
        "max": _ms(histogram.max),
        "count": histogram.count,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000.0 * seconds


def _parts(requests: RequestFigures) -> Tree:
    """What the requests around the p99 spent their time on."""
    split = requests.split(*P99_BAND)
    return {} if split is None else {part: 1000.0 * seconds for part, seconds in split.parts_s.items()}


def _stations(instruments: InstrumentFigures) -> Tree:
    return {
        path: {
            "servers": station.servers,
            "arrivals": station.arrivals,
            "utilisation": station.utilisation,
            "mean_wait_ms": _ms(station.mean_wait_s),
            "mean_service_ms": _ms(station.mean_service_s),
            "mean_queue": station.mean_queue,
            "refused": station.refused,
            "expired": station.expired,
        }
        for path, station in instruments.stations.items()
    }


def _mean(instruments: InstrumentFigures, path: str) -> float:
    return instruments.levels[path].mean or 0.0


def _instances(spec: SystemSpec, path: str) -> list[str]:
    """Paths of the containers of one setting: a service has one for each replica."""
    kind, _, name = path.partition(".")
    if kind != "services":
        return [path]
    return [f"{path}.replica-{number}" for number in range(1, spec.services[name].replicas + 1)]


def _containers(instruments: InstrumentFigures, spec: SystemSpec) -> Tree:
    """CPU and memory of every container. `run_queue`: threads that had no core and were not throttled."""
    tree: Tree = {}
    for setting, container in containers(spec):
        speed = spec.machines[container.machine].speed
        for path in _instances(spec, setting):
            cores = _mean(instruments, f"{path}.cpu_s") / speed
            waiting = _mean(instruments, f"{path}.threads_s") - cores - _mean(instruments, f"{path}.throttled_thread_s")
            limit, memory = container.limits.cpus, instruments.levels[f"{path}.memory_bytes"]
            tree[path] = {
                "cpu_cores": cores,
                "cpu_of_limit": None if limit is None else cores * speed / limit,
                "throttled_share": _mean(instruments, f"{path}.throttled_s"),
                "throttled_threads": _mean(instruments, f"{path}.throttled_thread_s"),
                "run_queue": max(0.0, waiting),
                "memory_mean_bytes": memory.mean,
                "memory_peak_bytes": memory.peak,
                "deaths": instruments.counts[f"{path}.deaths"],
            }
    return tree


def cpu_paths(spec: SystemSpec, machine: str) -> list[str]:
    """Everything that burns CPU on a machine: its containers and its background residents."""
    paths = [f"machines.{machine}.background.{name}" for name in spec.machines[machine].background]
    for setting, container in containers(spec):
        if container.machine == machine:
            paths += _instances(spec, setting)
    return paths


def _machines(instruments: InstrumentFigures, spec: SystemSpec, by_container: Tree) -> Tree:
    tree: Tree = {}
    for name, machine in spec.machines.items():
        path = f"machines.{name}"
        used = throttled = run_queue = 0.0
        for each in cpu_paths(spec, name):
            run_queue += by_container[each]["run_queue"] if each in by_container else 0.0
            used += _mean(instruments, f"{each}.cpu_s")
            throttled += _mean(instruments, f"{each}.throttled_s") * instruments.levels[f"{each}.throttled_s"].span_s
        memory = instruments.levels[f"{path}.memory_bytes"]
        tree[path] = {
            "cpu_utilisation": used / (machine.cores * machine.speed),
            "run_queue": run_queue,
            "memory_mean_share": (memory.mean or 0.0) / machine.memory,
            "memory_peak_share": memory.peak / machine.memory,
            "memory_peak_bytes": memory.peak,
            "oom_kills": instruments.counts[f"{path}.oom_kills"],
            "throttled_s": throttled,
        }
    return tree


def _caches(instruments: InstrumentFigures, spec: SystemSpec) -> Tree:
    tree: Tree = {}
    for name, cache in spec.caches.items():
        path = f"caches.{name}"
        classes: Tree = {}
        hits = lookups = evicted = 0
        for data_class, cls in cache.classes.items():
            at = f"{path}.classes.{data_class}"
            count = _hits(instruments, at, CACHE_COUNTS)
            classes[data_class] = count
            if cache.client.cache_writer == "locking":
                count["lock_polls"] = instruments.counts[f"{at}.lock_polls"]
            if cls.local is not None:
                count["local"] = _hits(instruments, f"{at}.local", LOCAL_COUNTS)
            hits += count["hits"]
            lookups += count["lookups"]
            evicted += count["evicted"]
        content = instruments.levels[f"{path}.content_bytes"]
        expiry = instruments.tallies.get(f"{path}.expiry_cpu_s")
        tree[path] = {
            "lookups": lookups,
            "hit_ratio": hits / lookups if lookups else None,
            "content_mean_bytes": content.mean,
            "content_peak_bytes": content.peak,
            "evicted": evicted,
            **{what: instruments.counts[f"{path}.{what}"] for what in ("oom_errors", "eviction_cuts", "timed_out")},
            "expiry_cuts": instruments.counts.get(f"{path}.expiry_cuts", 0),
            "expiry_stall_s": 0.0 if expiry is None else expiry.total,
            "expiry_longest_stall_ms": 0.0 if expiry is None else 1000.0 * expiry.largest,
            "classes": classes,
        }
    return tree


def _hits(instruments: InstrumentFigures, path: str, what: tuple[str, ...]) -> Tree:
    """What one tier counts of one class."""
    count = {each: instruments.counts[f"{path}.{each}"] for each in what}
    asked = count["hits"] + count["misses"]
    return {"lookups": asked, "hit_ratio": count["hits"] / asked if asked else None, **count}


CACHE_COUNTS = (
    "hits", "misses", "stores", "evictions", "expired", "evicted", "duplicate_loads", "stale_hits", "errors_ignored",
)  # fmt: skip
LOCAL_COUNTS = ("hits", "misses", "evictions", "stale_hits")


def _limiters(instruments: InstrumentFigures, spec: SystemSpec) -> Tree:
    """Every limiter: of the gateway, of every nginx, and of calls between services."""
    paths = [] if spec.gateway is None else [f"gateway.rate_limits.{name}" for name in spec.gateway.rate_limits]
    for name, balancer in spec.load_balancers.items():
        paths += [f"load_balancers.{name}.limit_req.{zone}" for zone in balancer.limit_req]
        paths += [f"load_balancers.{name}.limit_conn.{zone}" for zone in balancer.limit_conn]
        paths.append(f"load_balancers.{name}.worker_connections")
        for upstream, upstream_spec in balancer.upstreams.items():
            if upstream_spec.max_conns:
                paths.append(f"load_balancers.{name}.upstreams.{upstream}.max_conns")
    paths += call_limiters(spec)
    return {path: _limiter(instruments, path) for path in paths}


def _upstreams(instruments: InstrumentFigures, spec: SystemSpec) -> Tree:
    """What every upstream of every nginx did, in all its workers."""
    counts, tree = instruments.counts, {}
    for name, balancer in spec.load_balancers.items():
        for upstream in balancer.upstreams:
            path = f"load_balancers.{name}.upstreams.{upstream}"
            peers: Tree = {}
            tries = failures = 0
            for at, number in counts.items():
                if at.startswith(f"{path}.peers.") and at.endswith(".tries"):
                    at = at.removesuffix(".tries")
                    failed = counts[f"{at}.failures"]
                    peers[at.removeprefix(f"{path}.peers.")] = {"tries": number, "failures": failed}
                    tries += number
                    failures += failed
            reused = counts.get(f"{path}.reused")
            tree[path] = {
                "tries": tries,
                "failures": failures,
                "retries": counts[f"{path}.retries"],
                "no_live": counts[f"{path}.no_live_upstream"],
                "reused_share": None if reused is None or not tries else reused / tries,
                "peers": peers,
            }
    return tree


def _limiter(instruments: InstrumentFigures, path: str) -> Tree:
    """What one limiter decided. Further figures, each where it can be other than 0: `unanswered` (its Redis failed),
    `held` (limit_req), and what a dry run would have done."""
    counts, tallies = instruments.counts, instruments.tallies
    found = {what: counts[f"{path}.{what}"] for what in LIMITER_COUNTS if f"{path}.{what}" in counts}
    unanswered = [found[what] for what in ("fail_open", "fail_closed") if what in found]
    refused = found.get("refused", 0)
    asked = found["granted"] + refused + found.get("would_be_refused", 0) + sum(unanswered)
    tree: Tree = {"asked": asked, "refused": refused, "refused_share": refused / asked if asked else None}
    if unanswered:
        tree["unanswered"] = sum(unanswered)
    if f"{path}.evicted" in counts:
        tree["evicted"] = counts[f"{path}.evicted"]
    if "would_be_refused" in found:
        tree["would_be_refused"] = found["would_be_refused"]
    for what in ("held", "would_be_held"):
        tally = tallies.get(f"{path}.{what}_s")
        if tally is not None:
            tree[what] = tally.count
            tree[f"{what}_share"] = tally.count / asked if asked else None
            tree[f"mean_{what}_ms"] = _ms(tally.total / tally.count) if tally.count else None
    return tree


LIMITER_COUNTS = ("granted", "refused", "fail_open", "fail_closed", "would_be_refused")
