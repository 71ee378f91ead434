"""`windtunnel traffic`: what the load of a log is, and what it means."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from experiments.cli.common import DURATION, console_for, progress
from experiments.cli.replay import fields_of, format_options, window_options
from experiments.errors import InputError, shown

if TYPE_CHECKING:
    from experiments.shapes.fitted import Kind
    from experiments.traffic.limits import Limit
    from models.system import SystemSpec


def _ahead_s(_: click.Context, __: click.Parameter, text: str) -> int:
    """How far a clock such as +09:00 is ahead of UTC."""
    match = re.fullmatch(r"(?:UTC)?(?:([+-])(\d{1,2})(?::?(00|15|30|45))?)?", text)
    if match is None or int(match[2] or 0) > 14:
        raise click.BadParameter(f"must be an offset such as +09:00, got {shown(text)}.")
    seconds = 3600 * int(match[2] or 0) + 60 * int(match[3] or 0)
    return -seconds if match[1] == "-" else seconds


@click.command(short_help="Say what the load of a log is: rate, bursts, mix, sessions, limits.")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@format_options
@click.option("--user-from", metavar="FIELD", help="Who asks: a logged header or cookie, e.g. http_x_user.")
@click.option("--ip-from", metavar="FIELD", help="The address, e.g. http_x_forwarded_for: its first one.")
@click.option("--stamp", type=click.Choice(["begin", "end"]), help="Which end of a request stamps are of, if unclear.")
@window_options
@click.option("--gap", type=DURATION, default="30m", metavar="T", help="A longer pause ends a session. Default: 30m.")
@click.option("--zone", default="UTC", metavar="+HH:MM", callback=_ahead_s, help="Whose hours are told. Default: UTC.")
@click.option(
    "--limit", "limits", multiple=True, metavar="'KEY RATE [KIND]'",
    help="A rate limit to try on the log, e.g. 'ip 200/60s' or 'user 10/s limit_req burst=20'. "
    "Default: 100/60s per user, 200/60s per IP, 1000/1s for all.",
)  # fmt: skip
@click.option(
    "--scenario", metavar="SCENARIO", help="Try the rate limits of this scenario; with --fit-shape: its routes."
)
@click.option(
    "--fit-shape", type=click.Choice(["diurnal", "weekly", "bursty"]), help="Fit a shape, for a scenario's traffic."
)
@click.option("-o", "--output", metavar="FILE.yaml", help="With --fit-shape or a load test: write traffic here.")
@click.option("--html", metavar="FILE.html", help="Write a page with plots, one file that needs no network.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the report.")
def traffic(logs: tuple[str, ...], output: str | None, fit_shape: Kind | None, **options: Any) -> None:
    """Say what the load of LOG is: its rate over time and how bursty it is, what is asked for and how often, sessions
    and think times, popularity, response times, and what rate limits would have refused.

    \b
    windtunnel traffic access.log
    windtunnel traffic access.log.2.gz access.log.1 access.log --html traffic.html
    windtunnel traffic access.log --from 2026-01-31T18:00+01:00 --to 2026-01-31T20:00+01:00
    windtunnel traffic access.log --limit 'ip 200/60s' --limit 'ip 10/s limit_req burst=20'
    windtunnel traffic access.log --scenario my.yaml --fit-shape weekly -o traffic.yaml

    LOG may also be a load test, a script or options of k6 or a Locust file: then its stages are told, and written as
    traffic of a scenario. Nothing in it is run.

    \b
    windtunnel traffic load.js -o traffic.yaml
    """
    from experiments.shapes.load_test import is_load_test

    if len(logs) == 1 and is_load_test(logs[0]):
        _refuse_others(("output", "as_json", "logs"))
        read_stages(logs[0], output, as_json=options["as_json"])
        return
    if fit_shape is None and output is not None:
        raise InputError("-o: must come with --fit-shape, got neither. Add --fit-shape weekly, for example.")
    if fit_shape is not None and output is None:
        raise InputError(f"--fit-shape: must come with -o, got {shown(fit_shape)} alone. Add -o traffic.yaml.")
    characterise(logs, output, fit_shape, **options)


def _refuse_others(used: tuple[str, ...]) -> None:
    """Refuse options that say nothing of a load test. Raises InputError."""
    context = click.get_current_context()
    for option in context.command.params:
        is_given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if is_given and option.name not in used:
            raise InputError(f"{option.opts[0]}: must come with a log, got a load test. Remove it.")


def characterise(
    logs: tuple[str, ...], output: str | None, fit_shape: Kind | None, log_format: str | None, fields: tuple[str, ...],
    user_from: str | None, ip_from: str | None, stamp: Any, begin: str | None, end: str | None,
    gap: float, zone: int, limits: tuple[str, ...],
    scenario: str | None, html: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure logs, then say and write what was asked for."""
    from experiments.logs import read_logs, read_window
    from experiments.scenario import load_scenario
    from experiments.traffic.measure import measure

    for name in (output, html):
        if name is not None:
            _check_place(Path(name))
    system = None if scenario is None else load_scenario(scenario).spec
    tried = _limits(limits, system, fit_shape)
    roles, window = fields_of(fields, user_from, ip_from), read_window(begin, end)
    with progress("traffic") as tell:
        reading = read_logs(logs, format=log_format, fields=roles, stamp=stamp, window=window, progress=tell)
        measured = measure(reading, logs, tried, gap, zone)
    if fit_shape is not None and output is not None:
        from experiments.files import write_text
        from experiments.shapes.fitted import fitted_section

        section = fitted_section(fit_shape, measured, system)
        write_text(Path(output), section.text())
    if html is not None:
        from experiments.files import write_text
        from experiments.traffic.page import page

        write_text(Path(html), page(measured.document))
    if as_json:
        click.echo(json.dumps(measured.document, ensure_ascii=False, indent=2))
    else:
        from experiments.traffic.report import render

        render(measured.document, console_for(sys.stdout))


