"""What the load of a log is, as a page of text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from experiments.report.cells import Document, as_count, as_duration, as_few, as_number, as_percent
from experiments.report.layout import Flow, Indented, table_of
from experiments.traffic.endpoints import UNKNOWN

SHOWN_ENDPOINTS: Final = 12
COLUMNS: Final = 96
MARGIN: Final = 10
ROWS: Final = 4
BLOCKS: Final = " ▁▂▃▄▅▆▇█"
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def render(document: Document, console: Console) -> None:
    """Print the report."""
    parts: list[RenderableType] = [Indented(title(document), "")]
    for heading, content in _sections(document):
        parts += ["", Text(heading, style="bold cyan"), Indented(content)]
    console.print(Group(*parts), soft_wrap=False)


def _sections(document: Document) -> Iterator[tuple[str, RenderableType]]:
    """A section that has nothing to say is left out."""
    yield "RATE over time", rate(document["rate"], document["requests"] - document["outside"])
    if document["rate"]["by_hour_per_s"]:
        yield f"HOURS of the day ({document['rate']['clock']}), mean rate", hours(document["rate"])
    yield "BURSTINESS", burstiness(document)
    if any(each["endpoint"] != UNKNOWN for each in document["endpoints"]) or set(document["status"]) != {UNKNOWN}:
        yield "WHAT IS ASKED FOR", endpoints(document)
    if document["response_s"]:
        yield "RESPONSE TIMES in ms, all requests", response(document["response_s"])
    if document["upstream"]:
        went_there = document["upstream"]["count"]
        title = "BEHIND the server that wrote the log, means in ms" if went_there else "CACHE, share of hits"
        yield title, behind(document)
    yield "WHO ASKS", who(document["who"])
    if document["sessions"]:
        yield "SESSIONS AND THINK TIMES", sessions(document["sessions"], document["who"])
    if document["popularity"]:
        yield "POPULARITY of paths", popularity(document["popularity"])
    if document["limits"]:
        yield "WHAT RATE LIMITS WOULD HAVE DONE, each by itself", limits(document["limits"])


def title(document: Document) -> RenderableType:
    logs = ["standard input" if name == "-" else name for name in document["logs"]]
    lines: list[RenderableType] = [Flow(logs, style="bold"), Text(document["format"])]
    many = document["headers"]
    headers = f", {as_count(many)} header{'s' * (many > 1)}" if many else ""
    counted = f"{as_count(document['lines'])} lines = {as_count(document['requests'])} requests"
    lines.append(Text(f"{counted} + {as_count(document['bad'])} bad{headers}"))
    if document["outside"]:
        inside = as_count(document["requests"] - document["outside"])
        said = f"{inside} of them within --from and --to are looked at, {as_count(document['outside'])} are not"
        lines.append(Text(said))
    span = f"{as_duration(document['span_s'])} from {document['begins']} to {document['ends']}"
    lines.append(Text(f"{span}; stamps to {stamps(document['resolution_s'])}", style="dim"))
    if str(document["begins"]).startswith("1970-01-01") and str(document["ends"]).startswith("1970-"):
        said = "The log has no dates: its beginning counts as the first hour of 1970, a Thursday."
        lines.append(Text(said, style="dim"))
    lines += [Text(f"bad {text}", style="yellow") for text in document["bad_shown"]]
    if document["went_back"]:
        lines.append(Text(f"{as_count(document['went_back'])} requests stood after later ones", style="dim"))
    if document["late"]:
        said = (
            f"{as_count(document['late'])} stood too far from their place and are left out of gaps, sessions and limits"
        )
        lines.append(Text(f"{said}. Sort the log.", style="yellow"))
    return Group(*lines)


def stamps(resolution_s: float) -> str:
    """The resolution of stamps in words."""
    if resolution_s >= 1:
        return "the second" if resolution_s == 1 else as_duration(resolution_s)
    size, unit = next((each for each in ((1e-3, "ms"), (1e-6, "us")) if resolution_s >= each[0]), (1e-9, "ns"))
    return f"{resolution_s / size:.3g} {unit}"


def rate(found: Mapping[str, Any], requests: int) -> RenderableType:
    """A chart of the rate, and its peaks."""
    rows: list[Sequence[str | Text]] = [
        (
            Text(f"in {as_window(peak['window_s'])}"), as_count(peak["requests"]), as_number(peak["per_s"]),
            f"{as_number(peak['to_mean'])} x", peak["at"],
        )
        for peak in found["peaks"]
    ]  # fmt: skip
    table = table_of(("the most", "requests", "per s", "the mean", "from"), rows, left=("from",))
    mean = Text(f"{as_rate(found['mean_per_s'])} on average, {as_count(requests)} requests in all")
    return Group(mean, Chart(found["series"]), table)


def as_rate(per_s: float) -> str:
    """A rate in the unit in which it is at least one."""
    for count, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if per_s * count >= 1:
            return f"{as_number(per_s * count)}/{unit}"
    return f"{as_number(per_s * 86_400)}/day"


@dataclass(frozen=True)
class Chart:
    """The rate as columns of blocks, as many as there is room for."""

    series: Mapping[str, Any]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        counts = self.series["requests"]
        each = -(-len(counts) // max(8, min(COLUMNS, options.max_width - MARGIN)))
        pieces = [counts[first : first + each] for first in range(0, len(counts), each)]
        if len(pieces) > 1 and 2 * len(pieces[-1]) < each:  # too short to say a rate of its own
            pieces[-2:] = [pieces[-2] + pieces[-1]]
        means = [sum(piece) / len(piece) for piece in pieces]
        most = max(means) or 1.0
        levels = [max(round(8 * ROWS * mean / most), 1 if mean else 0) for mean in means]
        labels = {ROWS - 1: as_rate(most / self.series["width_s"]), 0: "0"}
        for row in reversed(range(ROWS)):
            blocks = "".join(BLOCKS[min(8, max(0, level - 8 * row))] for level in levels)
            yield Text.assemble((f"{labels.get(row, ''):>{MARGIN - 1}} ", "dim"), blocks)
        said = f"a column is {as_window(each * self.series['width_s'])}, from {self.series['begins']}"
        yield Text(" " * MARGIN + said, style="dim")


def hours(found: Mapping[str, Any]) -> RenderableType:
    """The hours of the day as one row of blocks, and of the week as seven."""
    rows = [("day", found["by_hour_per_s"])]
    if found["by_hour_of_week_per_s"]:
        week = found["by_hour_of_week_per_s"]
        rows += [(day, week[24 * number : 24 * number + 24]) for number, day in enumerate(WEEKDAYS)]
    most = max(value for _, values in rows for value in values if value is not None) or 1.0
    lines = [Text(f"{'':<4} 00    06    12    18", style="dim")]
    for name, values in rows:
        blocks = "".join(" " if value is None else BLOCKS[max(1, round(8 * value / most))] for value in values)
        known = [value for value in values if value is not None]
        said = f"  {as_rate(min(known))} to {as_rate(max(known))}" if known else ""
        lines.append(Text.assemble((f"{name:<4} ", "dim"), blocks, (said, "dim")))
    return Group(*lines)


def burstiness(document: Document) -> RenderableType:
    found = document["burstiness"]
    rows: list[Sequence[str | Text]] = [
        (
            Text(f"in {as_window(each['window_s'])}"), as_count(each["windows"]), as_number(each["index"]),
            f"{as_number(each['poisson'][0])} to {as_number(each['poisson'][1])}", judged(each),
        )
        for each in found["dispersion"]
    ]  # fmt: skip
    table = table_of(("index of dispersion", "windows", "index", "at random", ""), rows, left=("",))
    if not rows:
        return Text("too short to tell", style="dim")
    lines: list[RenderableType] = [table]
    if found["gap_cv"] is not None:
        lines.append(Text(f"gaps between requests: coefficient of variation {as_number(found['gap_cv'])}, at random 1"))
    note = "variance over mean of the number of requests in a window; 1 for arrivals at random (Poisson)"
    return Group(*lines, Text(note, style="dim"))


def judged(each: Mapping[str, Any]) -> str:
    low, high = each["poisson"]
    return "bursty" if each["index"] > high else "more even than at random" if each["index"] < low else "at random"


def as_window(seconds: float) -> str:
    """A round duration, shortly."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{seconds / size:.3g} {'day' if seconds == 86_400 else unit}"
    return f"{seconds * 1000:g} ms"


