"""`windtunnel explain`: where does this value come from?"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from experiments.cli.common import console_for

if TYPE_CHECKING:
    from rich.console import Console

    from experiments.scenario.explain import Explanation


@click.command(short_help="Say what a value is, where it comes from, and what it may be.")
@click.argument("scenario")
@click.argument("path", required=False)
@click.option("--set", "settings", metavar="PATH=VALUE", multiple=True, help="Change a value; null unsets.")
@click.option("--variant", metavar="NAME", help="Apply one of the scenario's variants, before any --set.")
@click.option(
    "--source", metavar="KIND", help="Only values from there: file, guide, measured, fitted, default or assumed."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    scenario: str, path: str | None, settings: tuple[str, ...], variant: str | None, source: str | None, as_json: bool
) -> None:
    """Say of the value at PATH of SCENARIO what it is, where it comes from, what it means, and what may stand there.

    \b
    windtunnel explain maltan/early services.place-service.pools.main.maximum_pool_size
    windtunnel explain maltan/growth load_balancers.nginx          # every value inside it, a line each
    windtunnel explain maltan/early --source assumed               # what nobody has measured yet
    windtunnel explain my.yaml traffic.users --json

    Without PATH: how many values come from where, and with --source which.
    """
    from experiments.scenario import load_scenario
    from experiments.scenario.explain import SOURCES
    from experiments.scenario.explain import explain as explain_path

    if source is not None and source not in SOURCES:
        raise click.UsageError(f"--source: must be one of {', '.join(SOURCES)}, got '{source}'")
    loaded = load_scenario(scenario, settings, variant)
    system = [key for key in loaded.document if key not in ("description", "not_modelled")]
    paths = system if path is None else [path]
    found = [each for one in paths for each in explain_path(loaded, one)]
    found = [each for each in found if source in (None, each.source)]
    if as_json:
        click.echo(json.dumps([each.as_json() for each in found], ensure_ascii=False, indent=2))
        return
    console = console_for(sys.stdout)
    if path is not None and len(found) == 1:
        _whole(found[0], console)
    elif path is None and source is None:
        _counts(found, console)
    else:
        _lines(found)


def _whole(one: Explanation, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    value = _shown(one.value) if one.is_written else f"not written: {one.default or 'none'}"
    where = " ".join(part for part in (one.source, f"({one.ref})" if one.ref else "") if part)
    if one.entry and one.entry != one.path:
        where += f", said for {one.entry}"
    rows = (
        ("path", one.path), ("value", value), ("source", where), ("note", one.note), ("written", one.written_at),
        ("means", one.description), ("may be", one.type), ("default", one.default),
    )  # fmt: skip
    for name, text in rows:
        if text:
            table.add_row(name, Text(text))
    console.print(table)


def _lines(found: list[Explanation]) -> None:
    """A line each, for eyes and for grep."""
    for one in found:
        where = "; ".join(filter(None, (one.ref, one.note)))
        click.echo(f"{one.path} = {_shown(one.value)}  [{one.source}{': ' if where else ''}{where}]")


def _counts(found: list[Explanation], console: Console) -> None:
    from experiments.scenario.explain import SOURCES

    for kind in (*SOURCES, "set", "unsaid"):
        number = sum(one.source == kind for one in found)
        if number:
            console.print(f"{number:5d}  {kind}", markup=False)
    console.print(f"{len(found):5d}  values in all; name a path, or --source assumed to see which", markup=False)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
