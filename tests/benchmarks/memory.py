"""Peak memory of the reference model over its length: `nice python memory.py` (ten million requests take minutes).

Each length has a process of its own. Keeps what it measured in measured/memory.json, for the docs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MOST = 1.2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", default="100000,1000000,10000000", help="lengths (default: %(default)s)")
    seen = []
    for requests in map(int, parser.parse_args().requests.split(",")):
        command = [sys.executable, str(HERE / "ways.py"), "scenario", "reference", str(requests), "1"]
        done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        seen.append({key: done[key] for key in ("requests", "peak_mib", "cpu_s", "compiled")})
        print(
            f"{done['requests']:12,} requests: peak {done['peak_mib']:.1f} MiB, "
            f"{done['peak_mib'] / seen[0]['peak_mib']:.3f} times the first, "
            f"{done['requests'] / done['cpu_s']:,.0f} requests/s", flush=True,
        )  # fmt: skip
    (HERE / "measured").mkdir(exist_ok=True)
    (HERE / "measured" / "memory.json").write_text(json.dumps(seen, indent=1) + "\n")
    return 1 if seen[-1]["peak_mib"] > MOST * seen[0]["peak_mib"] else 0


if __name__ == "__main__":
    sys.exit(main())
