"""How fast logs are read, beside a bare loop over the same lines: `python tests/benchmarks/logs.py`.

    match only    `for line in file: match(line)` with the strict expression of a combined line: nothing is taken out
    bare loop     the same and `.groups()`: the texts are taken out, and nothing is made of them
    combined      read_logs: every column, names and all
    others        nginx's log_format with times, JSON lines, CSV: as a share of the bare loop, too

All in turn, several times, in CPU time; each figure is a median, and each ratio a median of ratios of one turn, so that
whatever else the machine does slows all of them. `--memory LINES` reads so many lines through a pipe, and 100,000, each
in a process of its own, and compares the peaks of their memory.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import process_time

from experiments.logs import read_logs
from experiments.logs.combined import LINE

BAR = 0.8
"""Combined lines may be read at no less than this share of the speed of the bare loop."""
MEMORY_BAR = 1.5
FEW = 100_000

AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "curl/8.4.0",
]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    "rt=$request_time urt=$upstream_response_time"
)


def combined_lines(count: int, seed: int = 1) -> Iterator[str]:
    """Lines of a busy site: 40 a second, 20,000 addresses, 5,000 paths."""
    chance = random.Random(seed)
    for number in range(count):
        second = number // 40
        minute, hour, day = second // 60 % 60, second // 3600 % 24, 1 + second // 86_400 % 28
        month = MONTHS[second // (28 * 86_400) % 12]
        ip = chance.randrange(20_000)
        path = int(5_000 * chance.random() ** 3)
        stamp = f"{day:02}/{month}/2023:{hour:02}:{minute:02}:{second % 60:02} +0100"
        yield (
            f"10.{ip >> 14}.{ip >> 7 & 127}.{ip & 127} - - [{stamp}] "
            f'"GET /api/places/{path}?page={path % 3} HTTP/1.1" 200 {chance.randrange(90_000)} '
            f'"https://example.com/places" "{AGENTS[ip % 3]}"\n'
        )


def write_samples(folder: Path, count: int) -> dict[str, Path]:
    """The same requests in several formats."""
    lines = list(combined_lines(count))
    rows = [line.split('"') for line in lines]
    paths = {name: folder / name for name in ("combined", "nginx", "json", "csv")}
    paths["combined"].write_text("".join(lines))
    paths["nginx"].write_text("".join(f"{line[:-1]} rt=0.123 urt=0.100, 0.020\n" for line in lines))
    paths["json"].write_text(
        "".join(
            json.dumps({"time": row[0][-28:-2], "remote_addr": row[0].split(" ")[0], "request": row[1], "status": 200,
                        "request_time": 0.123, "agent": row[5]}) + "\n"
            for row in rows
        )
    )  # fmt: skip
    paths["csv"].write_text(
        "time,ip,method,path,status,latency_ms,agent\n"
        + "".join(
            f'{row[0][-28:-2]},{row[0].split(" ")[0]},GET,{row[1].split(" ")[1]},200,123,"{row[5]}"\n' for row in rows
        )
    )
    return paths


def match_only(path: Path) -> None:
    match = LINE.match
    with path.open("rb") as file:
        for line in file:
            match(line)


def bare(path: Path) -> None:
    match = LINE.match
    with path.open("rb") as file:
        for line in file:
            found = match(line)
            if found is not None:
                found.groups()


def reading(format_name: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        for _ in read_logs([str(path)], format=format_name).batches():
            pass

    return read


def bytes_per_s(run: Callable[[Path], None], path: Path) -> float:
    began = process_time()
    run(path)
    return path.stat().st_size / (process_time() - began)


def compare(count: int, turns: int) -> float:
    """Print the speeds. Returns the ratio of combined lines to the bare loop."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_samples(Path(folder), count)
        ways: dict[str, tuple[Callable[[Path], None], Path]] = {
            "match only": (match_only, paths["combined"]), "bare loop": (bare, paths["combined"]),
            "combined": (reading("combined"), paths["combined"]), "nginx": (reading(NGINX), paths["nginx"]),
            "json": (reading("json"), paths["json"]), "csv": (reading("csv"), paths["csv"]),
        }  # fmt: skip
        speeds = [{name: bytes_per_s(run, path) for name, (run, path) in ways.items()} for _ in range(turns)]
    ratios = {name: median(turn[name] / turn["bare loop"] for turn in speeds) for name in ways}
    for name in ways:
        print(f"{name:14} {median(turn[name] for turn in speeds) / 1e6:7.0f} MB/s   {ratios[name]:5.2f} x bare loop")
    return ratios["combined"]


def peak_bytes(count: int) -> int:
    """The most memory that a process of its own takes to read so many lines from a pipe."""
    block = "".join(combined_lines(FEW)).encode()
    with subprocess.Popen(
        [sys.executable, __file__, "--child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for _ in range(count // FEW):
            child.stdin.write(block)
        child.stdin.close()
        lines, peak = json.loads(child.stdout.read())
    assert lines == count, (lines, count)
    return int(peak)


def child() -> None:
    result = read_logs(["-"])
    for _ in result.batches():
        pass
    print(json.dumps([result.requests, own_peak_bytes()]))


def own_peak_bytes() -> int:
    """Not what getrusage says, which a process inherits from the one that starts it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--memory", type=int, default=0, metavar="LINES")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child()
        return 0
    ratio = compare(arguments.lines, arguments.turns)
    failed = ratio < BAR
    if arguments.memory:
        few, many = peak_bytes(FEW), peak_bytes(arguments.memory)
        told = f"{few / 1e6:.0f} MB for {FEW:,} lines, {many / 1e6:.0f} MB for {arguments.memory:,}"
        print(f"memory: {told}: {many / few:.2f} x")
        failed |= many > MEMORY_BAR * few
    print("below the bar" if failed else f"at or above the bars ({BAR} x bare loop, {MEMORY_BAR} x memory)")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
