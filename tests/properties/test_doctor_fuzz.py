"""The doctor is shown anything: random systems, and the guide's files with a piece broken out of them."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.doctor import RULES, Subject, examine
from experiments.doctor.subject import folder_subject
from experiments.errors import InputError
from experiments.scenario.load import scenario_of

sys.path.insert(0, str(Path(__file__).parent))
from everything import document

AS_WRITTEN = Path(str(resources.files("experiments").joinpath("scenarios", "maltan", "deploy", "as-written")))
NAMES = {rule.name for rule in RULES}


@pytest.mark.parametrize("seed", range(12))
def test_random_systems_can_be_looked_at(seed):
    findings = examine(Subject.of_scenario(scenario_of(document(seed), "random")))
    assert {finding.rule for finding in findings} <= NAMES
    for finding in findings:
        assert finding.where
        assert "\n" not in f"{finding.what}{finding.why}{finding.change}"


@settings(max_examples=10)
@given(st.sampled_from(sorted(file.name for file in AS_WRITTEN.glob("*.*"))), st.data())
def test_broken_files_give_findings_or_a_clear_error(tmp_path_factory, name, data):
    root = tmp_path_factory.mktemp("broken")
    for file in AS_WRITTEN.rglob("*"):
        if file.is_file():
            target = root / file.relative_to(AS_WRITTEN)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    text = (root / name).read_bytes()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 60)))
    (root / name).write_bytes(text[:start] + data.draw(st.binary(max_size=8)) + text[end:])
    with suppress(InputError):  # says what is wrong
        findings = examine(folder_subject((str(root),), None, (), ()))
        assert {finding.rule for finding in findings} <= NAMES
