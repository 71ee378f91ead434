"""The command line as people meet it: in this process where that says the same, as one of its own where it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main

SMALL = """\
description: One service on one machine.
duration: 5s
warm_up: 1s
replications: 2
machines:
  vm: {cores: 2, memory: 4G}
services:
  api:
    machine: vm
    base_memory: 200M
    endpoints:
      get:
        steps:
          - {kind: cpu, demand: {kind: exponential, mean: 4ms}}
          - {kind: delay, name: disk, duration: 2ms}
routes:
  get: {service: api, endpoint: get, path: "/api/{id}"}
traffic:
  open: {rate: 50/s}
  mix: {get: 1}
objectives:
  fast: {path: /latency_ms/all/p50, at_most: 1000}
variants:
  twice: {description: Twice the load., set: {traffic.open.rate: 100/s}}
"""


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it told people, line by line."""
        return self.err.splitlines()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A scenario that runs in a moment, alone in its folder."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    path = folder / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def windtunnel(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """`windtunnel("run", path)`: the command, in this process, which tells no progress however long it takes."""
    monkeypatch.setattr("experiments.cli.common.QUIET_S", float("inf"))

    def command(*arguments: Any) -> Said:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return command


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """`start("run", path)`: the command as a process of its own group, in an empty folder; ended with the test."""
    started: list[subprocess.Popen[bytes]] = []
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def command(*arguments: Any, stdin: Any = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments", *map(str, arguments)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        started.append(process)
        return process

    yield command
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.communicate()
