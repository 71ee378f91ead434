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
    as_interval,
    as_number,
    as_percent,
    as_words,
    interval_after,
    new_table,
    writer_of,
)
from experiments.report.storms import waste_lines

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


def title(document: Document) -> RenderableType:
    warm_up = document["warm_up"]
    name = document["scenario"] + (f" ({document['variant']})" if document["variant"] else "")
    what = f"{as_count(document['replications'])} replications" if document["replications"] != 1 else "1 replication"
    lines = [Text(f"{name}: {document['description']}", style="bold")]
    if document["settings"]:
        lines.append(Text("with " + ", ".join(document["settings"])))
    lines.append(
        Text(
            f"{what} of {as_duration(document['simulated_s'])}, seed {document['seed']}; the first "
            f"{as_duration(warm_up['seconds'])} left out ({warm_up['source']})"
            if warm_up["seconds"]
            else f"{what} of {as_duration(document['simulated_s'])}, seed {document['seed']}, measured from the start",
            style="dim",
        )
    )
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
    table = new_table()
    for objective in objectives:
        mark, colour = MARKS[objective["verdict"]]
        bound = "at most" if objective["bound"] == "at_most" else "at least"
        show = writer_of(objective["path"])
        table.add_row(
            Text(mark, style=colour),
            objective["name"],
            Text(show(objective["value"]), justify="right"),
            as_interval(objective["interval"], show),
            Text(f"{bound} {show(objective['threshold'])}", style="dim"),
        )
    return Group(Text(text, style=style), table)


def requests(document: Document) -> RenderableType:
    requests = document["requests"]
    table = new_table()
    arrived = requests["arrived"]
    rows = [("arrived", arrived), ("succeeded", requests["succeeded"])]
    rows += [(f"refused, {as_words(reason)}", number) for reason, number in requests["refused"].items()]
    rows += [(f"failed, {as_words(reason)}", number) for reason, number in requests["failed"].items()]
    if requests["abandoned"]:
        rows.append(("abandoned by their client", requests["abandoned"]))
    if requests["in_flight"]:
        rows.append(("in flight at the end", requests["in_flight"]))
    for name, number in rows:
        share = f"{100 * number / arrived:.2f} %" if arrived and name != "arrived" else ""
        table.add_row(name, Text(as_count(number), justify="right"), Text(share, justify="right", style="dim"))
    rates = (
        f"throughput {as_number(document['throughput_per_s'])}/s, goodput {as_number(document['goodput_per_s'])}/s"
        f"{interval_after(document, '/goodput_per_s', as_number)}"
    )
    lines: list[RenderableType] = [table, Text(rates), *waste_lines(document["waste"])]
    return Group(*lines)


def latency(document: Document) -> RenderableType:
    table = new_table("", "mean", "p50", "p95", "p99", "max")
    for name, key in (("all requests", "all"), ("successful ones", "succeeded")):
        figures = document["latency_ms"][key]
        cells = [
            Text.assemble(
                as_number(figures[column]),
                (interval_after(document, f"/latency_ms/{key}/{column}", as_number), "dim"),
                justify="right",
            )
            for column in ("mean", "p50", "p95", "p99")
        ]
        table.add_row(name, *cells, Text(as_number(figures["max"]), justify="right"))
    return Group(table, p99_parts(document["p99_parts_ms"]))


def p99_parts(parts: Mapping[str, float]) -> Text:
    total = max(sum(parts.values()), 1e-12)
    named = sorted(((value, name) for name, value in parts.items() if value / total >= 0.01), reverse=True)
    if not named:
        return Text("")
    text = ", ".join(f"{PART_NAMES[name]} {100 * value / total:.0f} %" for value, name in named)
    return Text(f"where the p99's time goes: {text}", style="dim")


def endpoints(document: Document) -> RenderableType:
    table = new_table("endpoint", "requests", "success", "errors", "p50", "p95", "p99 ms")
    for name, endpoint in document["endpoints"].items():
        latency = endpoint["latency_ms"]["all"]
        table.add_row(
            name,
            *(
                Text(cell, justify="right")
                for cell in (
                    as_count(endpoint["requests"]["arrived"]),
                    as_percent(endpoint["success_rate"]),
                    as_percent(endpoint["error_rate"]),
                    as_number(latency["p50"]),
                    as_number(latency["p95"]),
                    as_number(latency["p99"]),
                )
            ),
        )
    return table


