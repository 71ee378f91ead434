"""What nginx needs of the servers of an upstream."""

from __future__ import annotations

from typing import Protocol

from models.request import Request, Visit
from sim.environment import Activity
from sim.probe import Count


class Server(Protocol):
    """The container behind a target. A failure with its `path` is its own; others are answers of its application."""

    @property
    def path(self) -> str: ...
    @property
    def is_up(self) -> bool: ...
    @property
    def deaths(self) -> Count: ...


class Wire(Protocol):
    """The network between nginx and a server."""

    def connect(self, limit_s: float, /) -> Activity: ...


class Target(Protocol):
    """A replica, as nginx sees it."""

    @property
    def name(self) -> str: ...
    @property
    def host(self) -> Server: ...
    def handle(self, request: Request, visit: Visit) -> Activity: ...
