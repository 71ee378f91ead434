"""Clients that try again: retries of the program, reloads of the user.

A request goes through the system as attempts. Each is a `Request` of its own to whoever works on it: it has the
identity and the wishes of the request, but draws from its own lane, and its own account of time. So work that goes on
for an attempt whose client has left is told from work for the one that the client waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Final

from models.client.backoff import Backoff
from models.client.budget import RetryBudget
from models.client.client import Client, Hop, Recorder
from models.client.spec import ATTEMPT_LIMIT, ClientRetrySpec, ClientSpec, ReloadSpec, RetryBudgetSpec
from models.outcomes import CallFailure, ClientGone, Outcome
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment, Timer
from sim.patience import Deadlines

LANES_PER_ATTEMPT: Final = 1 << 96
"""Attempt n draws from lane n times this: above every lane that proxies and calls make of the first one's."""
RELOAD: Final = "reload"


class Attempt(Request):
    """One try at a request, as the system behind the client sees it."""

    __slots__ = ("is_open", "number", "reload_timer")

    def __init__(self, whole: Request, number: int, now: float) -> None:
        super().__init__(whole.ordinal, whole.identity, whole.endpoint, whole.user, whole.ip, now)
        self.process = whole.process
        self.key = whole.key
        self.given = whole.given
        self.steps_s = None if whole.steps_s is None else {}
        self.number = number
        self.is_open = True
        """The client waits for its answer."""
        self.reload_timer: Timer | None = None

    def end(self, outcome: Outcome, now: float) -> None:
        """Nobody waits for it any more."""
        if self.is_open:
            self.is_open = False
            self.outcome = outcome
            self.ended_at_s = now
            if self.reload_timer is not None:
                self.reload_timer.disarm()

    def settle(self, whole: Request) -> None:
        """Add what has been spent on it so far to the account of its request."""
        whole.replica = self.replica or whole.replica
        whole.cache = self.cache or whole.cache
        whole.wait_s += self.wait_s
        whole.cpu_s += self.cpu_s
        whole.throttled_s += self.throttled_s
        whole.cache_s += self.cache_s
        whole.db_s += self.db_s
        whole.delay_s += self.delay_s
        if self.steps_s:
            assert whole.steps_s is not None
            for step, spent_s in self.steps_s.items():
                whole.steps_s[step] = whole.steps_s.get(step, 0.0) + spent_s


class Budgets:
    """The budget behind each request: one for all, or one for each user."""

    __slots__ = ("_env", "_is_shared", "_kept", "_spec")

    def __init__(self, env: Environment, spec: RetryBudgetSpec) -> None:
        self._env = env
        self._spec = spec
        self._is_shared = spec.per == "client"
        self._kept: dict[int, RetryBudget] = {}

    def of(self, request: Request) -> RetryBudget:
        who = -1 if self._is_shared else request.user
        budget = self._kept.get(who)
        if budget is None:
            spec = self._spec
            budget = self._kept[who] = RetryBudget(spec.ratio, spec.min_per_s, spec.ttl, self._env.now)
        return budget


class Retries:
    """When the client's program tries again, and after what pause."""

    __slots__ = ("_backoff", "_budgets", "_jitter", "_reasons", "_refused", "_retries", "_statuses", "env", "spec")

    def __init__(self, context: Context, spec: ClientRetrySpec) -> None:
        self.env = context.env
        self.spec = spec
        self._statuses = frozenset(spec.statuses)
        self._reasons = frozenset(spec.reasons)
        self._budgets = None if spec.budget is None else Budgets(context.env, spec.budget)
        self._backoff = None if spec.backoff is None else Backoff(spec.backoff)
        self._jitter = context.streams.uniforms(f"{context.path}.backoff.jitter")
        self._retries = context.probe.count(f"{context.path}.retries")
        self._refused = context.probe.count(f"{context.path}.budget.refused")

    def arrived(self, request: Request) -> None:
        if self._budgets is not None:
            self._budgets.of(request).deposit(self.env.now)

    def pause_s(self, request: Request, visit: Visit, retry: int, status: int, reason: str) -> float | None:
        """The pause before retry 0, 1, 2 of a request after such an end; None: it is not tried again."""
        spec = self.spec
        if retry + 1 >= spec.max_attempts or not (status in self._statuses or reason in self._reasons):
            return None
        if not (visit.idempotent or spec.non_idempotent):
            return None
        if self._budgets is not None and not self._budgets.of(request).withdraw(self.env.now):
            self._refused.add()
            return None
        self._retries.add()
        if self._backoff is None:
            return 0.0
        return self._backoff.pause_s(retry, self._jitter.at(request.identity, retry) if self._backoff.is_random else 0)


class Reloads:
    """When users reload."""

    __slots__ = ("_after", "_env", "_luck", "_probability", "at_most", "count")

    def __init__(self, context: Context, spec: ReloadSpec) -> None:
        self._env = context.env
        self._after = context.streams.draws(f"{context.path}.after", spec.after.distribution())
        self._luck = context.streams.uniforms(f"{context.path}.probability")
        self._probability = spec.probability
        self.at_most = spec.at_most
        self.count = context.probe.count(f"{context.path}.reloads")

    def watch(self, attempt: Attempt, leave: Callable[[Attempt, str], None]) -> None:
        """Let the user reload when this attempt has taken too long, if it is in the mood."""
        if self._luck.at(attempt.identity, attempt.number) < self._probability:
            timer = attempt.reload_timer = Timer(self._env, partial(leave, attempt, RELOAD))
            timer.arm(self._env.now + self._after.at(attempt.identity, attempt.number))


