"""Where a value comes from: written, set for this run, by a variant, or the program's default."""

from __future__ import annotations

import json

import pytest

from experiments import load_scenario
from experiments.cli import main
from experiments.errors import InputError
from experiments.scenario.explain import counts_by_source, explain

POOL = "services.place-service.pools.main"


def test_a_written_value() -> None:
    (one,) = explain(load_scenario("maltan/early"), f"{POOL}.maximum_pool_size")
    assert (one.value, one.source, one.ref, one.entry) == (10, "guide", "Database: HikariCP", POOL)
    assert one.type == "whole number, above 0" and one.default == "10" and one.written_at.startswith("early.yaml:")
    assert "HikariCP's default: 10" in one.description


def test_a_value_that_goes_without_saying() -> None:
    (one,) = explain(load_scenario("maltan/early"), f"{POOL}.socket_timeout")
    assert not one.is_written and one.source == "default" and one.default == "0s" and one.note == "pgjdbc's default: 0."


def test_what_is_set_for_a_run_and_what_a_variant_sets() -> None:
    scenario = load_scenario("maltan/early", [f"{POOL}.maximum_pool_size=3"], "hundred-users")
    (one,) = explain(scenario, f"{POOL}.maximum_pool_size")
    assert (one.value, one.source) == (3, "set") and "maximum_pool_size=3" in one.ref
    (users,) = explain(scenario, "traffic.users.population")
    assert (users.value, users.source) == (100, "guide") and "closing claim" in users.ref


def test_everything_inside_a_path_and_inside_steps() -> None:
    found = explain(load_scenario("maltan/growth"), "services.place-service.endpoints.get-place.steps.nearby.breaker")
    assert {one.path.rpartition(".")[2]: one.source for one in found}["minimum_number_of_calls"] == "default"
    assert len(found) == 5 and all(one.description for one in found)


@pytest.mark.parametrize("name", ["maltan/early", "maltan/growth", "storm/retry-storm"])
def test_every_value_of_a_shipped_scenario_can_be_explained(name: str) -> None:
    scenario = load_scenario(name)
    found = [
        one for key in scenario.document for one in explain(scenario, key) if key not in ("description", "not_modelled")
    ]
    counts = counts_by_source(scenario.document, scenario.provenance)
    assert sum(counts.values()) == len(found) and "unsaid" not in counts
    assert not [one.path for one in found if not one.type]


@pytest.mark.parametrize(
    "path", ["services.nobody", "", "a..b", "duration.x", "services.place-service.pools.main.typo"]
)
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(InputError):
        explain(load_scenario("maltan/early"), path)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "maltan/early", "seed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["value"] == 1
    assert main(["explain", "maltan/early", "--source", "file"]) == 0
    assert (
        "databases.postgres.max_connections = 100  [file: deploy/early/docker-compose.yml:98]"
        in capsys.readouterr().out
    )
    assert main(["explain", "maltan/early"]) == 0
    assert "values in all" in capsys.readouterr().out
    assert main(["explain", "maltan/early", "--source", "nowhere"]) == 2
