"""A hundred requests per 60 s: the four ways in which programs mean it.

Models   `fixed_window`: a count that begins anew at whole periods of the clock; up to twice the limit passes around
         such an instant. `anchored_window`: a count that begins with a key's first request and lives for one period
         (INCR, then EXPIRE). `sliding_log`: the instants of what passed in the last period; exact.
         `sliding_counter`: this period's count plus the last one's, weighed by how much of that period is less than
         one period ago. Requests that are refused are not counted. The books are in the memory of the process that
         asks or, with `cache`, in Redis: then the decision is a script's, taken when Redis runs it, and a Redis that
         dies forgets everything.
Units    Integer nanoseconds. Clock-aligned periods begin at a phase of their own, drawn once per run, not with the run.
Source   Fixed window: envoyproxy/ratelimit, src/limiter/cache_key.go (the key holds the unit's beginning). Anchored
         window, sliding log and sliding counter: widespread scripts without one author (INCR + EXPIRE, sorted sets,
         and the weighed count of Cloudflare's rate limiting).
Omits    Variants that count refused requests, or that put off the end of a window with each request; a clock that is
         set; the memory that keys take in Redis; expiry in Redis to the millisecond.
Checked  experiments/validation/window_limits.py, tests/properties/test_request_limits.py,
         tests/unit/test_window_limit.py, tests/real/test_redis_limiter.py
"""

from models.window_limit.limiter import (
    AnchoredWindowSpec,
    FixedWindowSpec,
    OnFailure,
    ScriptRunner,
    SharedWindowLimiter,
    SlidingCounterSpec,
    SlidingLogSpec,
    WindowBooks,
    WindowLimiter,
    WindowSpec,
)
from models.window_limit.windows import AnchoredWindow, FixedWindow, SlidingCounter, SlidingLog, Window

__all__ = [
    "AnchoredWindow",
    "AnchoredWindowSpec",
    "FixedWindow",
    "FixedWindowSpec",
    "OnFailure",
    "ScriptRunner",
    "SharedWindowLimiter",
    "SlidingCounter",
    "SlidingCounterSpec",
    "SlidingLog",
    "SlidingLogSpec",
    "Window",
    "WindowBooks",
    "WindowLimiter",
    "WindowSpec",
]