def _check_place(target: Path) -> None:
    """Refuse at once what could not be written in the end. Raises InputError."""
    from experiments.files import check_folder

    if not target.resolve().parent.is_dir():
        raise InputError(f"{target}: must be in a folder that is there, got none of that name. Make it first.")
    check_folder(target.parent)


def _limits(texts: tuple[str, ...], system: SystemSpec | None, fit_shape: Kind | None) -> list[Limit]:
    """The limits to try: those named, and the scenario's; the guide's where nothing is said."""
    from experiments.traffic.limit_words import GUIDE, limits_written
    from experiments.traffic.limits import limits_of

    if system is None:
        return limits_written(texts or GUIDE)
    found = limits_of(system)
    if not found and fit_shape is None and not texts:
        raise InputError("--scenario: must have a rate limit, got none. Name limits with --limit, or leave it out.")
    return [*limits_written(texts), *found]


def read_stages(name: str, output: str | None, as_json: bool) -> None:
    """Say what load a load test puts on a system, and write it as a scenario's traffic."""
    from experiments.shapes.load_test import read_load_test

    section, load = read_load_test(name)
    if output is not None:
        from experiments.files import write_text

        write_text(Path(output), section.text())
    if as_json:
        points = [{"t_s": at_s, "level": level} for at_s, level in load.points]
        document = {"kind": load.kind, "ends_s": load.ends_s, "peak": load.peak, "points": points}
        click.echo(json.dumps({**document, "section": section.document()}, ensure_ascii=False, indent=2))
    elif output is None:
        click.echo(section.text(), nl=False)
    else:
        unit = "requests/s" if load.kind == "open" else "users"
        click.echo(
            f"{name}: {load.kind} load of up to {load.peak:g} {unit} over {load.ends_s:g} s, written to {output}."
        )
