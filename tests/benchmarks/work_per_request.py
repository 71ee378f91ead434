"""What a request costs, counted and not timed: `python work_per_request.py SCENARIO SHORT_S LONG_S` prints it as JSON.

Events of the schedule, calls of Python functions (each step of a generator is one) and calls of C functions, each per
request: the difference between a long run and a short one, so that building and auditing cancel. The same numbers on
every machine with the same versions. WINDTUNNEL_PURE=1 has to be set: nothing sees into compiled functions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from experiments.runner import Task, replicate
from experiments.scenario import load_scenario


def work(spec_json: str, duration_s: float) -> tuple[int, int, int, int]:
    """Requests, events, calls and C calls of one replication."""
    calls = c_calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls, c_calls
        if event == "call":
            calls += 1
        elif event == "c_call":
            c_calls += 1

    task = Task(spec_json, None, 1, 0, duration_s, 0.0, 1.0)
    sys.setprofile(count)
    try:
        done = replicate(task)
    finally:
        sys.setprofile(None)
    return done.recording.arrived, done.events, calls, c_calls


def per_request(scenario: str, short_s: float, long_s: float) -> dict[str, float]:
    """Events, calls and C calls that one more request costs."""
    import sim

    if sim.compiled():
        raise SystemExit("set WINDTUNNEL_PURE=1: nothing sees into compiled functions")
    spec_json = load_scenario(scenario).spec.model_dump_json()
    work(spec_json, short_s / 4)  # what is made once in a process
    short, long = work(spec_json, short_s), work(spec_json, long_s)
    requests = long[0] - short[0]
    names = ("events", "calls", "c_calls")
    return {name: round((long[at] - short[at]) / requests, 3) for at, name in enumerate(names, start=1)}


if __name__ == "__main__":
    name, short, long = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    beside = Path(__file__).parent / f"{name}.yaml"
    print(json.dumps(per_request(str(beside) if beside.is_file() else name, short, long)))
