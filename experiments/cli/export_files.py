"""`windtunnel export files`: files to deploy, from a scenario that came from none."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("files", short_help="Compose, nginx and Spring files where there were none.")
@click.argument("scenario")
@click.option("-o", "--output", metavar="DIR", required=True, help="Write into this folder; nothing is overwritten.")
@click.option("--set", "settings", metavar="PATH=VALUE", multiple=True, help="Change a value; null unsets.")
@click.option("--variant", metavar="NAME", help="One of the scenario's variants, before any --set.")
@click.option("--json", "as_json", is_flag=True, help="Print the files, and what does not come back, as JSON.")
def files(scenario: str, output: str, settings: tuple[str, ...], variant: str | None, as_json: bool) -> None:
    """Write SCENARIO as docker-compose.yml, nginx.conf and application.yml; what these do not say as assume.yaml.

    \b
    windtunnel export files my.yaml -o deploy
    windtunnel import deploy --assume deploy/assume.yaml -o again.yaml
    """
    from experiments.deploy.fresh import make_files, write_files
    from experiments.scenario import load_scenario

    made = make_files(load_scenario(scenario, settings, variant))
    write_files(Path(output), made.files)
    if as_json:
        click.echo(
            json.dumps(
                {"files": list(made.files), "lost": made.lost, "remarks": made.remarks}, ensure_ascii=False, indent=2
            )
        )
        return
    for name in made.files:
        click.echo(f"{output}/{name}")
    if made.lost:
        click.echo("Not the same when imported again:", err=True)
        for path in made.lost:
            click.echo(f"  {path}", err=True)
    for remark in made.remarks:
        click.echo(f"Only in assume.yaml: {remark}", err=True)
