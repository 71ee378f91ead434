"""Bars, as HTML: what the p99 is made of, how much of the stations is in use, where the CPU goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from experiments.dashboard import wording
from experiments.dashboard.running import Finding
from experiments.dashboard.texts import PART_TEXTS, Words

SHOWN_BARS: Final = 10
LEAST_LABELLED_SHARE: Final = 0.09
PART_COLOURS: Final[Mapping[str, str]] = {
    "wait": "#d97706", "cpu": "#2563eb", "throttled": "#dc2626", "cache": "#0d9488", "db": "#7c3aed",
    "delay": "#64748b", "left": "#be185d", "other": "#94a3b8",
}  # fmt: skip
WAS, NOW = "#94a3b8", "#3b82f6"


def key(words: Words) -> str:
    """Which colour is which run."""
    return (
        f'<div class="wt-key"><span><i style="background:{WAS}"></i>{escape(words("baseline"))}</span>'
        f'<span><i style="background:{NOW}"></i>{escape(words("what_if"))}</span></div>'
    )


def p99_parts(baseline: Finding, what_if: Finding | None, words: Words) -> str:
    """What the time of the requests around the p99 is made of: one stacked bar for each run, on one scale."""
    sides = [("baseline", baseline.document["p99_parts_ms"])]
    if what_if is not None:
        sides.append(("what_if", what_if.document["p99_parts_ms"]))
    known = [_parts_known(parts) for _, parts in sides]
    longest = max((sum(parts.values()) for parts in known), default=0.0)
    if not longest:
        return f'<p class="soft">{escape(words("parts_none"))}</p>'
    rows = "".join(_stack(words(side), parts, longest, words) for (side, _), parts in zip(sides, known, strict=True))
    used = [name for name in PART_COLOURS if any(parts.get(name, 0.0) / longest >= 0.005 for parts in known)]
    legend = "".join(
        f'<span><i style="background:{PART_COLOURS[name]}"></i>{escape(words(PART_TEXTS.get(name, name)))}</span>'
        for name in used
    )
    return f'<div class="wt-stack">{rows}</div><div class="wt-key" style="margin-top:.6rem">{legend}</div>'


def _parts_known(parts: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in parts.items() if value is not None and value > 0.0}


def _stack(side: str, parts: Mapping[str, float], longest: float, words: Words) -> str:
    total = sum(parts.values())
    pieces = []
    for name, colour in PART_COLOURS.items():
        share = parts.get(name, 0.0) / longest
        if share <= 0.0:
            continue
        told = f"{words(PART_TEXTS.get(name, name))}: {wording.milliseconds(parts[name])}"
        label = wording.number(parts[name]) if share >= LEAST_LABELLED_SHARE else ""
        pieces.append(
            f'<span style="width:{100 * share:.3f}%;background:{colour}" title="{escape(told)}">{escape(label)}</span>'
        )
    figure = escape(wording.milliseconds(total))
    return (
        f'<div><div class="name"><span>{escape(side)}</span><span class="num">{figure}</span></div>'
        f'<div class="row">{"".join(pieces)}</div></div>'
    )


def stations(baseline: Finding, what_if: Finding | None, words: Words) -> str:
    """How much of every station is in use, the busiest first."""
    sides = [finding.document["stations"] for finding in (baseline, what_if) if finding is not None]
    paths = [path for path in _union(sides) if any(side.get(path, {}).get("arrivals") for side in sides)]

    def use(side: Mapping[str, Any], path: str) -> float | None:
        found = side.get(path)
        return None if found is None else found["utilisation"]

    def told(side: Mapping[str, Any], path: str) -> str:
        turned_away = side.get(path, {}).get("refused", 0) or 0
        return f", {wording.number(turned_away)} {words('refused')}" if turned_away else ""

    paths.sort(key=lambda path: -max(use(side, path) or 0.0 for side in sides))
    rows = [
        _bar(
            _short(path),
            [wording.percent(use(side, path)) + told(side, path) for side in sides],
            [use(side, path) or 0.0 for side in sides],
        )
        for path in paths[:SHOWN_BARS]
    ]
    return f'<div class="wt-bars">{"".join(rows)}</div>'


def containers(baseline: Finding, what_if: Finding | None, words: Words) -> str:
    """Cores in use by every container, the busiest first."""
    sides = [finding.document["containers"] for finding in (baseline, what_if) if finding is not None]
    paths = _union(sides)

    def cores(side: Mapping[str, Any], path: str) -> float:
        return float(side.get(path, {}).get("cpu_cores") or 0.0)

    def told(side: Mapping[str, Any], path: str) -> str:
        return wording.number(side[path]["cpu_cores"]) if path in side else wording.NOTHING

    def beside(path: str) -> str:
        """What its own CPU limit has to do with it, where it has one."""
        found = [side[path] for side in sides if path in side and side[path]["cpu_of_limit"] is not None]
        texts = []
        for figure, text in (("cpu_of_limit", "of_limit"), ("throttled_share", "throttled_share")):
            shares = [wording.percent(each[figure]) for each in found]
            if shares:
                texts.append(f"{' → '.join(dict.fromkeys(shares))} {words(text)}")
        return ", ".join(texts)

    paths.sort(key=lambda path: -max(cores(side, path) for side in sides))
    longest = max((cores(side, path) for side in sides for path in paths), default=0.0) or 1.0
    rows = [
        _bar(
            _short(path),
            [told(side, path) for side in sides],
            [cores(side, path) / longest for side in sides],
            beside(path),
        )
        for path in paths[:SHOWN_BARS]
    ]
    return f'<div class="wt-bars">{"".join(rows)}</div>'


def _bar(name: str, told: Sequence[str], shares: Sequence[float], beside: str = "") -> str:
    tracks = "".join(
        f'<div class="track"><i style="width:{100 * min(1.0, share):.2f}%;background:{colour}"></i></div>'
        for share, colour in zip(shares, (WAS, NOW), strict=False)
    )
    figures = " → ".join(escape(each) for each in told) if len(set(told)) > 1 else escape(told[0])
    said = f'<div class="name"><span>{escape(name)}</span><span class="soft num">{figures}</span></div>'
    more = f'<p class="soft small">{escape(beside)}</p>' if beside else ""
    return f"<div>{said}{tracks}{more}</div>"


def _union(sides: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(path for side in sides for path in side))


def _short(path: str) -> str:
    """Without the kind of thing, which its name tells."""
    return path.removeprefix("services.").removeprefix("databases.").removeprefix("caches.").replace(".replica-", " #")
