"""One timed run in a process of its own: `python ways.py WAY MODEL REQUESTS SEED` prints what it took, as JSON.

WAY is plain, plain_shared (with shared cores), kernel, shared (the kernel with them), scenario or a peer; MODEL is mm2,
reference, or a shipped scenario. Time is CPU time of the run alone: imports, drawing (of the hand-written ways) and
reading the scenario are not in it, building is.
"""

from __future__ import annotations

import gc
import json
import platform
import resource
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import process_time
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def peak_mib() -> float:
    """Most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 / (1024 if sys.platform == "darwin" else 1)  # bytes there, kilobytes elsewhere


def timed(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """What `run` gave, the CPU seconds it took, and the peak memory before it."""
    gc.collect()
    before, began = peak_mib(), process_time()
    gave = run()
    return gave, process_time() - began, before


def plain(model: str, requests: int, seed: int) -> dict[str, Any]:
    if model == "mm2":
        import mm2

        drawn = mm2.draw(requests, seed)
        waited_s, cpu_s, before = timed(lambda: mm2.plain(drawn))
        import simpy

        env = simpy.Environment()
        mm2.plain(mm2.Drawn(drawn.gap_s[:2000], drawn.service_s[:2000]), env)
        events = next(env._eid) / 2000
        return taken(requests, cpu_s, before, events, sum(waited_s) / requests)
    import plain_simpy

    return of_plain(plain_simpy, requests, seed)


def plain_shared(model: str, requests: int, seed: int) -> dict[str, Any]:
    assert model == "reference"
    import plain_shared

    return of_plain(plain_shared, requests, seed)


def of_plain(written: Any, requests: int, seed: int) -> dict[str, Any]:
    """The reference model as a module writes it in plain SimPy."""
    import draws

    brought, few = draws.draw(requests, seed), draws.draw(5000, seed)
    events = written.count_events(few) / 5000  # first, so that what Python does once for a function is not timed
    figures, cpu_s, before = timed(lambda: written.run(brought))
    return taken(requests, cpu_s, before, events, mean(figures.latencies_s))


def kernel(model: str, requests: int, seed: int) -> dict[str, Any]:
    if model == "mm2":
        import mm2

        mm2.lean(mm2.draw(100))  # what is imported on the way is not timed
        drawn = mm2.draw(requests, seed)
        (waited_s, events), cpu_s, before = timed(lambda: mm2.lean(drawn))
        return taken(requests, cpu_s, before, events / requests, mean(waited_s))
    import lean_kernel

    return of_kernel(lean_kernel.build, requests, seed)


def shared(model: str, requests: int, seed: int) -> dict[str, Any]:
    assert model == "reference"
    import shared_kernel

    return of_kernel(shared_kernel.build, requests, seed)


def of_kernel(build: Callable[..., Any], requests: int, seed: int) -> dict[str, Any]:
    """The reference model as `build` sets it up on the kernel."""
    import draws
    import lean_kernel

    brought, few = draws.draw(requests, seed), draws.draw(5000, seed)
    events = lean_kernel.count_events(few, build) / 5000  # first: what Python does once for a function is not timed
    figures, cpu_s, before = timed(lambda: lean_kernel.run(brought, build))
    return taken(requests, cpu_s, before, events, mean(figures.latencies_s))


def scenario(model: str, requests: int, seed: int) -> dict[str, Any]:
    """A scenario through assembly with everything on; of a shipped one, as much as its duration brings."""
    from mm2 import ARRIVALS_PER_S, SERVICE_S

    from experiments.runner import Task, bin_width_s, replicate
    from experiments.scenario import load_scenario

    own = model in ("mm2", "reference")
    spec = load_scenario(HERE / f"{model}.yaml" if own else model).spec
    spec_json = spec.model_dump_json()
    duration_s = requests / ARRIVALS_PER_S if own else spec.duration
    replicate(Task(spec_json, None, seed, 0, 0.1, 0.0, 1.0))  # the specification is validated once for a process
    task = Task(spec_json, None, seed, 0, duration_s, 0.0, bin_width_s(duration_s))
    gave, cpu_s, before = timed(lambda: replicate(task))
    recording = gave.recording
    latency_s = recording.requests.latency().mean or 0.0
    arrived = recording.arrived
    seen = latency_s - SERVICE_S if model == "mm2" else latency_s
    more = {"compiled": is_compiled(), "digest": gave.digest, "simulated_s": duration_s}
    return taken(arrived, cpu_s, before, gave.events / arrived, seen) | more


def is_compiled() -> bool:
    import sim

    compiled = getattr(sim, "compiled", None)
    return bool(compiled and compiled())


def peer(name: str, model: str, requests: int, seed: int) -> dict[str, Any]:
    from peers import DISTRIBUTIONS, PEERS

    PEERS[name](model, 50, seed)  # what it imports on the way is not timed
    seen, cpu_s, before = timed(lambda: PEERS[name](model, requests, seed))
    events = None if seen.events is None else seen.events / seen.requests
    return taken(seen.requests, cpu_s, before, events, seen.mean_s) | {"version": version(DISTRIBUTIONS[name])}


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def taken(requests: int, cpu_s: float, before_mib: float, events: float | None, mean_s: float) -> dict[str, Any]:
    return {
        "requests": requests,
        "cpu_s": cpu_s,
        "events_per_request": events,
        "mean_s": mean_s,
        "peak_mib": peak_mib(),
        "grown_mib": peak_mib() - before_mib,
        "python": platform.python_version(),
    }


OURS = {"plain": plain, "plain_shared": plain_shared, "kernel": kernel, "shared": shared, "scenario": scenario}


def main() -> None:
    way, model, requests, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    done = OURS[way](model, requests, seed) if way in OURS else peer(way, model, requests, seed)
    if way in ("kernel", "shared"):
        done["compiled"] = is_compiled()
    for name in ("simpy", "numpy"):
        try:
            done[name] = version(name)
        except PackageNotFoundError:
            done[name] = ""
    print(json.dumps(done))


if __name__ == "__main__":
    main()
