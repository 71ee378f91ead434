"""A log becomes a trace: read once in batches, put in order on disk, scaled, and handed on as a file.

Models   The first request that is replayed comes at 0 (its stamp does; where stamps are spread, the request itself
         comes within its stamp). A path is the key that caches are asked for, whatever the method; keys of paths beyond
         those that a reading tells apart are drawn, and routes of those that fit nothing.
         Load above 1 adds copies of what is replayed, with users of their own, each moved in time (round the end of the
         span) by up to a twentieth of the span, an hour at most: bursts do not meet their copies, and busy hours stay
         busy. Copy n is moved by the part frac(0.618... n) of that. A part of a copy, or of the log itself below 1,
         keeps each line with that probability.
Units    Seconds, and steps of 2**-30 s.
Omits    Dependence of requests on earlier answers: a replay is open, nobody waits before asking again.
Checked  tests/unit/test_replay.py, tests/properties/test_replay.py, tests/e2e/test_replay_cli.py,
         tests/e2e/test_replay_memory.py
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments.errors import InputError, shown
from experiments.logs import Batch, Names, Progress, Reading
from experiments.logs.names import MOST_TARGETS
from experiments.replay.people import People, user_codes
from experiments.replay.routes import NO_ROUTE, Router
from experiments.replay.spread import NS, STEPS_IN_A_SECOND, Integers, spread_steps, steps_of, uniform
from experiments.replay.summary import Replayed
from experiments.spool import Rows, Sorter, SpooledTrace, Table, temporary_folder

LARGEST: Final = 200_000_000
"""Requests. More would take more than half a day to simulate."""
LONGEST_S: Final = 1 << 32
"""Between the first and the last request: 136 years."""
FURTHEST_S: Final = 3600
"""By which a copy is moved: what is busy in one hour of the day stays so."""
SHOWN_UNMATCHED: Final = 3

READ: Final = np.dtype(
    [("at", np.int64), ("line", np.int64), ("endpoint", np.int32), ("key", np.int32), ("user", np.int64),
     ("ip", np.int64)]
)  # fmt: skip
"""What is kept of a request: when (in steps), its line, its route, and the numbers of its path, user and address."""

TRACE: Final = np.dtype(
    [("t_s", np.float64), ("endpoint", np.int32), ("key", np.int32), ("user", np.int64), ("ip", np.int64)]
)


def replay_trace(
    reading: Reading, router: Router, *, log: str = "-", load: float = 1.0, speed: float = 1.0,
    squeeze: bool = False, openapi_without_route: Sequence[str] = (),
    tell: Progress | None = None,
) -> tuple[SpooledTrace, Replayed]:  # fmt: skip
    """The trace of a log for the system of `router`. Raises InputError where nothing is left of it.

    `speed`, `squeeze` and `openapi_without_route` are only reported: the scenario's traffic scales time. The trace is
    a temporary file.
    """
    owner = temporary_folder()
    try:
        taker = _Taker(reading, router, 1.0 if squeeze else load, Path(owner.name))
        for batch in reading.batches():
            taker.take(batch)
        table, span_s = taker.finish(tell or (lambda share, text: None))
        if not table.rows:
            raise InputError(taker.nothing(load))
        last_s = float(table.part(table.rows - 1, 1)["t_s"][0])
        summary = taker.summary(log, span_s, load, speed, squeeze, table.rows, openapi_without_route)
    except BaseException:
        owner.cleanup()
        raise
    return SpooledTrace(table.path, TRACE, table.rows, last_s, owner), summary


def moved_by(number: int, span: int) -> int:
    """Steps by which copy `number` comes later: far from the other copies, and near enough to keep the rhythm."""
    golden = number * 0x9E37_79B9_7F4A_7C15 % (1 << 64) >> 34  # spreads numbers as evenly as there are many of them
    return golden * min(span // 20, FURTHEST_S * STEPS_IN_A_SECOND) // STEPS_IN_A_SECOND


class Targets:
    """What a path means, looked up once for each path, and how often each came."""

    def __init__(self, names: Names, router: Router) -> None:
        self._names = names
        self._router = router
        self._found: list[tuple[int, int, int]] = []
        self._keys: dict[str, int] = {}
        self._without = (*router.without_path(), -1)
        self._table = np.array([self._without], np.int64)
        self.counts = np.zeros(1, np.int64)
        """By target; the last one is that of requests without a path."""

    def look_up(self, target: Any) -> tuple[Integers, Integers, Integers]:
        """Routes, ways and keys of targets; -1 is without a path."""
        known = self._names.targets
        if len(self._found) < len(known):
            first = len(self._found)
            self._found += [self._new(number, *pair) for number, pair in enumerate(known[first:], first)]
            self._table = np.array([*self._found, self._without], np.int64)
        rows = self._table[target]
        return rows[:, 0], rows[:, 1], rows[:, 2]

    def _new(self, number: int, method: str, path: str) -> tuple[int, int, int]:
        route, way = self._router.route(method, path)
        if number >= MOST_TARGETS:  # many paths in one: they do not all go to the one route that a hash chooses
            return *((NO_ROUTE, Router.DRAWN) if way == Router.ASSIGNED else (route, way)), -1
        is_path = bool(method) or path.startswith("/")
        return route, way, self._keys.setdefault(path, len(self._keys)) if is_path else -1

    def count(self, target: Any) -> None:
        """Note that these came, and were looked up before."""
        counts = np.zeros(len(self._table), np.int64)
        counts[: len(self.counts) - 1] = self.counts[:-1]
        counts[-1] = self.counts[-1]
        self.counts = counts + np.bincount(np.where(target < 0, len(counts) - 1, target), minlength=len(counts))

    @property
    def paths(self) -> int:
        return int(np.count_nonzero(self.counts[:-1]))

    @property
    def merged(self) -> int:
        """Requests for paths that are not told apart any more."""
        return int(self.counts[MOST_TARGETS:-1].sum())

    def unmatched(self) -> list[str]:
        """The most frequent targets that fit nothing."""
        ways = self._table[:-1, 1]
        lost = np.flatnonzero(np.isin(ways, (Router.ASSIGNED, Router.CAUGHT, Router.DROPPED)) & (self.counts[:-1] > 0))
        first = sorted(lost.tolist(), key=lambda target: (-int(self.counts[target]), target))[:SHOWN_UNMATCHED]
        return [f"{' '.join(self._names.targets[number]).strip()[:80]} ({self.counts[number]})" for number in first]


class _Taker:
    """Takes batches, keeps what is replayed in a file, and makes the trace of it."""

    def __init__(self, reading: Reading, router: Router, load: float, folder: Path) -> None:
        self._reading = reading
        self._load = load
        self._folder = folder
        self._targets = Targets(reading.names, router)
        self._users, self._ips = People(), People()
        self._users_per_ip = router.users_per_ip
        self._ways = np.zeros(len(Router.WAYS), np.int64)
        self._kept = 0
        self._base_s: int | None = None
        self._earliest, self._latest = 1 << 62, -(1 << 62)
        self._sorter = Sorter(folder / "runs", READ, "at")
        self._all = Table(folder / "all", READ)

    def take(self, batch: Batch) -> None:
        if self._base_s is None:
            self._base_s = int(batch.at_ns[0]) // NS
        routes, ways, keys = self._targets.look_up(batch.target)
        self._targets.count(batch.target)
        self._ways += np.bincount(ways, minlength=len(self._ways))
        wanted = ways != Router.DROPPED
        if not wanted.all():
            batch, routes, keys = batch.part(wanted), routes[wanted], keys[wanted]
        if len(batch):
            self._keep(batch, routes, keys)

    def _keep(self, batch: Batch, routes: Integers, keys: Integers) -> None:
        assert self._base_s is not None
        self._kept += len(batch)
        if np.abs(batch.at_ns // NS - self._base_s).max() >= LONGEST_S:
            raise InputError("log: must span less than 136 years, got more. Leave odd stamps out with --from or --to.")
        at = steps_of(batch.at_ns, self._base_s)
        self._earliest = min(self._earliest, int(at.min()))
        self._latest = max(self._latest, int(at.max()))
        rows = np.empty(len(batch), READ)
        rows["at"] = at + spread_steps(batch.line, batch.resolution_ns)
        rows["line"], rows["endpoint"], rows["key"] = batch.line, routes, keys
        rows["user"] = self._users.numbers(user_codes(batch.user, batch.ip), batch.line)
        rows["ip"] = self._ips.numbers(batch.ip, batch.line)
        if self._load > 1:
            self._all.add(rows)
        else:
            self._sorter.add(rows if self._load == 1 else rows[uniform(rows["line"], "kept 0") < self._load])

    def finish(self, tell: Progress) -> tuple[Table, float]:
        """The trace in a file, and the seconds that it spans."""
        grain = max(1, round(self._reading.resolution_ns * STEPS_IN_A_SECOND / NS))
        span = max(0, self._latest - self._earliest) + grain
        self._check_size()
        if self._load > 1:
            self._all.close()
            for number in range(math.ceil(self._load)):
                tell(number / self._load / 2, f"copy {number + 1} of {math.ceil(self._load)}")
                for rows in self._copy(number, span):
                    self._sorter.add(rows)
            self._all.path.unlink()
        table = Table(self._folder / "trace", TRACE)
        total = self._sorter.rows
        for rows in self._sorter.in_order():
            table.add(self._as_trace(rows))
            tell(table.rows / total, f"{table.rows:,} of {total:,} requests in order")
        table.close()
        return table, span / STEPS_IN_A_SECOND

    def _check_size(self) -> None:
        wanted = self._kept * self._load
        if wanted > LARGEST:
            raise InputError(f"--load: must give at most {LARGEST} requests, got {wanted:.0f}. Lower it.")
        free = shutil.disk_usage(self._folder).free
        needed = wanted * (READ.itemsize * (self._load > 1) + TRACE.itemsize)
        if needed > free:
            raise InputError(
                f"{self._folder.parent}: must have {needed / 1e9:.1f} GB for the requests of the trace, got "
                f"{free / 1e9:.1f} GB. Name another folder in the environment variable TMPDIR."
            )

    def _copy(self, number: int, span: int) -> Iterator[Rows]:
        """Copy `number` of what is replayed (0: itself), in the order of the lines."""
        part = self._load - number
        moved = moved_by(number, span)
        for rows in self._all.blocks():
            kept = rows if part >= 1 else rows[uniform(rows["line"], f"kept {number}") < part]
            if number:
                kept["at"] = (kept["at"] - self._earliest + moved) % span + self._earliest
            user, ip = self._who(kept)
            kept["user"] = user + number * self._users.total
            kept["ip"] = ip + number * (self._ips.total + self._users.total)
            yield kept

    def _who(self, rows: Rows) -> tuple[Integers, Integers]:
        """Users and addresses. Where the log tells no address, the scenario says how many users share one."""
        user = self._users.settled(rows["user"])
        of_user = np.where(rows["user"] >= 0, rows["user"] // self._users_per_ip, user)
        return user, np.where(rows["ip"] < 0, self._ips.total + of_user, rows["ip"])

    def _as_trace(self, rows: Rows) -> Rows:
        trace = np.empty(len(rows), TRACE)
        trace["t_s"] = (rows["at"] - self._earliest) / STEPS_IN_A_SECOND
        trace["endpoint"], trace["key"] = rows["endpoint"], rows["key"]
        trace["user"], trace["ip"] = self._who(rows)
        return trace

    def nothing(self, load: float) -> str:
        """Why nothing is left."""
        if self._kept:
            return f"--load: must leave at least one request, got {load:g}. Raise it."
        dropped = shown(", ".join(self._targets.unmatched()) or "requests without a path", 200)[1:-1]
        return (
            f"--drop-unmatched: must leave at least one request, got a route for none, e.g. {dropped}. "
            "Say routes with --map."
        )

    def summary(
        self, log: str, span_s: float, load: float, speed: float, squeezed: bool, replayed: int,
        openapi_without_route: Sequence[str],
    ) -> Replayed:  # fmt: skip
        reading = self._reading
        ways = dict(zip(Router.WAYS, self._ways.tolist(), strict=True))
        dropped = ways.pop("dropped")
        return Replayed(
            log=log, format=reading.format, lines=reading.lines, requests=reading.requests, bad=reading.bad,
            bad_shown=list(reading.bad_shown), went_back=reading.went_back, dropped_by_window=reading.outside,
            dropped_unmatched=dropped, kept=self._kept, users=self._users.count + self._users.unknown,
            ips=self._ips.count, paths=self._targets.paths, span_s=span_s, load=load, speed=speed,
            squeezed=squeezed, replayed=replayed, unmatched_shown=self._targets.unmatched(),
            openapi_without_route=list(openapi_without_route),
            anonymous=self._users.unknown, unaddressed=self._ips.unknown, merged=self._targets.merged,
            more_people=self._users.is_more or self._ips.is_more, **ways,
        )  # fmt: skip
