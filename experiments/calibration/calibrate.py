"""Calibrate a scenario by a log: what is measured, what is fitted, what the log cannot tell.

Models   Starting values by regression of response times on load, refined by simulation: the scenario is run under
         the log's own arrivals and its parameters are moved until response times, endpoint by endpoint and level of
         load by level of load, are those of the log (solve.py). The shape of a distribution is changed where another
         one fits clearly better. What is held out takes no part in any of that and is predicted in the end.
Checked  tests/unit/test_calibration_recovery.py, tests/e2e/test_calibrate_cli.py
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from experiments.calibration.direct import Measured, connecting, network_share, think_times
from experiments.calibration.findings import Finding, findings_of, measured_finding
from experiments.calibration.last_steps import ExactSearch
from experiments.calibration.parameters import Parameter, mean_of, parameters_of, with_values
from experiments.calibration.places import Group
from experiments.calibration.prediction import Predicted, predicted
from experiments.calibration.reshaping import reshaping, share_of
from experiments.calibration.samples import Samples
from experiments.calibration.slopes import design
from experiments.calibration.solution import Solution
from experiments.calibration.utilisation import Used, used_by
from experiments.calibration.work import NEGLIGIBLE, ROUGHLY, Bench, Split, Tell, split_of
from experiments.errors import InputError, shown
from experiments.scenario import Scenario
from experiments.scenario.paths import at_path, heard, parse_path
from experiments.scoring.errors import EndpointErrors, compare
from experiments.scoring.observed import Observed
from experiments.scoring.simulated import simulate, under_log
from models.system import SystemSpec

HELD_REPLICATIONS: Final = 3
MUCH_MORE: Final = 1.8
"""A log this much longer than what a rough search needs is searched roughly first."""
SIMULATIONS_A_PARAMETER: Final = 4
AT_LAST: Final = 3
"""Sets of runs for the last steps' slopes, about, to say how far it is."""


@dataclass(frozen=True)
class Options:
    """How to calibrate."""

    hold_out: float = 0.2
    warm_up_s: float | None = None
    gap_s: float = 1800.0
    seed: int = 1
    keep: tuple[str, ...] = ()
    """Paths (or what they begin with) that stay as they are."""
    samples: tuple[Samples, ...] = ()
    """CPU of containers that was measured beside the log."""
    predict: float | None = None
    """Predict at the load where the busiest is busy for this share of the time."""


@dataclass
class Calibration:
    """What came of it."""

    scenario: Scenario
    observed: Observed
    split: Split
    findings: list[Finding]
    changes: dict[tuple[str | int, ...], Any]
    """New values by their paths in the document, rounded as far as their intervals allow."""
    spec: SystemSpec
    solution: Solution
    levels: list[float]
    held: list[EndpointErrors]
    measured: list[Measured]
    notes: list[str] = field(default_factory=list)
    used: list[Used] = field(default_factory=list)
    predicted: Predicted | None = None


def calibrate(scenario: Scenario, observed: Observed, options: Options, tell: Tell) -> Calibration:
    """Fit a scenario to a log. Raises InputError where the log is of no use."""
    split = split_of(observed, options.hold_out, options.warm_up_s)
    used, unused = _used(observed.between(split.begin, split.end), options.samples)
    bench = Bench(scenario, observed, split, options.seed, used)
    kept = _kept(scenario, options.keep)
    notes = _notes(bench) + unused
    findings, measured = _measure(bench, observed, options, kept)
    groups, small = _groups(bench, kept)
    classes = [each for each in bench.finder.cache_classes() if _tells_keys(bench, each.routes) is False]
    parameters = parameters_of(groups, [each for each in classes if not _is_kept(each.said, kept)])
    solution = _search(bench, _rough(bench, scenario, observed, options), parameters, groups, tell)
    found, changes = findings_of(parameters, solution, bench.families)
    changes = {**bench.fixed, **changes}
    spec = with_values(bench.document, changes)
    findings += found + small
    tell(0.9, "predicting what was held out")
    held = _held_out(observed, split, spec, options.seed)
    notes += _idle_limits(bench, spec)
    ahead = None
    if options.predict is not None:
        ahead = predicted(bench, parameters, solution, options.predict, lambda text: tell(0.95, text))
    return Calibration(
        scenario, observed, split, findings, changes, spec, solution,
        [level.rate_per_s for level in bench.figures.levels], held, measured, notes, used, ahead,
    )  # fmt: skip


