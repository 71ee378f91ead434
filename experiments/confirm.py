"""Is it really that limit? Relax it by a quarter, meet the same requests again, and look whether the figures move.

Runs are paired: the same seed brings the same users, wishes and demands, so differences are told from chance with few
replications. Where the likeliest limit moves nothing, the next one is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from experiments.bottleneck import Candidate, binding, candidates, describe, relaxed
from experiments.errors import InputError
from experiments.result import RunResult, limit_value
from sim.statistics import PairedDifference, compare_paired

if TYPE_CHECKING:
    from experiments.scenario import Scenario

TRIED_AT_MOST = 3
WORTH_MENTIONING = 0.01
"""A figure has moved when the difference is told from chance and is at least this share of what it was (assumed)."""

WATCHED = (
    ("/latency_ms/all/p95", "p95", 1.0, " ms", True),
    ("/goodput_per_s", "goodput", 1.0, "/s", False),
    ("/success_rate", "success rate", 100.0, " points", False),
)

RunAgain = Callable[["Scenario"], RunResult]


def confirm(scenario: Scenario, result: RunResult, run_again: RunAgain) -> None:
    """Find the limit whose relaxing moves the figures, and write it into the result's `bottleneck`."""
    ranked = candidates(result.limits, result.document)
    tried: list[dict[str, Any]] = []
    for candidate in list(binding(ranked))[:TRIED_AT_MOST]:
        try:
            entry = _try(scenario, result, candidate, run_again)
        except InputError:  # a quarter more of it cannot be deployed: a quota above the cores, say
            continue
        if entry["confirmed"]["moved"]:
            result.document["bottleneck"] = entry
            return
        tried.append(entry)
    if tried:
        result.document["bottleneck"] = tried[0]


def _try(scenario: Scenario, result: RunResult, candidate: Candidate, run_again: RunAgain) -> dict[str, Any]:
    setting = candidate.limit.setting
    value = limit_value(result.spec, candidate.limit, result.document)
    higher = relaxed(value)
    other = run_again(scenario.with_settings([f"{setting}={higher}"]))
    entry = describe(candidate, value)
    moves = [
        f"{name} {_change(difference, scale, unit)}"
        for pointer, name, scale, unit, lower_is_better in WATCHED
        if (difference := _difference(result, other, pointer, lower_is_better)) is not None
    ]
    entry["confirmed"] = {"value": higher, "moved": bool(moves), "text": _text(setting, higher, moves)}
    return entry


def _difference(result: RunResult, other: RunResult, pointer: str, lower_is_better: bool) -> PairedDifference | None:
    """The difference, where the figure got better and by enough to be worth a word."""
    before, after = result.per_replication(pointer), other.per_replication(pointer)
    pairs = [(old, new) for old, new in zip(before, after, strict=True) if old is not None and new is not None]
    if len(pairs) < 2 or len(pairs) < len(before):
        return None
    compared = compare_paired([old for old, _ in pairs], [new for _, new in pairs], lower_is_better=lower_is_better)
    was = result.estimate(pointer)
    is_worth = was is not None and abs(compared.mean) >= WORTH_MENTIONING * abs(was.mean)
    return compared if compared.verdict == "better" and is_worth else None


def _text(setting: str, value: Any, moves: list[str]) -> str:
    if not moves:
        return f"not confirmed: with {setting} = {value} neither p95 nor goodput nor success rate gets better"
    return f"confirmed: with {setting} = {value}: {', '.join(moves)}"


def _change(change: PairedDifference, scale: float, unit: str) -> str:
    said = f"{_signed(scale * change.mean)}{unit}"
    if change.low is None or change.high is None:
        return said
    return f"{said} [{_signed(scale * change.low)}, {_signed(scale * change.high)}]"


def _signed(value: float) -> str:
    return f"{value:+.3g}" if abs(value) < 1000 else f"{value:+,.0f}"
