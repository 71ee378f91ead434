"""Compose files as units: variables, files laid over, extended services, profiles, and what each container is."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.deploy.assemble import assemble
from experiments.deploy.deployment import Deployment
from experiments.deploy.place import Place
from experiments.deploy.reading import read_deployment
from experiments.deploy.units import Unit, guess_role, image_name
from experiments.errors import InputError


def read(folder: Path, **files: str) -> Deployment:
    for name, text in files.items():
        (folder / name.replace("__", ".").replace("_", "-")).write_text(text)
    return read_deployment([folder])


def value(deployment: Deployment, *path: str) -> object:
    found: object = assemble(deployment).document
    for key in path:
        found = found[key] if isinstance(found, dict) else None
    return found


def test_variables(tmp_path: Path) -> None:
    deployment = read(
        tmp_path,
        docker_compose__yml="services:\n  a:\n    image: ${REPO:-x}/shop:${TAG?}\n    mem_limit: ${MEM}\n"
        "    scale: ${N:-3}\n    restart: ${R}\n",
    )
    assert deployment.units[0].image == "x/shop:" and deployment.units[0].replicas == 3
    assert {what.split()[2] for _, what in deployment.ledger.problems if what.startswith("nothing gives")} == {
        "${TAG}",
        "${MEM}",
        "${R}",
    }
    (tmp_path / ".env").write_text("TAG=1\nMEM='256m'  # x\nR=always\nexport N=4\n")
    deployment = read_deployment([tmp_path])
    assert deployment.units[0].image == "x/shop:1" and deployment.units[0].replicas == 4
    assert value(deployment, "services", "a", "restart") == "always"
    fact = next(fact for fact in deployment.units[0].facts if fact.path == ("replicas",))
    assert fact.write is not None and str(fact.place) == ".env:4" and fact.write(7) == "7"


def test_a_file_is_laid_over(tmp_path: Path) -> None:
    deployment = read(
        tmp_path,
        docker_compose__yml="services:\n  a: {image: x, command: [one], ports: ['1:1'], mem_limit: 64m, scale: 1,\n"
        "      deploy: {replicas: 1}}\n",
        docker_compose__override__yml="services:\n  a: {command: [two, three], ports: ['2:2'],\n"
        "      deploy: {replicas: 5}}\n",
    )
    unit = deployment.units[0]
    assert unit.replicas == 5 and [word.text for word in unit.command] == ["two", "three"]
    assert value(deployment, "services", "a", "limits", "memory") == "64M"
    replicas = next(fact for fact in unit.facts if fact.path == ("replicas",))
    assert replicas.place is not None and replicas.place.file == "docker-compose.override.yml"


def test_extends_and_merges(tmp_path: Path) -> None:
    deployment = read(
        tmp_path,
        compose__yaml="x-all: &all {restart: always, mem_limit: 99m}\nservices:\n  base: {image: x, cpus: 0.5,\n"
        "    command: [q, r]}\n"
        "  a: {extends: {service: base}, mem_limit: 10m}\n  b: {<<: *all, image: y, mem_limit: 20m}\n",
    )
    assert [word.text for word in deployment.units[1].command] == ["q", "r"]
    document = assemble(deployment).document["services"]
    assert document["a"]["limits"] == {"cpus": 0.5, "memory": "10M"}
    assert document["b"]["restart"] == "always" and document["b"]["limits"]["memory"] == "20M"


def test_profiles(tmp_path: Path) -> None:
    text = "services:\n  a: {image: x}\n  b: {image: y, profiles: [debug]}\n"
    assert [unit.name for unit in read(tmp_path, compose__yml=text).units] == ["a"]
    assert [unit.name for unit in read_deployment([tmp_path], profiles=["debug"]).units] == ["a", "b"]


def test_restart_no_is_a_word_only_in_quotes(tmp_path: Path) -> None:
    deployment = read(tmp_path, compose__yml="services:\n  a: {image: x, restart: always}\n")
    write = next(fact for fact in deployment.units[0].facts if fact.path == ("restart",)).write
    assert write is not None and write("on-failure:3") == "on-failure:3"
    with pytest.raises(ValueError, match="false in YAML"):
        write("no")


@pytest.mark.parametrize(
    ("image", "name", "role"),
    [
        ("registry:5000/bitnami/postgresql:15@sha256:0", "db", "database"), ("valkey/valkey:8-alpine", "x", "cache"),
        ("team/rs-mongodb", "x", "background"), ("mariadb", "x", "database"), ("nginx:alpine", "x", "load_balancer"),
        ("team/kafka-consumer", "kafka-consumer", "service"), ("team/redis-exporter", "x", "background"),
        ("team/x", "api-gateway", "gateway"), ("team/x", "orders-db", "background"), ("team/x", "orders", "service"),
        ("prom/prometheus", "p", "background"), ("", "shop", "service"), ("team/catalog-service", "catalog", "service"),
    ],
)  # fmt: skip
def test_what_a_container_is(image: str, name: str, role: str) -> None:
    unit = Unit(name, image, Place("f", 1, 0, 0))
    guess_role(unit)
    assert unit.role == role, unit.why
    assert ":" not in image_name(image)


def test_who_depends_on_whom_is_called_without_going_in_circles(tmp_path: Path) -> None:
    deployment = read(
        tmp_path,
        compose__yml="services:\n  a: {image: x, depends_on: [b, pg], ports: ['80']}\n"
        "  b: {image: y, depends_on: {a: {condition: x}}}\n"
        "  pg: {image: 'postgres:15', mem_limit: 100m}\n",
    )
    document = assemble(deployment).document
    steps = document["services"]["a"]["endpoints"]["handle"]["steps"]
    assert [(step["kind"], step.get("service")) for step in steps] == [("cpu", None), ("db", None), ("call", "b")]
    assert len(document["services"]["b"]["endpoints"]["handle"]["steps"]) == 1
    assert document["services"]["a"]["pools"]["main"]["database"] == "pg"


def test_what_cannot_be_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing of that name"):
        read_deployment([tmp_path / "gone"])
    (tmp_path / "f.yml").write_text("a: 1")
    with pytest.raises(InputError, match="one folder, or files"):
        read_deployment([tmp_path, tmp_path / "f.yml"])
    with pytest.raises(InputError, match="must describe at least one service"):
        assemble(read_deployment([tmp_path / "f.yml"]))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("cpus: 0", {}), ("cpus: '0.0'", {}), ("mem_limit: 0", {}), ("mem_limit: 0b", {}), ("cpu_shares: 0", {}),
        ("cpu_shares: 1", {"cpu_shares": 2}),
        ("cpu_quota: 50000", {"limits": {"cpus": 0.5}}),
        ("cpu_quota: 150000\n    cpu_period: 100000", {"limits": {"cpus": 1.5}}), ("cpu_quota: -1", {}),
        ("deploy: {resources: {limits: {cpus: '0', memory: 0}}}", {}),
        ("restart: on-failure:0", {"restart": "on-failure"}),
        ("healthcheck: {test: [CMD, x], interval: 0s, timeout: 0s, retries: 0, start_period: 0s}",
         {"health": {"kind": "docker", "start_period": "0s"}}),
        ("healthcheck: {test: [NONE], interval: 5s}", {}),
    ],
)  # fmt: skip
def test_what_docker_takes_as_nothing_said(said: str, expected: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(f"services:\n  a:\n    image: x\n    {said}\n")
    deployment = read_deployment([tmp_path])
    service = assemble(deployment).document["services"]["a"]
    found = {key: service[key] for key in ("limits", "cpu_shares", "health", "restart") if key in service}
    assert found == {"restart": "no", **expected}
    assert not deployment.ledger.problems and not deployment.ledger.unmodelled()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("cpus: 0.001", "at least 0.01"), ("mem_limit: 1m", "at least 6M"),
        ("cpu_quota: 50000\n    cpu_period: 50000", "say cpus"), ("restart: always:3", "must be one of"),
        ("healthcheck: {interval: 5s}", "stands in the image: not modelled"),
    ],
)  # fmt: skip
def test_what_docker_refuses_or_the_image_says(said: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(f"services:\n  a:\n    image: x\n    {said}\n")
    deployment = read_deployment([tmp_path])
    service = assemble(deployment).document["services"]["a"]
    assert not {"limits", "health"} & set(service) and service.get("restart", "no") == "no"
    assert message in str(deployment.ledger.problems) and deployment.ledger.unmodelled()


@pytest.mark.parametrize("said", ["scale: 0", "deploy: {replicas: 0}"])
def test_what_is_scaled_to_nothing_is_not_there(said: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        f"services:\n  a: {{image: x}}\n  b:\n    image: y\n    cpus: 2\n    {said}\n"
    )
    deployment = read_deployment([tmp_path])
    assert list(assemble(deployment).document["services"]) == ["a"]
    assert "b: 0 replicas: it is not started." in str(deployment.ledger.problems)
    assert not [one for one in deployment.ledger.modelled.values() if "b" in one.key]
