"""What a calibration found, for people: each value with where it comes from, and the error on what was held out.

Models   Numbers are printed to the second digit of their interval's half width, never finer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from experiments.calibration.calibrate import Calibration
from experiments.calibration.direct import Measured
from experiments.calibration.findings import FITTED, MEASURED, UNKNOWN, Finding, Interval
from experiments.calibration.prediction import GOOD, Predicted
from experiments.calibration.utilisation import Demand, Used
from experiments.calibration.writing import duration_range, flow, number_range
from experiments.report.cells import as_duration
from experiments.report.layout import Indented
from experiments.scoring.report import errors_table

POOR_FIT: Final = 2.0
_STYLES: Final = {FITTED: "green", MEASURED: "green", UNKNOWN: "yellow"}


def document_of(calibration: Calibration) -> dict[str, Any]:
    """The same for machines."""
    solution = calibration.solution
    return {
        "scenario": calibration.scenario.name, "log": calibration.observed.log, "lines": calibration.observed.told,
        "levels_per_s": calibration.levels, "misfit": solution.misfit, "is_settled": solution.is_settled,
        "simulations": solution.simulations, "findings": [each.as_dict() for each in calibration.findings],
        "measured": {each.what: each.as_dict() for each in calibration.measured},
        "used": {each.container: each.as_dict() for each in calibration.used},
        "predicted": None if calibration.predicted is None else calibration.predicted.as_dict(),
        "held_out": {each.name: each.as_dict() for each in calibration.held}, "notes": calibration.notes,
    }  # fmt: skip


def render(calibration: Calibration, console: Console) -> None:
    """Print it."""
    console.print(Group(*_parts(calibration)), soft_wrap=False)


def _parts(calibration: Calibration) -> Iterator[RenderableType]:
    levels = ", ".join(f"{level:.3g}" for level in calibration.levels)
    yield Text(f"{calibration.scenario.name} calibrated by {calibration.observed.log}", style="bold")
    yield Indented(Text(f"Fitted at {levels} requests/s with {calibration.solution.simulations} simulations."))
    yield ""
    yield Text("WHAT THE LOG TELLS", style="bold cyan")
    for finding in calibration.findings:
        yield from _finding(finding)
    if not calibration.findings:
        yield Indented(Text("Nothing of this scenario."))
    if calibration.measured:
        yield ""
        yield Text("MEASURED IN THE LOG ITSELF", style="bold cyan")
        for each in calibration.measured:
            yield Indented(Text(_measured(each)))
    if calibration.used:
        yield ""
        yield Text("CPU MEASURED BESIDE THE LOG", style="bold cyan")
        for used in calibration.used:
            yield Indented(Text(_used(used)))
    yield ""
    yield Text("HOW WELL IT FITS", style="bold cyan")
    yield Indented(Text(_fit(calibration)))
    yield ""
    yield Text("HELD OUT: predicted, then compared", style="bold cyan")
    yield from errors_table({each.name: each.as_dict() for each in calibration.held})
    if calibration.predicted is not None:
        yield ""
        yield Text("PREDICTED AT A HIGHER LOAD", style="bold cyan")
        for line in _predicted(calibration.predicted):
            yield Indented(Text(line))
    if calibration.notes:
        yield ""
        yield Text("WORTH KNOWING", style="bold cyan")
        for note in calibration.notes:
            yield Indented(Text(note))


def _finding(finding: Finding) -> Iterator[RenderableType]:
    verdict = Text(f"{finding.verdict:<17}", style=_STYLES.get(finding.verdict, ""))
    yield Indented(Text.assemble(verdict, " + ".join(finding.paths)))
    lines = []
    if finding.after:
        lines += [f"{flow(old)} -> {flow(new)}" for old, new in zip(finding.before, finding.after, strict=True)]
    else:
        lines.append("stays " + ", ".join(flow(old) for old in finding.before))
    lines += list(_intervals(finding))
    if finding.note:
        lines.append(finding.note)
    for line in lines:
        yield Indented(Text(line), " " * 19)


def _intervals(finding: Finding) -> Iterator[str]:
    told = []
    if finding.mean_s is not None:
        told.append(f"mean {duration_range(finding.mean_s)}")
    if finding.spread is not None:
        told.append(f"spread {number_range(finding.spread)}")
    if finding.number is not None:
        told.append(number_range(finding.number))
    if told:
        yield ", ".join(told)


def _measured(each: Measured) -> str:
    mean = duration_range(Interval(each.mean_s, each.low_s, each.high_s))
    text = f"{each.what}: mean {mean} over {each.count}"
    if each.fitted is None or each.farther is None:
        return text
    rejected = "; chance alone hardly explains that distance" if each.farther < 0.05 else ""
    return (
        f"{text}; {flow(each.spec)}, {each.fitted.verdict} fit: largest distance {each.fitted.distance:.3f}, "
        f"p {each.farther:.2g}{rejected}"
    )


def _used(used: Used) -> str:
    """The CPU time of a request, all together and by endpoint."""
    base = f"; {used.base:.2g} cores without requests" if used.base else ""
    each = ", ".join(f"{name} {_demand(one)}" for name, one in used.routes.items()) if len(used.routes) > 1 else ""
    apart = f". By endpoint: {each}" if each else ""
    return f"{used.container}: {_demand(used.whole)} a request, over {used.windows} windows{base}{apart}"


def _demand(demand: Demand) -> str:
    half = 1.96 * demand.error_s
    return duration_range(Interval(demand.mean_s, demand.mean_s - half, demand.mean_s + half))


def _predicted(found: Predicted) -> Iterator[str]:
    yield (
        f"{found.rate_per_s:.3g} requests/s ({found.times:.2g} times the busiest level of the log), where "
        f"{found.busiest} is busy {found.share:.0%} of the time:"
    )
    told = found.as_dict()
    for name in ("mean", "p95"):
        value, low, high = told[f"{name}_s"]
        widest = max(high / value - 1, 1 - low / value)
        yield f"{name:<5} {duration_range(Interval(value, low, high))}: the log tells it to {widest:.1%}"
    if found.longer > 1:
        yield f"A log {found.longer:.2g} times as long, alike, would tell the mean to {GOOD:.0%}."
    yield "That is, if what stays as it was is right, and nothing is missing from the scenario."


def _fit(calibration: Calibration) -> str:
    misfit = calibration.solution.misfit
    text = f"Misfit {misfit:.2g} (1: chance explains what is left)."
    if misfit > POOR_FIT:
        text += (
            " The scenario's form does not fit this log, whatever its values: a step, a limit or a shape is missing. "
            "The intervals are widened by that."
        )
    if not calibration.solution.is_settled:
        text += " The search did not settle."
    span = as_duration(calibration.observed.span_s)
    return f"{text} The log spans {span}."