class RetryingClient(Client):
    """All clients at once, where they may try again."""

    __slots__ = ("_left", "_limits", "_path", "_reloads", "_retries")

    def __init__(
        self,
        context: Context,
        spec: ClientSpec,
        routes: Sequence[tuple[Hop, Visit]],
        recorder: Recorder,
        on_wake: Callable[[], None],
        on_rest: Callable[[], None],
    ) -> None:
        super().__init__(context, spec, routes, recorder, on_wake, on_rest)
        self._path = context.path
        self._left = context.probe.count(f"{context.path}.attempts_left")
        self._retries = None if spec.retry is None else Retries(context.at("retry"), spec.retry)
        self._reloads = None if spec.reload is None else Reloads(context.at("reload"), spec.reload)
        limit_s = None if spec.retry is None else spec.retry.attempt_limit
        self._limits: Deadlines[Attempt] | None = None
        if limit_s is not None:
            leave = partial(self._leave, reason=ATTEMPT_LIMIT)
            self._limits = Deadlines(context.env, limit_s, attrgetter("is_open"), leave)

    def send(self, request: Request) -> Activity:
        """Carry a request from arrival to outcome, attempt by attempt, in one process."""
        request.process = self._env.active
        self._arrive(request)
        if self._retries is not None:
            self._retries.arrived(request)
        hop, visit = self._routes[request.endpoint]
        retries = reloads = 0
        while True:
            number = retries + reloads
            attempt = Attempt(request, number, self._env.now)
            to_go = visit if not number else visit.again(number * LANES_PER_ATTEMPT)
            can_reload = visit.idempotent and self._reloads is not None and reloads < self._reloads.at_most
            failure = yield from self._try(request, attempt, hop, to_go, can_reload)
            attempt.settle(request)
            if request.outcome is not None:
                return
            if attempt.reason == RELOAD:
                reloads += 1
                request.attempts += 1
                continue
            pause_s = self._decide(request, attempt, visit, retries, failure)
            if pause_s is None:
                return
            retries += 1
            if pause_s and not (yield from self._wait(request, pause_s)):
                return
            request.attempts += 1

    def _try(self, request: Request, attempt: Attempt, hop: Hop, visit: Visit, can_reload: bool) -> Activity:
        """One attempt, to its answer or until its client leaves. Returns the failure that ended it, or None."""
        env, failure = self._env, None
        half_s = 0.0 if self._round_trip is None else self._round_trip.at(attempt.identity, attempt.number) / 2
        if self._limits is not None:
            self._limits.add(attempt)
        if can_reload:
            assert self._reloads is not None
            self._reloads.watch(attempt, self._leave)
        try:
            if half_s:
                attempt.delay_s += half_s
                yield half_s
            yield from hop.handle(attempt, visit)
        except CallFailure as caught:
            failure = caught
        if half_s and attempt.is_open and request.outcome is None:
            try:
                attempt.delay_s += half_s
                yield half_s
            except ClientGone as gone:
                failure = gone
        if request.outcome is not None:
            attempt.end(Outcome.ABANDONED, env.now)
        attempt.end(Outcome.SUCCEEDED if failure is None else failure.outcome, env.now)
        return failure

    def _decide(
        self, request: Request, attempt: Attempt, visit: Visit, retries: int, failure: CallFailure | None
    ) -> float | None:
        """After an attempt: the pause before the next one, or None, and then the request has its outcome."""
        if failure is None:
            self._end(request, Outcome.SUCCEEDED, 200)
            return None
        is_left = attempt.reason == ATTEMPT_LIMIT
        reason = ATTEMPT_LIMIT if is_left else failure.reason
        status = ClientGone.status if is_left else failure.status
        if self._retries is not None:
            pause_s = self._retries.pause_s(request, visit, retries, status, reason)
            if pause_s is not None:
                return pause_s
        request.reason = reason
        request.failed_at = "" if is_left else failure.path
        self._end(request, Outcome.ABANDONED if is_left else failure.outcome, status)
        return None

    def _wait(self, request: Request, pause_s: float) -> Activity:
        """Pause before a retry. Returns whether the client is still there."""
        try:
            yield pause_s
        except ClientGone:
            return False
        request.delay_s += pause_s
        return True

    def _leave(self, attempt: Attempt, reason: str) -> None:
        """The client leaves an attempt: what works on it sees what it would see of a client that is gone."""
        if not attempt.is_open:
            return
        attempt.reason = reason
        self._left.add()
        if reason == RELOAD:
            assert self._reloads is not None
            self._reloads.count.add()
        attempt.end(Outcome.ABANDONED, self._env.now)
        process = attempt.process
        assert process is not None
        self._env.throw(process, ClientGone(self._path))
