"""What a log tells of the requests of a scenario: when each came, which route it was for, how long it took.

Models   A path means a route as in a replay. What fits no route is load like everything else, by a hash into the mix,
         but its response times are compared with nothing. Stamps coarser than a microsecond are spread evenly within
         their unit by a hash of the line: on a grid, more requests would come at the same instant than do.
         A path is the key that caches are asked for where the route's template has a placeholder and more than one path
         was asked for; else keys are drawn.
         Response times are known to their own unit only (nginx: whole milliseconds); the unit is told from the values.
Units    Seconds.
Checked  tests/unit/test_observed.py
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.errors import InputError, shown
from experiments.logs import Batch, Names, Reading
from experiments.replay import Router, uniform
from experiments.trace import Trace, on_grid
from models.system import SystemSpec

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST_REQUESTS: Final = 3_000_000
"""More would take hours to simulate, again and again."""
LONGEST_S: Final = 3600.0
"""Response times above an hour are no response times."""
UNITS_S: Final = (1.0, 0.1, 0.01, 0.001)
"""Units that response times may be whole multiples of; finer ones do not matter."""
COARSE_NS: Final = 1_000
HOW_TO_LOG: Final = (
    'In nginx, log with: log_format timed \'$remote_addr - $remote_user [$time_local] "$request" $status '
    '$body_bytes_sent "$http_referer" "$http_user_agent" $request_time $upstream_response_time '
    "$upstream_connect_time $upstream_cache_status $msec'; access_log /var/log/nginx/access.log timed;"
)


@dataclass(frozen=True)
class Observed:
    """Requests in the order of their arrivals; arrays have one entry a request."""

    log: str
    routes: tuple[str, ...]
    t_s: Floats
    """From the first arrival."""
    began_ns: int
    """The first arrival, in ns since 1970."""
    route: Integers
    user: Integers
    ip: Integers
    key: Integers
    response_s: Floats
    """NaN where the log does not say."""
    upstream_s: Floats
    connect_s: Floats
    is_good: npt.NDArray[np.bool_]
    """Succeeded, or its status is not known."""
    cache: npt.NDArray[np.int8]
    unit_s: float
    """Response times are multiples of this; 0 where they are finer than a millisecond."""
    told: dict[str, Any]
    """What became of the lines."""
    tries: npt.NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    """Servers that were asked, 0 unknown; empty: unknown for all."""
    stamp_s: float = 1.0
    """Stamps are at least as exact as this."""

    def __len__(self) -> int:
        return len(self.t_s)

    @property
    def is_timed(self) -> npt.NDArray[np.bool_]:
        """What succeeded and has a response time: what is compared."""
        return self.is_good & np.isfinite(self.response_s)

    @property
    def span_s(self) -> float:
        return float(self.t_s[-1])

    def between(self, begin: int, end: int) -> Observed:
        """The requests with these numbers, as a log of their own."""
        arrays = ("t_s", "route", "user", "ip", "key", "response_s", "upstream_s", "connect_s", "is_good", "cache",
                  "tries")  # fmt: skip
        parts = {name: getattr(self, name)[begin:end] for name in arrays}
        began_s = float(parts["t_s"][0])
        parts["t_s"] = parts["t_s"] - began_s
        return Observed(**{**self.__dict__, **parts, "began_ns": self.began_ns + int(began_s * 1e9)})

    def trace(self) -> Trace:
        """The same requests as traffic."""
        return Trace(on_grid(self.t_s), self.route, self.user, self.ip, self.key)


def observe(reading: Reading, log: str, router: Router, spec: SystemSpec) -> Observed:
    """Read a log as requests of a system. Raises InputError where it has no response times."""
    batches: list[Batch] = []
    for batch in reading.batches():
        batches.append(batch)
        if sum(map(len, batches)) > MOST_REQUESTS:
            raise InputError(
                f"{shown(log)[1:-1]}: must have at most {MOST_REQUESTS} requests, got more. Cut an hour out of it that "
                "has both quiet and busy minutes."
            )
    rows = _joined(batches)
    resolution_ns = np.repeat([batch.resolution_ns for batch in batches], [len(batch) for batch in batches])
    t_s = _instants(rows["at_ns"], rows["line"], resolution_ns)
    order = np.argsort(t_s, kind="stable")
    t_s, rows = t_s[order], {name: column[order] for name, column in rows.items()}
    route, key, way = _routes(reading.names, spec, router, rows["target"])
    ways = np.bincount(way, minlength=len(Router.WAYS))
    stays = route >= 0
    _check_routes(log, spec, ways, stays)
    t_s, route, key, way = t_s[stays], route[stays], key[stays], way[stays]
    rows = {name: column[stays] for name, column in rows.items()}
    response_s = rows["response_s"]
    is_said = np.isfinite(response_s) & (response_s >= 0) & (response_s <= LONGEST_S)
    _check_said(log, reading, is_said)
    is_said &= way != Router.ASSIGNED
    _check_matched(log, spec, is_said)
    response_s = np.where(is_said, response_s, np.nan)
    return Observed(
        log=log, routes=tuple(spec.routes), t_s=t_s - t_s[0], began_ns=int(rows["at_ns"].min()),
        route=route, user=_people(rows["user"], rows["ip"]), ip=_people(rows["ip"]),
        key=key, response_s=response_s, upstream_s=rows["upstream_s"], connect_s=rows["connect_s"],
        is_good=(rows["status"] == 0) | ((rows["status"] >= 100) & (rows["status"] < 400)), cache=rows["cache"],
        tries=rows["tries"], stamp_s=float(resolution_ns.max()) / 1e9,
        unit_s=unit_of(response_s[is_said]), told=_told(reading, ways, int(is_said.sum())),
    )  # fmt: skip


def _joined(batches: list[Batch]) -> dict[str, npt.NDArray[Any]]:
    names = ("line", "at_ns", "target", "user", "ip", "status", "response_s", "upstream_s", "connect_s", "cache",
             "tries")  # fmt: skip
    return {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in names}


def _instants(at_ns: Integers, line: Integers, resolution_ns: Integers) -> Floats:
    """Seconds from the first stamp."""
    t_s = (at_ns - at_ns.min()) / 1e9
    spread_s = np.where(resolution_ns > COARSE_NS, resolution_ns / 1e9, 0.0)
    return np.asarray(t_s + uniform(line, "second") * spread_s)


def _check_said(log: str, reading: Reading, is_said: npt.NDArray[np.bool_]) -> None:
    name = shown(log)[1:-1]
    if not is_said.any():
        raise InputError(
            f"{name}: must tell how long each request took, got {len(is_said)} requests without ({reading.format}). "
            f"{HOW_TO_LOG}"
        )


def _check_routes(log: str, spec: SystemSpec, ways: Integers, stays: npt.NDArray[np.bool_]) -> None:
    if ways[Router.DRAWN]:
        raise InputError(
            f"{shown(log)[1:-1]}: must tell what each request asked for, got {int(ways[Router.DRAWN])} without a path, "
            f"for a scenario of {len(spec.routes)} routes. {HOW_TO_LOG}"
        )
    if not stays.any():
        raise InputError(f"{shown(log)[1:-1]}: must have requests of the scenario's routes, got none. Use --map.")


def _check_matched(log: str, spec: SystemSpec, is_said: npt.NDArray[np.bool_]) -> None:
    if not is_said.any():
        raise InputError(
            f"{shown(log)[1:-1]}: must have paths that fit the scenario's routes, got none that does. Say which path "
            f"means which route: --map '/path/*={next(iter(spec.routes))}', or routes.<name>.path in the scenario."
        )


def _routes(
    names: Names, spec: SystemSpec, router: Router, target: npt.NDArray[np.int32]
) -> tuple[Integers, Integers, Integers]:
    """Of each request: its route (negative: none), the key it asks for, and which way its route was found."""
    found = [router.route(method, path) for method, path in names.targets]
    found.append((0, Router.CAUGHT) if len(spec.routes) == 1 else router.without_path())  # of -1: a line without a path
    by_target = np.array(found, dtype=np.int64)
    return by_target[target, 0], _keys(names, spec, by_target[:, 0], target), by_target[target, 1]


def _keys(names: Names, spec: SystemSpec, routes: Integers, target: npt.NDArray[np.int32]) -> Integers:
    """One key a path, whatever the method; -1 where the path does not tell things apart."""
    numbers: dict[str, int] = {}
    has_parts = ["{" in route.path or "*" in route.path for route in spec.routes.values()]
    paths: dict[int, set[str]] = {}
    for route, (_, path) in zip(routes.tolist(), names.targets, strict=False):
        paths.setdefault(route, set()).add(path)
    by_target = [
        numbers.setdefault(path, len(numbers)) if route >= 0 and has_parts[route] and len(paths[route]) > 1 else -1
        for route, (_, path) in zip(routes.tolist(), names.targets, strict=False)
    ]
    return np.array([*by_target, -1], dtype=np.int64)[target]


def _people(*columns: Integers) -> Integers:
    """Whoever asked, as small numbers: the user, else the address, else somebody new each time."""
    known = np.full(len(columns[0]), -1, dtype=np.int64)
    for number, column in enumerate(reversed(columns)):
        known = np.where(column >= 0, column * len(columns) + number, known)
    strangers = known < 0
    known[strangers] = -1 - np.arange(int(strangers.sum()))
    return np.unique(known, return_inverse=True)[1].astype(np.int64)


def unit_of(response_s: Floats) -> float:
    """The largest unit that all response times are whole multiples of; 0 where it is finer than a millisecond."""
    some = response_s[: 1 << 16]
    for unit_s in UNITS_S:
        if np.abs(some / unit_s - np.rint(some / unit_s)).max(initial=0.0) < 1e-6:
            return unit_s
    return 0.0


def _told(reading: Reading, ways: Integers, timed: int) -> dict[str, Any]:
    return {
        "format": reading.format, "lines": reading.lines, "requests": reading.requests, "bad": reading.bad,
        "outside": reading.outside, "bad_shown": list(reading.bad_shown), "timed": timed,
        "routes": {name: int(count) for name, count in zip(Router.WAYS, ways.tolist(), strict=True) if count},
    }  # fmt: skip


_WAYS: Final = {
    "mapped": "by --map", "matched": "by template", "named": "by name", "by_openapi": "by the OpenAPI file",
    "caught": "by --catch-all", "dropped": "dropped", "assigned": "fit nothing",
}  # fmt: skip


def lines_told(observed: Observed) -> list[str]:
    """What became of the log, for people."""
    told = observed.told
    routes = ", ".join(f"{count:,} {_WAYS.get(way, way)}" for way, count in told["routes"].items())
    unit = f"whole {observed.unit_s * 1000:g} ms" if observed.unit_s else "finer than 1 ms"
    outside = f" ({told['outside']:,} of them outside --from and --to)" if told["outside"] else ""
    lines = [
        f"{shown(observed.log, 100)[1:-1]}: {told['lines']:,} lines = {told['requests']:,} requests{outside} + "
        f"{told['bad']:,} bad; {told['format']}.",
        f"Routes: {routes}. Response times: {told['timed']:,} ({unit}), over {observed.span_s:,.0f} s.",
    ]
    if "assigned" in told["routes"]:
        lines.append(
            "What fits no route is load, spread over the mix, and its response times are left out: say what it is with "
            "--map '/path/*=route'."
        )
    return lines + [f"Bad {text}" for text in told["bad_shown"]]
