"""`windtunnel export`: what a scenario says, as files that other programs read."""

from __future__ import annotations

import click

from experiments.cli.common import Commands


@click.group(cls=Commands, short_help="Write a scenario as files for other programs.")
def export() -> None:
    """Write what a scenario says as files that other programs read.

    Every kind has a --help of its own.
    """
