"""Reads what a monitoring system has measured of the CPU of containers: CSV, or the answer to a Prometheus range query.

Models   CSV has a column `time` (ISO 8601 with a zone, or seconds since 1970) and one column a container, named by its
         path in the scenario or its last part, with what the cell is: `main cpu_seconds` (a counter), `main cores`
         (mean busy cores since the sample before), `main utilisation` (the same as a share of the container's limit or,
         without one, of its machine).
         Prometheus: a matrix of a counter (its name ends in _seconds_total) or, without such a name, of the rate() of
         one: cores. The container is told by the first label of LABELS that names one; series of the same one are
         added. A counter that falls began again: the window is left out.
Units    Nanoseconds since 1970, seconds of CPU.
Source   https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries
Checked  tests/unit/test_calibration_utilisation.py
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments.errors import InputError, shown
from experiments.scoring.observed import Floats, Integers
from models.system import SystemSpec, containers

LARGEST_BYTES: Final = 64_000_000
LABELS: Final = (
    "container", "container_label_com_docker_compose_service", "service", "app", "job", "name", "pod", "instance",
)  # fmt: skip
KINDS: Final = ("cpu_seconds", "cores", "utilisation")
FORM: Final = "See docs/calibrate.md for the form."


@dataclass(frozen=True)
class Samples:
    """CPU time of a container between instants."""

    container: str
    """Its path in the scenario."""
    at_ns: Integers
    cpu_s: Floats
    """Between each instant and the next, in seconds of a core of speed 1; NaN where that is not known."""


def read_samples(name: str, spec: SystemSpec) -> list[Samples]:
    """CPU time by container. Raises InputError."""
    text = _text(name)
    found = _of_prometheus(name, text, spec) if text.lstrip()[:1] in ("{", "[") else _of_csv(name, text, spec)
    if not found:
        raise InputError(f"{shown(name)[1:-1]}: must have samples of a container of the scenario, got none. {FORM}")
    return found


def _text(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"--utilisation: cannot be read: {error.strerror}. ({shown(name, 100)[1:-1]})") from None
    if len(data) > LARGEST_BYTES:
        raise InputError(f"{shown(name)[1:-1]}: must have at most {LARGEST_BYTES // 1_000_000} MB. Query a wider step.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{shown(name)[1:-1]}: must be UTF-8 text: CSV or JSON. {FORM}") from None


# --- whose a series is -----------------------------------------------------------------------------------------------


def _paths(spec: SystemSpec) -> dict[str, str]:
    """Paths of containers, by what they may be called; a name of two things means neither."""
    named: dict[str, str] = {}
    twice: set[str] = set()
    for path, _ in containers(spec):
        last = path.rpartition(".")[2]
        if named.setdefault(last, path) != path:
            twice.add(last)
    paths = {path: path for path, _ in containers(spec)}
    return {**{last: path for last, path in named.items() if last not in twice}, **paths}


def _path_of(label: str, paths: Mapping[str, str]) -> str | None:
    """`api`, `services.api`, or Compose's and Kubernetes' `project-api-1`, `api-5d4f-x7x9`."""
    if label in paths:
        return paths[label]
    fits = {path for name, path in paths.items() if re.search(rf"(^|[-_/]){re.escape(name)}([-_:.]|$)", label)}
    return fits.pop() if len(fits) == 1 else None


def _cores(spec: SystemSpec, path: str) -> float:
    container = dict(containers(spec))[path]
    replicas = spec.services[path.partition(".")[2]].replicas if path.startswith("services.") else 1
    return float(container.limits.cpus or spec.machines[container.machine].cores) * replicas


def _seconds(kind: str, at_ns: Integers, values: Floats, cores: float) -> Floats:
    """CPU time between samples."""
    if kind == "cpu_seconds":
        grown = np.diff(values)
        return np.where(grown < 0, np.nan, grown)
    busy = values[1:] * (cores if kind == "utilisation" else 1.0)
    return np.asarray(np.where(busy < 0, np.nan, busy * np.diff(at_ns) / 1e9))


def _added(parts: Mapping[str, list[tuple[Integers, Floats]]]) -> list[Samples]:
    """Series of the same container are its replicas: windows that all of them have are added."""
    found = []
    for path, series in parts.items():
        at_ns, cpu_s = series[0]
        for other_ns, other_s in series[1:]:
            if not np.array_equal(at_ns, other_ns):
                raise InputError(
                    f"{path}: must have all its series sampled at the same instants, got several that differ. "
                    "Sum them up in the query: sum by (container) (...)."
                )
            cpu_s = cpu_s + other_s
        found.append(Samples(path, at_ns, cpu_s))
    return found


# --- Prometheus ------------------------------------------------------------------------------------------------------


def _of_prometheus(name: str, text: str, spec: SystemSpec) -> list[Samples]:
    said = shown(name)[1:-1]
    try:
        document = json.loads(text)
        data = document.get("data", document) if isinstance(document, dict) else {"result": document}
        series = data["result"]
        rows = [(dict(each["metric"]), [(float(at), float(value)) for at, value in each["values"]]) for each in series]
    except RecursionError:
        raise InputError(f"{said}: must be the answer to a range query, got JSON nested too deeply. {FORM}") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{said}: must be the answer to a range query of Prometheus (a matrix), got something else: "
            f"{shown(str(error), 80)[1:-1]}. Ask /api/v1/query_range. {FORM}"
        ) from None
    paths, parts = _paths(spec), dict[str, list[tuple[Integers, Floats]]]()
    for labels, values in rows:
        path = _labelled(labels, paths)
        if path is None or len(values) < 2:
            continue
        is_counter = str(labels.get("__name__", "")).endswith("_seconds_total")
        parts.setdefault(path, []).append(_series(said, "cpu_seconds" if is_counter else "cores", values, spec, path))
    if rows and not parts:
        raise InputError(
            f"{said}: must have a label that names a container of the scenario, one of {', '.join(sorted(paths))}, got "
            f"{shown(json.dumps(rows[0][0]), 120)[1:-1]}. Rename it in the query with label_replace()."
        )
    return _added(parts)


def _labelled(labels: Mapping[str, Any], paths: Mapping[str, str]) -> str | None:
    for label in LABELS:
        path = _path_of(str(labels[label]), paths) if labels.get(label) else None
        if path is not None:
            return path
    return None


def _series(
    said: str, kind: str, values: list[tuple[float, float]], spec: SystemSpec, path: str
) -> tuple[Integers, Floats]:  # fmt: skip
    at = np.array([at for at, _ in values])
    if not bool(np.isfinite(at).all()) or float(np.abs(at).max()) > 1e11 or bool((np.diff(at) <= 0).any()):
        raise InputError(f"{said}: must have instants in seconds since 1970 that rise, got others. ({path})")
    at_ns = np.rint(at * 1e9).astype(np.int64)
    return at_ns, _seconds(kind, at_ns, np.array([value for _, value in values]), _cores(spec, path))


# --- CSV -------------------------------------------------------------------------------------------------------------


def _of_csv(name: str, text: str, spec: SystemSpec) -> list[Samples]:
    said = shown(name)[1:-1]
    lines = _lines(said, text)
    header = [cell.strip() for cell in next(lines, (0, []))[1]]
    if not header or header[0].lower() != "time" or len(header) < 2:
        raise InputError(
            f"{said}: must begin with a header such as 'time,api cpu_seconds', got {shown(','.join(header), 80)}. "
            f"{FORM}"
        )
    paths = _paths(spec)
    columns = [_column(said, cell, paths) for cell in header[1:]]
    series: list[list[tuple[float, float]]] = [[] for _ in columns]
    for number, cells in lines:
        if len(cells) != len(header):
            raise InputError(f"{said}: must have {len(header)} cells a line, got {len(cells)}. (line {number})")
        at = _instant(said, cells[0].strip(), number)
        for column, cell in zip(series, cells[1:], strict=True):
            if cell.strip():
                column.append((at, _value(said, cell.strip(), number)))
    parts: dict[str, list[tuple[Integers, Floats]]] = {}
    for (path, kind), values in zip(columns, series, strict=True):
        if len(values) > 1:
            parts.setdefault(path, []).append(_series(said, kind, values, spec, path))
    return _added(parts)


def _lines(said: str, text: str) -> Iterator[tuple[int, list[str]]]:
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield rows.line_num, cells
    except csv.Error as error:
        raise InputError(f"{said}: must be CSV: {error}. (line {rows.line_num})") from None


def _column(said: str, cell: str, paths: Mapping[str, str]) -> tuple[str, str]:
    name, _, kind = cell.rpartition(" ")
    if kind not in KINDS or name.strip() not in paths:
        raise InputError(
            f"{said}: must have columns '<container> {'|'.join(KINDS)}' with a container of the scenario "
            f"({', '.join(sorted(paths))}), got {shown(cell, 60)}. {FORM}"
        )
    return paths[name.strip()], kind


def _instant(said: str, cell: str, number: int) -> float:
    try:
        return float(cell)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(cell)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InputError(
            f"{said}: must have times in seconds since 1970 or in ISO 8601 with a zone, got {shown(cell, 40)}. "
            f"Write e.g. 2026-01-31T18:00:00+01:00. (line {number})"
        )
    return at.timestamp()


def _value(said: str, cell: str, number: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{said}: must have numbers, got {shown(cell, 40)}. (line {number})")
    return value
