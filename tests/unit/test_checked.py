"""What a module says it is checked by is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"(?:tests|experiments|sim|models)/[\w/-]+\.(?:py|yaml|json)\b")
MODULES = [path for folder in ("sim", "models", "experiments") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_a_module_names_are_there(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert [name for name in NAMED.findall(text) if not (ROOT / name).exists()] == []


def test_most_models_name_what_they_are_checked_by() -> None:
    assert sum("Checked" in path.read_text() for path in MODULES) > 150