def endpoints(document: Document) -> RenderableType:
    listed: Sequence[Mapping[str, Any]] = document["endpoints"]
    rows: list[Sequence[str | Text]] = []
    for each in listed[:SHOWN_ENDPOINTS]:
        times = each["response_s"] or {}
        figures = [as_number(1000 * times[key]) if times else "" for key in ("p50_s", "p95_s", "p99_s")]
        row = (as_count(each["requests"]), as_percent(each["share"]), as_few(each["errors_5xx"]), *figures)
        rows.append((Text(each["endpoint"]), *row))
    table = table_of(("endpoint", "requests", "share", "5xx", "p50 ms", "p95 ms", "p99 ms"), rows)
    lines: list[RenderableType] = [table]
    rest = listed[SHOWN_ENDPOINTS:]
    if rest:
        share = as_percent(sum(each["share"] for each in rest))
        lines.append(Text(f"and {len(rest)} more, {share} of the requests", style="dim"))
    statuses = [f"{name}: {as_percent(count / document['requests'])}" for name, count in document["status"].items()]
    return Group(*lines, Flow(statuses, "status"))


def response(found: Mapping[str, Any]) -> RenderableType:
    names = ("mean", "p50", "p90", "p95", "p99", "max")
    return table_of(("", *names), [("all", *(as_number(1000 * found[f"{name}_s"]) for name in names))])


