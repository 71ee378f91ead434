"""The result of a run as a page of text for the terminal: verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]

MARKS = {"met": ("✓", "green"), "breached": ("✗", "red"), "undecided": ("?", "yellow")}
SHOWN_STATIONS = 12
PART_NAMES = {
    "wait": "waiting in queues",
    "cpu": "burning CPU",
    "throttled": "throttled by quotas",
    "cache": "asking the cache",
    "db": "in the database",
    "delay": "network and other waits",
    "other": "not accounted for",
}


def render(document: Document, console: Console) -> None:
    """Print the report of a result."""
    console.print(page(document), soft_wrap=False)


def page(document: Document) -> RenderableType:
    """The report of a result, section by section."""
    sections: list[RenderableType] = [_title(document)]
    for heading, content in _sections(document):
        sections += ["", Text(heading, style="bold cyan"), Padding(content, (0, 0, 0, 2))]
    return Group(*sections)


def _sections(document: Document) -> Iterator[tuple[str, RenderableType]]:
    yield "VERDICT", _verdict(document)
    yield "REQUESTS", _requests(document)
    yield "RESPONSE TIMES in ms", _latency(document)
    yield "WHAT USERS SEE, by endpoint", _endpoints(document)
    yield "STATIONS, the busiest first", _stations(document)
    yield "MACHINES AND CONTAINERS", _containers(document)
    if document["caches"]:
        yield "CACHES", _caches(document)
    if document["alerts"]:
        yield "ALERTS", _alerts(document)
    if document["breakers"]:
        yield "CIRCUIT BREAKERS", _breakers(document)
    yield "WHAT BREAKS FIRST", _bottleneck(document)
    if document["notes"]:
        yield "EVENTS of the first replication", _notes(document)
    if document["not_modelled"]:
        yield "NOT MODELLED", _lines(f"- {text}" for text in document["not_modelled"])
    yield "AUDIT", _audit(document)


# --- sections ---


def _title(document: Document) -> RenderableType:
    warm_up = document["warm_up"]
    name = document["scenario"] + (f" ({document['variant']})" if document["variant"] else "")
    what = f"{_count(document['replications'])} replications" if document["replications"] != 1 else "1 replication"
    lines = [Text(f"{name}: {document['description']}", style="bold")]
    if document["settings"]:
        lines.append(Text("with " + ", ".join(document["settings"])))
    lines.append(
        Text(
            f"{what} of {_duration(document['simulated_s'])}, seed {document['seed']}; the first "
            f"{_duration(warm_up['seconds'])} left out ({warm_up['source']})"
            if warm_up["seconds"]
            else f"{what} of {_duration(document['simulated_s'])}, seed {document['seed']}, measured from the start",
            style="dim",
        )
    )
    if not warm_up["is_settled"]:
        lines.append(Text("Too short to conclude: the pilot run had not settled. Lengthen the run.", style="yellow"))
    return Group(*lines)


def _verdict(document: Document) -> RenderableType:
    objectives = document["objectives"]
    if not objectives:
        return Text("no objectives are set", style="dim")
    verdicts = [objective["verdict"] for objective in objectives]
    text, style = ("holds: every objective is met", "bold green")
    if "breached" in verdicts:
        text, style = (
            f"does not hold: {verdicts.count('breached')} of {len(verdicts)} objectives breached",
            "bold red",
        )
    elif "undecided" in verdicts:
        text, style = (f"undecided on {verdicts.count('undecided')} of {len(verdicts)} objectives", "bold yellow")
    table = _table()
    for objective in objectives:
        mark, colour = MARKS[objective["verdict"]]
        bound = "at most" if objective["bound"] == "at_most" else "at least"
        show = _shower(objective["path"])
        table.add_row(
            Text(mark, style=colour),
            objective["name"],
            Text(show(objective["value"]), justify="right"),
            _interval(objective["interval"], show),
            Text(f"{bound} {show(objective['threshold'])}", style="dim"),
        )
    return Group(Text(text, style=style), table)


def _requests(document: Document) -> RenderableType:
    requests = document["requests"]
    table = _table()
    arrived = requests["arrived"]
    rows = [("arrived", arrived), ("succeeded", requests["succeeded"])]
    rows += [(f"refused, {_words(reason)}", number) for reason, number in requests["refused"].items()]
    rows += [(f"failed, {_words(reason)}", number) for reason, number in requests["failed"].items()]
    if requests["abandoned"]:
        rows.append(("abandoned by their client", requests["abandoned"]))
    if requests["in_flight"]:
        rows.append(("in flight at the end", requests["in_flight"]))
    for name, number in rows:
        share = f"{100 * number / arrived:.2f} %" if arrived and name != "arrived" else ""
        table.add_row(name, Text(_count(number), justify="right"), Text(share, justify="right", style="dim"))
    rates = (
        f"throughput {_number(document['throughput_per_s'])}/s, goodput {_number(document['goodput_per_s'])}/s"
        f"{_after(document, '/goodput_per_s', _number)}"
    )
    waste = document["waste"]
    lines: list[RenderableType] = [table, Text(rates)]
    if waste["bursts"] or waste["calls_left"]:
        lines.append(
            Text(
                f"waste: {_number(waste['cpu_s'])} CPU-seconds for callers who had gone, "
                f"{_count(waste['calls_left'])} calls left"
            )
        )
    return Group(*lines)


def _latency(document: Document) -> RenderableType:
    table = _table("", "mean", "p50", "p95", "p99", "max")
    for name, key in (("all requests", "all"), ("successful ones", "succeeded")):
        figures = document["latency_ms"][key]
        cells = [
            Text.assemble(
                _number(figures[column]),
                (_after(document, f"/latency_ms/{key}/{column}", _number), "dim"),
                justify="right",
            )
            for column in ("mean", "p50", "p95", "p99")
        ]
        table.add_row(name, *cells, Text(_number(figures["max"]), justify="right"))
    return Group(table, _p99_parts(document["p99_parts_ms"]))


def _p99_parts(parts: Mapping[str, float]) -> Text:
    total = max(sum(parts.values()), 1e-12)
    named = sorted(((value, name) for name, value in parts.items() if value / total >= 0.01), reverse=True)
    if not named:
        return Text("")
    text = ", ".join(f"{PART_NAMES[name]} {100 * value / total:.0f} %" for value, name in named)
    return Text(f"where the p99's time goes: {text}", style="dim")


def _endpoints(document: Document) -> RenderableType:
    table = _table("endpoint", "requests", "success", "errors", "p50", "p95", "p99 ms")
    for name, endpoint in document["endpoints"].items():
        latency = endpoint["latency_ms"]["all"]
        table.add_row(
            name,
            *(
                Text(cell, justify="right")
                for cell in (
                    _count(endpoint["requests"]["arrived"]),
                    _percent(endpoint["success_rate"]),
                    _percent(endpoint["error_rate"]),
                    _number(latency["p50"]),
                    _number(latency["p95"]),
                    _number(latency["p99"]),
                )
            ),
        )
    return table


def _stations(document: Document) -> RenderableType:
    table = _table("station", "size", "arrivals", "in use", "mean wait ms", "refused", "gave up")
    used = [(path, station) for path, station in document["stations"].items() if station["arrivals"]]
    used.sort(key=_pressure)
    for path, station in used[:SHOWN_STATIONS]:
        numbers = (
            _count(station["servers"]),
            _count(station["arrivals"]),
            _percent(station["utilisation"]),
            _number(station["mean_wait_ms"]),
            _count(station["refused"]),
            _count(station["expired"]),
        )
        table.add_row(path, *(Text(cell, justify="right") for cell in numbers))
    more = len(used) - SHOWN_STATIONS
    return Group(table, Text(f"and {more} more in result.json", style="dim")) if more > 0 else table


def _pressure(item: tuple[str, Mapping[str, Any]]) -> tuple[float, float]:
    """Who turned most away, then who is busiest. A database's connections count as in use even when they rest."""
    path, station = item
    is_resting = path.startswith("databases.")
    return -(station["refused"] + station["expired"]), 0.0 if is_resting else -(station["utilisation"] or 0.0)


