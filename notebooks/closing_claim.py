# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # "The present VM handles 100 users at once"
#
# So ends the traffic guide of Maltan, a map-and-places app that a team of two runs on one small virtual machine. Is it
# true? Nobody has a hundred users to try it with, so this report lets a hundred simulated ones loose on a model of
# that machine: gateway and limiters, five services, cache, connection pools, database, and the cores they share.
#
# It answers four questions: what "handles" means, whether the claim holds and how sure that is, what breaks first when
# more users come, and **which assumptions would turn the answer round**. Every number below was computed by the
# cells of this notebook; the verdict at the end is worked out from them too.
#
# As a page without the code:
# `jupyter nbconvert --to html --no-input --execute notebooks/closing_claim.ipynb`

# %%
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import plotly.graph_objects as go
from IPython import display as output
from plotly.subplots import make_subplots

from experiments import load_scenario, run
from experiments.bottleneck import relaxed
from experiments.result import RunResult
from experiments.runner import close_executor, default_executor
from experiments.sweep import parse_axis, sweep
from models.service import walk
from sim.quantities import format_duration, parse_duration
from sim.statistics import PairedDifference, compare_paired

SCENARIO, CLAIMED = "maltan/early", 100
POPULATION = "traffic.users.population"
LENGTH = ["warm_up=25s", "duration=65s"]  # of one replication: short, so that this notebook takes no minute
P95 = "/latency_ms/all/p95"

scenario = load_scenario(SCENARIO, [f"{POPULATION}={CLAIMED}", *LENGTH])


