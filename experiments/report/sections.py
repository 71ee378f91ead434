"""The sections of the report, one function each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from experiments.report.cells import (
    Document,
    as_bytes,
    as_count,
    as_duration,
    as_few,
    as_interval,
    as_number,
    as_percent,
    as_place,
    as_words,
    interval_after,
    writer_of,
)
from experiments.report.layout import Flow, Name, bullets, table_of
from experiments.report.storms import waste_lines

VERDICT_COLUMNS = ("", "objective", "value", "interval", "bound")
MARKS = {"met": ("✓", "green"), "breached": ("✗", "red"), "undecided": ("?", "yellow")}
SHOWN_STATIONS = 12
ALWAYS_SHOWN = 3
LEAST_USE, LEAST_WAIT_MS = 0.01, 0.1
"""A station that is less in use, where nobody waits longer and nobody is turned away, says nothing."""
PART_NAMES = {
    "wait": "waiting in queues",
    "cpu": "burning CPU",
    "throttled": "throttled by quotas",
    "cache": "asking the cache",
    "db": "in the database",
    "delay": "network and other waits",
    "left": "in attempts that were left",
    "other": "not accounted for",
}


def title(document: Document) -> RenderableType:
    warm_up = document["warm_up"]
    name = document["scenario"] + (f" ({document['variant']})" if document["variant"] else "")
    what = f"{as_count(document['replications'])} replications" if document["replications"] != 1 else "1 replication"
    left_out = "measured from the start"
    if warm_up["seconds"]:
        left_out = f"the first {as_duration(warm_up['seconds'])} left out ({warm_up['source']})"
    lines: list[RenderableType] = [Text(name, style="bold"), Text(document["description"])]
    if document["settings"]:
        lines.append(Flow(document["settings"], "with"))
    stopped = document["stopped"]
    if stopped is not None and stopped["during"] == "replications":
        wanted = as_count(stopped["replications_wanted"])
        lines.append(Text(f"Stopped: {what} of {wanted} had ended; figures are theirs.", style="bold yellow"))
    elif stopped is not None:
        lines.append(Text("Stopped before the limit that binds was confirmed.", style="bold yellow"))
    lines.append(Flow([f"{what} of {as_duration(document['simulated_s'])}", f"seed {document['seed']}", left_out],
                      style="dim"))  # fmt: skip
    if not warm_up["is_settled"]:
        lines.append(Text("Too short to conclude: the pilot run had not settled. Lengthen the run.", style="yellow"))
    return Group(*lines)


def verdict(document: Document) -> RenderableType:
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
    rows = []
    for objective in objectives:
        mark, colour = MARKS[objective["verdict"]]
        bound = "at most" if objective["bound"] == "at_most" else "at least"
        show = writer_of(objective["path"])
        unit = " ms" if "_ms" in objective["path"] else "/s" if objective["path"].endswith("_per_s") else ""
        rows.append(
            (
                Name(mark, colour),
                Name(objective["name"]),
                show(objective["value"]) + unit,
                as_interval(objective["interval"], show),
                Text(f"{bound} {show(objective['threshold'])}{unit}", style="dim"),
            )
        )
    table = table_of(VERDICT_COLUMNS, rows, left=("objective", "interval", "bound"))
    table.show_header = False
    return Group(Text(text, style=style), table)


def requests(document: Document) -> RenderableType:
    requests = document["requests"]
    arrived = requests["arrived"]
    named = [("arrived", arrived), ("succeeded", requests["succeeded"])]
    named += [(f"refused, {as_words(reason)}", number) for reason, number in requests["refused"].items()]
    named += [(f"failed, {as_words(reason)}", number) for reason, number in requests["failed"].items()]
    if requests["abandoned"]:
        named.append(("abandoned by their client", requests["abandoned"]))
    if requests["in_flight"]:
        named.append(("in flight at the end", requests["in_flight"]))
    rows = []
    for name, number in named:
        share = as_percent(number / arrived) if arrived and name != "arrived" else ""
        rows.append((Name(name), as_count(number), Text(share, style="dim")))
    rates = [
        f"throughput {as_number(document['throughput_per_s'])}/s",
        f"goodput {as_number(document['goodput_per_s'])}/s{interval_after(document, '/goodput_per_s', as_number)}",
    ]
    return Group(table_of(("", "", ""), rows), Flow(rates), *waste_lines(document["waste"]))


def latency(document: Document) -> RenderableType:
    """One column for all requests, another for the successful ones where that is not the same."""
    sides = {"all requests": "all", "successful ones": "succeeded"}
    figures = document["latency_ms"]
    if all(as_number(figures["all"][key]) == as_number(figures["succeeded"][key]) for key in ("mean", "p95", "max")):
        del sides["successful ones"]
    rows = []
    for name in ("mean", "p50", "p95", "p99", "max"):
        row: list[Any] = [Name(name)]
        for key in sides.values():
            row.append(as_number(document["latency_ms"][key][name]))
            interval = interval_after(document, f"/latency_ms/{key}/{name}", as_number) if name != "max" else ""
            row.append(Text(interval.strip(), style="dim"))
        rows.append(row)
    headings = [heading for name in sides for heading in (name, f"{name}, interval")]
    table = table_of(["", *headings], rows, left=[f"{name}, interval" for name in sides])
    for column in table.columns:
        if "interval" in str(column.header):
            column.header = Text("95 % interval")
    return Group(table, p99_parts(document["p99_parts_ms"]))


def p99_parts(parts: Mapping[str, float | None]) -> RenderableType:
    known = {name: value for name, value in parts.items() if value is not None}
    total = max(sum(known.values()), 1e-12)
    named = sorted(((value, name) for name, value in known.items() if value / total >= 0.01), reverse=True)
    if not named:
        return Text("")
    shares = [f"{PART_NAMES[name]} {100 * value / total:.0f} %" for value, name in named]
    return Flow(shares, "where the p99's time goes:", style="dim")


def endpoints(document: Document) -> RenderableType:
    """Success and errors only where anything went wrong anywhere."""
    counts = [endpoint["requests"] for endpoint in document["endpoints"].values()]
    is_flawless = all(each["succeeded"] == each["completed"] and not each["abandoned"] for each in counts)
    rows = []
    for name, endpoint in document["endpoints"].items():
        figures = endpoint["latency_ms"]["all"]
        rates = [as_percent(endpoint["success_rate"]), as_percent(endpoint["error_rate"])]
        times = [as_number(figures[quantile]) for quantile in ("p50", "p95", "p99")]
        rows.append([name, as_count(endpoint["requests"]["arrived"]), *(["", ""] if is_flawless else rates), *times])
    table = table_of(("endpoint", "requests", "success", "errors", "p50 ms", "p95 ms", "p99 ms"), rows)
    return Group(table, Text("every request succeeded", style="dim")) if is_flawless else table


def stations(document: Document) -> RenderableType:
    used = sorted(((path, each) for path, each in document["stations"].items() if each["arrivals"]), key=pressure)
    shown = [item for number, item in enumerate(used) if number < ALWAYS_SHOWN or _says_something(item[1])]
    shown = shown[:SHOWN_STATIONS]
    rows = [
        (
            as_place(path),
            as_count(each["servers"]),
            as_count(each["arrivals"]),
            as_percent(each["utilisation"]),
            as_number(each["mean_wait_ms"]),
            as_few(each["refused"]),
            as_few(each["expired"]),
        )
        for path, each in shown
    ]
    table = table_of(("station", "size", "arrivals", "in use", "wait ms", "refused", "gave up"), rows)
    more = len(used) - len(shown)
    is_quiet = not any(_says_something(each) for path, each in used if (path, each) not in shown)
    why = ": less than 1 % in use, nobody waiting or turned away" if is_quiet else " in result.json"
    return Group(table, Text(f"and {more} more{why}", style="dim")) if more > 0 else table


def _says_something(station: Mapping[str, Any]) -> bool:
    is_used = (station["utilisation"] or 0.0) >= LEAST_USE or (station["mean_wait_ms"] or 0.0) >= LEAST_WAIT_MS
    return bool(is_used or station["refused"] or station["expired"])


def pressure(item: tuple[str, Mapping[str, Any]]) -> tuple[float, float]:
    """Who turned most away, then who is busiest. A database's connections count as in use even when they rest."""
    path, station = item
    is_resting = path.startswith("databases.")
    return -(station["refused"] + station["expired"]), 0.0 if is_resting else -(station["utilisation"] or 0.0)