def _containers(document: Document) -> RenderableType:
    table = _table("", "cores in use", "of its limit", "throttled", "threads waiting", "memory peak", "deaths")
    for path, machine in document["machines"].items():
        share = f"{_bytes(machine['memory_peak_bytes'])} ({_percent(machine['memory_peak_share'])})"
        cells = (
            "",
            _percent(machine["cpu_utilisation"]),
            "",
            _number(machine["run_queue"]),
            share,
            _count(machine["oom_kills"]),
        )
        table.add_row(Text(path, style="bold"), *(Text(cell, justify="right") for cell in cells))
    for path, container in document["containers"].items():
        cells = (
            f"{container['cpu_cores']:.3f}",
            _percent(container["cpu_of_limit"]),
            _percent(container["throttled_share"]) if container["throttled_share"] else "",
            _number(container["run_queue"]),
            _bytes(container["memory_peak_bytes"]),
            _count(container["deaths"]) if container["deaths"] else "",
        )
        table.add_row(path.removeprefix("services."), *(Text(cell, justify="right") for cell in cells))
    return table


def _caches(document: Document) -> RenderableType:
    table = _table("cache", "data class", "lookups", "hit ratio", "expired", "loaded twice")
    for path, cache in document["caches"].items():
        table.add_row(
            path,
            "all",
            Text(_count(cache["lookups"]), justify="right"),
            Text(_percent(cache["hit_ratio"]), justify="right"),
        )
        for name, figures in cache["classes"].items():
            cells = (
                _count(figures["lookups"]),
                _percent(figures["hit_ratio"]),
                _count(figures["expired"]),
                _count(figures["duplicate_loads"]),
            )
            table.add_row("", name, *(Text(cell, justify="right") for cell in cells))
    return table


