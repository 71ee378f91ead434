"""`windtunnel export files`: files to deploy, from a scenario that came from none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from experiments.deploy.fresh import Made


@click.command(
    "files", short_help="Compose, nginx, Spring, Redis, PostgreSQL and Prometheus files where there were none."
)
@click.argument("scenario")
@click.option("-o", "--output", metavar="DIR", required=True, help="Write into this folder; nothing is overwritten.")
@click.option("--set", "settings", metavar="PATH=VALUE", multiple=True, help="Change a value; null unsets.")
@click.option("--variant", metavar="NAME", help="One of the scenario's variants, before any --set.")
@click.option("--json", "as_json", is_flag=True, help="Print the files, and what does not come back, as JSON.")
def files(scenario: str, output: str, settings: tuple[str, ...], variant: str | None, as_json: bool) -> None:
    """Write SCENARIO as the files that would deploy it; what no file can say as assume.yaml.

    docker-compose.yml, nginx.conf, an application.yml for the gateway and each service, redis.conf, postgresql.conf,
    and Prometheus' files where there are alerts. What was written is imported again and compared before it is kept.

    \b
    windtunnel export files my.yaml -o deploy
    windtunnel import deploy --assume deploy/assume.yaml -o again.yaml
    """
    from experiments.deploy.fresh import make_files, write_files
    from experiments.scenario import load_scenario

    made = make_files(load_scenario(scenario, settings, variant))
    write_files(Path(output), made.files)
    if as_json:
        told = {"files": list(made.files), "lost": made.lost, "remarks": made.remarks, "left": dict(made.left),
                "told": dict(made.told)}  # fmt: skip
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for name in made.files:
        click.echo(f"{output}/{name}")
    _tell(made)


def _tell(made: Made) -> None:
    """What stands where, and what does not come back."""
    from experiments.deploy.fresh import ASSUME

    assumed = sum(where == ASSUME for where in made.told.values())
    defaults = sum(where.startswith("default: ") for where in made.told.values())
    in_files = len(made.told) - assumed - defaults
    click.echo(
        f"{in_files} values are in these files, {assumed} only in {ASSUME} (no file can say them), {defaults} are "
        "defaults of what the files start.",
        err=True,
    )
    if made.left:
        click.echo(f"Only in {ASSUME}, though a file has a place for such a value:", err=True)
        for path, reason in made.left.items():
            click.echo(f"  {path}: {reason}", err=True)
    if made.lost:
        click.echo("Not the same when imported again:", err=True)
        for path in made.lost:
            click.echo(f"  {path}", err=True)
    for remark in made.remarks:
        click.echo(f"Only in {ASSUME}: {remark}", err=True)
