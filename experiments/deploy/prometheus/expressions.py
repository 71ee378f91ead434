"""What an alert's expression watches, where it is one of the figures that a run knows.

Models   `series > threshold` for: 5xx answers a second, their share, the share of answers that are no success, the 95th
         percentile of response times, CPU and memory in use. Thresholds in percent, shares that are still free and
         `threshold < series` are turned round.
Source   Prometheus 3 expressions as people write them; metric names of Micrometer, node-exporter, cAdvisor, nginx
Omits    Everything else: it is told apart by what it says, never taken for what it resembles.
Checked  tests/unit/test_deploy_prometheus.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|\.[0-9]+"
_RANGE = r"\[(?P<window>(?:[0-9]+(?:ms|s|m|h|d))+)\]"
_COUNTER = r"(?P<name>[a-z_:][a-z0-9_:]*)(?:\{(?P<labels>[^{}]*)\})?"
_RATE = rf"(?:rate|irate)\({_COUNTER}{_RANGE}\)"
_BY = r"(?:(?:by|without)\((?:[a-z_, ]*)\))?"
_COUNTS = re.compile(
    r"(?:http|nginx|traefik|spring|istio|gateway|envoy).*(?:_total|_count|_requests)$|^requests_total$"
)
_ERRORS = re.compile(
    r"(?:status|code|status_code|http_status|outcome)"
    r"(?:=~\"\^?(?:5\.\.|5\[0-9\]\{2\}|5\[0-9\]\[0-9\]|5\.[*+]|5xx)\$?\"|=\"(?:5xx|SERVER_ERROR)\")"
)
_FAILURES = re.compile(
    r"(?:status|code|status_code|outcome)"
    r"(?:!~\"2\.\.\"|=~\"(?:\(?[45]\.\.\|[45]\.\.\)?|\[45\]\.\.)\"|!=\"SUCCESS\")"
)


@dataclass(frozen=True, slots=True)
class Watched:
    """An expression as a rule of a scenario."""

    series: str
    above: float
    window: str | None
    """None: it looks at the last scrape."""
    threshold: tuple[int, int]
    """Where the number stands in the expression."""
    scale: float
    """What the number in the file is times `above`, ..."""
    is_free_share: bool
    """... or, of what is free, one less `above`."""

    def written(self, above: float) -> str:
        """The number in the file for another threshold."""
        value = (1 - above if self.is_free_share else above) * self.scale
        return f"{round(value, 9):.9f}".rstrip("0").rstrip(".")


def watched(expression: str) -> Watched | None:
    """What an expression watches; None where a run has no such figure."""
    for left, low, high, is_above in _comparisons(expression):
        number = float(expression[low:high])
        found = _known(left)
        if found is None:
            return None
        series, window, percent, is_free = found
        if is_free == is_above:  # busy must be above, free must be below
            return None
        scale = 100.0 if percent else 1.0
        share = round(number / scale, 12)
        return Watched(series, 1 - share if is_free else share, window, (low, high), scale, is_free)
    return None


def _comparisons(text: str) -> Iterator[tuple[str, int, int, bool]]:
    """The series, where the threshold stands, and whether the alert is above it."""
    after = re.fullmatch(rf"(?P<series>.*?)(?P<sign>>=?|<=?)\s*(?P<number>{NUMBER})\s*", text, re.DOTALL)
    if after is not None and not re.search(r"[<>]|\b(?:and|or|unless|offset)\b|==", _bare(after["series"])):
        yield _plain(after["series"]), *after.span("number"), after["sign"].startswith(">")
    before = re.fullmatch(rf"\s*(?P<number>{NUMBER})\s*(?P<sign>>=?|<=?)(?P<series>.*)", text, re.DOTALL)
    if before is not None and not re.search(r"[<>]|\b(?:and|or|unless|offset)\b|==", _bare(before["series"])):
        yield _plain(before["series"]), *before.span("number"), before["sign"].startswith("<")


def _bare(text: str) -> str:
    return re.sub(r"\"(?:[^\"\\]|\\.)*\"", "", text)


def _plain(text: str) -> str:
    """Without spaces outside of strings, `by (...)` where it may stand, and brackets around the whole."""
    parts = _strings(text.replace("'", '"'))
    return _unwrapped("".join(part if part.startswith('"') else re.sub(r"\s+", "", part) for part in parts))


def _strings(text: str) -> list[str]:
    return [part for part in re.split(r"(\"(?:[^\"\\]|\\.)*\")", text) if part]


def _unwrapped(text: str) -> str:
    while text.startswith("(") and _closing(text, 0) == len(text) - 1:
        text = text[1:-1]
    return text


def _closing(text: str, at: int) -> int:
    depth = 0
    for index in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return -1


def _split(text: str, signs: str) -> tuple[str, str, str] | None:
    """The two sides of the last of these operators that stands outside of brackets and strings."""
    depth, in_string = 0, False
    for index in range(len(text) - 1, 0, -1):
        letter = text[index]
        in_string ^= letter == '"'
        depth += 0 if in_string else {")": 1, "]": 1, "}": 1, "(": -1, "[": -1, "{": -1}.get(letter, 0)
        if depth == 0 and not in_string and letter in signs:
            return _unwrapped(text[:index]), letter, _unwrapped(text[index + 1 :])
    return None


def _known(text: str) -> tuple[str, str | None, bool, bool] | None:
    """(series, window, whether in percent, whether it is the share that is free)"""
    percent, is_free = False, False
    for _ in range(4):
        parts = _split(text, "+-") or _split(text, "*/")
        if parts is None:
            break
        left, sign, right = parts
        inner = _split(left, "*/") if sign == "/" else None
        if inner is not None and inner[:2] == ("100", "*"):
            percent, text = True, f"{inner[2]}/{right}"
        elif sign == "*" and "100" in (left, right):
            percent, text = True, left if right == "100" else right
        elif sign == "-" and left in ("1", "100"):
            percent, is_free, text = percent or left == "100", not is_free, right
        else:
            break
    found = _ratio(text) or _single(text)
    if found is None:
        return None
    series, window, other = found
    return series, window, percent, is_free != other


def _ratio(text: str) -> tuple[str, str | None, bool] | None:
    parts = _split(text, "*/")
    if parts is None or parts[1] != "/":
        return None
    up, _, down = parts
    return _memory(up, down) or _error_share(up, down)


def _memory(up: str, down: str) -> tuple[str, str | None, bool] | None:
    total = "node_memory_MemTotal_bytes"
    if re.sub(r"\{[^{}]*\}", "", down) != total:
        return None
    bare = re.sub(r"\{[^{}]*\}", "", up)
    if bare == "node_memory_MemAvailable_bytes":
        return "memory_share", None, True
    return ("memory_share", None, False) if bare == f"{total}-node_memory_MemAvailable_bytes" else None


def _error_share(up: str, down: str) -> tuple[str, str | None, bool] | None:
    above, below = _rate(up), _rate(down)
    if above is None or below is None or above[0] != below[0] or above[2] != below[2]:
        return None
    if _ERRORS.search(below[1]) or _FAILURES.search(below[1]):
        return None
    if _ERRORS.search(above[1]):
        return "error_share", above[2], False
    return ("failure_share", above[2], False) if _FAILURES.search(above[1]) else None


def _rate(text: str) -> tuple[str, str, str] | None:
    """The counter, its labels and the range of `sum by (...) (rate(counter{labels}[5m]))`."""
    match = re.fullmatch(rf"sum{_BY}\((?P<inner>.*)\){_BY}", text)
    inner = match["inner"] if match else text
    rate = re.fullmatch(_RATE, inner)
    if rate is None or not _COUNTS.search(rate["name"]):
        return None
    return rate["name"], rate["labels"] or "", rate["window"]


def _single(text: str) -> tuple[str, str | None, bool] | None:
    rate = _rate(text)
    if rate is not None and _ERRORS.search(rate[1]):
        return "errors_per_s", rate[2], False
    return _quantile(text) or _cpu(text)


def _quantile(text: str) -> tuple[str, str | None, bool] | None:
    match = re.fullmatch(rf"histogram_quantile\(0?\.95,(?:sum{_BY}\()?{_RATE}(?:\){_BY})?\)", text)
    if match is None or not re.fullmatch(r"http.*seconds_bucket|http.*duration.*bucket", match["name"]):
        return None
    is_ms = "milliseconds" in match["name"] or "_ms_" in match["name"]
    return None if is_ms else ("p95_s", match["window"], False)


def _cpu(text: str) -> tuple[str, str | None, bool] | None:
    match = re.fullmatch(rf"avg{_BY}\({_RATE}\){_BY}", text)
    if match is None or match["name"] != "node_cpu_seconds_total" or match["labels"] != 'mode="idle"':
        return None
    return "cpu_share", match["window"], True
