"""A service as its callers see it: a visit goes to one of the replicas that are up."""

from __future__ import annotations

from models.outcomes import ConnectionRefused
from models.replica import Replica
from models.request import Request, Visit
from sim.environment import Activity


class Service:
    """Replicas behind a name. Round robin skips those that are down; least connections takes the least busy, the
    first on ties."""

    __slots__ = ("_least_connections", "_next", "_path", "replicas")

    def __init__(self, path: str, balancing: str) -> None:
        self._path = path
        self._least_connections = balancing == "least_connections"
        self._next = 0
        self.replicas: list[Replica] = []

    def choose(self) -> Replica:
        replicas = self.replicas
        if self._least_connections:
            chosen = None
            for replica in replicas:
                if replica.host.is_listed and (chosen is None or replica.in_progress < chosen.in_progress):
                    chosen = replica
            if chosen is not None:
                return chosen
        else:
            for _ in replicas:
                replica = replicas[self._next]
                self._next = (self._next + 1) % len(replicas)
                if replica.host.is_listed:
                    return replica
        raise ConnectionRefused(self._path)

    def handle(self, request: Request, visit: Visit) -> Activity:
        """Carry a visit to a replica."""
        return self.choose().handle(request, visit)