def say(text: str) -> None:
    """Show a text in markdown."""
    output.display(output.Markdown(text))


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Show a table."""
    lines = [headings, ["---"] * len(headings), *rows]
    say("\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))


figures_shown = 0


def show(figure: go.Figure, height: int) -> None:
    """Show a figure; the first one brings the script that draws them all, so nothing is fetched from anywhere."""
    global figures_shown
    figure.update_layout(template="simple_white", height=height, margin={"l": 60, "r": 20, "t": 50, "b": 50})
    page = figure.to_html(full_html=False, include_plotlyjs=figures_shown == 0, config={"displaylogo": False})
    figures_shown += 1
    output.display(output.HTML(page))


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def shown(pointer: str, value: float) -> str:
    return f"{value:,.0f} ms" if "_ms/" in pointer else percent(value)


def with_interval(result: RunResult, pointer: str) -> str:
    """A figure with its 95 % interval over replications."""
    estimate = result.estimate(pointer)
    if estimate is None:
        return "too few requests to say"
    text = shown(pointer, estimate.mean)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{shown(pointer, estimate.low)}, {shown(pointer, estimate.high)}]"


# %% [markdown]
# ## What "handles" means
#
# The guide says itself when its authors want to be woken. A machine that would wake them does not "handle" its users,
# so the claim is judged by these thresholds: success rate, error rate and CPU. A refusal (HTTP 429) counts as no
# success. For response times the guide has no threshold: the 95th percentile is stated beside the verdict, for the
# reader to judge. Memory and cache hits are watched too, but the claim does not hang on them.

# %%
JUDGED = {"success-rate": "success rate", "error-rate": "error rate", "cpu": "CPU in use"}
objectives = {name: scenario.spec.objectives[name] for name in JUDGED}


def bound(name: str) -> str:
    objective = objectives[name]
    least = objective.at_least
    return f"at least {percent(least)}" if least is not None else f"at most {percent(objective.at_most or 0.0)}"


table(
    ["figure", "bound", "where it comes from"],
    [
        [JUDGED[name], bound(name), f"{entry.source}: {entry.ref}" if entry else ""]
        for name in JUDGED
        for entry in [scenario.provenance_of(f"objectives.{name}")]
    ],
)

# %% [markdown]
# ## At the claimed load
#
# The same minutes are simulated several times over with other dice (replications); the spread between them gives the
# 95 % interval. A bound is **met** or **breached** only where the whole interval lies on one side of it; otherwise the
# verdict is **undecided**. Each run also audits itself: every request that arrived must have ended or be on its way,
# every permit, thread and connection must be accounted for, and CPU time handed out must be CPU time used.

# %%
at_claim = run(scenario, replications=8)
verdicts = {entry["name"]: entry for entry in at_claim.document["objectives"] if entry["name"] in JUDGED}


def overall(judged: Sequence[str]) -> str:
    """One breached bound breaks the claim; it takes all of them to meet it."""
    return next((verdict for verdict in ("breached", "undecided", "met") if verdict in judged), "undecided")


verdict = overall([entry["verdict"] for entry in verdicts.values()])
audit = at_claim.document["audit"]

table(
    ["figure", "value [95 % interval]", "bound", "verdict"],
    [
        [JUDGED[name], with_interval(at_claim, entry["path"]), bound(name), f"**{entry['verdict']}**"]
        for name, entry in verdicts.items()
    ]
    + [["response time, 95th percentile", with_interval(at_claim, P95), "none in the guide", ""]],
)
held = sum(check["passed"] for check in audit["checks"])
say(
    f"With {CLAIMED} users at once the claim is **{verdict}**. That rests on {at_claim.document['replications']} "
    f"replications with about {at_claim.estimate('/requests/arrived').mean:,.0f} measured requests each; "
    f"{held} of {len(audit['checks'])} audited identities hold in every one of them."
)

# %% [markdown]
# ## With fewer and with more users
#
# All points meet the same users with the same wishes; only how many of them come differs. Bars are 95 % intervals.

# %%
OTHERS = [50, 150, 200, 300, 400]
axis = parse_axis(f"{POPULATION}={','.join(map(str, OTHERS))}")
results = {
    int(point.values[POPULATION]): point.result
    for point in sweep(load_scenario(SCENARIO, LENGTH), [axis], replications=3)
}
results[CLAIMED] = at_claim
results = dict(sorted(results.items()))


def judged(result: RunResult) -> str:
    return overall([entry["verdict"] for entry in result.document["objectives"] if entry["name"] in JUDGED])


by_population = {users: judged(result) for users, result in results.items()}
COLOURS = {"met": "#2a9d5c", "undecided": "#e0a100", "breached": "#c8372d"}

panels = {**{name: objectives[name].path for name in JUDGED}, "p95": P95}
titles = [*JUDGED.values(), "95th percentile of response times, ms"]
figure = make_subplots(rows=2, cols=2, subplot_titles=titles, vertical_spacing=0.18)
for number, (name, pointer) in enumerate(panels.items()):
    place = {"row": number // 2 + 1, "col": number % 2 + 1}
    scale = 1.0 if name == "p95" else 100.0
    found = {users: estimate for users, result in results.items() if (estimate := result.estimate(pointer)) is not None}
    figure.add_scatter(
        x=list(found),
        y=[scale * each.mean for each in found.values()],
        error_y={"type": "data", "array": [scale * ((each.high or each.mean) - each.mean) for each in found.values()]},
        mode="lines+markers",
        line={"color": "#8a94a6"},
        marker={"size": 9, "color": [COLOURS[by_population[users]] for users in found]},
        showlegend=False,
        **place,
    )
    if name != "p95":
        least = objectives[name].at_least
        threshold = least if least is not None else objectives[name].at_most
        figure.add_hline(
            y=scale * (threshold or 0.0), line={"dash": "dot", "width": 1.5, "color": "#c8372d"}, opacity=1, **place
        )
        figure.update_yaxes(ticksuffix=" %", range=[-3, 105], **place)
    else:
        figure.update_yaxes(type="log", **place)
    figure.update_xaxes(title="users at once" if number > 1 else None, **place)
show(figure, height=560)

table(
    ["users at once", *JUDGED.values(), "p95", "verdict"],
    [
        [users, *(with_interval(result, pointer) for pointer in panels.values()), f"**{by_population[users]}**"]
        for users, result in results.items()
    ],
)

# %% [markdown]
# ## What breaks first
#
# The limit that binds is named from utilisation, waiting and refusals at the first load that breaks a bound. To see
# that it is really this one, it is relaxed by a quarter and the very same users come again: what then differs is the
# limit's doing, and the interval of the differences says whether it could be chance.

# %%
breaking = [users for users, judgement in by_population.items() if judgement == "breached"]
holding = [users for users, judgement in by_population.items() if judgement == "met"]
looked_at = breaking[0] if breaking else max(results)
before = results[looked_at]
binding = before.document["bottleneck"]
broken = [
    JUDGED[entry["name"]]
    for entry in before.document["objectives"]
    if entry["name"] in JUDGED and entry["verdict"] == "breached"
]

higher = relaxed(binding["value"])
again = load_scenario(SCENARIO, [f"{POPULATION}={looked_at}", *LENGTH, f"{binding['limit_path']}={higher}"])
after = run(again, replications=3)

say(
    f"First broken, at **{looked_at} users**: {' and '.join(broken) or 'no bound'}. What binds is "
    f"**`{binding['limit_path']}` = {binding['value']}** ({binding['evidence']}). "
    f"With {higher} instead, and the same users:"
)


def moved(pointer: str, change: PairedDifference) -> str:
    """A difference with its interval: of shares in percentage points."""
    factor, unit = (1.0, "ms") if "_ms/" in pointer else (100.0, "points")
    sure = "" if change.low is None else f" [{factor * change.low:+,.1f}, {factor * change.high:+,.1f}]"
    return f"{factor * change.mean:+,.1f} {unit}{sure}"


rows = []
for label, pointer, lower_is_better in (
    ("success rate", "/success_rate", False),
    ("response time, 95th percentile", P95, True),
    ("CPU in use", objectives["cpu"].path, True),
):
    pairs = [
        (old, new)
        for old, new in zip(before.per_replication(pointer), after.per_replication(pointer), strict=False)
        if old is not None and new is not None
    ]
    change = compare_paired(*map(list, zip(*pairs, strict=True)), lower_is_better=lower_is_better)
    rows.append([label, with_interval(before, pointer), moved(pointer, change), change.verdict])
table(["figure", f"at {looked_at} users", "change when relaxed", "so it is"], rows)

# %% [markdown]
# ## Under which assumptions the answer turns round
#
# The guide says how many users come, not what they do nor what a request costs. Those values are assumptions, and an
# honest answer names the ones it hangs on. Each is moved by itself through a wide range, and the point at which the
# verdict flips is found by bisection. All steps share their dice (common random numbers), so that a step differs from
# the last by the assumption alone; a step holds when its means keep all three bounds.


# %%
@dataclass(frozen=True)
class Assumption:
    """One thing nobody has measured: its value now, and the range that is scanned, from kind to harsh."""

    title: str
    unit: str
    assumed: float
    kind: float
    harsh: float
    settings: Callable[[float], list[str]]
    length: Sequence[str] = tuple(LENGTH)
    is_whole: bool = False


def scaled(written: Any, factor: float) -> Any:
    """A distribution as it is written, with every duration in it multiplied; shapes have no unit and stay."""
    if isinstance(written, dict):
        return {key: value if key == "kind" else scaled(value, factor) for key, value in written.items()}
    if isinstance(written, list):
        return [scaled(value, factor) for value in written]
    return format_duration(parse_duration(written) * factor) if isinstance(written, str) else written


def cpu_demands() -> dict[str, Any]:
    """Every CPU demand of the scenario that is marked as assumed, by path, as it is written."""
    spec = scenario.spec
    found = {"gateway.cpu": spec.gateway.cpu} if spec.gateway else {}
    for service_name, service in spec.services.items():
        for name, endpoint in service.endpoints.items():
            for step in walk(endpoint.steps):
                if step.kind == "cpu":
                    found[f"services.{service_name}.endpoints.{name}.steps.{step.name}.demand"] = step.demand
    for name, database in spec.databases.items():
        for query_name, query in database.queries.items():
            found[f"databases.{name}.queries.{query_name}.cpu"] = query.cpu
    for name, cache in spec.caches.items():
        found[f"caches.{name}.command_cpu"] = cache.command_cpu
    sources = {path: scenario.provenance_of(path) for path in found}
    return {
        path: demand.model_dump(mode="json", exclude_none=True)
        for path, demand in found.items()
        if (source := sources[path]) is not None and source.source == "assumed"
    }


DEMANDS = cpu_demands()
users_spec = scenario.spec.traffic.users
think_time_s = users_spec.think_time.mean_s
think_time = users_spec.think_time.model_dump(mode="json", exclude_none=True)

ASSUMPTIONS = {
    "users_per_ip": Assumption(
        "users behind one IP address", "", scenario.spec.traffic.users_per_ip, 1, 50,
        lambda users: [f"traffic.users_per_ip={users:.0f}"],
        length=("warm_up=50s", "duration=150s"),  # a full bucket has to run dry before anybody is refused
        is_whole=True,
    ),
    "think_time": Assumption(
        "mean think time", " s", think_time_s, 5 * think_time_s, think_time_s / 10,
        lambda mean_s: [f"traffic.users.think_time={json.dumps(scaled(think_time, mean_s / think_time_s))}"],
    ),
    "cpu_demand": Assumption(
        "CPU demands, as a multiple of those assumed", " times", 1.0, 0.2, 5.0,
        lambda factor: [f"{path}={json.dumps(scaled(demand, factor))}" for path, demand in DEMANDS.items()],
    ),
    "core_speed": Assumption(
        "speed of a core, relative to that assumed", " times", scenario.spec.machines["vm"].speed, 5.0, 0.2,
        lambda speed: [f"machines.vm.speed={speed!r}"],
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One value of an assumption, tried."""

    value: float
    figures: dict[str, float]
    broken: tuple[str, ...]


