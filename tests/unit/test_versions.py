"""Which releases a scenario is simulated as."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from experiments.scenario import load_scenario
from experiments.versions import RELEASES, versions
from models.system import SystemSpec


def specs_in(annotation: Any, seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        yield annotation
        for info in annotation.model_fields.values():
            yield from specs_in(info.annotation, seen)
    for part in typing.get_args(annotation):
        yield from specs_in(part, seen)


def test_every_version_that_can_be_said_is_told() -> None:
    said = [spec for spec in specs_in(SystemSpec, set()) if "version" in spec.model_fields]
    assert said
    assert all(any(issubclass(spec, kind) for kind, _, _ in RELEASES) for spec in said)
    assert all(not release or "version" not in kind.model_fields for kind, _, release in RELEASES)


def test_a_scenario_tells_what_it_says_and_what_is_assumed() -> None:
    found = {each["product"]: each for each in versions(load_scenario("maltan/growth").spec)}
    assert found["HikariCP"]["version"] == "4.0.3"
    assert found["nginx"]["source"] in ("scenario", "default")
    assert found["Redis"] == {"product": "Redis", "version": "7.0.15", "source": "model"}
    setting = "services.user-service.pools.main.version=6.0.1"
    both = [each for each in versions(load_scenario("maltan/growth", [setting]).spec) if each["product"] == "HikariCP"]
    assert {each["version"]: each["source"] for each in both} == {"6.0.1": "scenario", "4.0.3": "default"}


def test_the_guards_of_calls_name_their_release_each_for_itself() -> None:
    """No breaker is needed for a scenario to be simulated as Resilience4j."""
    found = versions(load_scenario("storm/retry-storm").spec)
    assert {"product": "Resilience4j", "version": "2.3.0", "source": "model"} in found
