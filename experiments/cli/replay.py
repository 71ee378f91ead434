"""`windtunnel replay`: logs of real requests as the traffic of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from experiments.cli.common import choice_options, output_options, progress
from experiments.cli.run import carry_out
from experiments.errors import InputError, shown

if TYPE_CHECKING:
    from experiments.replay import Router
    from models.system import SystemSpec

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class _Factor(click.FloatRange):
    """A number by which something is scaled."""

    def __init__(self) -> None:
        super().__init__(min=1e-6, max=1e6)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        factor = float(super().convert(value, param, ctx))
        if factor != factor:
            self.fail("it must be a number", param, ctx)
        return factor


_SCALE = _Factor()


def format_options(command: _Decorated) -> _Decorated:
    """The options that say how a log is written."""
    for option in reversed(
        (
            click.option("--format", "log_format", metavar="FORMAT", help="The log's format. Default: it is detected."),
            click.option(
                "--field", "fields", multiple=True, metavar="ROLE=FIELD",
                help="Which of the log's own fields has a role: time, method, path, user, ip, ...",
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def window_options(command: _Decorated) -> _Decorated:
    """The options that say which part of a log is looked at."""
    for option in reversed(
        (
            click.option(
                "--from", "begin", metavar="WHEN",
                help="Only from here: 2026-01-31T18:00+01:00 (no zone: UTC), or +10m.",
            ),
            click.option(
                "--to", "end", metavar="WHEN", help="... and up to here. + counts from the log's first request."
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def fields_of(fields: tuple[str, ...], user_from: str | None = None, ip_from: str | None = None) -> dict[str, str]:
    """Which field has which role. Raises InputError."""
    roles = {}
    for text in fields:
        role, equals, name = text.partition("=")
        if not (role and equals and name):
            raise InputError(f"--field: must be ROLE=FIELD, got {shown(text)}. Write e.g. --field path=uri.")
        roles[role] = name
    for role, wanted in (("user", user_from), ("ip", ip_from)):
        if wanted is not None:
            if roles.get(role, wanted) != wanted:
                raise InputError(f"--{role}-from: must agree with --field, got {shown(wanted)}. Remove one of them.")
            roles[role] = wanted
    return roles


@click.command(short_help="Replay logs of real requests against a scenario.")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("--scenario", required=True, metavar="SCENARIO", help="The system: a file or a shipped name.")
@format_options
@click.option("--user-from", metavar="FIELD", help="Who asks: a logged header or cookie, e.g. http_x_user.")
@click.option("--ip-from", metavar="FIELD", help="The address, e.g. http_x_forwarded_for: its first one.")
@click.option("--stamp", type=click.Choice(["begin", "end"]), help="Which end of a request stamps are of, if unclear.")
@window_options
@click.option("--speed", type=_SCALE, default=1.0, metavar="X", help="Time scaling: 2 replays in half the time.")
@click.option(
    "--load",
    type=_SCALE,
    default=1.0,
    metavar="X",
    help="Load scaling: 2 adds a shifted copy of the log with users of its own; 0.5 keeps half of the lines.",
)
@click.option("--squeeze", is_flag=True, help="Reach --load by squeezing time instead: the same users, faster.")
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="'PATTERN=ROUTE'|FILE.yaml",
    help="Which paths mean which route; {id} is one part of a path, * any text. Comes before the routes' templates. "
    "A FILE as `windtunnel templates` writes it.",
)
@click.option(
    "--openapi", metavar="FILE", help="An OpenAPI file, JSON or YAML, that says which paths mean which route."
)
@click.option("--catch-all", metavar="ROUTE", help="Where paths go that fit nothing. Default: by a hash into the mix.")
@click.option("--drop-unmatched", is_flag=True, help="Leave out requests whose path fits nothing.")
@choice_options
@output_options
def replay(
    logs: tuple[str, ...], scenario: str, log_format: str | None, fields: tuple[str, ...], user_from: str | None,
    ip_from: str | None, stamp: Any, begin: str | None, end: str | None, speed: float, load: float, squeeze: bool,
    maps: tuple[str, ...], openapi: str | None, catch_all: str | None, drop_unmatched: bool,
    settings: tuple[str, ...], variant: str | None, **options: Any,
) -> int:  # fmt: skip
    """Replay LOG, real requests in any format that tells when they came (packed too, - for standard input).

    \b
    windtunnel replay access.log --scenario maltan/early
    windtunnel replay access.log.2.gz access.log.1 access.log --scenario my.yaml --from +10m --to +2h
    windtunnel replay access.log.gz --scenario my.yaml --map '/api/places/*=get-place' --load 2
    windtunnel replay access.log --scenario my.yaml --from 2026-01-31T18:00+01:00 --to 2026-01-31T20:00+01:00
    windtunnel replay access.json --scenario my.yaml --user-from http_x_user --openapi api.yaml --drop-unmatched
    zcat access.log.*.gz | windtunnel replay - --scenario my.yaml --speed 10

    docs/replay.md tells what becomes of a log.
    """
    from experiments.logs import read_logs, read_window
    from experiments.replay import replay_trace, told, with_origins, with_recorded_traffic
    from experiments.scenario import load_scenario

    if squeeze and load == 1:
        raise InputError("--squeeze: must come with --load, got no other load than 1. Add e.g. --load 2.")
    window = read_window(begin, end)
    system = with_recorded_traffic(load_scenario(scenario, settings, variant), logs, speed * load if squeeze else speed)
    router, without_route = _router(system.spec, maps, openapi, catch_all, drop_unmatched)
    roles = fields_of(fields, user_from, ip_from)
    with progress("reading") as tell:
        reading = read_logs(logs, format=log_format, fields=roles, stamp=stamp, window=window, progress=tell)
        trace, replayed = replay_trace(
            reading, router, log=" ".join(logs), load=load, speed=speed, squeeze=squeeze, tell=tell,
            openapi_without_route=without_route,
        )  # fmt: skip
    with closing(trace):
        for line in told(replayed):
            click.echo(line, err=True)
        return carry_out(with_origins(system, replayed), trace, {"replay": replayed.as_dict()}, **options)


def _router(
    spec: SystemSpec, maps: tuple[str, ...], openapi: str | None, catch_all: str | None, drop_unmatched: bool
) -> tuple[Router, list[str]]:
    """What says which route a path is, and the operations of the OpenAPI file that are none."""
    from experiments.replay import Router, read_openapi, read_rules, route_number

    if catch_all is not None and drop_unmatched:
        raise InputError(
            f"--catch-all: must not come with --drop-unmatched, got {shown(catch_all)}. Remove one of them."
        )
    routes = list(spec.routes)
    operations = None if openapi is None else read_openapi(Path(openapi), spec)
    other: Any = (
        "drop" if drop_unmatched else "mix" if catch_all is None else route_number("--catch-all", catch_all, routes)
    )
    rules = [] if operations is None else operations.rules
    return Router(spec, read_rules(maps, routes), rules, other), [] if operations is None else operations.without_route
