"""`windtunnel validate`: is the simulator right?"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from experiments.cli.common import EXIT_BREACHED, console_for, progress
from experiments.errors import InputError, shown

if TYPE_CHECKING:
    from rich.console import RenderableType

    from experiments.validation import Component
    from experiments.validation.replay import Verdict


@click.command(short_help="Replay what is known of the real components, and say where the models agree.")
@click.option("--component", metavar="NAME", help="Only components whose names contain NAME.")
@click.option("--all", "show_all", is_flag=True, help="List every vector, not only those that disagree.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def validate(component: str | None, show_all: bool, as_json: bool) -> int:
    """Is the simulator right? Replay the recorded behaviour of the real components, and the closed forms of queueing
    theory, and print how far the models agree. Exits with 1 where one does not.

    \b
    windtunnel validate                                   # a line a component
    windtunnel validate --component redis --all           # every vector of those whose names contain redis
    windtunnel validate --json > conformance.json         # with versions, sources and what is left out
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


def _vectors(verdicts: Sequence[Verdict]) -> RenderableType:
    """The vectors of every component below its name; where a model disagrees, what it did instead."""
    from itertools import groupby

    from rich.console import Group
    from rich.text import Text

    from experiments.report.layout import Indented

    lines: list[RenderableType] = []
    for name, mine in groupby(verdicts, key=lambda each: each.component):
        lines.append(Text(name, style="bold"))
        for one in mine:
            if one.agrees:
                said = Text.assemble(one.vector, (f"  {one.agreement}", "dim"))
            else:
                said = Text(f"{one.vector}  DISAGREES: {one.message}", style="red")
            lines.append(Indented(said, "  ✓ " if one.agrees else "  ✗ "))
    return Group(*lines, "")


def _summary(components: Sequence[Component], verdicts: Sequence[Verdict]) -> RenderableType:
    """One line a component, one for all of them, and what that means."""
    from rich.console import Group
    from rich.text import Text

    from experiments.report.layout import Indented, Name, table_of

    if not verdicts:
        return Text("nothing of it is modelled, so there is nothing to replay")
    rows: list[tuple[Any, ...]] = []
    for each in components:
        mine = [verdict for verdict in verdicts if verdict.component == each.name]
        if not mine:
            continue
        wrong = sum(not verdict.agrees for verdict in mine)
        counts = (str(len(mine) - wrong), Text(str(wrong), style="bold red") if wrong else "", _or_blank(each))
        rows.append((Name(each.name, "red" if wrong else ""), _short(each.version), *counts))
    agreeing, out = sum(each.agrees for each in verdicts), sum(len(each.left_out) for each in components)
    is_all = agreeing == len(verdicts)
    said = f"{agreeing} of {len(verdicts)} vectors agree" if not is_all else f"all {agreeing} vectors agree"
    unmodelled = [each.name for each in components if not any(one.component == each.name for one in verdicts)]
    lines: list[RenderableType] = [
        Indented(table_of(("component", "version", "agree", "disagree", "left out"), rows, left=("version",)), ""),
        "",
        Text(said, style="green" if is_all else "bold red"),
    ]
    if out:
        why = f"{out} are left out: what the models do not have; docs/conformance.md says each and why"
        lines.append(Text(why, style="dim"))
    if unmodelled:
        lines.append(Text(f"not modelled: {'; '.join(unmodelled)}", style="dim"))
    return Group(*lines)


def _or_blank(component: Component) -> str:
    return str(len(component.left_out)) if component.left_out else ""


LONGEST_VERSION = 28


def _short(version: str) -> str:
    """As many of its parts as fit; `--json` and docs/conformance.md have it whole."""
    bare = re.sub(r" \([^)]*\)", "", version)
    parts = re.split(r", | on | as in ", bare)
    short = parts[0]
    for part in parts[1:]:
        if len(f"{short}, {part}") > LONGEST_VERSION:
            break
        short = f"{short}, {part}"
    return short
