"""How the cost of a request grows with the size of what is simulated: `python scaling.py [--sizes FEW]`.

One thing grows at a time, everything else stays: requests, users at rest, replicas, services, simulated idle time, and
the rate (with as many cores as it needs). For each size a process of its own measures CPU time (median of several),
and, by counting and not by timing, the calls and events of a request. A flat line is a cost that grows with requests
only; the slope of a power law between the two largest sizes is told as well: 0 is flat, 1 is proportional.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
from math import log
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "measured"
COUNTED_REQUESTS = 2_000
STEEP = 0.25
"""An exponent of the cost of a request from which on it does not pass for flat."""

LAWS: dict[str, tuple[str, tuple[int, ...]]] = {
    "requests": ("requests", (2_000, 8_000, 32_000, 128_000)),
    "users": ("users, nearly all at rest", (100, 1_000, 10_000, 100_000)),
    "replicas": ("replicas of the service", (1, 4, 16, 64, 256)),
    "services": ("services", (1, 4, 16, 64)),
    "idle": ("simulated seconds, the requests the same", (20, 200, 2_000, 20_000)),
    "rate": ("requests a second, cores in proportion", (100, 1_000, 10_000, 50_000)),
}


def system(law: str, size: int) -> tuple[dict[str, Any], float]:
    """The scenario in which `law` has grown to `size`, and how long to run it for about 4000 requests."""
    rate, requests, replicas, services, cores = 200.0, 4_000, 2, 1, 8
    if law == "requests":
        requests = size
    elif law == "replicas":
        replicas, cores = size, max(8, size)
    elif law == "services":
        services, cores = size, max(8, 2 * size)
    elif law == "idle":
        rate = requests / size
    elif law == "rate":
        rate, requests, cores = float(size), max(4_000, size // 5), max(2, size // 250)
    each = {
        "machine": "application",
        "replicas": 1 if law == "rate" else replicas,
        "balancing": "least_connections",
        "base_memory": "16M",
        "workers": {"kind": "tomcat", "threads": 200 if law != "rate" else max(200, size // 50)},
        "endpoints": {"serve": {"steps": [{"kind": "cpu", "demand": {"kind": "exponential", "mean": "3ms"}}]}},
    }
    if law != "rate":
        each["limits"] = {"cpus": 1}
    names = [f"service-{number}" for number in range(services)]
    traffic: dict[str, Any] = {"mix": {f"serve-{name}": 1 for name in names}}
    if law == "users":
        traffic["users"] = {"population": size, "think_time": {"kind": "exponential", "mean": f"{size / rate}s"}}
    else:
        traffic["open"] = {"kind": "poisson", "rate": f"{round(rate * 1000)}/1000s"}
    document = {
        "duration": "1m", "warm_up": "0s", "replications": 1, "seed": 1,
        "machines": {"application": {"cores": cores, "memory": "64G"}},
        "services": dict.fromkeys(names, each),
        "routes": {f"serve-{name}": {"service": name, "endpoint": "serve"} for name in names},
        "traffic": traffic,
    }  # fmt: skip
    return document, requests / rate


def measure_one(law: str, size: int, rounds: int) -> dict[str, float]:
    """Cost of one size: building and starting apart from running, both apart from what a process needs once."""
    from work_per_request import work

    from experiments.runner import Task, bin_width_s, replicate
    from models.system import SystemSpec

    document, duration_s = system(law, size)
    spec = SystemSpec.model_validate(document)
    spec_json = spec.model_dump_json()
    bin_s = bin_width_s(duration_s)
    task = Task(spec_json, None, 1, 0, duration_s, 0.0, bin_s)
    only_start = Task(spec_json, None, 1, 0, 1e-6, 0.0, bin_s)
    replicate(Task(spec_json, None, 1, 0, min(0.5, duration_s), 0.0, bin_s))
    builds, runs = [], []
    for _ in range(rounds):
        gc.collect()
        began = process_time()
        replicate(only_start)
        builds.append(process_time() - began)
        gc.collect()
        began = process_time()
        done = replicate(task)
        runs.append(process_time() - began)
    requests = done.recording.arrived
    counted_s = duration_s * min(1.0, COUNTED_REQUESTS / requests)
    first, second = work(spec_json, counted_s / 2), work(spec_json, counted_s)
    more = max(1, second[0] - first[0])
    return {
        "size": size,
        "requests": requests,
        "build_ms": 1000 * median(builds),
        "us_per_request": 1e6 * (median(runs) - median(builds)) / requests,
        "events_per_request": done.events / requests,
        "calls_per_request": (second[2] - first[2]) / more,
    }


def exponent(points: list[dict[str, float]], key: str) -> float:
    """Of the power law through the two largest sizes."""
    before, last = points[-2], points[-1]
    if before[key] <= 0 or last[key] <= 0:
        return 0.0
    return log(last[key] / before[key]) / log(last["size"] / before["size"])


def measure_scaling(rounds: int, laws: list[str] | None = None) -> dict[str, Any]:
    """Measure every law, tell it, and keep it in measured/scaling.json."""
    kept = MEASURED / "scaling.json"
    known = json.loads(kept.read_text()) if kept.is_file() else {}
    for law in laws or list(LAWS):
        title, sizes = LAWS[law]
        print(f"\n{title:>42} {'start ms':>9} {'us a request':>13} {'events a req.':>14} {'calls a req.':>13}")
        points: list[dict[str, float]] = []
        for size in sizes:
            command = [sys.executable, __file__, "--one", law, str(size), str(rounds)]
            environment = {**os.environ, "WINDTUNNEL_PURE": "1"}
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            if done.returncode != 0:
                print(f"{size:42,} {(done.stderr.strip().splitlines() or ['?'])[-1]}")
                continue
            point = json.loads(done.stdout.splitlines()[-1])
            points.append(point)
            print(
                f"{size:42,} {point['build_ms']:9.1f} {point['us_per_request']:13.1f} "
                f"{point['events_per_request']:14.2f} {point['calls_per_request']:13.1f}", flush=True,
            )  # fmt: skip
        slopes = {key: exponent(points, key) for key in ("build_ms", "us_per_request", "calls_per_request")}
        told = ", ".join(f"{key} {value:.2f}" for key, value in slopes.items())
        print(f"{'':42} exponents: {told}{'  STEEP' if slopes['calls_per_request'] > STEEP else ''}")
        known[law] = {"title": title, "points": points, "exponents": slopes}
    MEASURED.mkdir(exist_ok=True)
    kept.write_text(json.dumps(known, indent=1) + "\n")
    return known


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure_one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--laws", default="", help=f"some of {','.join(LAWS)} (default: all)")
        options = parser.parse_args()
        measure_scaling(options.rounds, options.laws.split(",") if options.laws else None)