def _alerts(document: Document) -> RenderableType:
    table = _table()
    for alert in document["alerts"]:
        if not alert["fired_in"]:
            text = Text("never fires", style="green")
        else:
            text = Text(
                f"fires in {alert['fired_in']} of {alert['of']} replications, first after "
                f"{_duration(alert['first_at_s'])}, for {_duration(alert['firing_s'])} in all",
                style="red",
            )
        table.add_row(alert["name"], Text(f"{_words(alert['series'])} above {alert['above']:g}", style="dim"), text)
    return table


def _breakers(document: Document) -> RenderableType:
    table = _table("breaker", "transitions", "first")
    for path, breaker in document["breakers"].items():
        first = breaker["transitions"][0]
        table.add_row(
            path.removesuffix(".breaker"),
            _count(len(breaker["transitions"])),
            f"replication {first['replication']} at {_duration(first['t_s'])}: {first['transition']}",
        )
    return table


def _bottleneck(document: Document) -> RenderableType:
    found = document["bottleneck"]
    if found is None:
        return Text("nothing was used")
    setting = f"{found['limit_path']} = {found['value']}"
    if not found["binds"]:
        return Group(
            Text(f"nothing binds; the nearest is {setting}", style="green"), Text(found["evidence"], style="dim")
        )
    lines = [Text(setting, style="bold red"), Text(f"{found['station']}: {found['evidence']}", style="dim")]
    confirmed = found["confirmed"]
    if confirmed is not None:
        lines.append(Text(confirmed["text"], style="green" if confirmed["moved"] else "yellow"))
    return Group(*lines)


def _notes(document: Document) -> RenderableType:
    table = _table()
    for note in document["notes"][:8]:
        table.add_row(Text(_duration(note["t_s"]), justify="right", style="dim"), note["path"], note["text"])
    more = len(document["notes"]) - 8
    return Group(table, Text(f"and {more} more in result.json", style="dim")) if more > 0 else table


def _audit(document: Document) -> RenderableType:
    audit, wall = document["audit"], document["wall"]
    held = sum(check["passed"] for check in audit["checks"])
    text = f"{held} of {len(audit['checks'])} identities hold in every replication"
    rate, events = _count(wall["requests_per_s"]), _number(wall["events_per_request"])
    speed = f"{rate} requests a second of computing, {events} events each"
    return Group(
        Text(("passed: " if audit["passed"] else "FAILED: ") + text, style="green" if audit["passed"] else "bold red"),
        Text(f"digest {document['digest']}; {wall['seconds']:.1f} s, {speed}", style="dim"),
    )


# --- cells ---


def _table(*headings: str) -> Table:
    table = Table(box=None, show_header=bool(headings), pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 or heading in ("data class", "first") else "right")
    return table


def _lines(texts: Iterable[str]) -> Group:
    return Group(*(Text(text) for text in texts))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _count(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _number(value: float | None) -> str:
    """Three significant digits, without an exponent."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}".rstrip("0").rstrip(".") or "0"


def _percent(value: float | None) -> str:
    if value is None:
        return "-"
    percent = 100 * value
    if percent in (0, 100):
        return f"{percent:.0f} %"
    if 99.995 <= percent <= 100.005:
        return "100 %"
    if 0 < percent < 0.01:
        return "<0.01 %"
    return f"{percent:.2f} %" if percent > 99 or percent < 1 else f"{percent:.1f} %"


def _bytes(value: float) -> str:
    return f"{value / 2**30:.2f} G" if value >= 2**30 else f"{value / 2**20:.0f} M"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds >= 86_400:
        return f"{seconds / 86_400:.1f} days"
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 120:
        return f"{seconds / 60:.0f} min" if seconds % 60 == 0 else f"{seconds / 60:.1f} min"
    return f"{seconds:.0f} s" if seconds == int(seconds) else f"{seconds:.1f} s"


def _shower(pointer: str) -> Any:
    """How figures under a pointer are written."""
    last = pointer.rsplit("/", 1)[-1]
    return _percent if last.endswith(("rate", "ratio", "share", "utilisation")) else _number


def _interval(interval: Any, show: Any) -> Text:
    return Text("" if interval is None else f"[{show(interval[0])}, {show(interval[1])}]", style="dim")


def _after(document: Document, pointer: str, show: Any) -> str:
    interval = document["intervals"].get(pointer)
    return "" if interval is None else f" [{show(interval[0])}, {show(interval[1])}]"
