"""From deployed files to a scenario and back: the shipped files make the shipped scenarios, foreign ones run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from experiments import load_scenario, run
from experiments.cli import main
from experiments.deploy.assemble import Assembled, assemble
from experiments.deploy.back import patch_for
from experiments.deploy.reading import read_deployment
from experiments.errors import InputError
from experiments.scenario import Scenario, uncovered
from experiments.scenario.document import Document
from experiments.scenario.paths import at_path, format_path, heard, parse_path
from models.system import SystemSpec

DEPLOY = Path(str(resources.files("experiments").joinpath("scenarios", "maltan", "deploy")))
FROM_FILES = (
    "services.user-service.limits.cpus", "services.place-service.replicas", "services.place-service.restart",
    "services.user-service.pools.main.maximum_pool_size", "services.place-service.pools.main.connection_timeout",
    "services.media-service.shutdown.graceful", "gateway.rate_limits.per_user.refill",
    "gateway.rate_limits.global.capacity",
    "gateway.concurrency.recommendation-service.permits", "caches.redis.classes.hot.ttl",
    "caches.redis.classes.posts.cache_nulls", "databases.postgres.max_connections", "alerts.HighErrorRate.above",
    "alerts.HighMemoryUsage.every", "alerts.HighErrorShare.hold",
)  # fmt: skip
ONLY_IN_GROWTH = (
    "services.user-service.pools.reads.database", "databases.postgres-replica.standby_of",
    "load_balancers.nginx.upstreams.user_service.read_timeout", "load_balancers.nginx.upstreams.user_service.weights",
    "services.place-service.endpoints.get-place.steps.nearby.breaker.sliding_window_size",
    "services.place-service.endpoints.get-place.steps.nearby.time_limiter.limit",
)  # fmt: skip


def told_by_files(stage: str, scenario: Scenario) -> Assembled:
    deployment = read_deployment([DEPLOY / stage], said=list(scenario.spec.services))
    return assemble(deployment, Document(dict(scenario.document)), is_weak=True)


def without(value: Any, told: set[tuple[str, ...]], path: tuple[str, ...] = ()) -> Any:
    """A document without the values that files tell; steps go by their names."""
    if isinstance(value, Mapping):
        kept = {}
        for key, inner in value.items():
            at = (*path, str(key))
            if at in told or (at[0] == "routes" and at[2:] in (("service",), ("through",))):
                continue
            rest = without(inner, told, at)
            if rest != {} or inner == {}:
                kept[key] = rest
        return kept
    if isinstance(value, list):
        return [
            without(one, told, (*path, one["name"])) if isinstance(one, dict) and "name" in one else one
            for one in value
        ]
    return value


@pytest.mark.parametrize("stage", ["early", "growth"])
def test_the_shipped_files_make_the_shipped_scenario(stage: str) -> None:
    scenario = load_scenario(f"maltan/{stage}")
    found = told_by_files(stage, scenario)
    told = {path for path, facts in found.facts.items() if facts[0].source in ("file", "default")}
    from_files = {format_path(path) for path, facts in found.facts.items() if facts[0].source == "file"}
    assert {*FROM_FILES, *(ONLY_IN_GROWTH if stage == "growth" else ())} <= from_files
    assert len(from_files) >= (120 if stage == "growth" else 85)
    rest = without(scenario.document, told)
    assert at_path(rest, heard(parse_path("services.user-service.pools.main.maximum_pool_size"), rest)) is None
    deployment = read_deployment([DEPLOY / stage], said=list(scenario.spec.services))
    imported = assemble(deployment, Document(rest))
    assert SystemSpec.model_validate(imported.document).model_dump() == scenario.spec.model_dump()
    assert not imported.remarks


@pytest.mark.parametrize("name", ["early", "growth", "growth-bigger"])
def test_lines_that_provenance_names_say_what_it_says(name: str) -> None:
    scenario = load_scenario(f"maltan/{name}")
    stage = name.partition("-")[0]
    found = told_by_files(stage, scenario)
    lines = {
        text: entry.ref for text, entry in scenario.provenance.items() if entry.source == "file" and ":" in entry.ref
    }
    checked = 0
    for text, ref in lines.items():
        facts = found.facts.get(parse_path(text))
        if facts is not None:
            assert ref in {f"deploy/{stage}/{fact.place}" for fact in facts}, text
            checked += 1
    assert checked >= 25


SIX = {
    "services.place-service.pools.main.maximum_pool_size": "20",
    "caches.redis.classes.hot.ttl": "600s",
    "services.place-service.endpoints.get-place.steps.nearby.breaker.sliding_window_size": "20",
    "gateway.rate_limits.per_user.refill": "200/60s",
    "services.community-service.replicas": "2",
    "load_balancers.nginx.upstreams.user_service.read_timeout": "5s",
}


def test_six_values_are_six_lines(tmp_path: Path, find_binary: Callable[..., str]) -> None:
    target = load_scenario("maltan/growth", [f"{path}={value}" for path, value in SIX.items()])
    back = patch_for(target)
    diff = back.patch.diff(back.deployment.folder)
    lines = diff.decode().splitlines()
    assert sum(line.startswith("-") and not line.startswith("---") for line in lines) == 6
    assert sum(line.startswith("+") and not line.startswith("+++") for line in lines) == 6
    assert not back.patch.by_hand
    shutil.copytree(DEPLOY / "growth", tmp_path / "deploy")
    subprocess.run([find_binary("patch"), "-p1", "-s", "-F0"], cwd=tmp_path / "deploy", input=diff, check=True)
    again = patch_for(target, [tmp_path / "deploy"])
    assert not again.patch.files
    assert SystemSpec.model_validate(again.assembled.document) == target.spec


def test_what_has_no_place_is_told_with_what_to_do() -> None:
    back = patch_for(
        load_scenario("maltan/early", ["services.media-service.limits.memory=1G", "alerts.HighErrorRate.every=30s"])
    )
    told = "\n".join(back.patch.by_hand)
    assert not back.patch.files
    assert "services.media-service.limits.memory: set to '1G'. Add deploy.resources.limits.memory" in told
    assert "alerts.HighErrorRate.every" in told and "too, which is to be another value" in told


# --- files that nobody here wrote ---


@pytest.fixture
def deployments(data_dir: Path) -> Path:
    return data_dir / "deployments"


FOREIGN: dict[str, dict[str, Any]] = {
    "otel_demo": {"services.ad.limits.memory": "300M", "databases.astronomy-db.limits.memory": "80M"},
    "packt_ch23": {
        "services.product.limits.memory": "512M",
        "services.product-composite.pools": None,
        "services.review.pools.main.database": "mysql",
    },
    "petclinic": {"services.vets-service.limits.memory": "512M"},
    "piggymetrics": {"services.account-service.restart": "always"},
    "robot_shop": {"services.cart.health.interval": "10s", "services.cart.health.retries": 3},
    "sock_shop": {"services.orders.restart": "always"},
}


@pytest.mark.parametrize("name", list(FOREIGN))
def test_foreign_deployments_run(name: str, deployments: Path, tmp_path: Path) -> None:
    variables = deployments / name / "dot_env"
    options = ["--env-file", str(variables)] if variables.exists() else []
    out = tmp_path / "scenario.yaml"
    assert main(["import", str(deployments / name), "-o", str(out), *options]) == 0
    scenario = load_scenario(out, ["warm_up=0s"])
    for path, value in FOREIGN[name].items():
        assert at_path(scenario.document, parse_path(path)) == value, path
    assert uncovered(scenario) == []
    result = run(scenario, replications=1, duration_s=60.0)
    requests = result.document["requests"]
    assert result.document["audit"]["passed"]
    assert requests["arrived"] > 300 and requests["succeeded"] > 0.95 * requests["arrived"]


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("bank_of_anthos", "HorizontalPodAutoscaler"), ("nginx_demos", "backend.conf (nginx)"),
        ("prometheus_rules", "Prometheus rules"),
    ],
)  # fmt: skip
def test_what_makes_no_scenario_says_what_is_missing(name: str, has: str, deployments: Path) -> None:
    with pytest.raises(InputError, match="must describe at least one service") as error:
        assemble(read_deployment([deployments / name]))
    assert has in str(error.value) and "Add the Compose file" in str(error.value)


# --- the commands ---


def test_import_writes_a_scenario_with_every_value_sourced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(DEPLOY / "growth", tmp_path / "deploy")
    out = tmp_path / "my.yaml"
    assert main(["import", str(tmp_path / "deploy"), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "alertmanager.yml:3  route.group_wait" in said and "without effect on traffic" in said
    scenario = load_scenario(out)
    entry = scenario.provenance_of("services.place-service.pools.main.maximum_pool_size")
    assert entry is not None and entry.ref == "deploy/place-service/application.yml:17"
    assert main(["explain", str(out), "services.place-service.replicas"]) == 0
    assert "deploy/docker-compose.yml:56" in capsys.readouterr().out
    assert main(["export", "patch", str(out), "--set", "services.place-service.replicas=2"]) == 0
    assert "Nothing to change" in capsys.readouterr().err


def test_an_assumption_that_contradicts_a_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "more.yaml").write_text(
        "services: {media-service: {replicas: 3}}\nmachines: {vm: {cores: 2, memory: 4G}}\n"
    )
    assert main(["import", str(DEPLOY / "early"), "--assume", str(tmp_path / "more.yaml"), "--all"]) == 0
    said = capsys.readouterr().out
    assert "services.media-service.replicas: assumed 3 instead of 1 (docker-compose.yml:86)" in said


def test_new_makes_what_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new.yaml"
    assert main(["new", str(file), "--services", "shop=2,users", "--users", "40", "--no-cache", "--yes"]) == 0
    scenario = load_scenario(file)
    assert scenario.spec.services["shop"].replicas == 2 and not scenario.spec.caches
    result = run(scenario, replications=1, duration_s=30.0)
    assert result.document["requests"]["succeeded"] > 100
    assert main(["new", str(file), "--yes"]) == 2
    assert "must not be there yet" in capsys.readouterr().err
    assert main(["new", str(tmp_path / "b.yaml"), "--services", "a b", "--yes"]) == 2
