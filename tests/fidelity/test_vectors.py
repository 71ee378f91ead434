"""Every vector of a real component, replayed by the model: the checks that `windtunnel validate` runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.validation import COMPONENTS, Check, checks, left_out
from experiments.validation.check import Disagreement
from experiments.validation.replay import replay


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
def test_the_model_agrees(check: Check) -> None:
    check.replay()


def test_every_vector_is_named_once() -> None:
    names = [(each.component, each.section, each.vector) for each in [*checks(), *left_out()]]
    assert len(names) == len(set(names))


def test_a_disagreement_without_words_is_one() -> None:
    def disagree() -> None:
        raise Disagreement

    check = Check("thing", "1", "its source", "", "nothing done", "nothing", "exact", disagree)
    assert not replay(check).agrees
    assert replay(replace(check, replay=lambda: None)).agrees


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_components_say_what_they_are(component) -> None:
    assert component.version
    assert component.source
    assert all(each.reason for each in component.left_out)
    assert all(each.behaviour and each.agreement for each in component.checks)
