"""How many requests a second, beside plain SimPy: `make bench`.

The reference model (see draws.py), written three ways and timed in turn, so that whatever else the machine does slows
all of them:

    plain SimPy    a process a request, simpy.Resource, timeout everywhere (plain_simpy.py; frozen)
    lean kernel    sim/ alone (lean_kernel.py): the same draws and the same latencies, to the last bit
    scenario       reference.yaml through models.assembly with everything on (scenario_run.py)

Each has a process of its own, which the interpreter can adapt to it. Times are CPU time; each figure is a median.
Ratios are what counts: they hold from machine to machine, seconds do not.
"""

from __future__ import annotations

import argparse
import gc
import platform
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from statistics import median
from time import process_time

import draws
import lean_kernel
import plain_simpy

drawn = lru_cache(maxsize=1)(draws.draw)


def check_same_figures(requests: int) -> tuple[float, float, float]:
    """Both hand-written ways must be the same model before their speeds say anything."""
    plain, lean = plain_simpy.run(drawn(requests)), lean_kernel.run(drawn(requests))
    assert plain.percentiles_s() == lean.percentiles_s()
    assert plain.latencies_s == lean.latencies_s
    assert (plain.per_second, plain.refused) == (lean.per_second, lean.refused)
    return plain.percentiles_s()


def requests_per_s(run: Callable[[draws.Draws], object], requests: int) -> float:
    brought = drawn(requests)
    gc.collect()
    began = process_time()
    run(brought)
    return requests / (process_time() - began)


def plain_way(requests: int) -> float:
    return requests_per_s(plain_simpy.run, requests)


def lean_way(requests: int) -> float:
    return requests_per_s(lean_kernel.run, requests)


def scenario_way(requests: int) -> tuple[float, float] | None:
    """Its requests a second and events a request, or None where the models cannot be imported."""
    try:
        from scenario_run import scenario_run
    except ImportError:
        return None
    gc.collect()
    done = scenario_run(requests)
    return done.requests_per_s, done.events_per_request


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000, help="requests a run (default: 50000)")
    parser.add_argument("--rounds", type=int, default=9, help="runs of each, in turn (default: 9)")
    options = parser.parse_args()
    requests: int = options.requests

    p50, p95, p99 = (1000 * percentile for percentile in check_same_figures(requests))
    print(f"{requests} requests, Python {platform.python_version()}, median of {options.rounds} in turn")
    print(f"plain SimPy and the lean kernel agree: p50 {p50:.3f} ms, p95 {p95:.3f} ms, p99 {p99:.3f} ms")

    speeds: dict[str, list[float]] = {"plain SimPy": [], "lean kernel": []}
    events = {
        "plain SimPy": plain_simpy.count_events(drawn(requests)) / requests,
        "lean kernel": lean_kernel.count_events(drawn(requests)) / requests,
    }
    plain, lean, scenario = (ProcessPoolExecutor(1, get_context("spawn")) for _ in range(3))
    with plain, lean, scenario:
        for _ in range(options.rounds):
            speeds["plain SimPy"].append(plain.submit(plain_way, requests).result())
            speeds["lean kernel"].append(lean.submit(lean_way, requests).result())
            if done := scenario.submit(scenario_way, requests).result():
                speeds.setdefault("scenario", []).append(done[0])
                events["scenario"] = done[1]

    print(f"\n{'':12} {'requests/s':>11} {'x plain':>8} {'events a request':>17}")
    for name, seen in speeds.items():
        ratio = median(speed / base for speed, base in zip(seen, speeds["plain SimPy"], strict=True))
        print(f"{name:12} {median(seen):11,.0f} {ratio:8.2f} {events[name]:17.2f}")
    if "scenario" not in speeds:
        print("scenario: not available")


if __name__ == "__main__":
    main()
