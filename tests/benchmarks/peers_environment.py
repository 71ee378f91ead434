"""`.venv-peers`: the peers in an environment of their own, from pinned versions, made when first needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / ".venv-peers"
PINS = {"asyncflow": "asyncflow-sim==0.1.1", "happysim": "happysim==0.2.5", "ciw": "ciw==3.2.7",
        "salabim": "salabim==26.0.9"}  # fmt: skip
IMPORTED = {"asyncflow": "asyncflow", "happysim": "happysimulator", "ciw": "ciw", "salabim": "salabim"}
PYTHONS = ("3.13", "3.12", "3.11")
"""Newest first: happysim needs 3.13, asyncflow-sim 3.12."""


class Peers(NamedTuple):
    """The peers that can be run, and why the others cannot."""

    python: Path
    ready: list[str]
    skipped: dict[str, str]


def prepare() -> Peers:
    """Make the environment unless it stands. What cannot be installed is skipped with the reason."""
    python, stamp = FOLDER / "bin" / "python", FOLDER / ".installed.json"
    wanted = {**PINS, "simpy": f"simpy=={version('simpy')}"}
    if stamp.is_file():
        known = json.loads(stamp.read_text())
        if known["pins"] == wanted:
            return Peers(python, known["ready"], known["skipped"])
    interpreter = find_python()
    print(f"Installing the peers into {FOLDER.name} with {Path(interpreter).name} ...", file=sys.stderr)
    shutil.rmtree(FOLDER, ignore_errors=True)
    uv = find_uv()
    made = run([uv, "venv", "--quiet", "--python", interpreter, str(FOLDER)] if uv else
               [interpreter, "-m", "venv", str(FOLDER)])  # fmt: skip
    if made:
        return Peers(python, [], dict.fromkeys(PINS, made))
    install = [uv, "pip", "install", "--quiet", "--python", str(python)] if uv else [
        str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]  # fmt: skip
    ready, skipped = [], {}
    if failed := run([*install, wanted["simpy"], "numpy"]):
        return Peers(python, [], dict.fromkeys(PINS, failed))
    for name, pin in PINS.items():
        failed = run([*install, pin]) or run([str(python), "-c", f"import {IMPORTED[name]}"])
        if failed:
            skipped[name] = failed
        else:
            ready.append(name)
    stamp.write_text(json.dumps({"pins": wanted, "ready": ready, "skipped": skipped}))
    return Peers(python, ready, skipped)


def run(command: list[str]) -> str:
    """Nothing where it worked, else the last line of what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return "" if done.returncode == 0 else (said[-1] if said else f"exit code {done.returncode}")[:200]


def find_uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def find_python() -> str:
    """The newest interpreter there is that all peers allow, this one at worst."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for number in PYTHONS:
        candidates = [shutil.which(f"python{number}"), *map(str, sorted(root.glob(f"versions/{number}.*/bin/python")))]
        for candidate in candidates:
            if candidate and not run([candidate, "-c", "import venv"]):
                return candidate
    return sys.executable