def behind(document: Document) -> RenderableType:
    """What the servers behind took of the time, the busiest endpoints and all of them."""
    listed = [(each["endpoint"], each["upstream"]) for each in document["endpoints"][:SHOWN_ENDPOINTS]]
    table = upstream_table([*listed, ("all", document["upstream"])])
    count = document["upstream"]["count"]
    if not count:  # rows of a simulation, say, tell hits and nothing else
        return table
    return Group(table, Text(f"{as_count(count)} requests went there; share: of their response times", style="dim"))


def upstream_table(listed: Sequence[tuple[str, Mapping[str, Any] | None]]) -> RenderableType:
    """Response and upstream time side by side. Columns of which the log says nothing are left out."""
    rows: list[Sequence[str | Text]] = [
        (Text(name), *("" if figures[key] is None else as_cell(figures[key]) for _, key, as_cell in _BEHIND))
        for name, figures in listed
        if figures is not None
    ]
    return table_of(("endpoint", *(heading for heading, _, _ in _BEHIND)), rows)


def _as_ms(seconds: float) -> str:
    return as_number(1000 * seconds)


_BEHIND: Final = (
    ("response", "response_mean_s", _as_ms), ("upstream", "mean_s", _as_ms), ("share", "share_of_time", as_percent),
    ("connect", "connect_mean_s", _as_ms), ("retried", "several_tries_share", as_percent),
    ("hits", "cache_hit_share", as_percent),
)  # fmt: skip


def who(found: Mapping[str, Any]) -> RenderableType:
    said = []
    for key, words in (("users", "users"), ("ips", "addresses")):
        least = "more than " if found[f"{key}_is_least"] else ""
        said.append(f"{least}{as_count(found[key])} {words}" if found[key] else f"the log names no {words}")
    lines: list[RenderableType] = [Flow(said)]
    if not found["users"] and not found["ips"]:
        lines = [Text("the log names no users and no addresses")]
    shared = found["users_per_ip"]
    if shared:
        figures = [f"mean {as_number(shared['mean'])}", f"median {shared['p50']}", f"p95 {shared['p95']}"]
        lines.append(Flow([*figures, f"most {shared['max']}"], "users behind an address:"))
    return Group(*lines)


