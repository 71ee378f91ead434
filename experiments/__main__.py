"""The command line: `windtunnel`, also `python -m experiments`.

What a command prints as its result goes to standard output, everything else to standard error. Exit codes: 0 it ran,
1 a gate did not hold, 2 bad input, 3 the simulation itself is wrong, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys

from experiments.cli import main

if __name__ == "__main__":
    sys.exit(main())
