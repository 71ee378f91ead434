"""A load test's file as the traffic of a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from experiments.errors import InputError
from experiments.shapes.curve import Load
from experiments.shapes.literals import MOST_BYTES
from experiments.shapes.read_k6 import is_k6, notes_of, read_k6
from experiments.shapes.read_locust import Waiting, read_locust
from experiments.shapes.section import Section, rate_text, shape_of
from sim.quantities import format_duration

ASSUMED_PAUSE_S: Final = 1.0
SCRIPTS: Final = (".js", ".mjs", ".cjs", ".ts")


def is_load_test(name: str) -> bool:
    """Whether a file is a script or options of k6, or a Locust file: by its suffix, and JSON by what it holds."""
    path = Path(name)
    suffix = path.suffix.lower()
    if suffix in (*SCRIPTS, ".py"):
        return True
    if suffix != ".json" or not path.is_file() or path.stat().st_size > MOST_BYTES:
        return False
    return is_k6(path.read_bytes().decode("utf-8", "replace"))


def read_load_test(name: str) -> tuple[Section, Load]:
    """The traffic section of a load test, and its load. Raises InputError."""
    text = _text(name)
    if name.lower().endswith(".py"):
        load, waiting = read_locust(text, name)
        what, notes = "Locust", []
    else:
        load, pause_s = read_k6(text, name)
        waiting = None if pause_s is None else Waiting(pause_s, pause_s)
        what, notes = "k6", notes_of(text)
    if not load.peak or not load.ends_s:
        raise InputError(f"{name}: must have a load above 0 for some time, got none. Raise a target.")
    section = Section(f"The load of {name}, for {what}.", notes=notes, duration_s=load.ends_s)
    if load.kind == "open":
        section.say("open.rate", rate_text(load.peak), "file", name, "at its highest")
    else:
        section.say("users.population", max(1, round(load.peak)), "file", name, "at the highest")
        _think(section, waiting, name)
    shape = shape_of(load.points, load.peak)
    if shape is not None:
        section.say("shape", shape, "file", name, "factors of the highest")
    section.notes.append("The mix, the client and who asks stay as the scenario has them.")
    return section, load


def _think(section: Section, waiting: Waiting | None, name: str) -> None:
    if waiting is None:
        note = "the pauses in the file are no plain numbers"
        section.say("users.think_time", format_duration(ASSUMED_PAUSE_S), "assumed", name, note)
    elif waiting.low_s == waiting.high_s:
        section.say("users.think_time", format_duration(waiting.low_s), "file", name)
    else:
        bounds = {"low": format_duration(waiting.low_s), "high": format_duration(waiting.high_s)}
        section.say("users.think_time", {"kind": "uniform", **bounds}, "file", name)


def _text(name: str) -> str:
    path = Path(name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{name}: must be at most {MOST_BYTES} bytes, got {path.stat().st_size}. Is it a script?")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: must be UTF-8, got something else at byte {error.start}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name}: must be a readable file, got: {reason.lower()}.") from None
