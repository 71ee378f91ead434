"""Window limits: their settings, the windows of all keys, and the two places where those can be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, Protocol

from pydantic import Field, ValidationInfo, field_validator

from models.limit_keys import KEY_OF, LimitKey, RecentBuckets
from models.outcomes import CacheUnavailable, RateLimited
from models.request import Request
from models.spec import Context, Rate, Spec
from models.window_limit.windows import AnchoredWindow, FixedWindow, SlidingCounter, SlidingLog, Window
from sim.environment import Activity
from sim.quantities import RateValue

OnFailure = Literal["allow", "refuse"]


class WindowSpec(Spec):
    """What the four have in common."""

    key: LimitKey = Field(description="Whose requests are counted together: one user's, one ip's, or global.")
    limit: Rate = Field(description="Requests that pass per period, e.g. 100/60s.")
    cache: str | None = Field(
        default=None,
        description="The Redis that keeps the counts: a name under caches. Default: none, they are in the gateway's "
        "memory and cost nothing (assumed).",
    )
    on_cache_failure: OnFailure | None = Field(
        default=None,
        validate_default=True,
        description="Whether requests pass or are refused while that Redis fails. Default with a cache: allow, as "
        "Spring Cloud Gateway's RedisRateLimiter does (assumed for others).",
    )

    raised_by: ClassVar[str] = "limit"
    """The setting that lets more through."""

    @field_validator("limit")
    @classmethod
    def _countable(cls, limit: RateValue) -> RateValue:
        if limit.count != int(limit.count) or limit.count < 1:
            raise ValueError(
                f"must be a whole number of requests per period, got {limit.count:g}. "
                "Write a longer period, e.g. 3/2s instead of 1.5/s."
            )
        if round(limit.period_s * 1e9) < 1:
            raise ValueError(f"must have a period of at least 1ns, got {limit.period_s!r} s.")
        return limit

    @field_validator("on_cache_failure")
    @classmethod
    def _has_a_cache(cls, choice: OnFailure | None, info: ValidationInfo) -> OnFailure | None:
        if choice is not None and info.data.get("cache") is None:
            raise ValueError("must not be set without a cache: nothing can fail in memory. Remove it, or name a cache.")
        return choice

    def rule(self) -> Window:
        """The books of one key, empty."""
        raise NotImplementedError

    @property
    def period_ns(self) -> int:
        return round(self.limit.period_s * 1e9)

    def build(self, context: Context, redis: ScriptRunner | None = None) -> WindowLimiter | SharedWindowLimiter:
        """`redis`: what `cache` names."""
        books = WindowBooks(context, self)
        if redis is None:
            return WindowLimiter(context, books)
        return SharedWindowLimiter(context, books, redis, self.on_cache_failure != "refuse")


class FixedWindowSpec(WindowSpec):
    """So many per period of the clock: twice as many can pass around the instant at which a period begins."""

    kind: Literal["fixed_window"] = "fixed_window"

    def rule(self) -> Window:
        return FixedWindow(int(self.limit.count), self.period_ns)


class AnchoredWindowSpec(WindowSpec):
    """So many per period that begins with a key's first request: INCR, and EXPIRE where the count is 1."""

    kind: Literal["anchored_window"] = "anchored_window"

    def rule(self) -> Window:
        return AnchoredWindow(int(self.limit.count), self.period_ns)


class SlidingLogSpec(WindowSpec):
    """So many in the period before any instant: every request that passed is remembered."""

    kind: Literal["sliding_log"] = "sliding_log"

    def rule(self) -> Window:
        return SlidingLog(int(self.limit.count), self.period_ns)


class SlidingCounterSpec(WindowSpec):
    """About so many in the last period, from two counts: this period's, and a share of the last one's."""

    kind: Literal["sliding_counter"] = "sliding_counter"

    def rule(self) -> Window:
        return SlidingCounter(int(self.limit.count), self.period_ns)


class WindowBooks:
    """The windows of all keys, and the clock that they follow."""

    __slots__ = ("_env", "_key_of", "_new", "_phase_ns", "_windows")

    def __init__(self, context: Context, spec: WindowSpec) -> None:
        self._env = context.env
        self._key_of = KEY_OF[spec.key]
        self._new: Callable[[], Window] = spec.rule
        # A run that began with a period would meet all its first requests at a period's beginning.
        phase = context.streams.sequence(f"{context.path}.clock_phase").next()
        self._phase_ns = int(phase * spec.period_ns)
        # After one period without a request a count or a log is void; the last period's count takes one more.
        periods = 2 if isinstance(spec, SlidingCounterSpec) else 1
        self._windows: RecentBuckets = RecentBuckets(periods * spec.period_ns)

    def __len__(self) -> int:
        return len(self._windows)

    def admit(self, request: Request) -> bool:
        now_ns = int(self._env.now * 1e9 + 0.5) + self._phase_ns
        key = self._key_of(request)
        window = self._windows.get(key, now_ns)
        if window is None:
            window = self._new()
            self._windows.put(key, window)
        return bool(window.admit(now_ns))

    def clear(self) -> None:
        self._windows.clear()


class WindowLimiter:
    """Decides on the spot, from the memory of the process that asks."""

    __slots__ = ("_books", "_granted", "_refused", "path")

    waits: ClassVar[bool] = False

    def __init__(self, context: Context, books: WindowBooks) -> None:
        self.path = context.path
        self._books = books
        self._granted = context.probe.count(f"{context.path}.granted")
        self._refused = context.probe.count(f"{context.path}.refused")

    @property
    def windows_kept(self) -> int:
        """How many keys are remembered: those that asked of late."""
        return len(self._books)

    def forget(self) -> None:
        """The process was killed, and its memory with it."""
        self._books.clear()

    def take(self, request: Request) -> None:
        """Let `request` pass or raise `RateLimited`."""
        if self._books.admit(request):
            self._granted.total += 1
        else:
            self._refused.add()
            raise RateLimited(self.path)


class ScriptRunner(Protocol):
    """The Redis that keeps the counts."""

    def run_script(self) -> Activity:
        """Wait for the round trip and for Redis' one command thread. Raises `CacheUnavailable` where Redis fails."""


class SharedWindowLimiter:
    """Asks Redis, whose script decides."""

    __slots__ = ("_books", "_env", "_granted", "_passes_on_failure", "_redis", "_refused", "_unanswered", "path")

    waits: ClassVar[bool] = True

    def __init__(self, context: Context, books: WindowBooks, redis: ScriptRunner, passes_on_failure: bool) -> None:
        self.path = context.path
        self._env = context.env
        self._books = books
        self._redis = redis
        self._passes_on_failure = passes_on_failure
        self._granted = context.probe.count(f"{context.path}.granted")
        self._refused = context.probe.count(f"{context.path}.refused")
        self._unanswered = context.probe.count(f"{context.path}.{'fail_open' if passes_on_failure else 'fail_closed'}")

    @property
    def windows_kept(self) -> int:
        """How many keys are remembered: those that asked of late."""
        return len(self._books)

    def forget(self) -> None:
        """Redis was killed, and its keys with it."""
        self._books.clear()

    def check(self, request: Request) -> Activity:
        """Let `request` pass or raise `RateLimited`, after the wait for Redis, which counts as its cache time."""
        asked_at = self._env.now
        try:
            yield from self._redis.run_script()
        except CacheUnavailable as failure:
            self._unanswered.add()
            if self._passes_on_failure:
                return
            raise RateLimited(self.path) from failure
        finally:
            request.cache_s += self._env.now - asked_at
        if self._books.admit(request):
            self._granted.add()
        else:
            self._refused.add()
            raise RateLimited(self.path)
