"""What breaks first: the limit that binds, named from utilisation, waiting and refusals.

A queue in front of something slow fills up because of what is slow behind it. So limits are asked from the bottom
up: memory that kills, cores, quotas, connections and threads, permits, rates. Of those that bind at the
deepest level the one that costs requests most is named. A limit binds when it refuses, holds back, kills, throttles
or is nearly always in use. `--confirm` then moves the limit by a quarter and looks whether the figures follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from models.assembly import Limit
from sim.quantities import RateValue, format_rate, format_size, parse_rate, parse_size

BUSY = 0.80
"""Utilisation from which a limit counts as binding (assumed; the wait of M/M/1 is four service times there)."""
REFUSED_SHARE = 0.005
"""Share of requests refused by a limit from which it counts as binding (assumed)."""
HELD_SHARE = 0.10
"""Share of requests that a limit holds back from which it counts as binding (assumed)."""
THROTTLED_SHARE = 0.10
"""Share of time a container is throttled from which its quota counts as binding (assumed)."""
EVICTED_SHARE = 0.10
"""Evictions per store from which a cache's memory counts as binding (assumed)."""
PAUSED_SHARE = 0.10
"""Share of time a JVM stands still for its collector from which its heap counts as binding (assumed)."""

FULL = 0.98
"""Share of a machine's memory from which kills are put down to it, not to a container's own limit (assumed)."""

