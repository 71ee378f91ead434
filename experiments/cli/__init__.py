"""The commands, one file each; what they share is in `common`. Nothing here loads the simulator before it is needed."""

from __future__ import annotations

from collections.abc import Sequence

import click

from experiments.cli.calibrate import calibrate
from experiments.cli.common import Commands, guarded, print_version
from experiments.cli.dashboard import dashboard
from experiments.cli.doctor import doctor
from experiments.cli.explain import explain
from experiments.cli.export import export
from experiments.cli.import_ import import_
from experiments.cli.new import new
from experiments.cli.replay import replay
from experiments.cli.run import run
from experiments.cli.scenarios import scenarios
from experiments.cli.score import score
from experiments.cli.sweep import sweep
from experiments.cli.templates import templates
from experiments.cli.traffic import traffic
from experiments.cli.validate import validate


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Print the version and leave.",
)
def windtunnel() -> None:
    """A wind tunnel for the deployment you are about to make.

    Describe machines, services and traffic in one YAML file; see whether it holds, what breaks first, and why.

    \b
    windtunnel scenarios                        what comes with the program
    windtunnel run maltan/early                 will it hold? what breaks first?
    windtunnel run maltan/early --set traffic.users.population=200
    windtunnel run storm/retry-storm            does it come back after a rush?
    windtunnel run storm/retry-storm --variant retry-budget
    windtunnel sweep maltan/early --over traffic.users.population=50,100,200
    windtunnel import deploy -o my.yaml         your Compose, Spring and nginx files as a scenario
    windtunnel doctor deploy                    what is wrong with them, line by line
    windtunnel traffic access.log               what your load is
    windtunnel replay access.log --scenario my.yaml
    windtunnel dashboard                        the same with sliders, in a browser
    windtunnel validate                         is the simulator right?

    Every command has a --help of its own.
    """


for _command in (
    scenarios, run, sweep, explain, dashboard, new, import_, doctor, export, traffic, templates, replay, calibrate,
    score, validate,
):  # fmt: skip
    windtunnel.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code; never raises."""
    return guarded(windtunnel, arguments)