def step_of(value: float, result: RunResult) -> Step:
    """What the first replication says: all steps are judged by the same dice."""
    found = {name: result.per_replication(objectives[name].path)[0] or 0.0 for name in JUDGED}
    return Step(value, found, tuple(name for name in JUDGED if not is_kept(name, found[name])))


def is_kept(name: str, value: float) -> bool:
    least, most = objectives[name].at_least, objectives[name].at_most
    return value >= least if least is not None else value <= (most or 0.0)


def tried(assumption: Assumption, value: float) -> Step:
    settings = [f"{POPULATION}={CLAIMED}", *assumption.length, *assumption.settings(value)]
    return step_of(value, run(load_scenario(SCENARIO, settings), replications=1))


def bisected(assumption: Assumption, here: Step, halvings: int = 4) -> list[Step]:
    """What was tried, in order: as assumed, the end of the range that may turn it round, then ever nearer the flip."""
    there = tried(assumption, assumption.kind if here.broken else assumption.harsh)
    steps = [here, there]
    if bool(here.broken) == bool(there.broken):
        return steps  # nothing in this range turns it round
    for _ in range(halvings):
        middle = sqrt(here.value * there.value)
        middle = float(round(middle)) if assumption.is_whole else float(f"{middle:.3g}")
        if middle in (here.value, there.value):
            break
        step = tried(assumption, middle)
        steps.append(step)
        if bool(step.broken) == bool(here.broken):
            here = step
        else:
            there = step
    return steps