def sessions(found: Mapping[str, Any], names: Mapping[str, Any]) -> RenderableType:
    whose = "a user" if names["users"] else "an address"
    part = "" if found["one_in"] == 1 else f", of one in {found['one_in']} of them"
    each = found["requests_per_session"]
    said = f"{as_count(found['sessions'])} sessions of {as_count(found['visitors'])} visitors{part}"
    rule = f"a session of {whose} ends with a pause of more than {as_duration(found['gap_s'])}"
    lengths = [f"mean {as_number(each['mean'])}", f"median {as_number(each['p50'])}", f"p90 {as_number(each['p90'])}"]
    rows: list[Sequence[str | Text]] = []
    for name, key in (("think time", "think_s"), ("length of a session", "session_s"), ("pause between", "away_s")):
        times = found[key]
        if times["count"]:
            quantiles = [as_time(times.get(f"p{q}_s")) for q in (10, 50, 90, 99)]
            rows.append((Text(name), as_count(times["count"]), as_time(times["mean_s"]), *quantiles))
    table = table_of(("", "counted", "mean", "p10", "p50", "p90", "p99"), rows)
    lines: list[RenderableType] = [Text(f"{said}; {rule}")]
    lines += [Flow([*lengths, f"most {as_count(each['max'])}"], "requests a session:"), table]
    best = found["think_fit"]
    if best:
        parameters = [f"{key} {best[key]}" for key in ("mean", "p50", "shape") if key in best]
        lines.append(Flow([*parameters, f"{best['fit']} fit (distance {best['distance']:.3f})"],
                          f"think times are closest to {best['kind']}:"))  # fmt: skip
    return Group(*lines)


def as_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds == 0 or seconds >= 120:
        return as_duration(seconds)
    return f"{as_number(seconds * 1000)} ms" if seconds < 1 else f"{as_number(seconds)} s"


def popularity(found: Mapping[str, Any]) -> RenderableType:
    low, high = found["interval"]
    said = f"Zipf exponent {as_number(found['exponent'])} [{as_number(low)}, {as_number(high)}]"
    lines = [
        Text(f"{said} over {as_count(found['things'])} paths: {found['fit']} fit (distance {found['distance']:.3f})")
    ]
    if found["fit"] == "poor":
        lines.append(Text("popularity does not follow Zipf's law here: the exponent is only the closest one", "yellow"))
    if found["is_thin"]:
        each = as_number(found["requests"] / found["things"])
        lines.append(Text(f"only {each} requests a path: the exponent is too large by chance's own ranking", "yellow"))
    return Group(*lines)


def limits(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    return Group(*(line for each in found for line in _limit(each)))


def _limit(each: Mapping[str, Any]) -> Iterator[RenderableType]:
    whose = {"user": "user", "ip": "address", "global": ""}[each["key"]]
    if not each["asked"]:
        yield Text(f"{each['rule']}: cannot be told, the log names no {whose}", style="yellow")
        return
    share = as_percent(each["refused_share"])
    if not each["refused"]:
        text = f"{each['rule']}: would have refused none of {as_count(each['asked'])} requests"
        yield Text(text, style="green")
    else:
        number = as_count(each["keys_refused"]) + ("+" if each["is_cut"] else "")
        names = {"user": "user", "ip": "address"}.get(each["key"], "")
        plural = "" if each["keys_refused"] == 1 else "es" if whose == "address" else "s"
        by = f", from {number} {names}{plural}" if names else ""
        yield Text(
            f"{each['rule']}: would have refused {share} of these requests ({as_count(each['refused'])}){by}", "red"
        )
        worst = [f"{entry['name']} ({as_count(entry['refused'])})" for entry in each["worst"]]
        if worst:
            yield Indented(Flow(worst, "most:", style="dim"))
    if each["one_in"] > 1:
        yield Indented(Text(f"as far as one {whose} in {each['one_in']} tells, chosen by a hash", style="dim"))
    if each["unknown"]:
        yield Indented(
            Text(f"{as_count(each['unknown'])} requests name no {whose}: it is not asked about", style="dim")
        )
