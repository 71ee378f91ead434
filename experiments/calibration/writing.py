"""The fitted scenario in the text of the old one: new values in place, comments kept, where each comes from said.

Models   The scenario's file is taken apart by the YAML parser, which tells where each value stands; only the text of
         changed values is replaced, and their entries under provenance are replaced or added. A scenario that was
         loaded with a variant or settings, or whose file is JSON, is written out whole instead.
         What is written is read again before it is kept: it must be the fitted system.
Checked  tests/unit/test_calibration_writing.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from experiments.calibration.calibrate import Calibration
from experiments.calibration.findings import FITTED, MEASURED, Finding, Interval
from experiments.errors import InputError, shown
from experiments.files import write_text
from experiments.scenario import Scenario
from experiments.scenario.document import parse_document
from experiments.scenario.load import validate
from experiments.scenario.provenance import BESIDE
from models.system import SystemSpec
from sim.quantities import format_duration

SUFFIXES = (".yaml", ".yml", ".json")
Path_ = tuple[str | int, ...]
Entries = Mapping[str, dict[str, str]]


def write_fitted(target: Path, calibration: Calibration) -> bool:
    """Write the fitted scenario. True where it is the old text with values replaced. Raises InputError."""
    check_target(target)
    entries = provenance_of(calibration)
    text = None
    if target.suffix != ".json":
        text = _in_place(calibration.scenario, calibration.changes, entries)
        if text is not None and not _is_fitted(text, calibration.spec):
            text = None
    is_in_place = text is not None
    if text is None:
        text = _whole(calibration, entries, as_json=target.suffix == ".json")
    write_text(target, text)
    return is_in_place


def check_target(target: Path) -> None:
    """Refuse a name of which the format cannot be told, before anything is computed for it."""
    if target.suffix not in SUFFIXES:
        raise InputError(f"-o: must end in .yaml, .yml or .json, got {shown(target.name)}. Add the suffix.")


def provenance_of(calibration: Calibration) -> dict[str, dict[str, str]]:
    """An entry for every value that has changed."""
    found = {}
    log = calibration.observed.log
    for finding in calibration.findings:
        if finding.verdict not in (FITTED, MEASURED) or not finding.after:
            continue
        for path in finding.paths:
            entry = {"source": finding.verdict, "ref": log}
            if note := note_of(finding):
                entry["note"] = note
            found[path] = entry
    return found


def note_of(finding: Finding) -> str:
    parts = []
    if finding.mean_s is not None:
        parts.append(f"mean {duration_range(finding.mean_s)}")
    if finding.spread is not None:
        parts.append(f"spread {number_range(finding.spread)}")
    if finding.number is not None:
        parts.append(number_range(finding.number))
    return "; ".join([", ".join(parts), finding.note] if parts and finding.note else parts or [finding.note])


def duration_range(interval: Interval) -> str:
    value, low, high = (format_duration(max(0.0, each)) for each in rounded_range(interval))
    return f"{value} [{low}, {high}]"


def number_range(interval: Interval) -> str:
    value, low, high = rounded_range(interval)
    return f"{value:g} [{low:g}, {high:g}]"


def rounded_range(interval: Interval) -> tuple[float, float, float]:
    """Value and bounds to the same place: the second digit of the interval's half width."""
    half = (interval.high - interval.low) / 2
    if not half > 0:
        return interval.value, interval.low, interval.high
    place = int(f"{half:e}".partition("e")[2]) - 1
    value, low, high = (float(f"{round(each / 10.0**place)}e{place}") for each in _three(interval))
    return value, low, high


