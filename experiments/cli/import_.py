"""`windtunnel import`: from the files that are deployed to a scenario."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.deploy.place import Place
    from experiments.scenario.document import Document


@click.command("import", short_help="Make a scenario of the files that are deployed.")
@click.argument("names", nargs=-1, required=True, metavar="DIR|FILES...")
@click.option("-o", "--out", metavar="FILE", help="Write the scenario into this file. Default: only report.")
@click.option("--assume", metavar="FILE", help="A partial scenario with what files cannot tell; laid over the result.")
@click.option(
    "--profile", "profiles", metavar="NAME", multiple=True, help="Start Compose services of this profile, too."
)
@click.option(
    "--env-file", "env_files", metavar="FILE", multiple=True, help="Variables, instead of .env in the folder."
)
@click.option("--all", "everything", is_flag=True, help="Cut no list of the report.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def import_(
    names: tuple[str, ...], out: str | None, assume: str | None, profiles: tuple[str, ...], env_files: tuple[str, ...],
    everything: bool, as_json: bool,
) -> None:  # fmt: skip
    """Read what a team deploys (Compose, Spring, nginx, Redis, PostgreSQL, Prometheus) and write the scenario it makes.

    \b
    windtunnel import deploy -o scenario.yaml
    windtunnel import deploy -o scenario.yaml --assume traffic.yaml --profile prod
    windtunnel import docker-compose.yml nginx.conf --all     # only the report, nothing cut
    windtunnel run scenario.yaml

    Every value has its source under provenance: a line of a file, a release's default, or that it is assumed, with how
    it would be measured. Every setting read is modelled, without effect on traffic, or listed. docs/import.md
    """
    from experiments.deploy.assemble import assemble
    from experiments.deploy.reading import read_deployment
    from experiments.deploy.report import as_json as report_json
    from experiments.deploy.report import lines
    from experiments.files import write_text

    said = read_assumption(assume)
    deployment = read_deployment(names, profiles=profiles, env_files=env_files, said=_names(said))
    assembled = assemble(deployment, said, _reference(deployment.folder.root, out))
    if out is not None:
        write_text(Path(out), _text(names, assembled.whole(), assume))
    if as_json:
        click.echo(json.dumps(report_json(deployment, assembled), ensure_ascii=False, indent=2))
        return
    for line in lines(deployment, assembled, everything):
        click.echo(line)
    if out is not None:
        click.echo(f"\nWritten: {out}. Next: windtunnel run {out}, windtunnel explain {out} --source assumed")


def read_assumption(name: str | None) -> Document | None:
    """The partial scenario in a file."""
    from experiments.scenario.document import read_document

    return read_document(Path(name).expanduser()) if name is not None else None


def _names(said: Document | None) -> list[str]:
    services = said.value.get("services") if said is not None else None
    return [str(name) for name in services] if isinstance(services, dict) else []


def _reference(root: Path, out: str | None) -> Callable[[Place], str]:
    """How places are called in provenance: relative to the scenario, so that they lead back."""
    base = Path(os.path.relpath(root.resolve(), Path(out).resolve().parent)).as_posix() if out is not None else "."
    prefix = "" if base == "." else f"{base}/"

    def reference(place: Place) -> str:
        return f"{prefix}{place.file}:{place.line}"

    return reference


def _text(names: tuple[str, ...], whole: dict[str, object], assume: str | None) -> str:
    from experiments.deploy.written import written

    head = [f"Read from {', '.join(names)}" + (f", with what {assume} says" if assume else "") + "."]
    head.append("Change what is assumed here; change the rest in those files: windtunnel export patch.")
    return written(whole, head)