# --- what is looked at -----------------------------------------------------------------------------------------------


def _kept(scenario: Scenario, paths: Sequence[str]) -> list[tuple[str, ...]]:
    found = []
    for text in paths:
        try:
            found.append(parse_path(text))
        except ValueError as error:
            raise InputError(f"--keep: {error}. Write e.g. databases.main.queries. (--keep {text})") from None
        if at_path(scenario.document, heard(found[-1], scenario.document)) is None:
            raise InputError(f"--keep: must be a path of the scenario, got {shown(text)}. (--keep {text})")
    return found


def _is_kept(said: str, kept: Sequence[tuple[str, ...]]) -> bool:
    names = parse_path(said)
    return any(names[: len(each)] == each for each in kept)


def _groups(bench: Bench, kept: Sequence[tuple[str, ...]]) -> tuple[list[Group], list[Finding]]:
    """What is fitted, and what is too small to be seen."""
    groups: list[Group] = []
    findings: list[Finding] = []
    for group in bench.finder.groups.values():
        places = [place for place in group.places if not _is_kept(place.said, kept) and place.path not in bench.fixed]
        if len(places) < len(group.places):
            group = Group(places[0].said if len(places) == 1 else group.name, places, group.routes)
        if not places:
            continue
        if share_of(bench, group) < NEGLIGIBLE:
            findings.append(
                Finding(
                    tuple(place.said for place in places), "not identifiable", tuple(place.value for place in places),
                    note="too small a part of any response time to be told from what is next to it",
                )
            )  # fmt: skip
            continue
        groups.append(group)
    return groups, findings


def _tells_keys(bench: Bench, routes: Sequence[int]) -> bool | None:
    """Whether the log's paths say which key is asked for; None where it does not even tell hits."""
    if not any(number in bench.cached for number in routes):
        return None
    return any(bool((bench.observed.key[bench.observed.route == number] >= 0).any()) for number in routes)


# --- without a simulation --------------------------------------------------------------------------------------------


def _measure(
    bench: Bench, observed: Observed, options: Options, kept: Sequence[tuple[str, ...]]
) -> tuple[list[Finding], list[Measured]]:
    """Think times and the network's share; what has a place in the scenario goes there."""
    findings: list[Finding] = []
    spec = bench.scenario.spec
    think, visits = think_times(observed, options.gap_s, observed.unit_s)
    share, connect = network_share(observed), connecting(observed)
    if think is not None and think.fitted is not None and spec.traffic.users is not None:
        at = ("traffic", "users", "think_time")
        findings.append(measured_finding(bench, at, think, think.spec, f"{visits['sessions']} visits", kept))
    for name, link in spec.links.items():
        at = ("links", name, "delay")
        if "client" in link.between and share is not None and share.mean_s > 0:
            findings.append(_half(bench, at, share, kept, "half of request time less upstream time"))
        elif connect is not None and connect.mean_s > 0 and _leads_in(link.between):
            findings.append(_half(bench, at, connect, kept, "half of the time to connect"))
    return findings, [each for each in (think, share, connect) if each is not None]


def _leads_in(between: Sequence[str]) -> bool:
    return any(end == "gateway" or end.startswith("load_balancers.") for end in between)


def _half(
    bench: Bench, at: tuple[str, ...], found: Measured, kept: Sequence[tuple[str, ...]], note: str
) -> Finding:  # fmt: skip
    """A message takes half of what there and back takes."""
    half = Measured(found.what, found.count, found.mean_s / 2, found.low_s / 2, found.high_s / 2, None, None)
    return measured_finding(bench, at, half, None, note, kept)


def _used(observed: Observed, samples: Sequence[Samples]) -> tuple[list[Used], list[str]]:
    """What measured CPU says, and of which containers it says nothing."""
    found: list[Used] = []
    notes = []
    for each in samples:
        used = used_by(each, observed)
        if isinstance(used, str):
            notes.append(f"CPU of {each.container} is not used: {used}.")
        else:
            found.append(used)
    return found, notes


# --- with simulations ------------------------------------------------------------------------------------------------


def _rough(bench: Bench, scenario: Scenario, observed: Observed, options: Options) -> Bench | None:
    """A shorter stretch of a long log, to come near with cheap simulations."""
    if len(bench.observed) <= MUCH_MORE * ROUGHLY:
        return None
    split = split_of(observed, options.hold_out, options.warm_up_s, ROUGHLY)
    rough = Bench(scenario, observed, split, options.seed, bench.used)
    rough.families, rough.fixed, rough.replications = bench.families, bench.fixed, 1
    return rough


