"""Peak memory of replays of a short and of a long log, as a ratio; both are simulated whole.

python tests/benchmarks/replay_memory.py                 100,000 and 10,000,000 lines: some minutes, 2 GB of disk
python tests/benchmarks/replay_memory.py --lines 1000000
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHORT = 100_000
PER_SECOND = 200
ALLOWED = 1.5
SCENARIO = """\
description: One service that waits a moment.
duration: 5s
warm_up: 0s
replications: 1
machines:
  vm: {cores: 4, memory: 4G}
services:
  api:
    machine: vm
    base_memory: 200M
    endpoints:
      get: {steps: [{kind: delay, duration: 1ms}]}
routes:
  get: {service: api, endpoint: get, path: "/api/{id}"}
traffic:
  open: {rate: 50/s}
  mix: {get: 1}
"""
REPLAY = """\
import re, sys
from experiments.cli import main

code = main(sys.argv[1:])
with open("/proc/self/status") as file:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1], file=sys.stderr)
sys.exit(code)
"""


def write_log(path: Path, lines: int) -> None:
    """Combined lines of 5,000 addresses and 2,000 paths, in order."""
    chance = np.random.default_rng(1)
    with path.open("w") as file:
        for first in range(0, lines, SHORT):
            count = min(SHORT, lines - first)
            seconds = (first + np.arange(count)) // PER_SECOND
            days, rest = np.divmod(seconds, 86_400)
            columns = zip(
                chance.integers(0, 5000, count).tolist(), chance.integers(0, 2000, count).tolist(), days.tolist(),
                rest.tolist(), strict=True,
            )  # fmt: skip
            file.writelines(
                f"10.0.{ip >> 8}.{ip & 255} - - [{day + 1:02}/Oct/2015:{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02} "
                f'+0000] "GET /api/{path} HTTP/1.1" 200 512 "-" "curl"\n'
                for ip, path, day, at in columns
            )


def replay(folder: Path, lines: int) -> tuple[int, float]:
    """Peak memory in kB and seconds of a replay."""
    log, scenario = folder / f"{lines}.log", folder / "light.yaml"
    write_log(log, lines)
    scenario.write_text(SCENARIO)
    began = time.perf_counter()
    said = subprocess.run(
        [sys.executable, "-c", REPLAY, "replay", str(log), "--scenario", str(scenario), "--json"],
        capture_output=True, text=True, check=True, env={"PATH": "", "TMPDIR": str(folder)},
    )  # fmt: skip
    wall_s = time.perf_counter() - began
    log.unlink()
    result = json.loads(said.stdout)
    assert result["replay"]["lines"] == result["requests"]["arrived"] == lines
    return int(re.split(r"\s+", said.stderr.strip())[-1]), wall_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        peaks = []
        for lines in (SHORT, arguments.lines):
            peak_kb, wall_s = replay(Path(folder), lines)
            peaks.append(peak_kb)
            print(f"{lines:>12,} lines: peak {peak_kb / 1024:6.0f} MB, {wall_s:6.1f} s", flush=True)
    ratio = peaks[1] / peaks[0]
    print(f"ratio {ratio:.2f}, allowed {ALLOWED}")
    return 0 if ratio <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
