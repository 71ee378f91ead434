"""`windtunnel new`: a scenario to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}"


@click.command(short_help="Begin a scenario from a few answers.")
@click.argument("file", metavar="FILE")
@click.option("--services", metavar="NAME[=REPLICAS],...", help="Services, e.g. shop=2,users. Default: asked.")
@click.option("--users", type=click.IntRange(1, 1_048_576), metavar="N", help="Users at once. Default: asked.")
@click.option("--cores", type=click.FloatRange(0, min_open=True, max=4096), metavar="N", help="Cores of the machine.")
@click.option("--memory", metavar="SIZE", help="Memory of the machine, e.g. 8G.")
@click.option("--gateway/--no-gateway", default=True, help="Whether a gateway with a rate limit stands before them.")
@click.option("--database/--no-database", default=True, help="Whether they read from a PostgreSQL.")
@click.option("--cache/--no-cache", default=True, help="Whether a Redis keeps what they read.")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not said is 2 services, 20 users, 4 cores, 16G.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def new(file: str, yes: bool, force: bool, **said: Any) -> None:
    """Write a commented scenario that runs into FILE, from a few answers or from options.

    \b
    windtunnel new my.yaml
    windtunnel new my.yaml --services shop=2,users --users 100 --yes
    windtunnel new my.yaml --services api --no-cache --cores 2 --memory 4G --yes
    windtunnel run my.yaml

    Everything in it is assumed, and says so: begin with what you know. What is deployed already: windtunnel import.
    """
    from experiments.deploy.new import Wanted, new_scenario
    from experiments.deploy.written import written
    from experiments.errors import InputError
    from experiments.files import write_text
    from experiments.scenario.document import Document
    from experiments.scenario.load import validate
    from models.system import SystemSpec
    from sim.quantities import parse_size

    target = Path(file)
    if target.suffix not in (".yaml", ".yml"):
        raise InputError(f"{file}: must end in .yaml. Name it e.g. my.yaml.")
    if target.exists() and not force:
        raise InputError(f"{file}: must not be there yet. Name another, or give --force to overwrite it.")
    answers = _ask(said, yes)
    try:
        parse_size(answers["memory"])
    except ValueError as error:
        raise InputError(f"--memory: {error}") from None
    wanted = Wanted(
        _services(answers["services"]), answers["users"], answers["cores"], answers["memory"], said["gateway"],
        said["database"], said["cache"],
    )  # fmt: skip
    document = new_scenario(wanted)
    validate(Document({key: value for key, value in document.items() if key != "provenance"}), SystemSpec)
    write_text(target, written(document, _HEAD))
    click.echo(f"Written: {file}. Next: windtunnel run {file}")


_HEAD = (
    "A first sketch: everything here is assumed. Change it to what you know, from the top down.",
    "windtunnel explain FILE PATH says what a value means and what may stand there; docs/scenario-format.md has all.",
)


def _ask(said: dict[str, Any], yes: bool) -> dict[str, Any]:
    """What was not said is asked, or has a default."""
    defaults = {"services": "api,data", "users": 20, "cores": 4.0, "memory": "16G"}
    questions = {
        "services": "Services, with replicas where there are several (shop=2,users)",
        "users": "Users at once",
        "cores": "Cores of the machine",
        "memory": "Memory of the machine",
    }
    answers: dict[str, Any] = {}
    for name, default in defaults.items():
        if said[name] is not None:
            answers[name] = said[name]
        elif yes:
            answers[name] = default
        else:
            answers[name] = click.prompt(questions[name], default=default, type=type(default), err=True)
    return answers


def _services(text: str) -> dict[str, int]:
    import re

    from experiments.deploy.new import MOST_SERVICES
    from experiments.errors import InputError, shown

    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, count = part.strip().partition("=")
        if not re.fullmatch(_NAME, name):
            raise InputError(f"--services: must be names such as shop=2,users, got {shown(part)}.")
        if count and not re.fullmatch("[1-9][0-9]{0,3}", count):
            raise InputError(f"--services: must have 1 to 9999 replicas, got {shown(part)}. Write e.g. {name}=2.")
        if name in found:
            raise InputError(f"--services: must name each service once, got {name} twice.")
        found[name] = int(count or 1)
    if len(found) > MOST_SERVICES:
        raise InputError(f"--services: must be at most {MOST_SERVICES}, got {len(found)}.")
    return found
