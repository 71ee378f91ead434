"""Values of files that a scenario has no room for: left out and said; those of an assumption are errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.deploy.assemble import assemble
from experiments.deploy.reading import read_deployment
from experiments.deploy.report import counts
from experiments.errors import InputError
from experiments.scenario.document import Document
from experiments.scenario.load import scenario_of, uncovered
from experiments.scenario.paths import at_path, parse_path


@pytest.mark.parametrize(
    ("text", "path", "default"),
    [
        ("server.tomcat.max-connections: -1", "services.a.workers.max_connections", 8192),
        ("server.tomcat.threads.max: 0", "services.a.workers.threads", 200),
        ("spring.lifecycle.timeout-per-shutdown-phase: 0s", "services.a.shutdown.timeout", "30s"),
    ],
)
def test_what_the_scenario_cannot_hold_is_left_out_and_said(
    text: str, path: str, default: object, tmp_path: Path
) -> None:
    (tmp_path / "compose.yaml").write_text("services:\n  a: {image: x, cpus: 2}\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "application.yml").write_text(f"{text}\n")
    deployment = read_deployment([tmp_path])
    found = scenario_of(assemble(deployment).whole(), "a").spec.model_dump()
    assert at_path(found, parse_path(path)) == default
    assert found["services"]["a"]["limits"]["cpus"] == 2
    assert uncovered(scenario_of(assemble(deployment).whole(), "a")) == []
    assert f"{path}: must be" in str(deployment.ledger.problems) and "not modelled" in str(deployment.ledger.problems)
    assert [".".join(map(str, one.key)) for one in deployment.ledger.unmodelled()] == [text.partition(":")[0]]


def test_what_an_assumption_says_wrong_stays_an_error(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services:\n  a: {image: x, cpus: 2}\n")
    with pytest.raises(InputError, match=r"services\.a\.limits\.cpus: must be at least 0\.01"):
        assemble(read_deployment([tmp_path]), Document({"services": {"a": {"limits": {"cpus": 0}}}}))


COMPOSE = """\
services:
  a: {image: x, depends_on: [db]}
  db: {image: postgres, deploy: {replicas: %d}, healthcheck: {test: [CMD, x], interval: 9s}}
  grafana: {image: grafana/grafana, scale: %d, restart: always, healthcheck: {test: [CMD, x], interval: 9s}}
  mongo: {image: mongo, restart: always}
"""


@pytest.mark.parametrize(
    ("replicas", "left", "said"),
    [
        (1, [], []),
        (2, ["services.db.deploy.replicas", "services.grafana.scale"],
         ["replicas of db: not modelled for a database.",
          "grafana: 2 replicas of a resident are not modelled: the memory of one is taken."]),
    ],
)  # fmt: skip
def test_what_only_some_have_is_counted_as_it_is(
    replicas: int, left: list[str], said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "compose.yaml").write_text(COMPOSE % (replicas, replicas))
    deployment = read_deployment([tmp_path])
    assemble(deployment)
    ledger = deployment.ledger
    health = ["services.db.healthcheck.interval", "services.db.healthcheck.test.0"]
    unmodelled = [".".join(map(str, one.key)) for one in ledger.unmodelled()]
    assert sorted(unmodelled) == sorted([*health, "services.mongo.restart", *left])
    problems = [what for _, what in ledger.problems]
    assert "health of db: not modelled for a database." in problems
    assert [one for one in said if one not in problems] == []
    assert len(problems) == 2 + len(said)  # and that MongoDB is not modelled
    harmless = {".".join(map(str, key)): why for (_, key), why in ledger.without_effect.items()}
    assert "serves no request" in harmless["services.grafana.restart"]
    counted = counts(deployment)
    assert counted["read"] == counted["modelled"] + counted["harmless"] + counted["unmodelled"]
    assemble(deployment)
    assert counts(deployment) == counted  # another scenario of the same files counts the same


ROUTED = """\
spring:
  datasource:
    primary: {url: "jdbc:postgresql://db/x", hikari: {maximum-pool-size: 7}}
    replica: {url: "jdbc:postgresql://other/x", hikari: {maximum-pool-size: 6}}
"""


@pytest.mark.parametrize("assumed", [False, True])
def test_reads_that_go_to_no_standby_go_to_the_primary(assumed: bool, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services:\n  a: {image: x}\n  db: {image: 'postgres:15'}\n  other: {image: 'postgres:15'}\n"
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "application.yml").write_text(ROUTED)
    deployment = read_deployment([tmp_path])
    assume = Document({"databases": {"other": {"standby_of": "db"}}}) if assumed else None
    assembled = assemble(deployment, assume)
    scenario = scenario_of(assembled.whole(), "a")
    assert bool(scenario.spec.services["a"].data_sources) == assumed
    assert uncovered(scenario) == []
    told = "which no file makes a standby of db: the routing is not modelled, and all goes to the primary"
    assert (told in str(deployment.ledger.problems)) != assumed
