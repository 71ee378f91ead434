# cython: annotation_typing=True
"""Time limits: abandon (the caller leaves, the work goes on) and the deadlines behind every limit.

Models   `Deadlines` keeps the deadlines of one constant limit in a FIFO with a single armed timer, since a timer
         a request would cost a third of the speed. `TimeLimit` runs work as a process of its own and lets the
         caller leave at the limit; the work goes on, as it does behind a real time limit.
Units    Seconds.
Checked  tests/unit/test_patience.py, tests/properties/test_resources_properties.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sim.environment import Activity, Environment, Timer
from sim.environment.scheduled import Light
from sim.errors import Failure

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Deadlines `limit_s` after `add`, in order. `expire(item)` is called at the deadline of every item that
    `is_pending(item)` still holds for then; an item that is no longer pending costs no event."""

    __slots__ = ("_entries", "_env", "_expire", "_is_pending", "_timer", "limit_s")

    def __init__(
        self, env: Environment, limit_s: float, is_pending: Callable[[T], bool], expire: Callable[[T], None]
    ) -> None:
        self._env = env
        self.limit_s = limit_s
        self._is_pending = is_pending
        self._expire = expire
        self._entries: deque[tuple[float, T]] = deque()
        self._timer = Timer(env, self._due)

    def add(self, item: T) -> None:
        when = self._env.now + self.limit_s
        entries, is_pending = self._entries, self._is_pending
        while entries and not is_pending(entries[0][1]):  # a long limit must not keep what has long ended
            entries.popleft()
        entries.append((when, item))
        if not self._timer.armed:
            self._timer.arm(when)

    def _due(self) -> None:
        entries, now, is_pending = self._entries, self._env.now, self._is_pending
        due: list[T] = []
        while entries:
            when, item = entries[0]
            if is_pending(item):
                if when > now:
                    self._timer.arm(when)
                    break
                due.append(item)
            entries.popleft()
        for item in due:
            if is_pending(item):
                self._expire(item)


class TimeLimitReached(Failure):
    """The caller has waited as long as it would."""


class Cancelled(TimeLimitReached):
    """Thrown into work whose caller has stopped it: a limit of the work's own inside it was not reached."""


class _Call:
    """Work under way in a process of its own, and the caller that waits for it."""

    __slots__ = ("caller", "failure", "is_done", "light", "value")

    def __init__(self) -> None:
        self.caller: Light | None = None
        self.light: Light | None = None
        self.is_done = False
        self.value: Any = None
        self.failure: Failure | None = None

    def withdraw(self, light: Light) -> None:
        """The caller leaves: the work goes on, for nobody."""
        self.caller = None


class TimeLimit:
    """Calls that the caller leaves after `limit_s`: the work goes on, or, where `cancels`, is stopped by `Failure`.

    `limit_s` None means that the caller never leaves by itself; the work still is a process of its own, so
    that it outlives a caller that is interrupted.
    """

    def __init__(self, env: Environment, limit_s: float | None, cancels: bool = False) -> None:
        self._env = env
        self._cancels = cancels
        self.limit_s = limit_s
        self._deadlines = None if limit_s is None else Deadlines(env, limit_s, self._is_pending, self._expire)

    def call(self, work: Activity) -> Activity:
        """Run `work` and return its value. Raises `TimeLimitReached`, or the `Failure` that ended the work."""
        call = _Call()
        env = self._env
        light = env.start_now(self._carry(call, work))
        if not call.is_done:
            call.light = light
            call.caller = env.park(call)
            if self._deadlines is not None:
                self._deadlines.add(call)
            yield
            if not call.is_done:
                raise TimeLimitReached(f"no answer within {self.limit_s} s")
        if call.failure is not None:
            raise call.failure
        return call.value

    def _carry(self, call: _Call, work: Activity) -> Activity:
        try:
            call.value = yield from work
        except Failure as failure:
            call.failure = failure
        call.is_done = True
        caller, call.caller = call.caller, None
        if caller is not None:
            self._env.resume(caller)

    @staticmethod
    def _is_pending(call: _Call) -> bool:
        return call.caller is not None

    def _expire(self, call: _Call) -> None:
        caller, call.caller = call.caller, None
        assert caller is not None and call.light is not None
        self._env.wake(caller)
        if self._cancels:
            self._env.throw(call.light, Cancelled(f"cancelled after {self.limit_s} s"))