# one search a worker process: they need nothing of each other
searches = {
    name: default_executor().submit(bisected, assumption, step_of(assumption.assumed, at_claim))
    for name, assumption in ASSUMPTIONS.items()
}
tries = {name: search.result() for name, search in searches.items()}
close_executor()


# %%
@dataclass(frozen=True)
class Flip:
    """The two nearest values of which one keeps all bounds and the other does not."""

    holds: float
    breaks: float
    broken: tuple[str, ...]


def flip_of(steps: Sequence[Step]) -> Flip | None:
    keep, fail = [step for step in steps if not step.broken], [step for step in steps if step.broken]
    if not keep or not fail:
        return None
    pairs = [(good, bad) for good in keep for bad in fail]
    good, bad = min(pairs, key=lambda pair: abs(log(pair[0].value / pair[1].value)))
    return Flip(good.value, bad.value, bad.broken)


flips = {name: flip_of(steps) for name, steps in tries.items()}

figure = make_subplots(
    rows=2, cols=2, subplot_titles=[each.title for each in ASSUMPTIONS.values()], vertical_spacing=0.18
)
for number, (name, steps) in enumerate(tries.items()):
    place = {"row": number // 2 + 1, "col": number % 2 + 1}
    ordered = sorted(steps, key=lambda step: step.value)
    for series, colour in (("cpu", "#3366aa"), ("success-rate", "#2a9d5c")):
        figure.add_scatter(
            x=[step.value for step in ordered],
            y=[100 * step.figures[series] for step in ordered],
            mode="lines+markers",
            name=JUDGED[series],
            line={"color": colour},
            marker={"size": 8, "symbol": ["circle" if not step.broken else "x" for step in ordered]},
            showlegend=number == 0,
            **place,
        )
        least = objectives[series].at_least
        threshold = least if least is not None else objectives[series].at_most
        figure.add_hline(
            y=100 * (threshold or 0.0), line={"dash": "dot", "width": 1.5, "color": colour}, opacity=1, **place
        )
    figure.add_vline(x=ASSUMPTIONS[name].assumed, line={"width": 1.5, "color": "#8a94a6"}, opacity=1, **place)
    flip = flips[name]
    if flip is not None:
        edges = sorted((flip.holds, flip.breaks))
        figure.add_vrect(x0=edges[0], x1=edges[1], fillcolor="#c8372d", opacity=0.35, line_width=0, **place)
    figure.update_xaxes(type="log", **place)
    figure.update_yaxes(ticksuffix=" %", range=[-3, 105], **place)
figure.update_layout(legend={"orientation": "h", "y": -0.08})
show(figure, height=620)
say("Grey line: as assumed. Red: where it flips. Crosses: a bound is broken. Dotted: the bounds.")


def value_of(name: str, value: float) -> str:
    return f"{value:.3g}{ASSUMPTIONS[name].unit}"


rows = []
for name, assumption in ASSUMPTIONS.items():
    flip = flips[name]
    ends = sorted((assumption.kind, assumption.harsh))
    scanned = f"{ends[0]:.3g} to {value_of(name, ends[1])}"
    rows.append(
        [
            assumption.title,
            value_of(name, assumption.assumed),
            scanned,
            "nowhere in this range" if flip is None else value_of(name, flip.holds),
            "" if flip is None else value_of(name, flip.breaks),
            "" if flip is None else ", ".join(JUDGED[each] for each in flip.broken),
        ]
    )
table(["assumption", "assumed", "scanned", "all bounds kept at", "not at", "what breaks"], rows)

per_user = at_claim.estimate("/requests/arrived").mean / CLAIMED
per_user /= at_claim.document["simulated_s"] - at_claim.document["warm_up"]["seconds"]
limiter = scenario.spec.gateway.rate_limits["per_ip"]
allowed_per_s = limiter.refill.count / limiter.refill.period_s
users_in_the_long_run = allowed_per_s / per_user
checks = [
    f"A user sends {per_user:.2f} requests a second here, and an address gets {allowed_per_s:.2f} a second in the long "
    f"run: enough for **{users_in_the_long_run:.1f} users** behind it. Somewhat more look fine in the scan, because "
    f"every bucket starts full and takes minutes to run dry, and because some refusals are tolerated."
]
by_demand, by_speed = flips["cpu_demand"], flips["core_speed"]
if by_demand is not None and by_speed is not None:
    factor, speed = sqrt(by_demand.holds * by_demand.breaks), sqrt(by_speed.holds * by_speed.breaks)
    checks.append(
        f"A core at speed s does to requests what demands at 1/s do. The two flip near {factor:.2f} and {speed:.2f}, "
        f"whose product is {factor * speed:.2f}; it should be about one."
    )
say("Two things can be checked by hand. " + " ".join(checks))

# %% [markdown]
# ## So, does it?

# %%
SAID = {
    "met": "Yes, under the assumptions made here",
    "breached": "No, not under the assumptions made here",
    "undecided": "It cannot be told yet: the interval lies across a bound, and more replications are needed",
}
cpu = verdicts["cpu"]["path"]
lines = [
    f"**{SAID[verdict]}.** With {CLAIMED} users at once {with_interval(at_claim, cpu)} of the CPU is in use, "
    f"{with_interval(at_claim, '/success_rate')} of the requests succeed, and 95 of 100 are answered within "
    f"{with_interval(at_claim, P95)}."
]
if holding and breaking:
    lines.append(
        f"All bounds are met at {max(holding)} users and one is broken at {breaking[0]}; what gives way there is "
        f"`{binding['limit_path']}`."
    )
elif breaking:
    lines.append(f"Even at {breaking[0]} users a bound is broken; what gives way is `{binding['limit_path']}`.")
else:
    lines.append(f"No bound is broken up to {max(results)} users.")
turns = "The claim stops being true" if verdict != "breached" else "The claim would become true"
beyond = "breaks" if verdict != "breached" else "holds"
told = {
    "think_time": "when users pause {} between requests",
    "cpu_demand": "when requests cost {} the CPU assumed",
    "core_speed": "when a core is {} as fast as assumed",
    "users_per_ip": "when {} users share an IP address (in the long run, when it is more than "
    + f"{users_in_the_long_run:.1f})",
}
for name, flip in flips.items():
    if flip is None:
        lines.append(f"{ASSUMPTIONS[name].title.capitalize()}: nothing in the range that was scanned turns it round.")
    else:
        value = getattr(flip, beyond)
        rounded = f"{value:.0f}" if ASSUMPTIONS[name].is_whole else f"{value:.2g}{ASSUMPTIONS[name].unit}"
        lines.append(f"{turns} {told[name].format('about ' + rounded)}.")
lines.append(
    "So measure two things before trusting it: how often real users ask, and what a request costs in CPU on this VM. "
    "Both can be put in with `--set`, or taken from an access log with `windtunnel replay`."
)
say("\n\n".join(lines))

# %%
summary = {
    "users": CLAIMED,
    "verdict": verdict,
    "objectives": {
        name: {key: entry[key] for key in ("value", "interval", "threshold", "bound", "verdict")}
        for name, entry in verdicts.items()
    },
    "p95_ms": at_claim.document["latency_ms"]["all"]["p95"],
    "p95_ms_interval": at_claim.document["intervals"].get(P95),
    "audit_passed": audit["passed"],
    "by_population": by_population,
    "breaks_first": {"users": looked_at, "limit": binding["limit_path"], "binds": binding["binds"]},
    "flips": {
        name: {
            "assumed": assumption.assumed,
            "scanned": sorted((float(assumption.kind), float(assumption.harsh))),
            "holds_at": None if flips[name] is None else flips[name].holds,
            "breaks_at": None if flips[name] is None else flips[name].breaks,
        }
        for name, assumption in ASSUMPTIONS.items()
    },
}
output.display({"application/json": summary, "text/plain": json.dumps(summary, indent=2)}, raw=True)
