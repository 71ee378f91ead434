"""What import-linter cannot see: the entry of the dashboard, and where time and chance may come from."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CLOCKS_AND_CHANCE = {"random", "time", "secrets", "uuid"}
WALL = {"sim/replication.py: from time import perf_counter"}
"""How long a run took is reported, and is no part of its result."""
SEEDED = {"Generator", "BitGenerator", "Philox", "SeedSequence"}
"""What of numpy.random holds no state of its own that everybody shares."""


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Every module that is imported, and how."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ast.unparse(node)) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), ast.unparse(node)


def test_the_dashboards_entry_opens_the_dashboard_and_nothing_else(project: Path) -> None:
    app = project / "app.py"
    if not app.exists():
        pytest.skip("there is no app.py yet")
    names = {name.split(".")[0] for name, _ in imports(ast.parse(app.read_text()))}
    assert names - sys.stdlib_module_names <= {"streamlit", "experiments"}
    assert "experiments" in names
    assert len(app.read_text().splitlines()) < 30


def forbidden(source: str) -> Iterator[str]:
    """Wall clocks, unseeded chance, and what differs from one process to the next."""
    tree = ast.parse(source)
    yield from (how for name, how in imports(tree) if name.split(".")[0] in CLOCKS_AND_CHANCE)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in ("now", "today", "utcnow") and owner.split(".")[-1] in ("datetime", "date"):
                yield f"line {node.lineno}: {ast.unparse(node)}"
            if owner in ("np.random", "numpy.random") and node.attr not in SEEDED:
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("hash", "id"):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def test_what_is_forbidden_is_found() -> None:
    source = "import time\nfrom random import random\ndatetime.datetime.now()\nnp.random.rand()\nhash(x)\nenv.now\n"
    assert set(forbidden(source)) == {
        "import time", "from random import random", "line 3: datetime.datetime.now", "line 4: np.random.rand",
        "line 5: hash(x)",
    }  # fmt: skip


@pytest.mark.parametrize("package", ["sim", "models"])
def test_time_and_chance_come_from_the_simulation_alone(project: Path, package: str) -> None:
    found = {
        f"{path.relative_to(project)}: {what}"
        for path in sorted((project / package).rglob("*.py"))
        for what in forbidden(path.read_text())
    }
    assert found - WALL == set()