DEPTH = {
    "container_memory": 0, "machine_memory": 0, "heap": 0, "machine_cpu": 1, "container_cpu": 2, "station": 3,
    "rate": 4, "cache_memory": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """One limit and how hard it binds. `use`: 1 is full; `harm`: comparable within a kind."""

    limit: Limit
    use: float
    harm: float
    binds: bool
    evidence: str


def candidates(limits: Sequence[Limit], tree: Mapping[str, Any]) -> list[Candidate]:
    """All limits, the binding ones first, deepest first among them; then the others by use."""
    measured = [candidate for limit in limits if (candidate := _measure(limit, tree)) is not None]
    best: dict[str, Candidate] = {}
    for candidate in measured:  # replicas share a setting: the hardest pressed speaks for all
        known = best.get(candidate.limit.setting)
        if known is None or (candidate.binds, candidate.harm, candidate.use) > (known.binds, known.harm, known.use):
            best[candidate.limit.setting] = candidate
    return sorted(best.values(), key=_rank)


def _rank(candidate: Candidate) -> tuple[int, int, float, float]:
    depth = DEPTH[candidate.limit.kind] if candidate.binds else 0
    return (0 if candidate.binds else 1, depth, -candidate.harm if candidate.binds else 0.0, -candidate.use)


def _measure(limit: Limit, tree: Mapping[str, Any]) -> Candidate | None:
    match limit.kind:
        case "machine_cpu":
            return _machine_cpu(limit, tree["machines"][limit.station])
        case "machine_memory":
            return _machine_memory(limit, tree["machines"][limit.station])
        case "container_cpu":
            return _container_cpu(limit, tree["containers"][limit.station])
        case "container_memory":
            return _container_memory(limit, tree)
        case "rate":
            return _rate(limit, tree)
        case "cache_memory":
            return _cache_memory(limit, tree["caches"][limit.station])
        case "heap":
            return _heap(limit, tree["jvms"][limit.station])
        case _:
            return _station(limit, tree)


def _machine_cpu(limit: Limit, machine: Mapping[str, Any]) -> Candidate:
    use, queue = machine["cpu_utilisation"], machine["run_queue"]
    text = f"cores {100 * use:.0f} % busy, {_threads(queue)} threads waiting for one on average"
    return Candidate(limit, use, queue, use >= BUSY, text)


def _threads(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def _machine_memory(limit: Limit, machine: Mapping[str, Any]) -> Candidate:
    kills, peak = machine["oom_kills"], machine["memory_peak_share"]
    is_full = kills > 0 and peak >= FULL
    # most of the memory is held at rest and does not grow with the load: only a full one says what breaks first
    text = f"memory peaks at {100 * peak:.0f} %, {kills:.3g} kills"
    return Candidate(limit, 1.0 if is_full else 0.0, kills, is_full, text)


def _container_cpu(limit: Limit, container: Mapping[str, Any]) -> Candidate:
    use, throttled = container["cpu_of_limit"], container["throttled_share"]
    text = f"{100 * use:.0f} % of its quota used, throttled {100 * throttled:.0f} % of the time"
    return Candidate(limit, use, container["throttled_threads"], throttled >= THROTTLED_SHARE or use >= BUSY, text)


def _container_memory(limit: Limit, tree: Mapping[str, Any]) -> Candidate:
    deaths = tree["containers"][limit.station]["deaths"]
    # a release and a crash are deaths, too: only where memory has killed somebody it may have been for the limit
    has_killed = deaths > 0 and any(machine["oom_kills"] > 0 for machine in tree["machines"].values())
    return Candidate(limit, 0.0, deaths if has_killed else 0.0, has_killed, f"killed {deaths:.3g} times")


def _heap(limit: Limit, jvm: Mapping[str, Any]) -> Candidate:
    errors, paused = jvm["out_of_memory"], jvm["paused_share"] or 0.0
    text = f"heap full for {errors:.3g} requests, stopped by its collector {100 * paused:.0f} % of the time"
    # a collector that goes on and on takes CPU and threads from the others: what binds there follows from this
    return Candidate(limit, paused, errors + paused, errors > 0 or paused > PAUSED_SHARE, text)


def _rate(limit: Limit, tree: Mapping[str, Any]) -> Candidate | None:
    limiter = tree["limiters"][limit.station]
    share, held = limiter["refused_share"], limiter.get("held_share") or 0.0
    if share is None:
        return None
    text = f"refuses {100 * share:.1f} % of requests"
    if held:
        mean = limiter["mean_held_ms"]  # null where a replication held nobody
        text += f", holds {100 * held:.1f} %" + ("" if mean is None else f" for {mean:.3g} ms on average")
    binds = share >= REFUSED_SHARE or held >= HELD_SHARE
    return Candidate(limit, 0.0, limiter["refused"] + limiter.get("held", 0.0), binds, text)


def _cache_memory(limit: Limit, cache: Mapping[str, Any]) -> Candidate:
    stores = 0.0
    for cls in cache.get("classes", {}).values():  # none where nobody asks it for data
        stores += cls["stores"]
    refused, evicted = cache["oom_errors"], cache["evicted"]
    # with few keys too many the last ones come and go, and hits stay as they are; refused writes fail requests
    binds = refused > REFUSED_SHARE * (stores + refused) or evicted > EVICTED_SHARE * stores
    text = f"refuses {refused:.3g} writes, evicts {evicted:.3g} entries in {stores:.3g} stores"
    return Candidate(limit, 1.0 if binds else 0.0, refused + evicted, binds, text)


def _station(limit: Limit, tree: Mapping[str, Any]) -> Candidate | None:
    station = tree["stations"][limit.station]
    arrivals, use = station["arrivals"], station["utilisation"] or 0.0
    if not arrivals:
        return None
    refused = (station["refused"] + station["expired"]) / arrivals
    is_always_held = limit.setting.endswith(".max_connections")  # an open connection is in use even when it rests
    binds = refused >= REFUSED_SHARE or (use >= BUSY and not is_always_held)
    wait = station["mean_wait_ms"] or 0.0
    text = f"{100 * use:.0f} % in use, {100 * refused:.1f} % refused or given up, mean wait {wait:.3g} ms"
    return Candidate(limit, 0.0 if is_always_held else use, arrivals * (wait + 1000.0 * refused), binds, text)


def relaxed(value: Any) -> Any:
    """A limit a quarter higher, written as the setting is: 2 -> 3, 0.5 -> 0.625, 512M -> 640M, 100/60s -> 125/60s."""
    if isinstance(value, int):
        return -(-value * 5 // 4)
    if isinstance(value, float):
        return value * 1.25
    if "/" in value:
        rate = parse_rate(value)
        return format_rate(RateValue(float(ceil(rate.count * 1.25)), rate.period_s))
    return format_size(parse_size(value) * 5 // 4)


def describe(candidate: Candidate, value: Any) -> dict[str, Any]:
    """The entry of `result.json`."""
    return {
        "station": candidate.limit.station,
        "limit_path": candidate.limit.setting,
        "value": value,
        "binds": candidate.binds,
        "evidence": candidate.evidence,
        "confirmed": None,
    }


def binding(ranked: Sequence[Candidate]) -> Iterator[Candidate]:
    """Those that bind, likeliest first."""
    return (candidate for candidate in ranked if candidate.binds)
