"""A scenario's traffic, measured or read from a load test: values, each with its source, as YAML."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from experiments.shapes.curve import Point
from sim.quantities import RateValue, format_duration, format_rate

REPLACED: Final = ("users", "open", "trace", "shape", "surges")
"""What a section stands in place of, under traffic."""
SourceOf = Literal["measured", "file", "assumed"]


@dataclass
class Section:
    """Part of a scenario document."""

    title: str
    """What it is, for the head of the file."""
    traffic: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """More lines for the head of the file."""
    duration_s: float | None = None

    def say(self, path: str, value: Any, source: SourceOf, ref: str, note: str = "") -> None:
        """Set a value below `traffic`, at a path of names with dots, and say where it comes from."""
        place = self.traffic
        *above, last = path.split(".")
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
        self.source(path, source, ref, note)

    def source(self, path: str, source: SourceOf, ref: str, note: str = "") -> None:
        """Where the values at a path below `traffic` come from."""
        entry = {"source": source, "ref": ref, "note": note}
        self.provenance[f"traffic.{path}"] = {key: text for key, text in entry.items() if text}

    def document(self) -> dict[str, Any]:
        """As part of a scenario."""
        duration = {} if self.duration_s is None else {"duration": format_duration(self.duration_s)}
        return {**duration, "traffic": self.traffic, "provenance": self.provenance}

    def text(self) -> str:
        """As YAML, with a head that says what to do with it."""
        from ruamel.yaml import YAML

        lines = [self.title, *self.notes, "It stands in place of users, open, trace, shape and surges under traffic."]
        out = io.StringIO()
        for line in lines:
            out.write(f"# {' '.join(line.split())}\n")
        yaml = YAML()
        yaml.default_flow_style = None  # lists and mappings without further ones inside stand on one line
        yaml.width = 110
        yaml.representer.ignore_aliases = lambda _: True
        yaml.dump(self.document(), out)
        return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def merged(scenario: Mapping[str, Any], section: Section) -> dict[str, Any]:
    """A scenario's document with this traffic in place of its own. What it says of sources is left out."""
    kept = {key: value for key, value in scenario["traffic"].items() if key not in REPLACED}
    document = {key: value for key, value in section.document().items() if key != "provenance"}
    rest = {key: value for key, value in scenario.items() if key != "provenance"}
    return {**rest, **document, "traffic": {**kept, **section.traffic}}


def rate_text(per_s: float) -> str:
    """A rate as a scenario has it, in the unit in which it is at least one."""
    for period_s in (1.0, 60.0, 3600.0, 86_400.0):
        if per_s * period_s >= 1 or period_s == 86_400.0:
            return format_rate(RateValue(float(f"{per_s * period_s:.6g}"), period_s))
    raise AssertionError("unreachable")


def shape_of(points: Sequence[Point], peak: float) -> dict[str, Any] | None:
    """The shape that runs through points, as factors of `peak`; None where the load is `peak` all the time."""
    if all(level == peak for _, level in points):
        return None
    return {
        "kind": "piecewise",
        "points": [{"at": format_duration(at_s), "factor": level / peak} for at_s, level in points],
    }
