"""`windtunnel sweep`: the same scenario at many settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from experiments.cli.common import choice_options, console_for, progress
from experiments.errors import InputError, shown

if TYPE_CHECKING:
    from rich.table import Table

    from experiments.sweep import Point


@click.command(short_help="Run a scenario at every combination of some settings.")
@click.argument("scenario")
@click.option(
    "--over", "axes", multiple=True, required=True, metavar="PATH=1,2,4|PATH=1..10[..STEP]",
    help="A setting and the values it takes. Several give every combination.",
)  # fmt: skip
@choice_options
@click.option("--out", metavar="FILE.parquet", help="Write all figures of all points to a file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sweep(
    scenario: str, axes: tuple[str, ...], settings: tuple[str, ...], variant: str | None, seed: int | None,
    replications: int | None, duration: float | None, out: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Run SCENARIO at every combination of the values given with --over, all under the same chance.

    \b
    windtunnel sweep maltan/early --over traffic.users.population=50..200..50
    windtunnel sweep my.yaml --over services.api.replicas=1,2,4 --over machines.vm.cores=2,4 --out sweep.parquet
    """
    from experiments.files import check_folder
    from experiments.scenario import load_scenario
    from experiments.sweep import parse_axis, summary, write_points
    from experiments.sweep import sweep as sweep_scenario

    if out is not None:
        if not out.endswith(".parquet"):
            raise InputError(f"--out: must end in .parquet, got {shown(out)}. Add the suffix.")
        check_folder(Path(out).parent)
    base = load_scenario(scenario, settings, variant)
    with progress(base.name) as tell:
        points = sweep_scenario(
            base,
            [parse_axis(text) for text in axes],
            seed=seed,
            replications=replications,
            duration_s=duration,
            on_progress=tell,
        )
    if out is not None:
        write_points(Path(out), points)
    if as_json:
        first = points[0].result.document
        shared = {
            name: first[name] for name in ("schema_version", "scenario", "variant", "settings", "seed", "replications")
        }
        click.echo(json.dumps({**shared, "points": [summary(point) for point in points]}, ensure_ascii=False, indent=2))
    else:
        console_for(sys.stdout).print(_table(points))


def _table(points: Sequence[Point]) -> Table:
    """One line a point: what was set, the headlines with their intervals, the verdict and what binds."""
    from rich.table import Table

    from experiments.sweep import HEADLINES

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for path in points[0].values:
        table.add_column(path.rpartition(".")[2], justify="right", style="bold")
    for name in HEADLINES:
        table.add_column(name, justify="right")
    table.add_column("verdict")
    table.add_column("binds first")
    for point in points:
        table.add_row(*point.values.values(), *_cells(point))
    return table


def _cells(point: Point) -> list[str]:
    from experiments.sweep import HEADLINES, summary

    found: dict[str, Any] = summary(point)
    cells = []
    for name, pointer in HEADLINES.items():
        figure = found["figures"][pointer]
        show = _share if name in ("success", "errors") else _number
        low, high = figure["low"], figure["high"]
        cells.append(show(figure["mean"]) + ("" if low is None else f" [{show(low)}, {show(high)}]"))
    binds = found["bottleneck"]
    return [*cells, found["verdict"] or "-", binds["limit_path"] if binds and binds["binds"] else "-"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"
