"""The page: sliders at the side, the unchanged baseline and the what-if beside each other."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import streamlit as st

from experiments.dashboard import bars, cards, charts, running
from experiments.dashboard.figures import headlines
from experiments.dashboard.knobs import Knob, knobs_of
from experiments.dashboard.running import Finding, Runs, Size
from experiments.dashboard.texts import LANGUAGES, Words
from experiments.errors import InputError
from experiments.scenario import Scenario, load_scenario
from experiments.scenario.shipped import SUFFIXES, shipped_names
from sim.errors import SimulationError
from sim.quantities import format_duration

STYLE: Final = Path(__file__).with_name("style.css")
FIRST_OPEN: Final = "traffic"
"""The group of sliders that is unfolded when the page is opened."""
AS_WRITTEN: Final = "-"


def show() -> None:
    """Draw the page. Every setting is a query parameter, so that its address shows the same page to others."""
    st.set_page_config(page_title="Windtunnel", page_icon=":material/air:", layout="wide")
    st.html(f"<style>{STYLE.read_text(encoding='utf-8')}</style>")
    with st.sidebar:
        name_at = st.container()
        words = Words(_language())
        with name_at:
            st.html(cards.brand(words))
        try:
            scenario = _chosen_scenario(words)
        except InputError as error:
            st.html(cards.errors(error.lines, words))
            return
        knobs = knobs_of(scenario.spec)
        settings = [setting for knob_settings in _sliders(scenario, knobs, words) for setting in knob_settings]
        size_at = st.container()
        settings += _free_settings(words)
        st.button(words("reset"), key="reset", on_click=_forget, args=(knobs,), disabled=not settings, width="stretch")
    what_if, problems = _with(scenario, settings)
    with size_at:
        size = _size(scenario, what_if, words)
    _page(scenario, what_if, settings, problems, size, words)


# --- the side ---


def _language() -> str:
    chosen = st.segmented_control(
        "Language / 언어", list(LANGUAGES), default="en", required=True, format_func=LANGUAGES.__getitem__, key="lang",
        label_visibility="collapsed", bind="query-params",
    )  # fmt: skip
    return str(chosen or "en")


def _chosen_scenario(words: Words) -> Scenario:
    """The scenario and its variant. Raises InputError."""
    given = [each for each in sys.argv[1:] if each.endswith(SUFFIXES)]
    name = st.selectbox(
        words("scenario"), [*given, *shipped_names()], key="scenario", on_change=_start_over, bind="query-params",
        filter_mode=None,
    )  # fmt: skip
    scenario = _load(name, AS_WRITTEN)
    if not scenario.variants:
        return scenario
    variant = st.selectbox(
        words("variant"), [AS_WRITTEN, *scenario.variants], key="variant", on_change=_start_over, args=(False,),
        format_func=lambda each: words("as_written") if each == AS_WRITTEN else each, bind="query-params",
        filter_mode=None,
    )  # fmt: skip
    if variant == AS_WRITTEN or variant not in scenario.variants:
        return scenario
    if said := scenario.variants[variant].description:
        st.caption(said)
    return _load(name, variant)


def _load(name: str, variant: str) -> Scenario:
    """A scenario, read again where its file has changed. Raises InputError."""
    file = Path(name)
    stamp = file.stat().st_mtime_ns if file.is_file() else 0
    return _read(name, None if variant == AS_WRITTEN else variant, stamp)


@st.cache_resource(show_spinner=False, max_entries=32)
def _read(name: str, variant: str | None, stamp: int) -> Scenario:  # noqa: ARG001, the stamp is part of the key
    return load_scenario(name, variant=variant)


def _start_over(also_the_variant: bool = True) -> None:
    """Another scenario: what was set for the one before says nothing about it."""
    state = st.session_state
    if also_the_variant and "variant" in state:
        state["variant"] = AS_WRITTEN
    try:
        scenario = _load(state["scenario"], AS_WRITTEN)
        variant = state.get("variant", AS_WRITTEN)
        if variant in scenario.variants:
            scenario = _load(state["scenario"], variant)
    except InputError:
        return  # said when the page is drawn
    _forget(knobs_of(scenario.spec))
    state["duration"] = format_duration(running.first_duration_s(scenario.spec))


def _forget(knobs: Sequence[Knob]) -> None:
    for knob in knobs:
        st.session_state[knob.path] = knob.value
    st.session_state["set"] = ""


def _sliders(scenario: Scenario, knobs: Sequence[Knob], words: Words) -> list[list[str]]:
    """One slider for each knob, in groups; what each of them sets."""
    made = []
    for group, members in groupby(knobs, key=lambda knob: knob.group):
        with st.expander(words(group), expanded=group == FIRST_OPEN):
            for knob in members:
                choice = st.select_slider(
                    words.label(knob), knob.options, value=knob.value, key=knob.path, help=_help(scenario, knob, words),
                    bind="query-params",
                )  # fmt: skip
                made.append(knob.settings(str(choice)))
    return made


def _help(scenario: Scenario, knob: Knob, words: Words) -> str:
    """What the field is, where it is written, and where its value comes from."""
    lines = [knob.description, f"`{knob.path}`"]
    entry = scenario.provenance_of(knob.path)
    if entry is not None:
        source = ", ".join(text for text in (words(entry.source), entry.ref) if text)
        lines.append(words("comes_from", source=source) + (f". {entry.note}" if entry.note else ""))
    return "\n\n".join(lines)


def _free_settings(words: Words) -> list[str]:
    with st.expander(words("more")):
        text = st.text_area(
            words("more_label"), key="set", height=90, help=words("more_help"), bind="query-params",
            placeholder="services.user-service.workers.threads=50",
        )  # fmt: skip
    return [line.strip() for line in str(text or "").splitlines() if line.strip()]


def _size(scenario: Scenario, what_if: Scenario | None, words: Words) -> Size:
    """How much is simulated, and about how many requests that is."""
    spec = scenario.spec
    with st.expander(words("size")):
        duration_s: float | None = None
        if spec.traffic.trace is None:
            choices = {format_duration(each): each for each in running.durations_s(spec)}
            first = format_duration(running.first_duration_s(spec))
            chosen = st.select_slider(
                words("duration"), list(choices), value=first, key="duration", bind="query-params"
            )
            duration_s = choices[chosen]
        counts = sorted({*running.REPLICATIONS, spec.replications})
        first_count = running.first_replications(spec)
        count = st.select_slider(
            words("replications"), counts, value=first_count, key="replications", bind="query-params"
        )
        size = Size(int(count), duration_s)
        expected = running.requests_expected((what_if or scenario).spec, size)
        st.caption(words("size_note", requests=f"{float(f'{expected:.2g}'):,.0f}"))
    return size


# --- the middle ---


def _with(scenario: Scenario, settings: Sequence[str]) -> tuple[Scenario | None, Sequence[str]]:
    """The what-if, None where nothing is changed or where it makes no sense: then with what is wrong."""
    if not settings:
        return None, ()
    try:
        return scenario.with_settings(settings), ()
    except InputError as error:
        return None, error.lines


def _page(
    scenario: Scenario, what_if: Scenario | None, settings: Sequence[str], problems: Sequence[str], size: Size,
    words: Words,
) -> None:  # fmt: skip
    name = scenario.name + (f" · {scenario.variant}" if scenario.variant else "")
    st.html(cards.head(name, scenario.spec.description, settings, words))
    problem_at, progress_at, first_at = st.empty(), st.empty(), st.empty()
    if problems:
        problem_at.html(cards.errors(problems, words, words("still_baseline")))
    try:
        baseline = _found(scenario, size, None, progress_at, "running_baseline", words)
    except (InputError, SimulationError) as error:
        problem_at.html(cards.errors(str(error).splitlines(), words))
        return
    changed = None
    if what_if is not None:
        if "is_drawn" not in st.session_state:  # a shared address: something to look at while the what-if is run
            first_at.html(cards.cards(baseline, None, headlines(baseline), words))
        try:
            changed = _found(what_if, size, baseline.warm_up_s, progress_at, "running_what_if", words)
        except (InputError, SimulationError) as error:
            problem_at.html(cards.errors(str(error).splitlines(), words, words("still_baseline")))
    first_at.empty()
    st.session_state["is_drawn"] = True
    _findings(scenario, baseline, changed, size, words)
    _footer(scenario, baseline, changed, settings if changed is not None else (), words)


def _found(
    scenario: Scenario, size: Size, warm_up_s: float | None, progress_at: Any, side: str, words: Words
) -> Finding:  # fmt: skip
    """What a run finds. Its progress is shown; moving a slider ends it."""

    def tell(share: float, text: str) -> None:
        progress_at.progress(min(1.0, share), words(side, what=words.progress(text)))

    found = _runs().get(scenario, size, warm_up_s, tell)
    progress_at.empty()
    return found


@st.cache_resource(show_spinner=False)
def _runs() -> Runs:
    return Runs()


def _findings(scenario: Scenario, baseline: Finding, changed: Finding | None, size: Size, words: Words) -> None:
    if not baseline.document["warm_up"]["is_settled"]:
        st.html(cards.note(words("unsettled"), is_warning=True))
    st.html(cards.cards(baseline, changed, headlines(baseline, changed), words))
    st.html(cards.note(_how_sure(scenario, baseline, changed, size, words)))
    left, right = st.columns(2, gap="medium")
    with left:
        st.html(cards.part(words("verdict"), cards.objectives(baseline, changed, words)))
        if baseline.document["recovery"] or (changed is not None and changed.document["recovery"]):
            st.html(cards.part(words("recovery"), cards.recovery(baseline, changed, words)))
    with right:
        st.html(cards.part(words("breaks_first"), cards.bottlenecks(baseline, changed, words)))
        st.html(cards.part(words("parts"), bars.p99_parts(baseline, changed, words), words("parts_note")))
    span = words.duration(baseline.timeline.span_s)
    st.html(cards.part(words("over_time"), "", words("over_time_note", span=span)))
    st.plotly_chart(
        charts.over_time(baseline, changed, words), key="over_time", config={"displayModeBar": False},
        alt=words("over_time"),
    )  # fmt: skip
    legend = bars.key(words) if changed is not None else ""
    left, right = st.columns(2, gap="medium")
    with left:
        shown = bars.stations(baseline, changed, words)
        st.html(cards.part(words("stations"), legend + shown, words("stations_note")))
    with right:
        shown = bars.containers(baseline, changed, words)
        st.html(cards.part(words("containers"), legend + shown, words("containers_note")))


def _how_sure(scenario: Scenario, baseline: Finding, changed: Finding | None, size: Size, words: Words) -> str:
    """How much was run, against what the scenario asks for, and how the two sides are compared."""
    spec, document = scenario.spec, baseline.document
    is_trace = size.duration_s is None
    length = words("trace") if is_trace else words.duration(document["simulated_s"])
    full = words("trace") if is_trace else words.duration(spec.duration)
    is_short = size.replications < spec.replications or (not is_trace and document["simulated_s"] < spec.duration)
    counts = {"count": size.replications, "full_count": spec.replications, "length": length, "full_length": full}
    about_size = words("run_short" if is_short else "run_full", **counts)
    left_out = {"seed": document["seed"], "warm_up": words.duration(baseline.warm_up_s)}
    return f"{about_size} {words('alone' if changed is None else 'same_users', **left_out)}"


def _footer(
    scenario: Scenario, baseline: Finding, changed: Finding | None, settings: Sequence[str], words: Words
) -> None:  # fmt: skip
    st.html(cards.audit(changed or baseline, words))
    provenance = baseline.document["provenance"]
    assumed = sum(entry["source"] == "assumed" for entry in provenance.values())
    with st.expander(words("assumptions", assumed=assumed, all=len(provenance))):
        st.html(cards.assumptions(provenance, baseline.document["not_modelled"], words))
    with st.expander(words("command")):
        command = ["windtunnel", "run", scenario.name if scenario.path is None else str(scenario.path)]
        if scenario.name in shipped_names():
            command[2] = scenario.name
        command += ["--variant", scenario.variant] if scenario.variant else []
        for setting in settings:
            command += ["--set", setting]
        st.code(shlex.join(command), language="bash", wrap_lines=True)
    st.caption(words("share"))
