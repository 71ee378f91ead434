"""What a request costs, counted exactly: it may not grow unnoticed. And memory does not grow with requests.

To write the table anew after a change that is worth its cost (then say in the commit what it bought):

    WINDTUNNEL_WRITE_WORK=1 .venv/bin/python -m pytest tests/unit/test_work_per_request.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
TABLE = BENCHMARKS / "work_per_request.json"
TOLERANCE = 0.02
"""A call in fifty: less than any change on the path of every request."""


def read() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text())
    return table


def versions() -> dict[str, str]:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"python": python, **{name: version(name) for name in ("simpy", "numpy", "pydantic")}}


def run(code: list[str]) -> Any:
    environment = {**os.environ, "WINDTUNNEL_PURE": "1", "PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, *code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("scenario", list(read()["scenarios"]))
def test_a_request_costs_no_more_than_the_table_says(scenario: str) -> None:
    table = read()
    entry = table["scenarios"][scenario]
    writing = bool(os.environ.get("WINDTUNNEL_WRITE_WORK"))
    others = {name: known for name, known in table["versions"].items() if versions()[name] != known}
    if others and not writing:
        pytest.skip(f"the table was counted with {others}, this is {versions()}")
    counted = run([str(BENCHMARKS / "work_per_request.py"), scenario, *map(str, entry["runs_s"])])
    if writing:
        entry["per_request"] = counted
        table["versions"] = versions()
        TABLE.write_text(json.dumps(table, indent=1) + "\n")
        return
    known = entry["per_request"]
    grown = {name: (known[name], value) for name, value in counted.items() if value > known[name] * (1 + TOLERANCE)}
    assert not grown, f"{scenario}: a request costs more than it did (was, is): {grown}; see the top of {__file__}"


MEMORY = """
import json, resource, sys
from experiments.runner import Task, replicate
from experiments.scenario import load_scenario
spec_json = load_scenario(sys.argv[1]).spec.model_dump_json()
seen = []
def note(instant_s):
    seen.append((sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
requests = replicate(Task(spec_json, None, 1, 0, 200.0, 0.0, 1.0), None, note).recording.arrived
print(json.dumps({"requests": requests, "middle": seen[len(seen) // 2 - 1], "end": seen[-1]}))
"""


def test_memory_does_not_grow_with_requests() -> None:
    seen = run(["-c", MEMORY, str(BENCHMARKS / "mm2.yaml")])
    assert seen["requests"] > 130_000  # more than the 65,536 draws that are kept, twice
    (blocks, resident), (more_blocks, more_resident) = seen["middle"], seen["end"]
    in_between = seen["requests"] / 2
    # Draws come in blocks of 1024 and bins by the second: a request leaves nothing of its own.
    assert (more_blocks - blocks) / in_between < 0.1
    unit = 1 if sys.platform == "darwin" else 1024
    assert (more_resident - resident) * unit / in_between < 24
