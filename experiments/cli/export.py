"""`windtunnel export`: what a scenario says, as files that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from experiments.cli.common import DURATION, Commands
from experiments.cli.export_files import files
from experiments.cli.export_patch import patch

if TYPE_CHECKING:
    from experiments.shapes.plan import Plan

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


@click.group(cls=Commands, short_help="Write a scenario as files for other programs.")
def export() -> None:
    """Write what a scenario says as files that other programs read.

    \b
    windtunnel export k6 my.yaml -o load.js
    windtunnel export locust my.yaml -o locustfile.py
    windtunnel export patch my.yaml --set services.shop.replicas=3 -o change.patch

    Every kind has a --help of its own.
    """


def _load_test(command: _Decorated) -> _Decorated:
    """What load tests have in common."""
    for option in (
        click.option("--duration", type=DURATION, metavar="T", help="How long it lasts. Default: the scenario's."),
        click.option("--variant", metavar="NAME", help="One of the scenario's variants."),
        click.option("--set", "settings", metavar="PATH=VALUE", multiple=True, help="Change a value; null unsets."),
        click.option("-o", "--output", metavar="FILE", help="Write here. Default: standard output."),
        click.argument("scenario"),
    ):
        command = option(command)
    return command


@export.command(short_help="The load as a k6 script.")
@_load_test
def k6(scenario: str, output: str | None, **options: Any) -> None:
    """Write the load of SCENARIO as a script for k6: the same rates or users over time, routes, keys and pauses.

    \b
    windtunnel export k6 maltan/early -o load.js
    k6 run -e BASE_URL=http://localhost:8080 load.js
    """
    from experiments.shapes.k6 import k6_script

    _give(k6_script(_plan(scenario, **options)), output)


@export.command(short_help="The load as a Locust file.")
@_load_test
def locust(scenario: str, output: str | None, **options: Any) -> None:
    """Write the load of SCENARIO as a file for Locust: the same users over time, routes, keys and pauses.

    \b
    windtunnel export locust maltan/early -o locustfile.py
    BASE_URL=http://localhost:8080 locust -f locustfile.py --headless
    """
    from experiments.shapes.locust import locust_file

    _give(locust_file(_plan(scenario, **options)), output)


def _plan(scenario: str, settings: tuple[str, ...], variant: str | None, duration: float | None) -> Plan:
    from experiments.scenario import load_scenario
    from experiments.shapes.plan import plan_of

    return plan_of(load_scenario(scenario, settings, variant), duration)


def _give(text: str, output: str | None) -> None:
    """Write a text to where it is wanted."""
    from experiments.files import write_text

    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(Path(output), text)


export.add_command(patch)
export.add_command(files)
