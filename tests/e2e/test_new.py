"""What a newcomer is asked, what comes of it, and what is said of wrong answers."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import load_scenario
from experiments.cli import main
from experiments.doctor import Severity, Subject, examine
from experiments.runner import run

PARTS = list(itertools.product((True, False), repeat=3))


def made(tmp_path: Path, *words: str) -> Path:
    file = tmp_path / "my.yaml"
    assert main(["new", str(file), "--yes", *words]) == 0
    return file


@pytest.mark.parametrize(("gateway", "database", "cache"), PARTS)
def test_every_combination_runs_and_has_nothing_wrong(
    gateway: bool, database: bool, cache: bool, tmp_path: Path
) -> None:  # fmt: skip
    parts = {"gateway": gateway, "database": database, "cache": cache}
    flags = [f"--{'' if wanted else 'no-'}{name}" for name, wanted in parts.items()]
    scenario = load_scenario(made(tmp_path, "--services", "shop=2,users", "--users", "50", *flags))
    assert (scenario.spec.gateway is not None, bool(scenario.spec.databases), bool(scenario.spec.caches)) == (
        gateway, database, cache,
    )  # fmt: skip
    result = run(scenario.with_settings(["duration=30s", "warm_up=5s"]), seed=1, replications=1).document
    assert result["requests"]["succeeded"] > 300
    assert result["requests"]["failed"] == {}
    wrong = [one for one in examine(Subject.of_scenario(scenario)) if one.severity is Severity.ERROR]
    assert wrong == []


def test_it_says_what_restarts_and_what_a_jvm_is(tmp_path: Path) -> None:
    document = load_scenario(made(tmp_path)).document
    service = document["services"]["api"]
    assert service["restart"] == document["gateway"]["restart"] == document["caches"]["redis"]["restart"] == "always"
    assert service["jvm"] == {"live_set": "60M", "allocation_per_request": "500K", "live_per_request": "100K"}


def test_every_value_has_a_source_and_every_section_a_comment(tmp_path: Path) -> None:
    file = made(tmp_path)
    scenario = load_scenario(file)
    text = file.read_text()
    for section in ("machines", "gateway", "services", "caches", "databases", "routes", "traffic", "objectives"):
        before = text.partition(f"\n{section}:")[0].rpartition("\n")[2]
        assert before.startswith("# "), section
    assert scenario.provenance_of("services.api.jvm.live_set") is not None
    assert scenario.provenance_of("services.api.restart") is not None


def test_many_services_have_the_memory_and_connections_they_need(tmp_path: Path) -> None:
    spec = load_scenario(made(tmp_path, "--services", "a=40,b=40")).spec
    assert spec.databases["postgres"].max_connections == 850  # 80 pools of 10, 3 reserved, rounded up
    assert spec.machines["host"].memory >= 2 * 80 * (290 << 20)


def asked(tmp_path: Path, answers: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "experiments", "new", str(tmp_path / "my.yaml")]
    return subprocess.run(words, input=answers, capture_output=True, text=True, timeout=120)


def test_wrong_answers_are_asked_again(tmp_path: Path) -> None:
    done = asked(tmp_path, "sh op\nshop=2,users\n0\n50\n-1\n2\n8GB\n8G\n")
    assert done.returncode == 0, done.stderr
    for word in ("sh op", "from 1 to 1048576", "above 0", "Write 8G"):
        assert word in done.stderr
    spec = load_scenario(tmp_path / "my.yaml").spec
    assert (spec.services["shop"].replicas, spec.services["users"].replicas) == (2, 1)
    assert (spec.machines["host"].cores, spec.machines["host"].memory) == (2, 8 << 30)


def test_json_says_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = made(tmp_path, "--services", "a=2,b", "--users", "7", "--json")
    told = json.loads(capsys.readouterr().out)
    machine = {"cores": 4, "memory": "16G"}
    assert told == {"file": str(file), "services": {"a": 2, "b": 1}, "users": 7, "machine": machine}


def test_nobody_answers(tmp_path: Path) -> None:
    done = asked(tmp_path, "\n")
    assert done.returncode == 2
    assert "--users: must be answered, and nobody does" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "my.yaml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--users", "0"], "--users: must be a whole number from 1 to"),
        (["--users", "many"], "--users: must be a whole number from 1 to"),
        (["--cores", "nan"], "--cores: must be a number above 0"),
        (["--memory", "8GB"], "Write 8G"),
        (["--memory", "0M"], "--memory: must be"),
        (["--memory", "100M"], "--memory: must be at least 1280M"),
        (["--services", "shop=0"], "must have 1 to 9999 replicas"),
        (["--services", "shop,shop"], "got shop twice"),
        (["--services", "redis"], "Rename it, or --no-cache"),
        (["--services", ""], "--services: must be names"),
    ],
)
def test_wrong_options_are_told(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert main(["new", str(tmp_path / "my.yaml"), "--yes", *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "my.yaml").exists()


def test_a_name_that_another_part_would_have_is_free_without_it(tmp_path: Path) -> None:
    assert "redis" in load_scenario(made(tmp_path, "--services", "redis", "--no-cache")).spec.services