def containers(document: Document) -> RenderableType:
    """Machines, and below them the containers they run."""
    headings = ("", "cores\nin use", "CPU\nused", "throttled", "run\nqueue", "memory\npeak", "memory\nused", "killed")
    rows: list[list[Any]] = []
    for path, machine in document["machines"].items():
        rows.append(
            [
                Name(path, "bold"),
                "",
                as_percent(machine["cpu_utilisation"]),
                "",
                as_number(machine["run_queue"]),
                as_bytes(machine["memory_peak_bytes"]),
                as_percent(machine["memory_peak_share"]) if machine["memory_peak_bytes"] else "",
                as_few(machine["oom_kills"]),
            ]
        )
    for path, container in document["containers"].items():
        rows.append(
            [
                as_place(path),
                f"{container['cpu_cores']:.3f}",
                as_percent(container["cpu_of_limit"]) if container["cpu_of_limit"] is not None else "",
                as_percent(container["throttled_share"]) if container["throttled_share"] else "",
                as_number(container["run_queue"]),
                as_bytes(container["memory_peak_bytes"]) if container["memory_peak_bytes"] else "",
                "",
                as_few(container["deaths"]),
            ]
        )
    note = "CPU used: of a machine's cores, of a container's limit; run queue: threads without a core, in the mean"
    return Group(table_of(headings, rows), Text(note, style="dim"))


