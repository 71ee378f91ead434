"""Closed users: they think, ask, wait for the end, and think again. Their number may change over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

from models.request import Request
from models.spec import Context
from models.workload.base import Send
from models.workload.shapes import segments_of
from models.workload.spec import WorkloadSpec
from sim.curves import scaled, surged, whole_steps
from sim.environment import Activity
from sim.sessions import SessionRule
from sim.streams.identities import closed_identity
from sim.streams.keyed import Choices

LEAST_TURN_S = 0.0001
"""A user who does not think asks again so long after an answer that took no time, such as a refusal: what a connection
takes on loopback (assumed). Else the clock would stand still for ever."""


class ClosedUsers:
    """Users who think, ask and wait."""

    def __init__(self, context: Context, spec: WorkloadSpec, choose: Choices, send: Send, steps_wanted: bool) -> None:
        users = spec.users
        assert users is not None
        self._env = context.env
        self._send = send
        self._choose = choose
        self._users_per_ip = spec.users_per_ip
        self._steps_wanted = steps_wanted
        session = users.session
        away = None if session is None else session.gap.distribution()
        requests = inf if session is None else session.requests
        think = users.think_time.distribution()
        self._rule = SessionRule(context.streams, f"{context.path}.users", think, away, requests)
        self._ordinals = [0] * users.population
        self._arrivals = 0

    def start(self, on_over: Callable[[], None]) -> None:
        """Every user starts by thinking. Nobody is ever the last to ask."""
        for user in range(len(self._ordinals)):
            self._next(user)

    def ended(self, request: Request) -> None:
        """A request has its outcome: its user goes on."""
        self._ordinals[request.user] += 1
        self._next(request.user, LEAST_TURN_S if request.ended_at_s == request.arrived_at_s else 0.0)

    def _next(self, user: int, least_s: float = 0.0) -> None:
        ordinal = self._ordinals[user]
        pause_s = self._rule.pause_s(user, ordinal) or least_s
        self._env.start(self._ask(user, closed_identity(user, ordinal)), pause_s)

    def _ask(self, user: int, identity: int) -> Activity:
        yield from self._send(self._request(user, identity))

    def _request(self, user: int, identity: int) -> Request:
        """The request that a user makes now."""
        endpoint = self._choose.at(identity)
        request = Request(self._arrivals, identity, endpoint, user, user // self._users_per_ip, self._env.now)
        if self._steps_wanted:
            request.steps_s = {}
        self._arrivals += 1
        return request


class ChangingUsers(ClosedUsers):
    """Users who come and go: who comes begins by thinking; who is too many goes before its next request.

    Users have numbers. Those below the number at once are there, so the same ones come again, and go on where they
    left off: what a user wants does not depend on how many others there are.
    """

    def __init__(self, context: Context, spec: WorkloadSpec, choose: Choices, send: Send, steps_wanted: bool) -> None:
        super().__init__(context, spec, choose, send, steps_wanted)
        population = len(self._ordinals)
        shaped = scaled(segments_of(spec.shape, context.streams, f"{context.path}.shape"), float(population))
        self._steps: Iterator[tuple[float, int]] = whole_steps(surged(shaped, spec.all_surges()))
        self._present = 0
        self._is_away = [True] * population

    def start(self, on_over: Callable[[], None]) -> None:
        self._env.start(self._come_and_go())

    def ended(self, request: Request) -> None:
        self._ordinals[request.user] += 1
        if request.user < self._present:
            self._next(request.user, LEAST_TURN_S if request.ended_at_s == request.arrived_at_s else 0.0)
        else:
            self._is_away[request.user] = True

    def _come_and_go(self) -> Activity:
        for at_s, number in self._steps:
            if at_s > self._env.now:
                yield at_s - self._env.now
            before, self._present = self._present, number
            more = number - len(self._ordinals)
            if more > 0:
                self._ordinals += [0] * more
                self._is_away += [True] * more
            for user in range(before, number):
                if self._is_away[user]:
                    self._is_away[user] = False
                    self._next(user)

    def _ask(self, user: int, identity: int) -> Activity:
        if user < self._present:
            yield from self._send(self._request(user, identity))
        else:
            self._is_away[user] = True
