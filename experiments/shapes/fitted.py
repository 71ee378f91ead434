"""The traffic section that a measured log makes: its rate, its users, its mix, and a shape fitted to its counts."""

from __future__ import annotations

from typing import Any, Literal

from experiments.errors import InputError
from experiments.shapes.section import Section, rate_text
from experiments.traffic.dispersion import dispersions, fit_mmpp
from experiments.traffic.measure import Measured, clock, hourly
from models.system import SystemSpec

Kind = Literal["diurnal", "weekly", "bursty"]


def fitted_section(kind: Kind, measured: Measured, spec: SystemSpec | None) -> Section:
    """The traffic of a log. With a scenario, its mix is by the scenario's routes. Raises InputError: too short."""
    document = measured.document
    names = ["standard input" if name == "-" else name for name in document["logs"]]
    ref = ", ".join(names)
    span = f"{document['requests']} requests from {document['begins']} to {document['ends']}"
    section = Section(f"Traffic measured from {ref}: {span}.")
    if kind == "bursty":
        _bursty(section, measured, ref)
    else:
        _cycle(section, measured, ref, 24 if kind == "diurnal" else 168)
    _users(section, document["who"], ref)
    if spec is None:
        section.notes.append("The mix stays as the scenario has it; --scenario counts it by the scenario's routes.")
    else:
        _mix(section, measured, spec, ref)
    return section


def _cycle(section: Section, measured: Measured, ref: str, hours: int) -> None:
    means = hourly(measured.counts, hours, measured.offset_s)
    what, at = "day" if hours == 24 else "week", clock(measured.offset_s)
    if means is None or any(mean is None for mean in means):
        missing = hours if means is None else sum(mean is None for mean in means)
        raise InputError(
            f"--fit-shape: must have a log with every hour of a {what}, got one that lacks {missing} of {hours} whole "
            "hours. Give more of the log, or fit another shape."
        )
    known = [mean for mean in means if mean is not None]
    mean = sum(known) / hours
    if not mean:
        raise InputError("--fit-shape: must have requests in whole hours, got none. Give more of the log.")
    levels = [float(f"{level / mean:.4g}") for level in known]
    whole = int((measured.counts.span_s - 1) // 3600)
    note = f"mean of {whole} whole hours by hour of the {what}, {at}"
    section.say("open.rate", rate_text(mean), "measured", ref, f"the mean over a {what}")
    section.say("shape", {"kind": "cycle", "part": "1h", "levels": levels}, "measured", ref, note)
    begin = f"00:00 {at}" if hours == 24 else f"Monday 00:00 {at}"
    section.notes.append(f"Levels are factors of the mean rate; the cycle begins at {begin}: begins_at moves that.")


def _bursty(section: Section, measured: Measured, ref: str) -> None:
    counts = measured.counts
    mean = counts.total / counts.span_s
    found = dispersions(counts)
    try:
        fit = fit_mmpp(found, mean)
    except ValueError as error:
        message = f"--fit-shape: must have a bursty log, got none: {error}. Use open arrivals as they are."
        raise InputError(message) from None
    said = ", ".join(
        f"{each.index:.3g} ({fit.index(each.window_s):.3g}) in {each.window_s:g} s" for each in found
    )  # fmt: skip
    shape = {
        "kind": "bursty", "factor": float(f"{fit.burst_per_s / fit.calm_per_s:.6g}"),
        "calm": {"kind": "exponential", "mean": f"{fit.calm_s:.6g}s"},
        "burst": {"kind": "exponential", "mean": f"{fit.burst_s:.6g}s"},
    }  # fmt: skip
    section.say("open.rate", rate_text(fit.calm_per_s), "measured", ref, f"in calm times; {mean:.6g}/s on average")
    note = f"MMPP(2) by mean, skewness and index of dispersion; measured (fitted): {said}"
    section.say("shape", shape, "measured", ref, note)
    off = max(abs(fit.index(each.window_s) / each.index - 1) for each in found)
    section.notes.append("The rate is that of calm times; bursts multiply it.")
    windows = f"{found[0].window_s:g} s to {found[-1].window_s:g} s"
    section.notes.append(f"Fitted to windows of {windows}; off by up to {off:.0%} in one of them.")


def _users(section: Section, who: dict[str, Any], ref: str) -> None:
    whose = "users" if who["users"] else "ips"
    if not who[whose]:
        section.notes.append("The log names neither users nor addresses: users is the scenario's to say.")
        return
    note = "" if whose == "users" else "addresses: the log names no users"
    if who[f"{whose}_is_least"]:
        note = f"{note}; more than could be counted".removeprefix("; ")
    section.say("open.users", who[whose], "measured", ref, note)
    shared = who["users_per_ip"]
    if shared:
        note = f"mean {shared['mean']:.4g}, median {shared['p50']}, most {shared['max']}"
        section.say("users_per_ip", max(1, round(shared["mean"])), "measured", ref, note)


def _mix(section: Section, measured: Measured, spec: SystemSpec, ref: str) -> None:
    from experiments.replay import Router

    router = Router(spec, ())
    weights = dict.fromkeys(spec.routes, 0)
    names, lost = list(spec.routes), 0
    for (method, path), count in zip(measured.targets, measured.by_target.tolist(), strict=False):
        route, way = router.route(method, path)
        if way == Router.ASSIGNED:
            lost += count
        else:
            weights[names[route]] += count
    if not any(weights.values()):
        raise InputError(
            "--scenario: must have routes whose path fits the log's, got none that fits. Set routes.NAME.path, or "
            "leave --scenario out."
        )
    note = f"{lost} requests fit no route and are not in it" if lost else ""
    section.say("mix", weights, "measured", ref, note)
