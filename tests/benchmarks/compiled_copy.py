"""`.venv/compiled`: the program as it stands here, compiled in a copy of its own.

So no library comes to lie beside the sources. Made when first needed, and again when a source has changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / ".venv" / "compiled"
PARTS = ("sim", "models", "experiments", "tests/benchmarks")
LEFT = ("__pycache__", "*.so", "compiled.json")


class Compiled(NamedTuple):
    """Where the compiled program is, or why it is not."""

    folder: Path | None
    why_not: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which Python finds the copy, and nothing else by these names."""
        return {"PYTHONPATH": str(self.folder)} if self.folder else {}


def prepare() -> Compiled:
    """Bring the copy up to date and compile it unless it is. Takes minutes the first time."""
    compiler = (os.environ.get("CC") or "gcc").split()[0]
    if shutil.which(compiler) is None:
        return Compiled(None, f"there is no C compiler called {compiler}")
    made = Compiled(FOLDER)
    bring_up_to_date()
    if not is_compiled(made):
        print(f"Compiling a copy in {FOLDER.relative_to(PROJECT)}; that takes some minutes ...", file=sys.stderr)
        command = [sys.executable, "-m", "experiments.compilation", "--keep", str(FOLDER / "c-files")]
        done = subprocess.run(
            command, cwd=FOLDER, env=variables(made), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode != 0 or not is_compiled(made):
            said = done.stderr.strip().splitlines()
            return Compiled(None, f"it could not be compiled: {said[-1] if said else done.returncode}")
    return made


def bring_up_to_date() -> None:
    """Sources as they are here; what has been compiled stays, `sim` knows whether it still belongs to them."""
    for part in PARTS:
        here, there = PROJECT / part, FOLDER / part
        kept = {path.relative_to(there) for pattern in LEFT[1:] for path in there.rglob(pattern)}
        wanted = {path.relative_to(here) for path in here.rglob("*") if path.is_file() and not is_left(path)}
        if there.is_dir():
            for path in list(there.rglob("*")):
                if path.is_file() and path.relative_to(there) not in wanted | kept:
                    path.unlink()
        for name in wanted:
            source, target = here / name, there / name
            if not target.is_file() or target.read_bytes() != source.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def is_left(path: Path) -> bool:
    return "__pycache__" in path.parts or any(path.match(pattern) for pattern in LEFT)


def is_compiled(made: Compiled) -> bool:
    command = [sys.executable, "-c", "import sim; print(sim.compiled(), sim.ROOT)"]
    done = subprocess.run(command, cwd=FOLDER, env=variables(made), capture_output=True, text=True, check=False)
    return done.stdout.strip() == f"True {FOLDER}"


def variables(made: Compiled) -> dict[str, str]:
    environment = {**os.environ, **made.environment}
    environment.pop("WINDTUNNEL_PURE", None)
    return environment
