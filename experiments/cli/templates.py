"""`windtunnel templates`: which kinds of paths a log holds, as a file that says which route each of them means."""

from __future__ import annotations

import json
from pathlib import Path

import click

from experiments.cli.common import progress
from experiments.cli.replay import fields_of, format_options


@click.command(short_help="Learn from a log which paths are alike, for replay --map.")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("-o", "--output", metavar="FILE.yaml", help="Write here. Default: standard output.")
@click.option("--scenario", metavar="SCENARIO", help="Fill in the routes of this scenario where they fit.")
@format_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the file, or beside it.")
def templates(
    logs: tuple[str, ...], output: str | None, scenario: str | None, log_format: str | None, fields: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Learn templates from LOG: /api/places/123 and /api/places/7 are /api/places/{id}. Numbers, UUIDs and hexadecimal
    parts are variable, and words where there are many different ones (more than 20 in one place, each less than 5 %).

    \b
    windtunnel templates access.log -o routes.yaml
    windtunnel templates access.log.*.gz --scenario my.yaml -o routes.yaml
    windtunnel replay access.log --scenario my.yaml --map routes.yaml      # after you have looked at it
    """
    from experiments.files import check_folder, write_text
    from experiments.logs import read_logs
    from experiments.replay.written import learn_from, text_of
    from experiments.scenario import load_scenario

    if output is not None:
        check_folder(Path(output).parent)
    spec = None if scenario is None else load_scenario(scenario).spec
    roles = fields_of(fields)
    with progress("templates") as tell:
        reading = read_logs(logs, format=log_format, fields=roles, progress=tell)
        learned = learn_from(reading, " ".join(logs), spec)
    text = text_of(learned)
    if output is not None:
        write_text(Path(output), text)
    if as_json:
        click.echo(json.dumps(learned.as_dict(), ensure_ascii=False, indent=2))
    elif output is None:
        click.echo(text, nl=False)
    else:
        unknown = sum(route is None for route in learned.routes)
        click.echo(
            f"{output}: {len(learned.templates)} templates, {unknown} without a route. Look at it, then --map it."
        )
