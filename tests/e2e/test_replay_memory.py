"""However long a log is, its replay takes the same memory. For ten million lines: tests/benchmarks/replay_memory.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = 50_000
REPLAY = """\
import re, sys
from experiments.cli import main

code = main(sys.argv[1:])
with open("/proc/self/status") as file:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1])
sys.exit(code)
"""


def day_of_requests() -> bytes:
    """A day's requests, half of them an hour before their neighbours."""
    lines = [
        f"10.0.{number % 97}.{number % 31} - - [01/Oct/2015:{5 + number % 2 + number // 4000:02}:{number % 60:02}:"
        f'{number % 59:02} +0000] "GET /api/{number % 2003} HTTP/1.1" 200 512 "-" "curl"\n'
        for number in range(BLOCK)
    ]
    return "".join(lines).encode()


def peak_kb(log: Path, scenario: Path) -> int:
    said = subprocess.run(
        [sys.executable, "-c", REPLAY, "replay", str(log), "--scenario", str(scenario), "--replications", "1",
         "--duration", "20s", "--out", str(log.parent / "out")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(said.stdout.splitlines()[-1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process's peak memory")
def test_memory_does_not_grow_with_the_log(small: Path, tmp_path: Path) -> None:
    block = day_of_requests()
    short, long = tmp_path / "short.log", tmp_path / "long.log"
    short.write_bytes(block)
    with long.open("wb") as file:
        for day in [*range(10, 0, -1), *range(20, 10, -1)]:  # whole days stand in the wrong order, too
            file.write(block.replace(b"[01/Oct", b"[%02d/Oct" % day))
    first, second = peak_kb(short, small), peak_kb(long, small)
    assert second < 1.4 * first, f"{first} kB for {BLOCK} lines, {second} kB for {20 * BLOCK}"
