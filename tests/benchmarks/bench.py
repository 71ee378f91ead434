"""How many requests a second, beside plain SimPy: `make bench`.

The reference model (see draws.py), written three ways and timed in turn within one process, so that whatever else the
machine does slows all of them:

    plain SimPy    a process a request, simpy.Resource, timeout everywhere (plain_simpy.py; frozen)
    lean kernel    sim/ alone (lean_kernel.py): the same draws and the same latencies, to the last bit
    scenario       reference.yaml through models.assembly with everything on (scenario_run.py)

Times are CPU time; each figure is a median. Ratios are what counts: they hold from machine to machine, seconds do not.
"""

from __future__ import annotations

import argparse
import gc
import platform
from collections.abc import Callable
from statistics import median
from time import process_time

import draws
import lean_kernel
import plain_simpy


def check_same_figures(drawn: draws.Draws) -> tuple[float, float, float]:
    """Both hand-written ways must be the same model before their speeds say anything."""
    plain, lean = plain_simpy.run(drawn), lean_kernel.run(drawn)
    assert plain.percentiles_s() == lean.percentiles_s()
    assert plain.latencies_s == lean.latencies_s
    assert (plain.per_second, plain.refused) == (lean.per_second, lean.refused)
    return plain.percentiles_s()


def requests_per_s(run: Callable[[draws.Draws], object], drawn: draws.Draws) -> float:
    gc.collect()
    began = process_time()
    run(drawn)
    return len(drawn.gap_s) / (process_time() - began)


def scenario_way(requests: int) -> Callable[[], tuple[float, float]] | str:
    """The scenario's requests a second and events a request, or why there are none."""
    try:
        from scenario_run import scenario_run
    except ImportError as error:
        return f"not available ({error})"

    def once() -> tuple[float, float]:
        gc.collect()
        done = scenario_run(requests)
        return done.requests_per_s, done.events_per_request

    return once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=50_000, help="requests a run (default: 50000)")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each, in turn (default: 7)")
    options = parser.parse_args()
    drawn = draws.draw(options.requests)

    p50, p95, p99 = (1000 * percentile for percentile in check_same_figures(drawn))
    print(f"{options.requests} requests, Python {platform.python_version()}, median of {options.rounds} in turn")
    print(f"plain SimPy and the lean kernel agree: p50 {p50:.3f} ms, p95 {p95:.3f} ms, p99 {p99:.3f} ms")

    ways: dict[str, list[float]] = {"plain SimPy": [], "lean kernel": []}
    events = {
        "plain SimPy": plain_simpy.count_events(drawn) / options.requests,
        "lean kernel": lean_kernel.count_events(drawn) / options.requests,
    }
    scenario = scenario_way(options.requests)
    for _ in range(options.rounds):
        ways["plain SimPy"].append(requests_per_s(plain_simpy.run, drawn))
        ways["lean kernel"].append(requests_per_s(lean_kernel.run, drawn))
        if not isinstance(scenario, str):
            speed, events["scenario"] = scenario()
            ways.setdefault("scenario", []).append(speed)

    plain = ways["plain SimPy"]
    print(f"\n{'':12} {'requests/s':>11} {'x plain':>8} {'events a request':>17}")
    for name, speeds in ways.items():
        ratio = median(speed / base for speed, base in zip(speeds, plain, strict=True))
        print(f"{name:12} {median(speeds):11,.0f} {ratio:8.2f} {events[name]:17.2f}")
    if isinstance(scenario, str):
        print(f"{'scenario':12} {scenario}")


if __name__ == "__main__":
    main()
