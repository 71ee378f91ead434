"""Results of k6: `--out csv=FILE` and `--out json=FILE`.

Models   A request is a sample of http_req_duration: when it ended, how long it took, method, URL, status. Samples of
         other metrics count with the headers. A request's name stands in for its URL where that is not logged.
Source   k6's output/csv and output/json: samples are stamped at the end of a request; durations are in ms.
Omits    The samples in which connecting, TLS and waiting are told apart; checks and groups.
Checked  tests/unit/test_log_formats.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from experiments.logs.fields import Use
from experiments.logs.guessing import Guess
from experiments.logs.json_lines import JsonLines, flattened, object_of
from experiments.logs.table import CsvTable, fixed, header_of

CSV_NAME: Final = "k6-csv"
JSON_NAME: Final = "k6-json"
_METRIC: Final = "http_req_duration"
_COLUMNS: Final = {
    "timestamp": Use("time"), "metric_value": Use("response", "ms"), "method": Use("method"), "status": Use("status"),
    "url": Use("path"), "vu": Use("user"),
}  # fmt: skip
_FIELDS: Final = {
    "data.time": Use("time"), "data.value": Use("response", "ms"), "data.tags.method": Use("method"),
    "data.tags.status": Use("status"), "data.tags.url": Use("path"), "data.tags.vu": Use("user"),
}  # fmt: skip


def from_lines(lines: Sequence[bytes]) -> CsvTable | None:
    """The CSV that begins with these lines, where it is k6's."""
    found = header_of(lines)
    if found is None or found[0][:3] != ["metric_name", "timestamp", "metric_value"]:
        return None
    header, separator = found
    guess = fixed(_COLUMNS, header, at_end=True)
    if "url" not in header and "name" in header:
        guess.uses["name"] = Use("path")
    table = CsvTable("k6's CSV", header, separator, guess, {0: _is_metric})
    table.name = CSV_NAME
    return table


def _is_metric(name: str) -> bool:
    return name == _METRIC


def from_json(lines: Sequence[bytes]) -> JsonLines | None:
    """The JSON lines that begin with these, where they are k6's."""
    values = [value for line in lines if (value := object_of(line)) is not None]
    if not any({"type", "metric", "data"} <= value.keys() and value["type"] in ("Point", "Metric") for value in values):
        return None
    there = {name for value in values if _is_sample(value) for name, _ in flattened(value)}
    uses = {name: use for name, use in _FIELDS.items() if name in there or name == "data.time"}
    if "data.tags.url" not in there and "data.tags.name" in there:
        uses["data.tags.name"] = Use("path")
    lines_format = JsonLines(
        "k6's JSON", Guess(uses, at_end=True), [tuple(name.split(".")) for name in uses], _is_sample
    )
    lines_format.name = JSON_NAME
    return lines_format


def _is_sample(value: dict[str, Any]) -> bool:
    return value.get("type") == "Point" and value.get("metric") == _METRIC