def _search(
    bench: Bench, rough: Bench | None, parameters: list[Parameter], groups: Sequence[Group], tell: Tell
) -> Solution:  # fmt: skip
    made = 0
    expected = max(1, SIMULATIONS_A_PARAMETER * len(parameters) + 8) * (1 if rough is None else 2)
    expected += AT_LAST * len(design(len(parameters)))

    def told(text: str) -> None:
        nonlocal made
        made += 1
        tell(min(0.88, 0.88 * made / expected), text)

    def search_on(here: Bench) -> ExactSearch:
        return ExactSearch(parameters, lambda values, quick: here.residuals(parameters, values, quick), told, firsts)

    tell(0.0, "without load")
    factors = bench.idle_factors(groups)
    firsts = {mean_of(group).name: group.mean_s * factors[group.name] for group in groups}
    if rough is None:
        search = search_on(bench)
        search.run(reshaping(bench, search, groups))
    else:  # shapes are told by the whole log: of a stretch, values and shapes make up for each other
        firsts = {**firsts, **search_on(rough).run(lambda: None).values}
        search = search_on(bench)
        search.finish(reshaping(bench, search, groups))
    bench.weigh(parameters, search.values())
    return search.polished(
        lambda values, number: bench.one_residuals(parameters, values, number),
        lambda values, is_exact: bench.longer_residuals(parameters, values, is_exact),
    )


def _held_out(observed: Observed, split: Split, spec: SystemSpec, seed: int) -> list[EndpointErrors]:
    if split.held >= split.held_end:
        return []
    part = observed.between(split.held_begin, split.held_end)
    rows = np.arange(split.held_begin, split.held_end) >= split.held
    trace = part.trace()
    system = under_log(spec)
    runs = [simulate(system, trace, seed, 1000 + number) for number in range(HELD_REPLICATIONS)]
    return compare(part, runs, rows)


# --- what else is worth saying ---------------------------------------------------------------------------------------


def _notes(bench: Bench) -> list[str]:
    notes = []
    levels = bench.figures.levels
    if len(levels) < 2:
        notes.append(
            f"One level of load only ({levels[0].rate_per_s:.3g} requests/s throughout): how response times grow with "
            "load is the scenario's, not the log's. Log quiet and busy hours."
        )
    if not bench.figures.tells_under_way:
        notes.append(
            "Stamps are too coarse to tell what was under way when a request came, which tells CPU from waiting. Log "
            "milliseconds as well: nginx has them in $msec."
        )
    for number, modes in sorted(bench.modes.items()):
        notes.append(
            f"{bench.observed.routes[number]}: the log has no cache column; hits are told from misses by two modes, "
            f"below and above {modes.threshold_s * 1000:.3g} ms."
        )
    missing = [name for number, name in enumerate(bench.observed.routes) if number not in bench.routes]
    if missing:
        notes.append(f"Too few requests to fit: {', '.join(missing)}. What only they use stays as it is.")
    for cache in bench.finder.cache_classes():
        tells = _tells_keys(bench, cache.routes)
        if tells is None:
            notes.append(f"{cache.said}: the log tells hits neither by a column nor by two modes. It stays.")
        elif tells:
            notes.append(f"{cache.said}: the paths of the log are the keys that are asked for; it is not used here.")
    return notes


def _idle_limits(bench: Bench, spec: SystemSpec) -> list[str]:
    """Pools that nobody waited for: whether they are large enough is not in this log."""
    most_waiting = bench.most_waiting
    paths = [
        f"services.{service}.pools.{pool}" for service, each in spec.services.items() for pool in each.pools
    ]  # fmt: skip
    idle = [
        path for path in paths
        if (found := [count for station, count in most_waiting.items() if _belongs(station, path)]) and not any(found)
    ]  # fmt: skip
    return [f"{path}: nobody waited for it, so this log does not tell what its size means." for path in idle]


def _belongs(station: str, path: str) -> bool:
    """Stations of a replica's pool are named after the replica: services.api.1.pools.main."""
    parts, wanted = station.split("."), path.split(".")
    return parts[:2] == wanted[:2] and wanted[2:] == parts[-len(wanted[2:]) :]
