"""Everything at once: what was tested alone meets in random systems (`everything`).

Whatever meets, nothing but simulated outcomes happens: no error of any kind, the audit holds, every request has one
outcome, the run ends, and when nothing is left to happen every part is as it was (`at_rest`). The same seed gives the
same rows, however the run is cut, in whatever blocks chance is drawn, and in another process with other hashes. What a
run leaves is JSON and can be read as a report.

The seeds are few here, chosen for nothing; thousands were looked at.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from experiments.report import render
from experiments.runner import run
from experiments.scenario import load_scenario
from models.assembly import System, assemble
from models.system import SystemSpec
from sim.environment import Environment
from sim.recorder import Recorder, Recording
from sim.replication import audit
from sim.streams import Streams

sys.path.insert(0, str(Path(__file__).parent))
from at_rest import unrest
from everything import document

MOST_EVENTS = 300_000
"""A run that takes more has got stuck at an instant, or never ends."""
TRAFFIC_IS_OVER_S = 3.0
LONGEST_WAIT_S = 20_000.0
"""TCP gives up after a quarter of an hour, and some retry that."""


def drained(found: dict[str, Any], block: int = 1024, pauses: tuple[float, ...] = ()) -> tuple[System, Recording]:
    """Run the traffic, and on until nothing is left to happen. `pauses`: instants at which the run is interrupted."""
    spec = SystemSpec.model_validate(found)
    env = Environment()
    recorder = Recorder(env, list(spec.routes), 0.0, 1.0)
    system = assemble(spec, env, Streams(spec.seed, 0, block), recorder)
    system.start()
    left = MOST_EVENTS
    for until in (*pauses, TRAFFIC_IS_OVER_S, LONGEST_WAIT_S):
        while left and env.peek() < until:
            env.step()
            left -= 1
        assert left, f"still going on at {env.now} s"
        if until == TRAFFIC_IS_OVER_S:
            system._over()
        elif until in pauses and env.now < until:
            env.run(until)
    failed = [check for check in audit(env, recorder, system) if not check.passed]
    assert not failed, failed
    return system, recorder.result()


def waits_for_ever(system: System) -> bool:
    """Commits wait for a synchronous standby that will not come back, however long that takes: so does PostgreSQL."""
    names = [database.synchronous_standby for database in system.spec.databases.values()]
    return any(name is not None and not system.databases[name].host.is_up for name in names)


@pytest.mark.parametrize("seed", range(7000, 7030))
def test_all_comes_to_rest(seed: int) -> None:
    system, recording = drained(document(seed))
    assert sum(recording.ended) + recording.in_flight == recording.arrived
    assert recording.in_flight == system.in_flight
    if not waits_for_ever(system):
        assert recording.in_flight == 0
        assert unrest(system) == []


@pytest.mark.parametrize("seed", range(7040, 7050))
def test_nothing_depends_on_how_it_is_run(seed: int) -> None:
    found = document(seed)
    _, recording = drained(found)
    _, again = drained(found, block=4, pauses=(0.1, 0.2, 0.25, 1.1, 2.0))
    assert recording.digest == again.digest


def test_nothing_depends_on_the_order_of_hashes() -> None:
    seeds = range(7050, 7058)
    code = (
        f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
        "from test_everything import document, drained\n"
        f"print(*(drained(document(seed))[1].digest for seed in {seeds!r}))"
    )
    here = [drained(document(seed))[1].digest for seed in seeds]
    environment = {**os.environ, "PYTHONHASHSEED": "4242"}
    there = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert there.stdout.split() == here


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} in a result")


@pytest.mark.parametrize("seed", range(7060, 7072))
def test_what_a_run_leaves_can_be_read(seed: int, tmp_path: Path) -> None:
    found = document(seed)
    if seed % 4 == 0:  # nobody comes
        found["traffic"] |= {"shape": {"kind": "piecewise", "points": [{"at": "0s", "factor": 0}]}}
        found["traffic"].pop("surges", None)
    if seed % 4 == 1:  # nobody is let in
        found["faults"] = {
            name: {"kind": "refuse", "target": f"services.{name}", "at": "0s", "lasts": "1h"}
            for name in found["services"]
        }
    path = tmp_path / "everything.json"
    path.write_text(json.dumps(found))
    written = json.dumps(run(load_scenario(path)).document)
    read = json.loads(written, parse_constant=no_constant)
    assert read["audit"]["passed"]
    page = Console(file=io.StringIO(), width=120)
    render(read, page)
