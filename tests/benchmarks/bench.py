"""How many requests a second, beside plain SimPy and beside other simulators: `make bench`.

    plain SimPy    a process a request, simpy.Resource, timeout everywhere (plain_simpy.py; frozen)
      cores shared the same, its cores shared under quotas as the scenario's are (plain_shared.py)
    kernel         sim/ alone (lean_kernel.py): the same draws and the same latencies, to the last bit
      cores shared the same, its cores shared (shared_kernel.py)
    scenario       YAML through models.assembly with everything on: validated, recorded, audited, cores shared
    peers          other simulators from their registry, in an environment of their own (peers.py)

on three kinds of model: the reference model (draws.py), M/M/2 at 70 % whose mean waiting time theory knows (mm2.py),
and the shipped scenarios. Every run has a process of its own; the ways take turns, so that whatever else the machine
does slows all of them; times are CPU time, figures medians, ratios taken within a round. Ratios are what counts: they
hold from machine to machine, seconds do not. Peers may run on a newer Python, which plain SimPy then runs on as well.
Where there is a C compiler the same program is measured compiled as well, in a copy of its own (compiled_copy.py).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import compiled_copy
import draws
import lean_kernel
import mm2
import numpy as np
import plain_shared
import plain_simpy
import shared_kernel
from compiled_copy import Compiled
from peers import LEFT_OUT
from peers_environment import Peers, prepare

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "measured"
SHARED = "kernel, cores shared"
PLAIN_SHARED = "plain SimPy, cores shared"
SHIPPED = ("maltan/early", "maltan/growth")
TITLES = {
    "reference": "Reference model",
    "mm2": "M/M/2 at 70 %",
    "maltan/early": "maltan/early",
    "maltan/growth": "maltan/growth",
}


class Way(NamedTuple):
    """One way of running one model."""

    label: str
    name: str
    python: str
    compiled: Compiled | None
    """Where it runs compiled; None: it runs as it stands here."""
    base: str | None
    """Label of the plain SimPy on the same Python, or None where there is no such model."""


def check_same_figures(requests: int) -> tuple[float, float, float]:
    """The hand-written ways must be the same model before their speeds say anything. Where cores are shared, floats are
    added up in other orders: as good as the same."""
    brought = draws.draw(requests)
    plain, lean = plain_simpy.run(brought), lean_kernel.run(brought)
    assert plain.percentiles_s() == lean.percentiles_s()
    assert plain.latencies_s == lean.latencies_s
    assert (plain.per_second, plain.refused) == (lean.per_second, lean.refused)
    plain_fair, lean_fair = plain_shared.run(brought), lean_kernel.run(brought, shared_kernel.build)
    assert np.allclose(plain_fair.latencies_s, lean_fair.latencies_s, rtol=0.0, atol=1e-9)
    assert (plain_fair.per_second, plain_fair.refused) == (lean_fair.per_second, lean_fair.refused)
    return plain.percentiles_s()


def run_once(way: Way, model: str, requests: int, seed: int) -> dict[str, Any]:
    if way.compiled is None:
        environment, folder = {**os.environ, "WINDTUNNEL_PURE": "1"}, HERE
    else:
        assert way.compiled.folder is not None
        environment, folder = compiled_copy.variables(way.compiled), way.compiled.folder / "tests" / "benchmarks"
    environment["PYTHONHASHSEED"] = "0"
    command = [way.python, str(folder / "ways.py"), way.name, model, str(requests), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=environment, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{way.label}, {model}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if result.get("compiled", way.compiled is not None) != (way.compiled is not None):
        raise RuntimeError(f"{way.label}: did not run {'pure' if way.compiled is None else 'compiled'}")
    return result


def ways_of(model: str, peers: Peers | None, compiled: Compiled) -> list[Way]:
    here, built = sys.executable, compiled.folder is not None
    scenario = [Way("scenario", "scenario", here, None, "plain SimPy")]
    if built:
        scenario.append(Way("scenario, compiled", "scenario", here, compiled, "plain SimPy"))
    if model in SHIPPED:
        return [way._replace(base=None) for way in scenario]
    ways = [
        Way("plain SimPy", "plain", here, None, "plain SimPy"),
        Way("kernel", "kernel", here, None, "plain SimPy"),
    ]
    if model == "reference":
        ways.insert(1, Way(PLAIN_SHARED, "plain_shared", here, None, "plain SimPy"))
        ways.append(Way(SHARED, "shared", here, None, "plain SimPy"))
    if built:
        ways.append(Way("kernel, compiled", "kernel", here, compiled, "plain SimPy"))
        if model == "reference":
            ways.append(Way(f"{SHARED}, compiled", "shared", here, compiled, "plain SimPy"))
    ways += scenario
    if peers and peers.ready:
        base = "plain SimPy, peers' Python"
        ways.append(Way(base, "plain", str(peers.python), None, base))
        ways += [Way(name, name, str(peers.python), None, base) for name in peers.ready]
    return ways


def measure(model: str, ways: list[Way], requests: int, rounds: int) -> list[dict[str, Any]]:
    """All ways in turn, `rounds` times. Returns a row for each."""
    seen: dict[str, list[dict[str, Any]]] = {way.label: [] for way in ways}
    failed: dict[str, str] = {}
    for number in range(1, rounds + 1):
        for way in ways:
            if way.label in failed:
                continue
            try:
                seen[way.label].append(run_once(way, model, requests, number))
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failed[way.label] = str(error)
                print(f"left out: {error}", file=sys.stderr)
        print(f"{model}: round {number} of {rounds}", file=sys.stderr)
    for pure, compiled in zip(seen["scenario"], seen.get("scenario, compiled", []), strict=False):
        assert pure["digest"] == compiled["digest"], "compiled modules must give the same digests"
    return [row(model, way, seen) for way in ways if way.label not in failed]


def row(model: str, way: Way, seen: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    runs, base = seen[way.label], seen.get(way.base or "")
    speeds = [run["requests"] / run["cpu_s"] for run in runs]

    def against(others: list[dict[str, Any]] | None) -> float | None:
        if not others:
            return None
        return median(
            speed / (other["requests"] / other["cpu_s"]) for speed, other in zip(speeds, others, strict=False)
        )

    scenario = against(seen.get("scenario"))
    compiled = against(seen.get("scenario, compiled"))
    wanted_s = mm2.constant_service_wait_s() if way.name == "asyncflow" else mm2.THEORY_WAIT_S
    requests = [run["requests"] for run in runs]
    return {
        "label": way.label,
        "version": runs[-1].get("version", runs[-1]["simpy"] if way.name.startswith("plain") else ""),
        "python": runs[-1]["python"],
        "requests_per_s": median(speeds),
        "times_plain": against(base),
        "scenario_is": None if scenario is None else 1 / scenario,
        "compiled_is": None if compiled is None else 1 / compiled,
        "simulated_per_cpu_s": median(run.get("simulated_s", 0.0) / run["cpu_s"] for run in runs),
        "events_per_request": runs[-1]["events_per_request"],
        "peak_mib": median(run["peak_mib"] for run in runs),
        "requests": round(median(requests)),
        "mean_ms": 1000 * sum(run["mean_s"] * run["requests"] for run in runs) / sum(requests),
        "theory_ms": 1000 * wanted_s if model == "mm2" else None,
        "wait_is_right": abs(sum(run["mean_s"] * run["requests"] for run in runs) / sum(requests) / wanted_s - 1)
        <= 0.35 / (sum(requests) / 10_000) ** 0.5
        if model == "mm2"
        else None,
        "left_out": LEFT_OUT.get((way.name, model), ""),
    }


def show(model: str, rows: list[dict[str, Any]]) -> list[str]:
    """The table of a model, as lines."""
    shipped = model in SHIPPED
    head = f"{'':31} {'requests/s':>10} {'x plain':>8} {'scenario/this':>13} {'events/req.':>11} {'peak MiB':>8}"
    title = f"{TITLES[model]} ({rows[0]['requests']:,} requests a run)"
    lines = ["", title, head + ("  mean wait, ms" if model == "mm2" else "")]
    for entry in rows:
        text = (
            f"{entry['label']:31} {entry['requests_per_s']:10,.0f} {number(entry['times_plain'], 2):>8} "
            f"{number(entry['scenario_is'], 2):>13} {number(entry['events_per_request'], 2):>11} "
            f"{entry['peak_mib']:8.0f}"
        )
        if model == "mm2":
            verdict = "" if entry["wait_is_right"] else "  WRONG"
            text += f"  {entry['mean_ms']:.3f} (theory {entry['theory_ms']:.3f}){verdict}"
        if shipped:
            text += f"  {entry['simulated_per_cpu_s']:,.0f} simulated seconds a second"
        lines.append(text)
    lines += [f"  {entry['label']} leaves out: {entry['left_out']}" for entry in rows if entry["left_out"]]
    return lines


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def bars(speed: dict[str, Any]) -> list[dict[str, Any]]:
    """What is aimed at, and what came out in this run."""
    rows = {entry["label"]: entry for entry in speed["models"]["reference"]}
    asked = [("kernel", "times_plain", 6.0, "the kernel alone"), ("scenario", "times_plain", 3.0, "the scenario, pure"),
             ("scenario, compiled", "times_plain", 10.0, "the scenario, compiled")]  # fmt: skip
    found = [
        {"text": f"{name}: at least {least:g} x plain SimPy", "value": rows[label][key], "least": least}
        for label, key, least, name in asked
        if label in rows
    ]
    for peer in ("asyncflow", "happysim", "ciw"):
        for key, least, name in (("scenario_is", 8.0, "pure"), ("compiled_is", 20.0, "compiled")):
            if peer in rows and rows[peer][key] is not None:
                text = f"the scenario, {name}: at least {least:g} x {peer}"
                found.append({"text": text, "value": rows[peer][key], "least": least})
    return found


def bar(found: dict[str, Any]) -> str:
    verdict = "reached" if found["value"] >= found["least"] else "MISSED"
    return f"  {verdict:8} {found['text']}: {found['value']:.2f}"


def processor_kind() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=30_000, help="requests a run (default: 30000)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, in turn (default: 5)")
    parser.add_argument("--quick", action="store_true", help="5000 requests, 3 rounds, no shipped scenarios")
    parser.add_argument("--models", default="", metavar="NAMES", help=f"some of {','.join(TITLES)} (default: all)")
    parser.add_argument("--no-peers", action="store_true", help="without the other simulators")
    parser.add_argument("--no-compiled", action="store_true", help="without compiling, and measuring that")
    parser.add_argument("--docs", action="store_true", help="also measure start and scaling, write docs/performance.md")
    options = parser.parse_args()
    requests, rounds = (5_000, 3) if options.quick else (options.requests, options.rounds)
    chosen = options.models.split(",") if options.models else list(TITLES)[: 2 if options.quick else None]
    if unknown := [name for name in chosen if name not in TITLES]:
        parser.error(f"no such model: {', '.join(unknown)}")

    p50, p95, p99 = (1000 * percentile for percentile in check_same_figures(min(requests, 20_000)))
    compiled = Compiled(None, "not asked for") if options.no_compiled else compiled_copy.prepare()
    built = compiled.folder is not None
    peers = None if options.no_peers else prepare()
    print(f"{processor_kind()}; Python {platform.python_version()}, simpy {version('simpy')}, numpy {version('numpy')}")
    print(f"median of {rounds} rounds in turn, CPU time")
    if not built:
        print(f"nothing compiled is measured: {compiled.why_not}")
    print(f"plain SimPy and the kernel agree: p50 {p50:.3f} ms, p95 {p95:.3f} ms, p99 {p99:.3f} ms")
    for name, reason in (peers.skipped if peers else {}).items():
        print(f"{name} is skipped: {reason}")
    speed: dict[str, Any] = {
        "machine": processor_kind(), "python": platform.python_version(), "rounds": rounds, "built": built,
        "why_not": compiled.why_not, "simpy": version("simpy"), "numpy": version("numpy"),
        "skipped": peers.skipped if peers else {}, "models": {},
    }  # fmt: skip
    for model in chosen:
        rows = speed["models"][model] = measure(model, ways_of(model, peers, compiled), requests, rounds)
        print("\n".join(show(model, rows)), flush=True)
    if "reference" in speed["models"]:
        speed["bars"] = bars(speed)
        print("\n".join(["", "Bars on the reference model:", *map(bar, speed["bars"])]))
    if options.docs:
        from page import write_page
        from scaling import measure_scaling
        from start import measure_start

        MEASURED.mkdir(exist_ok=True)
        (MEASURED / "speed.json").write_text(json.dumps(speed, indent=1) + "\n")
        write_page()  # what takes long is written before what follows it
        measure_start(3, compiled)
        write_page()
        measure_scaling(3)
        write_page()
    wrong = [entry["label"] for entry in speed["models"].get("mm2", []) if not entry["wait_is_right"]]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
