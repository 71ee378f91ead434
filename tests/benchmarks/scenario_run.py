"""The reference model as a scenario: reference.yaml through assembly, with everything on.

Validated specification, full recording (exact latencies, series, digest), audit, processor sharing with CPU quotas.
What it draws and how cores are shared differ from the hand-written ways; its percentiles are near theirs.
"""

from __future__ import annotations

from pathlib import Path
from time import process_time
from typing import NamedTuple

from draws import ARRIVALS_PER_S

from experiments.runner import Task, replicate
from experiments.scenario import load_scenario
from sim.replication import Replication

SCENARIO = Path(__file__).with_name("reference.yaml")


class ScenarioRun(NamedTuple):
    """What a run of the scenario took, and what it gave."""

    requests_per_s: float
    """Per second of CPU time, building and auditing included, reading the scenario not."""
    events_per_request: float
    percentiles_s: tuple[float, float, float]
    """50th, 95th and 99th percentile of the latency."""
    replication: Replication


def scenario_run(requests: int, seed: int = 1) -> ScenarioRun:
    """Run the scenario for as long as `requests` arrivals take on average."""
    spec_json = load_scenario(SCENARIO).spec.model_dump_json()
    task = Task(spec_json, None, seed, 0, requests / ARRIVALS_PER_S, 0.0, 1.0)
    replicate(Task(spec_json, None, seed, 0, 0.1, 0.0, 1.0))  # the specification is validated once for a process
    began_s = process_time()
    replication = replicate(task)
    took_s = process_time() - began_s
    recording = replication.recording
    latency = recording.requests.latency()
    p50, p95, p99 = (latency.quantile(q, at_any_count=True) or 0.0 for q in (0.5, 0.95, 0.99))
    arrived = recording.arrived
    return ScenarioRun(arrived / took_s, replication.events / arrived, (p50, p95, p99), replication)


if __name__ == "__main__":
    run = scenario_run(50_000)
    shown = ", ".join(f"{1000 * percentile:.2f}" for percentile in run.percentiles_s)
    print(f"{run.requests_per_s:.0f} requests/s, {run.events_per_request:.2f} events a request, p50 p95 p99 {shown} ms")
