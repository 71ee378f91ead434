"""The files around the program: what is promised to whoever clones it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def pyproject(project: Path) -> dict[str, Any]:
    return tomllib.loads((project / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def tracked(project: Path) -> list[Path]:
    """Every file of the project, as git knows it."""
    if shutil.which("git") is None or not (project / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the project is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=project, capture_output=True, check=True, text=True).stdout
    return [project / name for name in listed.split("\0") if name and (project / name).is_file()]


def text_of(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode(errors="replace")


def test_nothing_names_the_machine_it_was_written_on(tracked: list[Path], project: Path) -> None:
    names = re.compile("|".join(["/wo" + "rk/", "/fa" + "rm/", "/ro" + "ot/", "/ho" + "me/[a-z]"]))
    found = [
        f"{path.relative_to(project)}:{number}: {line.strip()[:80]}"
        for path in tracked
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if names.search(line)
    ]
    assert found == []


def test_the_lock_names_no_registry_and_pins_everything(project: Path, pyproject: dict[str, Any]) -> None:
    lock = (project / "requirements.lock").read_text()
    assert "://" not in lock
    assert "index" not in lock.lower()
    pins: dict[str, str] = {}
    for line in lock.splitlines():
        if line and not line.lstrip().startswith("#"):
            match = re.fullmatch(r"([a-z0-9.-]+)==(\S+)( ; .+)?", line)
            assert match, line
            assert match[1] not in pins, f"{match[1]} stands twice: another Python would get other numbers"
            pins[match[1]] = match[2]
    wanted = pyproject["project"]["dependencies"] + pyproject["project"]["optional-dependencies"]["dev"]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_help_says_what_every_target_does(project: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    targets = set(re.findall(r"^([a-z-]+):", (project / "Makefile").read_text(), re.MULTILINE))
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # tests run under make
    shown = subprocess.run(["make", "help"], cwd=project, env=outside, capture_output=True, check=True, text=True)
    assert {line.split()[1] for line in shown.stdout.splitlines()} == targets
    assert {"run", "test", "check", "bench", "dashboard", "help"} <= targets


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("no-such-python", "There is no no-such-python"),
        ("#!/bin/sh\ncase $1 in --version) echo Python 3.9.1;; *) exit 1;; esac", "needs Python 3.11 or later"),
        ("#!/bin/sh\ncase $2 in *ensurepip*) exit 1;; esac", "apt-get install python3-venv"),
    ],
)
def test_what_is_missing_is_named(project: Path, tmp_path: Path, python: str, message: str) -> None:
    """In a folder with nothing but the Makefile's inputs, on a PATH without uv."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(project / name, tmp_path)
    if python.startswith("#!"):
        script = tmp_path / "python"
        script.write_text(python)
        script.chmod(0o755)
        python = str(script)
    path = os.pathsep.join(folder for folder in ("/usr/bin", "/bin") if not (Path(folder) / "uv").exists())
    done = subprocess.run(
        ["make", "install", f"PYTHON={python}"],
        cwd=tmp_path, capture_output=True, text=True, env={"PATH": path},
    )  # fmt: skip
    assert done.returncode != 0
    assert message in done.stderr
    assert not list(tmp_path.glob(".venv/.installed*"))


def test_ci_runs_the_tests(project: Path) -> None:
    script = project / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    assert re.findall(r"^\s*(make .*)$", script.read_text(), re.MULTILINE) == ["make test", "make test-compiled"]
    if shutil.which("bash"):
        subprocess.run(["bash", "-n", str(script)], check=True)


def test_both_ways_to_open_the_dashboard_look_the_same(project: Path) -> None:
    settings = [
        tomllib.loads((project / folder / ".streamlit" / "config.toml").read_text())
        for folder in (".", "experiments/dashboard")
    ]
    assert settings[0] == settings[1]
    assert settings[0]["browser"]["gatherUsageStats"] is False
    assert settings[0]["server"] == {"headless": True, "address": "127.0.0.1"}
    assert settings[0]["client"]["toolbarMode"] == "minimal"


def test_the_changelog_has_room_for_what_is_not_released(project: Path) -> None:
    changelog = (project / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert headings[0] == "Unreleased"
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
