"""What starts before anything is simulated, and how soon the first figures are there: `python start.py`.

Three questions, each answered in processes of their own, medians of several: how long until `windtunnel --help`, and
until `windtunnel run maltan/early` shows the pilot's first figures, the first replication's, and its result; what every
further replication costs before its first event; and what a worker process needs before it can take one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import compiled_copy
from compiled_copy import Compiled

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "measured"
CACHE = compiled_copy.FOLDER.with_name("bytecode")
"""Here even where the environment says that Python should keep none."""
BUILT = ("reference", "maltan/early", "maltan/growth")
STEPS = ("help", "the pilot begins", "first figures", "first replication", "result")


def so_far(began: float) -> dict[str, float]:
    """What this process has taken since it was asked for at `began`."""
    return {"wall_s": perf_counter() - began, "cpu_s": process_time(), "modules": len(sys.modules)}


def helped(began: float) -> dict[str, Any]:
    """`windtunnel --help` in this process."""
    from experiments.cli import main

    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    main(["--help"])
    return {"help": so_far(began)}


def stamps(began: float) -> dict[str, Any]:
    """`windtunnel run` in this process, and when it got how far since `began`."""
    seen: dict[str, Any] = {}

    def stamp(name: str) -> None:
        if name not in seen:
            seen[name] = so_far(began)

    from experiments import live, runner
    from experiments.cli import main

    sys.stdout = open(os.devnull, "w")  # noqa: SIM115

    def noting(name: str, step: str, kind: Any) -> None:
        real = getattr(kind, name)

        def noted(*given: Any, **named: Any) -> Any:
            if step == "the pilot begins":
                stamp(step)
                return real(*given, **named)
            done = real(*given, **named)
            stamp(step)
            return done

        setattr(kind, name, noted)

    class Shown(live.Live):
        """Tells when figures were there, not only that the pilot has got on."""

        def running(self, recorder: Any) -> None:
            super().running(recorder)
            if len(recorder.pending) >= live.FEW:
                stamp("first figures")

    live.Live = Shown  # type: ignore[misc]
    noting("find_warm_up", "the pilot begins", runner)
    noting("ended", "first replication", live.Live)
    code = main(["run", "maltan/early", "--replications", "2"])
    stamp("result")
    if code:
        raise RuntimeError(f"windtunnel run ended with {code}")
    return seen


def builds() -> dict[str, float]:
    """Milliseconds of CPU that a replication takes before its first event, once the program is there."""
    from experiments.runner import Task, replicate
    from experiments.scenario import load_scenario

    taken: dict[str, float] = {}
    for name in BUILT:
        spec_json = load_scenario(HERE / f"{name}.yaml" if name == "reference" else name).spec.model_dump_json()
        task = Task(spec_json, None, 1, 0, 1e-6, 0.0, 1.0)
        replicate(task)
        seen = []
        for _ in range(7):
            began = process_time()
            replicate(task)
            seen.append(process_time() - began)
        taken[name] = 1000 * median(seen)
    return taken


def worker() -> dict[str, float]:
    """A worker process from its being asked for until it could take a replication."""
    from experiments.scenario import load_scenario
    from experiments.workers import close_executor, default_executor

    spec_json = load_scenario("maltan/early").spec.model_dump_json()
    asked = perf_counter()
    cpu_s = default_executor().submit(ready, spec_json).result()
    taken = {"wall_s": perf_counter() - asked, "cpu_s": cpu_s}
    close_executor()
    return taken


def ready(spec_json: str) -> float:
    from experiments.runner import _make_ready

    _make_ready(spec_json)
    return process_time()


def measure_start(rounds: int, compiled: Compiled) -> dict[str, Any]:
    """Measure, tell it, and keep it in measured/start.json."""
    kept: dict[str, Any] = {}
    for label, where in (("pure", None), ("compiled", compiled)):
        if where is not None and where.folder is None:
            continue
        one("build", where)  # from the second run on, Python has kept what it compiled of the sources
        runs = [{**one("help", where), **one("run", where)} for _ in range(rounds)]
        kept[label] = {
            "run": {step: median_of([run[step] for run in runs]) for step in STEPS},
            "build_ms": one("build", where),
            "worker": median_of([one("worker", where) for _ in range(rounds)]),
        }
        print(f"\nStart, {label}:")
        for step, found in kept[label]["run"].items():
            print(f"  {step:20} {found['wall_s']:6.2f} s, {found['cpu_s']:6.2f} s CPU, {found['modules']:5.0f} modules")
        for name, taken_ms in kept[label]["build_ms"].items():
            print(f"  a replication of {name:20} {taken_ms:6.1f} ms before its first event")
        print(f"  a worker {kept[label]['worker']['wall_s']:31.2f} s, {kept[label]['worker']['cpu_s']:6.2f} s CPU")
    MEASURED.mkdir(exist_ok=True)
    (MEASURED / "start.json").write_text(json.dumps(kept, indent=1) + "\n")
    return kept


def median_of(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: median(run[key] for run in runs) for key in runs[0]}


def one(what: str, compiled: Compiled | None) -> Any:
    if compiled is None:
        environment, folder = {**os.environ, "WINDTUNNEL_PURE": "1"}, HERE
    else:
        assert compiled.folder is not None
        environment, folder = compiled_copy.variables(compiled), compiled.folder / "tests" / "benchmarks"
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(CACHE)
    command = [sys.executable, str(folder / "start.py"), "--one", what, repr(perf_counter())]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=folder, timeout=600, check=False
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"start, {what}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        what, began = sys.argv[2], float(sys.argv[3])
        timed = {"help": helped, "run": stamps}
        told = timed[what](began) if what in timed else builds() if what == "build" else worker()
        print(json.dumps(told), file=sys.__stdout__)
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--no-compiled", action="store_true")
        options = parser.parse_args()
        measure_start(options.rounds, Compiled(None) if options.no_compiled else compiled_copy.prepare())
