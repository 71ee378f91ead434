"""What became of the lines of a log: requests = kept + outside the window + dropped, lines = requests + bad."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Replayed:
    """Counts of a replay."""

    log: str
    format: str
    """In words, and how it was told."""
    lines: int
    requests: int
    """Lines that are requests: lines = requests + bad."""
    bad: int
    bad_shown: list[str]
    went_back: int
    dropped_by_window: int
    dropped_unmatched: int
    kept: int
    """Requests that are replayed, once each, before the load is scaled; the following add up to it."""
    mapped: int
    """Requests whose route was said by --map, ..."""
    by_openapi: int
    """... by the OpenAPI file, ..."""
    matched: int
    """... or that fit a route's template, ..."""
    named: int
    """... or name their route; ..."""
    assigned: int
    """... of those that fit nothing: whose path chose among the mix, ..."""
    caught: int
    """... or that went to the --catch-all; ..."""
    drawn: int
    """... and those without a path, or merged, for which the mix decides."""
    users: int
    ips: int
    paths: int
    span_s: float
    load: float
    speed: float
    squeezed: bool
    replayed: int
    """Requests in the trace, after scaling the load."""
    unmatched_shown: list[str] = field(default_factory=list)
    """The most frequent paths that fit nothing, with their numbers of requests."""
    openapi_without_route: list[str] = field(default_factory=list)
    anonymous: int = 0
    """Requests that tell neither user nor address: each is somebody else."""
    unaddressed: int = 0
    """Requests that do not tell their address: it follows from their user, as the scenario's users_per_ip says."""
    merged: int = 0
    """Requests for paths beyond those that a reading tells apart: their routes are those of their templates, or drawn
    where none fits; their cache keys are drawn."""
    more_people: bool = False
    """More users or addresses than are counted."""

    def as_dict(self) -> dict[str, object]:
        return dict(self.__dict__)


def told(replayed: Replayed) -> list[str]:
    """What became of the log, for people."""
    name = "standard input" if replayed.log == "-" else replayed.log
    left_out = "".join(
        f" + {count:,} {text}"
        for count, text in (
            (replayed.dropped_by_window, "outside the window"), (replayed.dropped_unmatched, "dropped")
        )
        if count
    )  # fmt: skip
    more = "more than " if replayed.more_people else ""
    users, ips = (
        f"{more}{count:,} {what}" if count else f"many {what}"
        for count, what in ((replayed.users, "users"), (replayed.ips, "addresses"))
    )
    if replayed.unaddressed == replayed.kept:
        ips = "no addresses"
    lines = [
        f"{name}: {replayed.format}.",
        f"{replayed.lines:,} lines = {replayed.kept:,} replayed{left_out} + {replayed.bad:,} bad; {users}, "
        f"{ips}, {replayed.paths:,} paths over {_seconds(replayed.span_s)} s.",
        f"Routes: {_ways(replayed)}.{_load(replayed)}",
    ]
    if replayed.anonymous:
        lines.append(f"{replayed.anonymous:,} requests do not tell who asked: each is somebody else.")
    if replayed.unaddressed > replayed.anonymous:
        who = "tell no address" if replayed.unaddressed == replayed.kept else "do not tell theirs"
        lines.append(f"{replayed.unaddressed:,} requests {who}: traffic.users_per_ip says how many users share one.")
    if replayed.merged:
        said = "requests are for more paths than are told apart: their cache keys are drawn."
        lines.append(f"{replayed.merged:,} {said}")
    if replayed.unmatched_shown:
        lines.append(f"No route for: {', '.join(replayed.unmatched_shown)}. Say it with --map '/path/*=ROUTE'.")
    if replayed.openapi_without_route:
        some = replayed.openapi_without_route
        more = f" and {len(some) - 5} more" if len(some) > 5 else ""
        lines.append(f"Operations without a route: {', '.join(some[:5])}{more}.")
    if replayed.went_back:
        lines.append(f"{replayed.went_back:,} lines stood after later ones and were put in order.")
    return lines + [f"Bad {text}" for text in replayed.bad_shown]


def _ways(replayed: Replayed) -> str:
    always = ((replayed.mapped, "by --map"), (replayed.matched, "by template"))
    sometimes = (
        (replayed.by_openapi, "by OpenAPI"), (replayed.named, "by name"), (replayed.caught, "by --catch-all"),
        (replayed.drawn, "drawn from the mix"),
    )  # fmt: skip
    ways = [*always, *(way for way in sometimes if way[0]), (replayed.assigned, "by hash into the mix")]
    return ", ".join(f"{count:,} {text}" for count, text in ways)


def _load(replayed: Replayed) -> str:
    if replayed.squeezed:
        return f" Load {replayed.load:g}: time squeezed."
    return "" if replayed.load == 1 else f" Load {replayed.load:g}: {replayed.replayed:,} requests."


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f}" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.3g}"
