# cython: annotation_typing=True
"""A query: borrow a connection, run it, give the connection back."""

from __future__ import annotations

from models.replica import Replica
from models.request import Request, Visit
from models.service.data_source import Source
from models.service.spec import DatabaseStepSpec
from models.spec import Context
from models.step import Step
from sim.environment import Activity


class DatabaseStep(Step):
    """Borrow a connection, run one query, give the connection back."""

    __slots__ = ("_given", "_pool", "_query")

    def __init__(self, context: Context, spec: DatabaseStepSpec, source: Source, given: str) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._pool = source.pool(is_read_only=False)
        self._query = spec.query
        self._given = given

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        pool = replica.pools[self._pool]
        connection = pool.take_idle() or (yield from pool.borrow(request))
        try:
            given_s = request.given_s(self._given)
            yield from connection.server.execute(request, self._query, visit.lane, connection, given_s)
        finally:
            pool.give_back(connection)