def _three(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


# --- in place --------------------------------------------------------------------------------------------------------


def _in_place(scenario: Scenario, changes: Mapping[Path_, Any], entries: Entries) -> str | None:
    """The old text with new values; None where there is no such text, or it cannot be done."""
    if scenario.path is None or scenario.variant is not None or scenario.settings:
        return None
    if scenario.path.suffix == ".json":
        return None
    text = scenario.path.read_bytes().decode("utf-8").removeprefix("\ufeff")
    root = YAML(typ="rt").compose(text)
    if not isinstance(root, MappingNode):
        return None
    edits = []
    for path, value in changes.items():
        node = _node_at(root, path)
        if node is None:
            return None
        edits.append((*_extent(node), flow(value)))
    edits += _provenance_edits(text, root, entries)
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _node_at(node: Node, path: Path_) -> Node | None:
    for key in path:
        found: Node | None = None
        if isinstance(node, MappingNode):
            found = next((value for name, value in node.value if name.value == key), None)
        elif isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = node.value[key]
        if found is None:
            return None
        node = found
    return node


def _extent(node: Node) -> tuple[int, int]:
    """Where the text of a value begins and ends; what a block leaves behind it (comments, empty lines) is not in it."""
    start = node.start_mark.index
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
        return start, node.end_mark.index
    last = node.value[-1]
    return start, _extent(last[1] if isinstance(node, MappingNode) else last)[1]


def flow(value: Any) -> str:
    """A value as it stands in one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    if isinstance(value, float):
        return repr(value)
    return str(value)


def _provenance_edits(text: str, root: MappingNode, entries: Entries) -> list[tuple[int, int, str]]:
    node = _node_at(root, ("provenance",))
    if not entries:
        return []
    if node is None:
        gap = "" if text.endswith("\n") else "\n"
        return [(len(text), len(text), f"{gap}provenance:\n{_lines(entries)}\n")]
    if not isinstance(node, MappingNode) or not node.value:
        return [(node.start_mark.index, node.end_mark.index, "\n" + _lines(entries))]
    if node.flow_style:
        old = [
            f"{text[slice(*_extent(key))]}: {text[slice(*_extent(value))]}" for key, value in node.value
            if key.value not in entries
        ]  # fmt: skip
        return [(*_extent(node), "{" + ", ".join([*old, *(_entry(*each) for each in entries.items())]) + "}")]
    edits: list[tuple[int, int, str]] = []
    added: list[str] = []
    indent = " " * node.value[0][0].start_mark.column
    for path, entry in entries.items():
        there = next((pair for pair in node.value if pair[0].value == path), None)
        if there is None:
            added.append(f"\n{indent}{_entry(path, entry)}")
        else:
            edits.append((there[0].start_mark.index, _extent(there[1])[1], _entry(path, entry)))
    end = _end_of_line(text, _extent(node)[1])
    return edits + ([(end, end, "".join(added))] if added else [])


def _lines(entries: Entries) -> str:
    return "\n".join(f"  {_entry(path, entry)}" for path, entry in entries.items())


def _end_of_line(text: str, at: int) -> int:
    """Behind what stands in the rest of a line, a comment for instance."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _entry(path: str, entry: Mapping[str, str]) -> str:
    inner = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items())
    return f"{_key(path)}: {{{inner}}}"


def _key(path: str) -> str:
    """A path as a key: quoted where YAML would read it otherwise."""
    return json.dumps(path, ensure_ascii=False) if any(sign in path for sign in "\"': #{}[],&*!|>%@`") else path


# --- whole -----------------------------------------------------------------------------------------------------------


def _whole(calibration: Calibration, entries: Entries, as_json: bool) -> str:
    """The scenario as it was run, with new values."""
    scenario = calibration.scenario
    document: dict[str, Any] = json.loads(json.dumps(scenario.document))
    for path, value in calibration.changes.items():
        inside: Any = document
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = value
    said = {
        path: each.model_dump(exclude_defaults=True) for path, each in scenario.provenance.items()
        if not path.startswith("variants")
    }  # fmt: skip
    document["provenance"] = {**said, **entries}
    if as_json:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    out = StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 120
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.dump(document, out)
    return out.getvalue()


def _is_fitted(text: str, spec: SystemSpec) -> bool:
    """Whether a text is the fitted system."""
    try:
        document = parse_document(text.encode("utf-8"), "fitted.yaml")
        value = {key: each for key, each in document.value.items() if key not in BESIDE}
        again = validate(type(document)(value, document.origins), SystemSpec, known=BESIDE)
    except InputError:
        return False
    return again == spec
