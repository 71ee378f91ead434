"""Literals of JavaScript: read as node reads them; whatever is none is told, and never run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from experiments.shapes.literals import Literals, Unread

TEXTS = [
    "{a: 1, 'b': \"two\", `c`: 3}".replace("`c`", "c"),
    "[1, -2, +3, 0.5, .25, 4., 1e3, 2E-2, 1_000, 0xFF, ]",
    "{ s: 'it\\'s', t: \"\\u00e9\\n\\x41\\\\\", u: `plain $ text` }",
    "{ yes: true, no: false, none: null, deep: { er: [[], {}, [{}]] } }",
    "// first\n[ /* two */ 2, // three\n 3 /* , 4 */ ]",
    "{ $a_1: 1, if: 2, 'x-y': 3 }",
]


@pytest.mark.parametrize("text", TEXTS)
def test_values_are_those_of_node(text: str, find_binary: Callable[..., str]) -> None:
    code = f"console.log(JSON.stringify({text}\n))"
    told = subprocess.run([find_binary("node"), "-e", code], capture_output=True, text=True, check=True)
    assert Literals(f"export const options = {text};").assigned("options") == json.loads(told.stdout)
    assert Literals(text).whole() == json.loads(told.stdout)


@pytest.mark.parametrize(
    ("begin", "end"),
    [("const", ";"), ("export let", "\n"), ("var", ""), ("export const", ""), ("exports.", ";")],
)
def test_options_are_found_however_they_are_declared(begin: str, end: str) -> None:
    text = f"import x from 'y'\n{begin}{'' if begin.endswith('.') else ' '}options = {{ vus: 3 }}{end}\nrest()"
    assert Literals(text).assigned("options") == {"vus": 3}


def test_types_of_typescript_are_passed_over() -> None:
    assert Literals("export const options: Options = { vus: 3 };").assigned("options") == {"vus": 3}


def test_names_of_constants_are_looked_up() -> None:
    stages = "const PEAK = 50;\nconst stages = [{ duration: '1m', target: PEAK }];"
    text = f"{stages}\nexport const options = {{ stages: stages }};"
    assert Literals(text).assigned("options") == {"stages": [{"duration": "1m", "target": 50}]}


def test_what_is_no_literal_says_nothing_and_the_rest_is_read() -> None:
    text = """
    export const options = {
      a: compute(1, { b: 2 }),
      ...defaults,
      c: `${HOLE}`,
      d: 60 * 5,
      e: __ENV.VUS || 10,
      f: [1, x => ({ y: 1 }), 3],
      short,
      method() { return 1; },
      z: 9,
    };
    """
    found: Any = Literals(text).assigned("options")
    assert found["z"] == 9
    assert found["a"] == Unread("compute(1, { b: 2 })", 3)
    assert all(isinstance(found[key], Unread) for key in "acde")
    assert found["f"][0] == 1
    assert isinstance(found["f"][1], Unread)
    assert found["f"][2] == 3


def test_nothing_goes_on_for_ever() -> None:
    assert isinstance(Literals("const options = " + "[" * 100_000).assigned("options"), Unread)
    assert Literals("const a = a; const options = { b: a };").assigned("options")["b"] is not None
    loop = "const a = [b, b]; const b = [a, a]; const options = { x: b };"
    assert Literals(loop).assigned("options") is not None
    assert Literals("nothing here").assigned("options") is None
    assert isinstance(Literals("{ a: 1 } trailing").whole(), Unread)
