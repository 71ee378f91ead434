"""`windtunnel replay`: a real access log as the traffic of a scenario."""

from __future__ import annotations

from typing import Any

import click

from experiments.cli.common import choice_options, output_options
from experiments.cli.run import carry_out


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


@click.command(short_help="Replay an access log against a scenario.")
@click.argument("log")
@click.option("--scenario", required=True, metavar="SCENARIO", help="The system: a file or a shipped name.")
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="'PATTERN=ROUTE'|FILE.yaml",
    help="Which paths mean which route; {id} is one part of a path, * any text. Comes before the routes' templates.",
)
@click.option("--speed", type=_SCALE, default=1.0, metavar="X", help="Time scaling: 2 replays in half the time.")
@click.option(
    "--load",
    type=_SCALE,
    default=1.0,
    metavar="X",
    help="Load scaling: 2 adds a shifted copy of the log with users of its own; 0.5 keeps half of the lines.",
)
@choice_options
@output_options
def replay(
    log: str, scenario: str, maps: tuple[str, ...], speed: float, load: float, settings: tuple[str, ...],
    variant: str | None, **options: Any,
) -> int:  # fmt: skip
    """Replay LOG, an access log in common or combined format (.gz and .bz2 too, - for standard input).

    \b
    windtunnel replay access.log --scenario maltan/early
    windtunnel replay access.log.gz --scenario my.yaml --map '/api/places/*=get-place' --load 2
    zcat access.log.*.gz | windtunnel replay - --scenario my.yaml --speed 10
    """
    from experiments.access_log import read_access_log
    from experiments.replay import read_rules, replay_trace, told, with_recorded_traffic
    from experiments.scenario import load_scenario

    system = with_recorded_traffic(load_scenario(scenario, settings, variant), log, speed)
    rules = read_rules(maps, list(system.spec.routes))
    trace, replayed = replay_trace(read_access_log(log), system.spec, rules, load, speed)
    for line in told(replayed):
        click.echo(line, err=True)
    return carry_out(system, trace, {"replay": replayed.as_dict()}, **options)
