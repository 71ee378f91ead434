"""The notebook on the guide's closing claim: runs from top to bottom, says what it found, and fetches nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOK = NOTEBOOKS / "closing_claim.ipynb"
ASSUMPTIONS = {"think_time", "cpu_demand", "core_speed", "users_per_ip"}
VERDICTS = {"met", "breached", "undecided"}


@pytest.fixture(scope="module")
def executed() -> Any:
    """The notebook as it is after all its cells have run in a kernel of this interpreter."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": NOTEBOOKS}})
    client.execute()
    return notebook


@pytest.fixture(scope="module")
def summary(executed: Any) -> dict[str, Any]:
    """What the last cell says."""
    (output,) = executed.cells[-1].outputs
    found: dict[str, Any] = output.data["application/json"]
    return found


def test_the_twin_is_in_sync() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    twin = jupytext.read(NOTEBOOK.with_suffix(".py"))
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in twin.cells
    ], "run: jupytext --to ipynb notebooks/closing_claim.py"


def test_it_ships_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_no_number_is_typed_into_the_prose() -> None:
    """Only the claim itself has one: everything else is computed."""
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "markdown":
            text = cell.source.replace("handles 100 users at once", "").replace("95 % interval", "")
            text = re.sub(r"HTTP 429|95th percentile|95 % intervals", "", " ".join(text.split()))
            assert re.findall(r"\d+", text) == [], cell.source


def test_the_claim_is_judged_with_an_interval(summary: dict[str, Any]) -> None:
    assert summary["users"] == 100
    assert summary["audit_passed"] is True
    assert summary["verdict"] in VERDICTS
    low, high = summary["p95_ms_interval"]
    assert 0 < low <= summary["p95_ms"] <= high
    assert set(summary["objectives"]) == {"success-rate", "error-rate", "cpu"}
    for judged in summary["objectives"].values():
        low, high = judged["interval"]
        assert low <= judged["value"] <= high
        is_upper = judged["bound"] == "at_most"
        is_met = high <= judged["threshold"] if is_upper else low >= judged["threshold"]
        is_breached = low >= judged["threshold"] if is_upper else high <= judged["threshold"]
        assert judged["verdict"] == ("met" if is_met else "breached" if is_breached else "undecided")
    verdicts = {judged["verdict"] for judged in summary["objectives"].values()}
    assert summary["verdict"] == next(each for each in ("breached", "undecided", "met") if each in verdicts)


def test_the_population_is_scanned_to_where_it_breaks(summary: dict[str, Any]) -> None:
    judged = dict(sorted((int(users), verdict) for users, verdict in summary["by_population"].items()))
    assert min(judged) == 50
    assert max(judged) == 400
    assert set(judged.values()) <= VERDICTS
    assert judged[100] == summary["verdict"]
    breached = [users for users, verdict in judged.items() if verdict == "breached"]
    assert summary["breaks_first"]["users"] == (breached[0] if breached else max(judged))
    if breached:
        assert summary["breaks_first"]["binds"]
        assert {verdict for users, verdict in judged.items() if users >= breached[0]} == {"breached"}


def test_flip_points_lie_within_what_was_scanned(summary: dict[str, Any]) -> None:
    assert set(summary["flips"]) == ASSUMPTIONS
    found = 0
    for flip in summary["flips"].values():
        low, high = flip["scanned"]
        assert low <= flip["assumed"] <= high
        if flip["holds_at"] is None:
            assert flip["breaks_at"] is None
            continue
        found += 1
        assert low <= flip["holds_at"] <= high
        assert low <= flip["breaks_at"] <= high
        assert flip["holds_at"] != flip["breaks_at"]
    assert found >= 2


def test_flips_go_the_way_they_must(summary: dict[str, Any]) -> None:
    """Hasty users, dear requests, slow cores and shared addresses break what their opposites keep."""
    for name, is_more_harmful in (
        ("think_time", False), ("core_speed", False), ("cpu_demand", True), ("users_per_ip", True),
    ):  # fmt: skip
        flip = summary["flips"][name]
        if flip["holds_at"] is not None:
            assert (flip["breaks_at"] > flip["holds_at"]) is is_more_harmful, name


def test_what_it_shows_fetches_nothing(executed: Any) -> None:
    pages = [
        output.data["text/html"]
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert len(pages) == 2
    assert "Plotly.newPlot" in pages[0]
    for page in pages:
        assert re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)\s*=", page[:2000] + page[-20_000:]) == []
        assert re.findall(r"<script[^>]+src\s*=", page) == []
    assert len(pages[0]) > 1_000_000 > len(pages[1])  # the script comes along, once


def test_nothing_is_said_on_standard_error(executed: Any) -> None:
    said = [
        output.get("text", "")
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if output.output_type in ("stream", "error")
    ]
    assert said == []
