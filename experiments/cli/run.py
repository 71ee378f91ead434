"""`windtunnel run`: will it hold?"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from experiments.cli.common import (
    EXIT_BREACHED,
    choice_options,
    console_for,
    exit_code_of,
    loading,
    output_options,
    progress,
)

if TYPE_CHECKING:
    from experiments.result import RunResult
    from experiments.scenario import Scenario
    from models.workload import Trace
    from sim.recorder import RowSink


@click.command(short_help="Run a scenario: will it hold, and what breaks first?")
@click.argument("scenario")
@choice_options
@output_options
def run(scenario: str, settings: tuple[str, ...], variant: str | None, **options: Any) -> int:
    """Run SCENARIO, a file or a shipped name, and report whether it holds and what breaks first.

    \b
    windtunnel run maltan/early
    windtunnel run maltan/early --set traffic.users.population=200
    windtunnel run maltan/early --set services.place-service.replicas=2 --set gateway.rate_limits.global=null
    windtunnel run storm/retry-storm --variant retry-budget       # one of its variants, see: windtunnel scenarios
    windtunnel run my.yaml --replications 10 --duration 10m --confirm
    windtunnel run my.yaml --out results --requests rows.parquet
    windtunnel run my.yaml --json --fail-on-breach                # for programs and CI
    windtunnel run my.yaml --replications 100 --stream            # a line of JSON as each replication ends

    Ctrl-C shows the replications that have ended by then, and says so.

    A PATH is a place in the scenario, docs/scenario-format.md has them all; docs/result.md tells of the figures.
    """
    with loading():
        from experiments.scenario import load_scenario

        loaded = load_scenario(scenario, settings, variant)
    return carry_out(loaded, None, {}, **options)


def plain_report(document: dict[str, Any]) -> str:
    """The report as it stands in a file."""
    from experiments.report import render

    file = StringIO()
    render(document, console_for(file))
    return file.getvalue()


def carry_out(
    scenario: Scenario,
    trace: Trace | None,
    more: dict[str, Any],
    *,
    seed: int | None,
    replications: int | None,
    duration: float | None,
    out: str | None,
    requests: str | None,
    steps: bool,
    as_json: bool,
    stream: bool,
    confirm: bool,
    fail_on_breach: bool,
) -> int:
    """Run a scenario as the options say; `more` goes into the result. Returns the exit code."""
    import numpy.random  # noqa: F401  # numpy does this at its first use, where an interrupt would be lost

    from experiments.files import check_folder
    from experiments.live import Live, Stopped
    from experiments.runner import run as run_scenario

    if steps and requests is None:
        raise click.UsageError("--steps: must come with --requests")
    if stream and as_json:
        raise click.UsageError("--stream: must not come with --json: the last line has the result")
    if out is not None:
        check_folder(Path(out))
    stopped: Stopped | None = None
    try:
        with _sink(scenario, requests, steps) as rows, progress(scenario.name) as tell:
            live = Live(tell, _line if stream else None)
            result = run_scenario(
                scenario,
                seed=seed,
                replications=replications,
                duration_s=duration,
                trace=trace,
                rows=rows,
                confirm=confirm,
                on_progress=live.tell,
                watcher=live,
            )
    except Stopped as error:
        stopped, result = error, error.result
    result.document.update(more)
    _show(result, out, as_json, stream)
    if stopped is not None:
        lost = "" if requests is None else f" {requests} was not written."
        click.echo(f"Stopped: {_kept(result.document)}{lost}", err=True)
        return exit_code_of(stopped)
    breached = [entry["name"] for entry in result.document["objectives"] if entry["verdict"] == "breached"]
    return EXIT_BREACHED if fail_on_breach and breached else 0


def _sink(scenario: Scenario, requests: str | None, steps: bool) -> AbstractContextManager[RowSink | None]:
    """Where rows go, if anywhere; nothing that writes them is loaded for nothing."""
    if requests is None:
        return nullcontext()
    from experiments.rows import check_rows_path, open_rows, step_columns

    check_rows_path(Path(requests))
    return open_rows(Path(requests), step_columns(scenario.spec) if steps else None)


def _line(told: dict[str, Any]) -> None:
    """One line for programs, out at once."""
    click.echo(json.dumps(told, ensure_ascii=False, allow_nan=False))
    sys.stdout.flush()


def _kept(document: dict[str, Any]) -> str:
    wanted, kept = document["stopped"]["replications_wanted"], document["replications"]
    if document["stopped"]["during"] == "confirmation":
        return "the result is whole, what binds is not confirmed."
    again = f"--seed {document['seed']} --replications {kept}"
    return f"{kept} of {wanted} replications had ended and are shown; {again} gives them again."


def _show(result: RunResult, out: str | None, as_json: bool, stream: bool) -> None:
    """What is asked for: files, lines or a report."""
    from experiments.files import write_text
    from experiments.report import render

    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        write_text(Path(out) / "result.json", result.to_json() + "\n")
        write_text(Path(out) / "report.txt", plain_report(result.document))
    if stream:
        _line({"kind": "result", "result": result.document})
    elif as_json:
        click.echo(result.to_json())
    else:
        render(result.document, console_for(sys.stdout))
