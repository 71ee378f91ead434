"""The documents say what is so: links lead somewhere, commands are accepted, and what is listed is what there is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from experiments import load_scenario, run
from experiments.cli import windtunnel
from experiments.result import RunResult
from experiments.rows import COLUMNS
from experiments.scenario import shipped_names
from experiments.scenario.reference import anchor, reference
from models.outcomes import CallFailure, ClientGone, Failed, Refused

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]

by_name = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def without_code(text: str) -> str:
    """The text without fenced code."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def prose(document: Path) -> str:
    return without_code(document.read_text())


def anchors(document: Path) -> set[str]:
    return {anchor(title.replace("`", "")) for title in re.findall(r"^#+ (.+)$", prose(document), flags=re.MULTILINE)}


def links(document: Path) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)) if "://" not in target]


@by_name
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target in links(document):
        name, _, section = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), f"{document.name}: {target}"
        if section:
            assert section in anchors(path), f"{document.name}: no heading for {target}"


def commands(document: Path) -> Iterator[list[str]]:
    """The arguments of every `windtunnel ...` in fenced code or between backticks."""
    text = document.read_text()
    blocks = re.findall(r"^ *```[a-z]*\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(code.split()) for code in re.findall(r"(?<!`)`(windtunnel [^`]+)`", prose(document))]
    for line in lines:
        if line.startswith("windtunnel "):
            yield shlex.split(line, comments=True)[1:]


@by_name
def test_every_command_is_accepted(document: Path) -> None:
    for arguments in commands(document):
        try:
            with click.Context(windtunnel, info_name="windtunnel") as outer:
                name, command, rest = windtunnel.resolve_command(outer, list(arguments))
                assert command is not None
                if not rest:
                    continue  # the command is only named
                with command.make_context(name, list(rest), parent=outer) as context:
                    given = context.params
        except click.exceptions.Exit:  # --help says so and leaves
            continue
        except click.ClickException as error:
            pytest.fail(f"{document.name}: windtunnel {shlex.join(arguments)}: {error.format_message()}")
        scenario = str(given.get("scenario") or "")
        if scenario in shipped_names():
            load_scenario(scenario, given.get("settings", ()), given.get("variant"))


def test_documents_have_commands_at_all() -> None:
    found = [arguments for document in DOCUMENTS for arguments in commands(document)]
    assert {"run", "sweep", "replay"} <= {arguments[0] for arguments in found}


def test_the_reference_of_the_format_is_current() -> None:
    written = (PROJECT / "docs" / "scenario-format.md").read_text()
    assert written == reference(), "run: python -m experiments.scenario.reference > docs/scenario-format.md"


@pytest.fixture(scope="module")
def result() -> RunResult:
    scenario = load_scenario("maltan/early", ["traffic.users.population=5", "warm_up=5s", "duration=20s"])
    return run(scenario, replications=1)


def keys_of(value: object) -> Iterator[str]:
    """All keys, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def test_result_md_names_every_key_at_the_top(result: RunResult) -> None:
    text = (PROJECT / "docs" / "result.md").read_text()
    named = {word for code in re.findall(r"`([^`]+)`", without_code(text)) for word in re.findall(r"\w+", code)}
    headings = set(re.findall(r"^#+ (\w+)$", text, flags=re.MULTILINE))
    assert set(result.document) - named - headings == set()


def test_result_md_names_every_key_below(result: RunResult) -> None:
    document = result.document
    named = set(re.findall(r"\w+", (PROJECT / "docs" / "result.md").read_text()))
    by_name = (
        "endpoints", "stations", "containers", "machines", "caches", "limiters", "databases", "breakers", "jvms",
        "listeners",
    )  # fmt: skip
    for key, value in document.items():
        if key in ("provenance", "intervals"):  # their keys are paths
            continue
        below = list(value.values()) if key in by_name else value  # names are the scenario's own
        if key == "caches":
            below = [{**cache, "classes": list(cache["classes"].values())} for cache in below]
        assert set(keys_of(below)) - named == set(), key


def test_result_md_names_every_reason_with_its_status() -> None:
    text = (PROJECT / "docs" / "result.md").read_text()

    def leaves(kind: type[CallFailure]) -> Iterator[type[CallFailure]]:
        below = kind.__subclasses__()
        for each in below:
            yield from leaves(each)
        if not below:
            yield kind

    for kind in (*leaves(Refused), *leaves(Failed)):
        if kind is not ClientGone and kind.__module__.startswith("models."):
            assert f"`{kind.reason}` {kind.status}" in " ".join(text.split())


def test_rows_md_lists_the_columns_in_order() -> None:
    text = (PROJECT / "docs" / "rows.md").read_text()
    listed: list[str] = []
    for cell in re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE):
        listed += re.findall(r"`(\w+)`", cell)
    assert listed == list(COLUMNS)


def test_rows_md_says_the_types_that_are_written() -> None:
    text = (PROJECT / "docs" / "rows.md").read_text()
    names = {"string": "text", "double": "float64"}
    for cell, said in re.findall(r"^\| (`.+?) \| (\w+) \|", text, flags=re.MULTILINE):
        for column in re.findall(r"`(\w+)`", cell):
            kind = str(COLUMNS[column])
            assert said == names.get(kind, kind), column
