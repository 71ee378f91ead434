"""`windtunnel scenarios`: what comes with the program."""

from __future__ import annotations

import json
import sys

import click

from experiments.cli.common import console_for


@click.command(short_help="List the scenarios that come with the program.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def scenarios(as_json: bool) -> None:
    """List the shipped scenarios and their variants.

    \b
    windtunnel scenarios
    windtunnel run maltan/early --variant NAME
    """
    from experiments.scenario import load_scenario, shipped_names

    found = [load_scenario(name) for name in shipped_names()]
    if as_json:
        listed = [
            {
                "name": scenario.name,
                "description": scenario.spec.description,
                "variants": {name: variant.description for name, variant in scenario.variants.items()},
            }
            for scenario in found
        ]
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2))
        return
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)  # a name that is broken in two cannot be typed
    table.add_column()
    for scenario in found:
        table.add_row(scenario.name, scenario.spec.description, style="bold")
        for name, variant in scenario.variants.items():
            table.add_row(f"  --variant {name}", variant.description)
    console_for(sys.stdout).print(table)
