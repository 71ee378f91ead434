"""The gateway's filters as stages of a way: each does its part around what comes after it.

Models   A limiter and the permits of a service; the other filters have files of their own. What a filter sees of a
         failure is what the real one sees: an answer with a status, or an error of some kind, which is not the same
         where it decides whether to try again or what to record.
Source   Spring Cloud Gateway: NettyRoutingFilter.java, and the sources of the filters themselves.
Checked  tests/unit/test_gateway_filters.py, experiments/validation/gateway_filters.py
"""

from __future__ import annotations

from typing import Any, Protocol

from models.gateway.failures import KeyResolverFailed, RetriesTimedOut, StatusListed
from models.listener import ConnectTimedOut
from models.outcomes import (
    CallFailure,
    CircuitOpen,
    ClientGone,
    ConnectionRefused,
    InstanceDied,
    PoolTimeout,
    TimeLimitExceeded,
    Unreachable,
)
from models.request import Request, Visit
from sim.environment import Activity


class Stage(Protocol):
    """Somewhere a visit can be sent: a filter, or what stands behind the last one."""

    def handle(self, request: Request, visit: Visit) -> Activity: ...


class LimiterStage:
    """A rate limiter that does not stand at the very front."""

    __slots__ = ("_limiter", "_next")

    def __init__(self, limiter: Any, following: Stage) -> None:
        self._limiter = limiter
        self._next = following

    def handle(self, request: Request, visit: Visit) -> Activity:
        if self._limiter.waits:
            yield from self._limiter.check(request)
        else:
            self._limiter.take(request)
        yield from self._next.handle(request, visit)


class PermitStage:
    """The permits of one service."""

    __slots__ = ("_bulkhead", "_next")

    def __init__(self, bulkhead: Any, following: Stage) -> None:
        self._bulkhead = bulkhead
        self._next = following

    def handle(self, request: Request, visit: Visit) -> Activity:
        bulkhead = self._bulkhead
        if bulkhead.waits:
            yield from bulkhead.enter(request)
        else:
            bulkhead.take()
        try:
            yield from self._next.handle(request, visit)
        finally:
            bulkhead.release()


class Sight:
    """What the filters of one route can tell of a failure. `target`: the path of what the route leads to; `link`: that
    of the network on the way there, where there is one."""

    __slots__ = ("_below_gateway", "_below_target", "_gateway", "_link", "_target")

    def __init__(self, gateway: str, target: str, link: str | None = None) -> None:
        self._gateway = gateway
        self._below_gateway = f"{gateway}."
        self._target = target
        self._below_target = f"{target}."
        self._link = link

    def is_end(self, failure: CallFailure) -> bool:
        """Nobody is there any more to make anything of it: the client has left, or the gateway itself has died."""
        return isinstance(failure, ClientGone) or (isinstance(failure, InstanceDied) and failure.path == self._gateway)

    def error_of(self, failure: CallFailure) -> str | None:
        """io, timeout or other where there was no answer; None: the failure is an answer with its status."""
        if isinstance(failure, _ERRORS):
            return "other"
        path = failure.path
        if path == self._gateway or path.startswith(self._below_gateway):
            if isinstance(failure, TimeLimitExceeded):  # Retry's exceptions name that of response_timeout
                return "timeout" if path == self._gateway else "other"
            return "other" if isinstance(failure, CircuitOpen | PoolTimeout) else None
        if isinstance(failure, ConnectionRefused | ConnectTimedOut | InstanceDied):
            return "io" if path == self._target or path.startswith(self._below_target) else None
        # TCP that gives up is an IOException, unless it did so between others, further on
        return "io" if isinstance(failure, Unreachable) and path == self._link else None


_ERRORS = (StatusListed, RetriesTimedOut, KeyResolverFailed)
