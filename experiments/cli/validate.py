"""`windtunnel validate`: is the simulator right?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from experiments.cli.common import EXIT_BREACHED, console_for, progress
from experiments.errors import InputError, shown

if TYPE_CHECKING:
    from rich.table import Table

    from experiments.validation import Component
    from experiments.validation.replay import Verdict


@click.command(short_help="Replay what is known of the real components, and say where the models agree.")
@click.option("--component", metavar="NAME", help="Only components whose names contain NAME.")
@click.option("--all", "show_all", is_flag=True, help="List every vector, not only those that disagree.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def validate(component: str | None, show_all: bool, as_json: bool) -> int:
    """Replay the recorded behaviour of the real components, and the closed forms of queueing theory, and print how
    far the models agree. Exits with 1 where one does not.

    \b
    windtunnel validate
    windtunnel validate --component resilience4j --all
    """
    from experiments.validation import COMPONENTS
    from experiments.validation.replay import find_components, replay_all

    components = COMPONENTS if component is None else find_components(component)
    if not components:
        names = ", ".join(each.name for each in COMPONENTS)
        raise InputError(
            f"--component: must be part of the name of a component, got {shown(component)}. There are: {names}."
        )
    with progress("validate") as tell:
        verdicts = replay_all(components, on_progress=tell)
    agrees = all(verdict.agrees for verdict in verdicts)
    if as_json:
        click.echo(json.dumps(_as_json(components, verdicts), ensure_ascii=False, indent=2))
    else:
        console = console_for(sys.stdout)
        if show_all or not agrees:
            console.print(_vectors([each for each in verdicts if show_all or not each.agrees]))
        console.print(_summary(components, verdicts))
    return 0 if agrees else EXIT_BREACHED


def _as_json(components: Sequence[Component], verdicts: Sequence[Verdict]) -> dict[str, object]:
    return {
        "agrees": all(verdict.agrees for verdict in verdicts),
        "components": [
            {
                "name": each.name,
                "version": each.version,
                "source": each.source,
                "left_out": [
                    {"section": one.section, "vector": one.vector, "reason": one.reason} for one in each.left_out
                ],
            }
            for each in components
        ],
        "vectors": [verdict.__dict__ for verdict in verdicts],
    }


def _vectors(verdicts: Sequence[Verdict]) -> Table:
    """One line a vector; where a model disagrees, what it did instead."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("component", "vector", "agreement"):
        table.add_column(name)
    for verdict in verdicts:
        if verdict.agrees:
            table.add_row(verdict.component, verdict.vector, verdict.agreement)
        else:
            table.add_row(verdict.component, verdict.vector, f"DISAGREES: {verdict.message}", style="red")
    return table


def _summary(components: Sequence[Component], verdicts: Sequence[Verdict]) -> Table:
    """One line a component, and one for all of them."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_footer=True)
    footers = [str(sum(one.agrees for one in verdicts)), str(sum(not one.agrees for one in verdicts))]
    out = str(sum(len(each.left_out) for each in components))
    table.add_column("component", "together", style="bold")
    table.add_column("version")
    for name, footer in zip(("agree", "disagree", "left out"), [*footers, out], strict=True):
        table.add_column(name, footer, justify="right")
    for each in components:
        mine = [verdict for verdict in verdicts if verdict.component == each.name]
        wrong = sum(not verdict.agrees for verdict in mine)
        table.add_row(
            each.name, each.version, str(len(mine) - wrong), str(wrong), str(len(each.left_out)),
            style="red" if wrong else "",
        )  # fmt: skip
    return table
