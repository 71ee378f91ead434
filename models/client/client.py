# cython: annotation_typing=True
"""The plain client: one attempt, for as long as it has patience."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from models.client.spec import ClientSpec
from models.outcomes import CallFailure, ClientGone, Outcome
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity
from sim.patience import Deadlines

_SUCCEEDED: Final = Outcome.SUCCEEDED
"""Kept here, since to look a member of an enumeration up takes as long as three calls."""


class Hop(Protocol):
    """Somewhere a visit can be sent."""

    def handle(self, request: Request, visit: Visit) -> Activity: ...


class Recorder(Protocol):
    """Who is told of arrivals and ends."""

    def arrived(self, request: Request) -> None: ...
    def ended(self, request: Request) -> None: ...


class Client:
    """All clients at once: they share nothing but their patience."""

    __slots__ = (
        "_deadlines", "_env", "_on_end", "_on_rest", "_on_wake", "_recorder", "_round_trip", "_routes", "in_flight",
    )  # fmt: skip

    def __init__(
        self,
        context: Context,
        spec: ClientSpec,
        routes: Sequence[tuple[Hop, Visit]],
        recorder: Recorder,
        on_wake: Callable[[], None],
        on_rest: Callable[[], None],
    ) -> None:
        self._env = context.env
        self._routes = list(routes)
        self._recorder = recorder
        self._on_wake = on_wake
        self._on_rest = on_rest
        self._on_end: Callable[[Request], None] = lambda _: None
        self.in_flight = 0
        self._deadlines = (
            None if spec.patience is None
            else Deadlines(context.env, spec.patience, lambda request: request.outcome is None, self._abandon)
        )  # fmt: skip
        self._round_trip = (
            None if spec.round_trip is None
            else context.streams.draws(f"{context.path}.round_trip", spec.round_trip.distribution())
        )  # fmt: skip

    def tell(self, on_end: Callable[[Request], None]) -> None:
        """Whom to tell when a request has its outcome (the workload: its user goes on)."""
        self._on_end = on_end

    def send(self, request: Request) -> Activity:
        """Carry a request from arrival to outcome: the process that a request is."""
        request.process = self._env.active
        self._arrive(request)
        hop, visit = self._routes[request.endpoint]
        half_s: float = 0.0 if self._round_trip is None else self._round_trip.at(request.identity) / 2
        request.delay_s += 2 * half_s
        failure: CallFailure | None = None
        try:
            if half_s:
                yield half_s
            yield from hop.handle(request, visit)
        except CallFailure as caught:
            failure = caught
        if half_s and request.outcome is None:
            try:
                yield half_s
            except ClientGone:
                return  # it left while the answer was under way
        if request.outcome is not None:
            return  # the client left: nobody sees the answer
        if failure is None:
            self._end(request, _SUCCEEDED, 200)
        else:
            request.reason = failure.reason
            request.failed_at = failure.path
            self._end(request, failure.outcome, failure.status)

    def _arrive(self, request: Request) -> None:
        self.in_flight += 1
        if self.in_flight == 1:
            self._on_wake()
        self._recorder.arrived(request)
        if self._deadlines is not None:
            self._deadlines.add(request)

    def _end(self, request: Request, outcome: Outcome, status: int) -> None:
        """Write the outcome: the one place where that is done."""
        request.outcome = outcome
        request.status = status
        request.ended_at_s = self._env.now
        self.in_flight -= 1
        self._recorder.ended(request)
        if not self.in_flight:
            self._on_rest()
        self._on_end(request)

    def _abandon(self, request: Request) -> None:
        process = request.process
        assert process is not None
        request.reason = "patience"
        self._end(request, Outcome.ABANDONED, ClientGone.status)
        self._env.throw(process, ClientGone("traffic.client"))
