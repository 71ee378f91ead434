"""`windtunnel calibrate`: the parameters of a scenario from a log."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from experiments.cli.common import DURATION, console_for, progress
from experiments.cli.score import log_options, read_beside


@click.command(short_help="Fit a scenario's demands to a log of the real system.")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@log_options
@click.option("-o", "--output", required=True, metavar="FITTED.yaml", help="Write the fitted scenario here.")
@click.option(
    "--hold-out", type=click.FloatRange(0, 0.8), default=0.2, metavar="SHARE",
    help="The last part of the log, which is predicted instead of fitted. Default: 0.2; 0 holds out nothing.",
)  # fmt: skip
@click.option("--keep", multiple=True, metavar="PATH", help="What is known and stays, e.g. databases.main.queries.")
@click.option(
    "--utilisation", multiple=True, metavar="FILE",
    help="CPU of containers, measured beside LOG: CSV or the answer to a Prometheus range query (JSON).",
)  # fmt: skip
@click.option(
    "--predict", type=click.FloatRange(0.05, 0.99), metavar="SHARE",
    help="Also predict at the load where the busiest is busy for this share, e.g. 0.8; with an interval.",
)  # fmt: skip
@click.option("--gap", type=DURATION, default="30m", metavar="T", help="A longer pause ends a visit. Default: 30m.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def calibrate(
    logs: tuple[str, ...], output: str, hold_out: float, keep: tuple[str, ...], gap: float, seed: int,
    utilisation: tuple[str, ...], predict: float | None, warm_up: float | None, as_json: bool, **reading: Any,
) -> None:  # fmt: skip
    """Fit a scenario to LOG: the demand of every endpoint, the popularity behind a cache's hit ratio, the network's
    share, think times. Says of each value whether it was measured, fitted (with its interval), or cannot be told from
    this log; then it stays as it was. Part of LOG is held out, and predicted.

    \b
    windtunnel calibrate access.log --scenario my.yaml -o fitted.yaml
    windtunnel calibrate access.log.1.gz access.log --scenario my.yaml -o fitted.yaml --hold-out 0.3
    windtunnel calibrate access.log --scenario my.yaml -o fitted.yaml --keep databases.main.queries
    windtunnel calibrate access.log --scenario my.yaml -o fitted.yaml --utilisation cpu.csv --predict 0.8

    LOG must tell how long requests took, at quiet and at busy times. docs/calibrate.md says how to log that.
    """
    from experiments.calibration import Options
    from experiments.calibration import calibrate as fit
    from experiments.calibration.report import document_of, render
    from experiments.calibration.samples import read_samples
    from experiments.calibration.writing import check_target, write_fitted
    from experiments.files import check_folder

    target = Path(output)
    check_target(target)
    check_folder(target.parent)
    system, observed = read_beside(logs, **reading)
    samples = tuple(each for name in utilisation for each in read_samples(name, system.spec))
    with progress("calibrate") as tell:
        found = fit(system, observed, Options(hold_out, warm_up, gap, seed, keep, samples, predict), tell)
    is_in_place = write_fitted(target, found)
    if as_json:
        click.echo(json.dumps({**document_of(found), "output": output}, ensure_ascii=False, indent=2))
        return
    render(found, console_for(sys.stdout))
    how = "the old text with new values" if is_in_place else "written out whole, without comments"
    click.echo(f"\n{output}: {how}. Try: windtunnel score {logs[0]} --scenario {output}")
