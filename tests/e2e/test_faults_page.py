"""The examples of docs/faults.md run, and show what the page says that they show."""

from __future__ import annotations

import re
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from experiments.report import render
from experiments.runner import run
from experiments.scenario import load_scenario
from models.system import SystemSpec


class Here(Executor):
    """Runs every replication at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def blocks(project: Path) -> list[dict[str, Any]]:
    parts = (project / "docs" / "faults.md").read_text().split("```yaml\n")[1:]
    return [yaml.safe_load(part.split("```")[0]) for part in parts]


@pytest.fixture(scope="module")
def examples(project: Path) -> list[dict[str, Any]]:
    return [block for block in blocks(project) if "routes" in block]


def result(folder: Path, document: dict[str, Any]) -> dict[str, Any]:
    path = folder / "example.yaml"
    path.write_text(yaml.safe_dump(document))
    found: dict[str, Any] = run(load_scenario(path), executor=Here()).document
    return found


def test_a_cache_that_goes_away_is_felt_and_comes_back_empty(tmp_path: Path, examples: list[dict[str, Any]]) -> None:
    found = result(tmp_path, {**examples[0], "replications": 1})
    (span,) = found["faults"]["redis-down"]["spans"]
    assert (span["begins_s"], span["ends_s"]) == (60.0, 90.0)
    assert found["requests"]["failed"]["cache_unavailable"] > 3000
    assert found["recovery"][0]["causes"] == ["faults.redis-down"]
    calm = result(tmp_path, {**examples[0], "replications": 1, "faults": {}})
    assert calm["success_rate"] > 0.999


def test_a_release_is_silent_only_where_callers_are_told(tmp_path: Path, examples: list[dict[str, Any]]) -> None:
    def failures(**shutdown: Any) -> dict[str, float]:
        document = {**examples[1], "replications": 1}
        shop = {**document["services"]["shop"], "shutdown": shutdown}
        requests = result(tmp_path, {**document, "services": {"shop": shop}})["requests"]
        return {**requests["refused"], **requests["failed"]}

    assert list(failures(graceful=True)) == ["connection_refused"]
    assert failures(graceful=True, deregistration="5s") == {}
    assert list(failures()) == ["instance_died"]


def test_every_other_block_is_what_a_scenario_may_hold(project: Path, examples: list[dict[str, Any]]) -> None:
    whole = {**examples[0], "traffic": {"open": {"rate": "1/s"}, "mix": {"item": 1}}}
    for block in blocks(project):
        if "routes" not in block:
            shop = {**whole["services"]["shop"], "replicas": 3, **block.get("services", {}).get("shop", {})}
            SystemSpec.model_validate({**whole, "faults": {}, **block, "services": {"shop": shop}})


def test_the_report_says_when_a_fault_was_on(tmp_path: Path, examples: list[dict[str, Any]]) -> None:
    sick = {"kind": "hang", "target": "services.shop.replica-1", "at": "20s"}
    health = {"kind": "docker", "interval": "10s", "timeout": "5s"}
    shop = {**examples[1]["services"]["shop"], "health": health}
    more = {"duration": "80s", "replications": 1, "faults": {"sick": sick}, "services": {"shop": shop}}
    found = result(tmp_path, {**examples[1], **more})
    assert found["faults"]["sick"]["spans"][0]["ends_s"] is None
    assert found["health"]["services.shop.replica-1"] == {"failures": 4, "unhealthy": 1}
    with open(tmp_path / "report.txt", "w") as file:
        render(found, Console(file=file, width=140))
    text = (tmp_path / "report.txt").read_text()
    assert "at 20 s: services.shop.replica-1 hangs" in text
    assert re.search(r"shop #1 +4 +1$", text[text.index("HEALTH CHECKS") :], re.M)