def stations(document: Document) -> RenderableType:
    table = new_table("station", "size", "arrivals", "in use", "mean wait ms", "refused", "gave up")
    used = [(path, station) for path, station in document["stations"].items() if station["arrivals"]]
    used.sort(key=pressure)
    for path, station in used[:SHOWN_STATIONS]:
        numbers = (
            as_count(station["servers"]),
            as_count(station["arrivals"]),
            as_percent(station["utilisation"]),
            as_number(station["mean_wait_ms"]),
            as_count(station["refused"]),
            as_count(station["expired"]),
        )
        table.add_row(path, *(Text(cell, justify="right") for cell in numbers))
    more = len(used) - SHOWN_STATIONS
    return Group(table, Text(f"and {more} more in result.json", style="dim")) if more > 0 else table


def pressure(item: tuple[str, Mapping[str, Any]]) -> tuple[float, float]:
    """Who turned most away, then who is busiest. A database's connections count as in use even when they rest."""
    path, station = item
    is_resting = path.startswith("databases.")
    return -(station["refused"] + station["expired"]), 0.0 if is_resting else -(station["utilisation"] or 0.0)


def containers(document: Document) -> RenderableType:
    table = new_table("", "cores in use", "of its limit", "throttled", "threads waiting", "memory peak", "deaths")
    for path, machine in document["machines"].items():
        share = f"{as_bytes(machine['memory_peak_bytes'])} ({as_percent(machine['memory_peak_share'])})"
        cells = (
            "",
            as_percent(machine["cpu_utilisation"]),
            "",
            as_number(machine["run_queue"]),
            share,
            as_count(machine["oom_kills"]),
        )
        table.add_row(Text(path, style="bold"), *(Text(cell, justify="right") for cell in cells))
    for path, container in document["containers"].items():
        cells = (
            f"{container['cpu_cores']:.3f}",
            as_percent(container["cpu_of_limit"]),
            as_percent(container["throttled_share"]) if container["throttled_share"] else "",
            as_number(container["run_queue"]),
            as_bytes(container["memory_peak_bytes"]),
            as_count(container["deaths"]) if container["deaths"] else "",
        )
        table.add_row(path.removeprefix("services."), *(Text(cell, justify="right") for cell in cells))
    return table


def caches(document: Document) -> RenderableType:
    table = new_table("cache", "data class", "lookups", "hit ratio", "expired", "loaded twice")
    for path, cache in document["caches"].items():
        table.add_row(
            path,
            "all",
            Text(as_count(cache["lookups"]), justify="right"),
            Text(as_percent(cache["hit_ratio"]), justify="right"),
        )
        for name, figures in cache["classes"].items():
            cells = (
                as_count(figures["lookups"]),
                as_percent(figures["hit_ratio"]),
                as_count(figures["expired"]),
                as_count(figures["duplicate_loads"]),
            )
            table.add_row("", name, *(Text(cell, justify="right") for cell in cells))
    return table


def alerts(document: Document) -> RenderableType:
    table = new_table()
    for alert in document["alerts"]:
        if not alert["fired_in"]:
            text = Text("never fires", style="green")
        else:
            text = Text(
                f"fires in {alert['fired_in']} of {alert['of']} replications, first after "
                f"{as_duration(alert['first_at_s'])}, for {as_duration(alert['firing_s'])} in all",
                style="red",
            )
        table.add_row(alert["name"], Text(f"{as_words(alert['series'])} above {alert['above']:g}", style="dim"), text)
    return table


def breakers(document: Document) -> RenderableType:
    table = new_table("breaker", "transitions", "first")
    for path, breaker in document["breakers"].items():
        first = breaker["transitions"][0]
        table.add_row(
            path.removesuffix(".breaker"),
            as_count(len(breaker["transitions"])),
            f"replication {first['replication']} at {as_duration(first['t_s'])}: {first['transition']}",
        )
    return table


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
    table = new_table()
    for note in document["notes"][:8]:
        table.add_row(Text(as_duration(note["t_s"]), justify="right", style="dim"), note["path"], note["text"])
    more = len(document["notes"]) - 8
    return Group(table, Text(f"and {more} more in result.json", style="dim")) if more > 0 else table


def audit(document: Document) -> RenderableType:
    audit, wall = document["audit"], document["wall"]
    held = sum(check["passed"] for check in audit["checks"])
    text = f"{held} of {len(audit['checks'])} identities hold in every replication"
    rate, events = as_count(wall["requests_per_s"]), as_number(wall["events_per_request"])
    speed = f"{rate} requests a second of computing, {events} events each"
    return Group(
        Text(("passed: " if audit["passed"] else "FAILED: ") + text, style="green" if audit["passed"] else "bold red"),
        Text(f"digest {document['digest']}; {wall['seconds']:.1f} s, {speed}", style="dim"),
    )


def releases(document: Document) -> RenderableType:
    """What the components behave as; those that the scenario could say otherwise stand out."""
    lines = []
    for each in document["versions"]:
        note = " (assumed: the scenario may say another)" if each["source"] == "default" else ""
        lines.append(f"{each['product']} {each['version']}{note}")
    return Text(", ".join(lines))