def caches(document: Document) -> RenderableType:
    rows: list[list[Any]] = []
    for path, cache in document["caches"].items():
        rows.append([Name(path, "bold"), as_count(cache["lookups"]), as_percent(cache["hit_ratio"])])
        for name, figures in cache["classes"].items():
            rows.append(
                [
                    name,
                    as_count(figures["lookups"]),
                    as_percent(figures["hit_ratio"]),
                    as_few(figures["expired"]),
                    as_few(figures["duplicate_loads"]),
                ]
            )
    return table_of(("data class", "lookups", "hit ratio", "expired", "loaded twice"), rows)


def alerts(document: Document) -> RenderableType:
    """Those that fire in full; of the others the names."""
    lines: list[RenderableType] = []
    for alert in document["alerts"]:
        if alert["fired_in"]:
            what = f"({as_words(alert['series'])} above {alert['above']:g})"
            fires = f"fires in {alert['fired_in']} of {alert['of']} replications"
            rest = [f"first after {as_duration(alert['first_at_s'])}", f"for {as_duration(alert['firing_s'])} in all"]
            lines.append(Flow([f"{alert['name']} {what} {fires}", *rest], style="red"))
    quiet = [alert["name"] for alert in document["alerts"] if not alert["fired_in"]]
    if quiet:
        lines.append(Flow(quiet, "never fires:" if len(quiet) == 1 else "never fire:", style="green"))
    return Group(*lines)


def breakers(document: Document) -> RenderableType:
    rows = []
    for path, breaker in document["breakers"].items():
        first = breaker["transitions"][0]
        what = f"replication {first['replication']} at {as_duration(first['t_s'])}: {first['transition']}"
        rows.append((as_place(path), as_count(len(breaker["transitions"])), what))
    return table_of(("breaker", "transitions", "first"), rows, left=("first",))


def bottleneck(document: Document) -> RenderableType:
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


def notes(document: Document) -> RenderableType:
    rows = [
        (Name(as_duration(note["t_s"])), Name(as_place(note["path"])), note["text"]) for note in document["notes"][:8]
    ]
    table = table_of(("time", "place", "what"), rows, left=("place", "what"))
    table.show_header = False
    more = len(document["notes"]) - 8
    return Group(table, Text(f"and {more} more in result.json", style="dim")) if more > 0 else table


def audit(document: Document) -> RenderableType:
    audit, wall = document["audit"], document["wall"]
    held = sum(check["passed"] for check in audit["checks"])
    text = f"{held} of {len(audit['checks'])} identities hold in every replication"
    rate, events = as_count(wall["requests_per_s"]), as_number(wall["events_per_request"])
    spent = [f"{wall['seconds']:.1f} s", f"{rate} requests a second of computing", f"{events} events each"]
    return Group(
        Text(("passed: " if audit["passed"] else "FAILED: ") + text, style="green" if audit["passed"] else "bold red"),
        Text(f"digest {document['digest']}", style="dim"),
        Flow(spent, "computed in", style="dim"),
    )


def releases(document: Document) -> RenderableType:
    """What the components behave as; those of which the scenario could name another stand apart."""
    said = [f"{each['product']} {each['version']}" for each in document["versions"] if each["source"] != "default"]
    assumed = [f"{each['product']} {each['version']}" for each in document["versions"] if each["source"] == "default"]
    lines: list[RenderableType] = [Flow(said)] if said else []
    if assumed:
        lines.append(Flow(assumed, "assumed, the scenario may name another:", style="yellow"))
    return Group(*lines)


def not_modelled(document: Document) -> RenderableType:
    return bullets(document["not_modelled"])
