"""`windtunnel run`: will it hold?"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from experiments.cli.common import EXIT_BREACHED, choice_options, console_for, output_options, progress

if TYPE_CHECKING:
    from experiments.scenario import Scenario
    from models.workload import Trace


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

    A PATH is a place in the scenario, docs/scenario-format.md has them all; docs/result.md tells of the figures.
    """
    from experiments.scenario import load_scenario

    return carry_out(load_scenario(scenario, settings, variant), None, {}, **options)


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
    confirm: bool,
    fail_on_breach: bool,
) -> int:
    """Run a scenario as the options say; `more` goes into the result. Returns the exit code."""
    import numpy.random  # noqa: F401  # numpy does this at its first use, where an interrupt would be lost

    from experiments.files import check_folder, write_text
    from experiments.report import render
    from experiments.rows import check_rows_path, open_rows, step_columns
    from experiments.runner import run as run_scenario

    if steps and requests is None:
        raise click.UsageError("--steps: must come with --requests")
    if out is not None:
        check_folder(Path(out))
    if requests is not None:
        check_rows_path(Path(requests))
    columns = step_columns(scenario.spec) if steps else None
    sink = nullcontext() if requests is None else open_rows(Path(requests), columns)
    with sink as rows, progress(scenario.name) as tell:
        result = run_scenario(
            scenario,
            seed=seed,
            replications=replications,
            duration_s=duration,
            trace=trace,
            rows=rows,
            confirm=confirm,
            on_progress=tell,
        )
    result.document.update(more)
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        write_text(Path(out) / "result.json", result.to_json() + "\n")
        write_text(Path(out) / "report.txt", plain_report(result.document))
    if as_json:
        click.echo(result.to_json())
    else:
        render(result.document, console_for(sys.stdout))
    breached = [entry["name"] for entry in result.document["objectives"] if entry["verdict"] == "breached"]
    return EXIT_BREACHED if fail_on_breach and breached else 0
