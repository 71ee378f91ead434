"""The shipped storm: stuck as it is, saved by what its descriptions say saves it; two reports word for word.

Set WINDTUNNEL_WRITE_GOLDEN=1 to write the golden reports anew, and read the difference.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from experiments import load_scenario, run
from experiments.report import render
from experiments.scenario import uncovered

NAME = "storm/retry-storm"
GOLDEN = Path(__file__).with_name("golden")
CAUSE = "traffic.surges.rush"
ENDS = {
    None: "stuck",
    "retry-budget": "recovered",
    "backoff": "stuck",
    "bulkhead": "stuck",
    "longer-limit": "stuck",
    "two-retries": "stuck",
    "one-retry": "recovered",
    "twice-the-cores": "recovered",
    "slow-database": "stuck",
    "slow-database-budget": "recovered",
}


@lru_cache(maxsize=8)
def found(variant: str | None, replications: int = 1) -> Any:
    return run(load_scenario(NAME, variant=variant), replications=replications).document


def report(document: Any) -> str:
    """The report as text, less what computing took."""
    text = StringIO()
    render(document, Console(file=text, width=110, force_terminal=False, color_system=None))
    masked = re.sub(r"in [\d.]+ s, [\d,.]+ requests a second", "in - s, - requests a second", text.getvalue())
    return "\n".join(line.rstrip() for line in masked.splitlines()) + "\n"


def test_every_value_has_a_source_and_every_variant_a_fate() -> None:
    scenario = load_scenario(NAME)
    assert uncovered(scenario) == []
    assert set(scenario.variants) == set(ENDS) - {None}
    for variant, end in ENDS.items():
        if variant is not None:
            says = scenario.variants[variant].description
            assert says.startswith("Does not save it:" if end == "stuck" else "Saves it"), variant


@pytest.mark.parametrize("variant", ENDS)
def test_descriptions_are_true(variant: str | None) -> None:
    document = found(variant, 2 if variant in (None, "retry-budget") else 1)
    (episode,) = document["recovery"]
    cause = "faults.slow-database" if variant is not None and variant.startswith("slow-") else CAUSE
    assert (episode["name"], episode["verdict"]) == (cause, ENDS[variant])
    assert episode["before"]["success_rate"] > 0.999
    is_saved = ENDS[variant] == "recovered"
    assert (episode["finally"]["success_rate"] > 0.8) == is_saved
    assert document["recoveries"][cause]["recovered_share"] == is_saved


def test_the_storm_is_made_of_work_for_nobody() -> None:
    document = found(None, 2)
    waste = document["waste"]
    assert document["recovery"][0]["finally"]["goodput_per_s"] < 1
    assert waste["cpu_share"] > 0.6 and waste["amplification"] > 3
    verdicts = {objective["name"]: objective["verdict"] for objective in document["objectives"]}
    assert verdicts == {"comes-back": "breached", "work-for-nobody": "breached"}


def test_a_budget_bounds_the_retries_and_is_not_noticed_when_all_is_well() -> None:
    document = found("retry-budget", 2)
    waste = document["waste"]
    assert waste["retries"] <= 0.1 * document["requests"]["arrived"] + 1 * 170 + 1
    assert waste["amplification"] < 1.1 and waste["retries_refused"] > 500
    assert {objective["verdict"] for objective in document["objectives"]} == {"met"}
    assert document["recovery"][0]["after_s"] < 10


def test_saving_late_is_told_from_saving_at_once() -> None:
    assert found("one-retry")["recovery"][0]["after_s"] > 20
    assert found("twice-the-cores")["recovery"][0]["after_s"] == 0


@pytest.mark.parametrize(("variant", "name"), [(None, "storm-stuck.txt"), ("retry-budget", "storm-saved.txt")])
def test_reports_word_for_word(variant: str | None, name: str) -> None:
    text, file = report(found(variant, 2)), GOLDEN / name
    if os.environ.get("WINDTUNNEL_WRITE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()
