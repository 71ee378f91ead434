"""`windtunnel new`: a scenario to begin with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from experiments.deploy.new import Wanted

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}"
MOST_USERS, MOST_CORES = 1_048_576, 4096
FITTING = "16G or what fits"


@click.command(short_help="Begin a scenario from a few answers.")
@click.argument("file", metavar="FILE")
@click.option("--services", metavar="NAME[=REPLICAS],...", help="Services, e.g. shop=2,users. Default: asked.")
@click.option("--users", metavar="N", help="Users at once. Default: asked.")
@click.option("--cores", metavar="N", help="Cores of the machine. Default: asked.")
@click.option("--memory", metavar="SIZE", help="Memory of the machine, e.g. 8G. Default: asked.")
@click.option("--gateway/--no-gateway", default=True, help="Whether a gateway with a rate limit stands before them.")
@click.option("--database/--no-database", default=True, help="Whether they read from a PostgreSQL.")
@click.option("--cache/--no-cache", default=True, help="Whether a Redis keeps what they read.")
@click.option(
    "--yes",
    is_flag=True,
    help="Ask nothing: what is not said is 2 services, 20 users, 4 cores, 16G (more where they need it).",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def new(file: str, yes: bool, force: bool, as_json: bool, **said: Any) -> None:
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

    target = Path(file)
    if target.suffix not in (".yaml", ".yml"):
        raise InputError(f"{file}: must end in .yaml. Name it e.g. my.yaml.")
    if target.exists() and not force:
        raise InputError(f"{file}: must not be there yet. Name another, or give --force to overwrite it.")
    answers = _ask(said, yes)
    wanted = Wanted(
        answers["services"], answers["users"], answers["cores"], answers["memory"], said["gateway"], said["database"],
        said["cache"],
    )  # fmt: skip
    _check(wanted)
    document = new_scenario(wanted)
    validate(Document({key: value for key, value in document.items() if key != "provenance"}), SystemSpec)
    write_text(target, written(document, _HEAD))
    if as_json:
        told = {"file": file, "services": dict(wanted.services), "users": wanted.users,
                "machine": {key: document["machines"]["host"][key] for key in ("cores", "memory")}}  # fmt: skip
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    click.echo(f"Written: {file}. Next: windtunnel run {file}; what will hurt: windtunnel doctor {file}")


_HEAD = (
    "A first sketch: everything here is assumed. Change it to what you know, from the top down.",
    "windtunnel explain FILE PATH says what a value means and what may stand there; docs/scenario-format.md has all.",
)


def _ask(said: dict[str, Any], yes: bool) -> dict[str, Any]:
    """What was not said is asked, or has a default. A wrong answer is asked again."""
    from experiments.errors import InputError

    answers: dict[str, Any] = {}
    for name, (question, default, check) in _QUESTIONS.items():
        if said[name] is not None or yes:
            answers[name] = check(said[name] if said[name] is not None else default)
            continue
        try:
            answers[name] = click.prompt(question, default=default, value_proc=_again(check), err=True)
        except click.Abort:
            click.echo(err=True)
            raise InputError(
                f"--{name}: must be answered, and nobody does. Give it as an option, or --yes for what is usual."
            ) from None
    return answers


def _again(check: Callable[[Any], Any]) -> Callable[[str], Any]:
    """As click asks again: for its own kind of error."""
    from experiments.errors import InputError

    def checked(text: str) -> Any:
        try:
            return check(text)
        except InputError as error:
            raise click.UsageError(error.lines[0].partition(": ")[2]) from None

    return checked


def _check(wanted: Wanted) -> None:
    """What the parts must have of one another: names of their own, and memory."""
    from experiments.deploy.new import least_memory, taken_names
    from experiments.errors import InputError
    from sim.quantities import format_size, parse_size

    for name, option in taken_names(wanted).items():
        if name in wanted.services:
            raise InputError(
                f"--services: must not be called {name}, as another part of the scenario is. Rename it, or {option}."
            )
    least = least_memory(wanted)
    if wanted.memory and parse_size(wanted.memory) < least:
        whole = format_size(-(-least >> 20) << 20)
        raise InputError(
            f"--memory: must be at least {whole}, which everything takes at rest, got {wanted.memory}. Give the "
            "machine more, or fewer services."
        )


def _users(value: object) -> int:
    from experiments.errors import InputError, shown

    text = str(value)
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_USERS or len(text) > 7:
        raise InputError(f"--users: must be a whole number from 1 to {MOST_USERS}, got {shown(value)}.")
    return int(text)


def _cores(value: object) -> float:
    from experiments.errors import InputError, shown

    try:
        cores = float(str(value))
    except ValueError:
        cores = 0.0
    if not 0 < cores <= MOST_CORES:
        raise InputError(f"--cores: must be a number above 0 and at most {MOST_CORES}, got {shown(value)}.")
    return cores


def _memory(value: object) -> str:
    from experiments.errors import InputError
    from sim.quantities import parse_size

    text = str(value)
    try:
        if text != FITTING and parse_size(text) <= 0:
            raise ValueError("must be above 0")
    except ValueError as error:
        raise InputError(f"--memory: {error}") from None
    return "" if text == FITTING else text


def _services(value: object) -> dict[str, int]:
    import re

    from experiments.deploy.new import MOST_SERVICES
    from experiments.errors import InputError, shown

    found: dict[str, int] = {}
    for part in str(value).split(","):
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


_QUESTIONS: dict[str, tuple[str, object, Callable[[Any], Any]]] = {
    "services": ("Services, with replicas where there are several (shop=2,users)", "api,data", _services),
    "users": ("Users at once", 20, _users),
    "cores": ("Cores of the machine", 4, _cores),
    "memory": ("Memory of the machine, such as 8G", FITTING, _memory),
}
"""In the order in which they are asked: the question, what is usual, and what makes a value of the answer."""
