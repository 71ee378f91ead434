"""The two readers of a scenario's text say the same, and where they would not, the stricter one is asked."""

from __future__ import annotations

import random
from pathlib import Path
from textwrap import dedent

import pytest

from experiments.errors import InputError
from experiments.scenario import document
from experiments.scenario.document import parse_value

SPOILT = list(":-?[]{}#&*!|>'\"%@`, \n~=<\\/aé1.\t\x85\u2028\x7f😀")
ODD = [
    "", "a", "- 1\n- \n- 3\n", "a:\nb: 1\n", "{a: , b: ~}", "? a\n: b\n", "a: |\n  x\n\nb: >-\n  u\n   v\n",
    "<<: {a: 1}", "'<<': 1", "a: &x 1\nb: *x\n", "a: !!str 1", "a: 1\na: 2\n", "--- a\n--- b\n",
    "%YAML 1.1\n---\na: yes\n", '{"a":1,"b":[1,2,{"c":"x\\/y"}]}', 'a: "\\u00e9\\ud83d\\ude00"\n', "a: 'it''s'\n",
    "a: b\u2028c\n", "a:\tb\n", "[" * 60, "a: 0o17\nb: 0x1F\nc: 1_000\nd: 12:30\ne: no\nf: .inf\n",
    "[1, [2, 3], {a: [b]}]", "a: [b\n", "a: b: c\n", "é: ü\n",
]  # fmt: skip


def outcome(text: str) -> object:
    try:
        return repr(parse_value(text, "s.yaml"))
    except InputError as error:
        return error.lines


def slowly(text: str, monkeypatch: pytest.MonkeyPatch) -> object:
    with monkeypatch.context() as patch:
        patch.setattr(document, "_read_fast", lambda text, name: None)
        return outcome(text)


@pytest.mark.parametrize("text", ODD)
def test_both_readers_say_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(text) == slowly(text, monkeypatch)


def test_they_say_the_same_of_spoilt_scenarios(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (project / "experiments/scenarios/maltan/early.yaml").read_text().splitlines(keepends=True)
    chance = random.Random(7)
    read = 0
    for _ in range(250):
        begin = chance.randrange(len(lines) - 8)
        text = list(dedent("".join(lines[begin : begin + 8])))
        for _ in range(chance.randint(0, 2)):
            text.insert(chance.randrange(len(text)), chance.choice(SPOILT))
        found = outcome("".join(text))
        assert found == slowly("".join(text), monkeypatch), "".join(text)
        read += isinstance(found, str)
    assert 50 < read < 200  # some were readable, some were not


def test_a_whole_scenario_is_read_fast(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All shipped ones: nobody should fall back without noticing."""
    monkeypatch.setattr(document, "_read", None)
    for file in sorted((project / "experiments/scenarios").rglob("*.yaml")):
        if "deploy" not in file.relative_to(project / "experiments/scenarios").parts:
            assert isinstance(parse_value(file.read_text(), file.name)[0], dict)
