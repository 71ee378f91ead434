"""Every vector of the catalogue of real behaviour is replayed or left out by name, and the docs say how many."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.validation import checks
from experiments.validation.table import document, names

ONLY_HEADS = {"vector", "key", "---", ""}
"""First cells that are no vectors: heads of tables and the lines below them."""


def plain(cell: str) -> str:
    """A cell without its markup."""
    return re.sub(r"[*`]", "", cell).replace("\\|", "|").strip()


def written_down(text: str) -> list[tuple[str, str]]:
    """Section and first cell of every row of every table of vectors: one whose other column says what came out."""
    found: list[tuple[str, str]] = []
    section, is_vectors, is_head = "", False, False
    for line in text.splitlines():
        if heading := re.match(r"#{2,3} (\d+(?:\.\d+)?) ", line):
            section = heading[1]
        if not line.startswith("|"):
            is_head = True
            continue
        cells = [plain(cell) for cell in line.strip().strip("|").split("|")]
        if is_head:
            is_vectors, is_head = cells[0] not in ("key",), False
            continue
        if is_vectors and not set(cells[0]) <= set("-: "):
            found.append((section, cells[0]))
    return found


@pytest.fixture(scope="module")
def catalogue(data_dir: Path) -> str:
    file = data_dir.parent / "FIDELITY.md"
    if not file.is_file():
        pytest.skip(f"the catalogue of real behaviour is not there: {file}")
    return file.read_text(encoding="utf-8")


def test_every_row_is_replayed_or_left_out(catalogue: str) -> None:
    rows = written_down(catalogue)
    assert len(rows) > 60
    missing = [row for row in rows if row not in names()]
    assert not missing


def test_sections_are_those_of_the_catalogue(catalogue: str) -> None:
    headings = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?) ", catalogue, re.MULTILINE))
    assert {check.section for check in checks()} - {""} <= headings


def test_the_page_of_the_docs_is_current(project: Path) -> None:
    written = (project / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert written == document(), "python -m experiments.validation.table > docs/conformance.md"
