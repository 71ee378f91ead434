"""One query class, ready to be drawn and reported."""

from __future__ import annotations

from models.database.locks import Row
from models.database.spec import QuerySpec, TableSpec
from models.request import Request
from models.spec import Context
from sim.streams.keyed import Draws


class Query:
    """`path`: where its draws belong, which for a standby is its primary: a request brings the same demand to both."""

    __slots__ = (
        "_cpu", "_cpu_share", "_io", "_name", "_plan", "_replay", "_row", "_rows", "is_plain", "table", "time_s",
        "writes",
    )  # fmt: skip

    def __init__(self, context: Context, path: str, spec: QuerySpec, table: TableSpec | None) -> None:
        streams = context.streams
        cpu, io = spec.cpu.distribution(), spec.io.distribution()
        plan, replay = spec.plan_cpu.distribution(), spec.replay_cpu.distribution()
        self._name = path
        self._cpu: Draws = streams.draws(f"{path}.cpu", cpu)
        self._io: Draws | None = streams.draws(f"{path}.io", io) if io.mean else None
        self._cpu_share = cpu.mean / (cpu.mean + io.mean) if io.mean else 1.0
        self._plan: Draws | None = streams.draws(f"{path}.plan_cpu", plan) if plan.mean else None
        self._replay: Draws | None = streams.draws(f"{path}.replay_cpu", replay) if spec.writes else None
        self.writes = spec.writes
        self.table = spec.table
        self._rows = None if table is None else table.rows
        root = path.rpartition(".queries.")[0]
        self._row: Draws | None = streams.uniforms(f"{root}.tables.{spec.table}.row") if self._rows else None
        self.is_plain = not (spec.writes or spec.table is not None or plan.mean)
        """Whether it is nothing but a demand."""
        self.time_s = context.probe.tally(f"{context.path}.time_s")

    def demand_s(self, identity: int, lane: int, given_s: float | None) -> tuple[float, float]:
        """CPU time and outside wait. A given demand is the sum of the two, split as the class's means are."""
        if given_s is not None:
            cpu_s = given_s * self._cpu_share
            return cpu_s, given_s - cpu_s
        cpu_s = self._cpu.at(identity, lane)
        return cpu_s, 0.0 if self._io is None else self._io.at(identity, lane)

    def plan_s(self, identity: int, lane: int, uses: dict[str, int], planned_uses: float) -> float:
        """CPU time for the plan: the first uses on a connection make one each."""
        if self._plan is None:
            return 0.0
        uses[self._name] = number = uses.get(self._name, 0) + 1
        return self._plan.at(identity, lane) if number <= planned_uses else 0.0

    def replay_s(self, identity: int, lane: int) -> float:
        return 0.0 if self._replay is None else self._replay.at(identity, lane)

    def row_of(self, request: Request) -> Row | None:
        """The row that a request means: one for all its queries of this table."""
        if self.table is None:
            return None
        if self._rows is None:
            return self.table, request.user
        if request.key is not None:
            return self.table, request.key % self._rows
        assert self._row is not None
        return self.table, int(self._row.at(request.identity) * self._rows)
