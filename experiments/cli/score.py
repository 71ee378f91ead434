"""`windtunnel score`: predicted beside observed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from experiments.cli.common import DURATION, console_for, progress
from experiments.cli.replay import fields_of, format_options, window_options

if TYPE_CHECKING:
    from experiments.scenario import Scenario
    from experiments.scoring.observed import Observed

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def log_options(command: _Decorated) -> _Decorated:
    """The options that say how a log is read beside a scenario."""
    for option in reversed(
        (
            click.option("--scenario", required=True, metavar="SCENARIO", help="The system: a file or a shipped name."),
            click.option("--set", "settings", metavar="PATH=VALUE", multiple=True, help="Change a value; null unsets."),
            click.option("--variant", metavar="NAME", help="Apply one of the scenario's variants, before any --set."),
            format_options,
            click.option(
                "--stamp", type=click.Choice(["begin", "end"]), help="Which end of a request stamps are of, if unclear."
            ),
            window_options,
            click.option("--user-from", metavar="FIELD", help="Who asks: a logged header or cookie, e.g. http_x_user."),
            click.option(
                "--map", "maps", multiple=True, metavar="'PATTERN=ROUTE'|FILE.yaml",
                help="Which paths mean which route; {id} is one part of a path, * any text.",
            ),
            click.option("--openapi", metavar="FILE", help="An OpenAPI file that says which paths mean which route."),
            click.option("--seed", type=click.IntRange(min=0), default=1, metavar="N", help="Seed of all chance."),
            click.option(
                "--warm-up", type=DURATION, metavar="T", help="Simulated, but not compared. Default: a part of the log."
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def read_beside(
    logs: tuple[str, ...], scenario: str, settings: tuple[str, ...], variant: str | None, log_format: str | None,
    fields: tuple[str, ...], stamp: Any, begin: str | None, end: str | None, user_from: str | None,
    maps: tuple[str, ...], openapi: str | None,
) -> tuple[Scenario, Observed]:  # fmt: skip
    """The scenario and what the logs tell of it; says what became of the lines."""
    from experiments.logs import read_logs, read_window
    from experiments.replay import Router, read_openapi, read_rules
    from experiments.scenario import load_scenario
    from experiments.scoring.observed import lines_told, observe

    system = load_scenario(scenario, settings, variant)
    operations = [] if openapi is None else read_openapi(Path(openapi), system.spec).rules
    router = Router(system.spec, read_rules(maps, list(system.spec.routes)), operations)
    with progress("reading") as tell:
        roles, window = fields_of(fields, user_from), read_window(begin, end)
        reading = read_logs(logs, format=log_format, fields=roles, stamp=stamp, window=window, progress=tell)
        observed = observe(reading, " ".join(Path(log).name for log in logs), router, system.spec)
    for line in lines_told(observed):
        click.echo(line, err=True)
    return system, observed


@click.command(short_help="Simulate a log's traffic and compare with what was observed.")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@log_options
@click.option("--replications", type=click.IntRange(1, 1000), default=5, metavar="R", help="Independent reruns.")
@click.option("--html", metavar="FILE.html", help="Write a page with plots, one file that needs no network.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def score(
    logs: tuple[str, ...], seed: int, warm_up: float | None, replications: int, html: str | None, as_json: bool,
    **reading: Any,
) -> None:  # fmt: skip
    """Simulate a scenario under the traffic of LOG and put what comes out beside what LOG says: response times and
    throughput over time and per endpoint, with the error at mean, p50, p95 and p99.

    \b
    windtunnel score access.log --scenario my.yaml
    windtunnel score access.log --scenario fitted.yaml --html score.html
    windtunnel score access.log --scenario my.yaml --from 2026-01-31T18:00+01:00 --to 2026-01-31T20:00+01:00
    windtunnel score access.log --scenario my.yaml --set services.api.replicas=2 --json

    LOG must tell how long requests took. docs/calibrate.md says how to log that, and how to read the errors.
    """
    from experiments.files import check_folder, write_text
    from experiments.scoring.score import score as score_log

    if html is not None:
        check_folder(Path(html).parent)
    system, observed = read_beside(logs, **reading)
    with progress("score") as tell:
        document = score_log(
            system, observed, replications=replications, seed=seed, warm_up_s=warm_up, tell=tell
        )  # fmt: skip
    if html is not None:
        from experiments.scoring.page import page

        write_text(Path(html), page(document))
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        from experiments.scoring.report import render

        render(document, console_for(sys.stdout))
