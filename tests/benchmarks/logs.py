"""How fast logs are read, beside a bare loop over the same lines: `python tests/benchmarks/logs.py`.

Each format is read whole, every column, names and all, and beside it a loop runs over the same file that does nothing
but take its values out (logs_to_read.py). Both in turn, several times, in CPU time; each speed is a median, and each
ratio a median of ratios of one turn, so that whatever else the machine does slows both. `--memory LINES` reads so many
combined lines through a pipe, and 100,000, each in a process of its own, and compares the peaks of their memory.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time

from logs_to_read import SAMPLES, Run, Sample, combined_line, requests

from experiments.logs import read_logs

BAR = 0.8
"""Combined lines may be read at no less than this share of the speed of the bare loop."""
OTHERS_BAR = 1 / 1.5
MEMORY_BAR = 1.5
FEW = 100_000


def reading(sample: Sample) -> Run:
    def read(path: Path) -> None:
        for _ in read_logs([str(path)], format=sample.format).batches():
            pass

    return read


def bytes_per_s(run: Run, path: Path) -> float:
    began = process_time()
    run(path)
    return path.stat().st_size / (process_time() - began)


def compare(sample: Sample, count: int, turns: int) -> float:
    """Print the speeds. Returns the ratio of reading to the bare loop."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        sample.write(requests(count), path)
        sample.bare(path)
        reading(sample)(path)  # what is loaded once is loaded
        speeds = [(bytes_per_s(reading(sample), path), bytes_per_s(sample.bare, path)) for _ in range(turns)]
    ratio = median(read / bare for read, bare in speeds)
    read, bare = (median(each) / 1e6 for each in zip(*speeds, strict=True))
    print(f"{sample.name:17}{read:5.0f} MB/s{ratio:7.2f} x{bare:6.0f} MB/s of {sample.loop}", flush=True)
    return ratio


def peak_bytes(count: int) -> int:
    """The most memory that a process of its own takes to read so many lines from a pipe."""
    block = "".join(combined_line(request) + "\n" for request in requests(FEW)).encode()
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
    parser.add_argument("formats", nargs="*", help="names of formats, or their begins; all of them without")
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--memory", type=int, default=0, metavar="LINES")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child()
        return 0
    failed = False
    for sample in SAMPLES:
        if not arguments.formats or sample.name.lower().startswith(tuple(map(str.lower, arguments.formats))):
            ratio = compare(sample, arguments.lines, arguments.turns)
            failed |= ratio < (BAR if sample.name == "combined" else OTHERS_BAR)
    if arguments.memory:
        few, many = peak_bytes(FEW), peak_bytes(arguments.memory)
        told = f"{few / 1e6:.0f} MB for {FEW:,} lines, {many / 1e6:.0f} MB for {arguments.memory:,}"
        print(f"memory: {told}: {many / few:.2f} x")
        failed |= many > MEMORY_BAR * few
    bars = f"{BAR} x bare loop for combined lines, {OTHERS_BAR:.2f} x for the others, {MEMORY_BAR} x memory"
    print(f"below the bar ({bars})" if failed else f"at or above the bars ({bars})")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
