"""Whose requests share a limit, and how the books of many users stay few.

Models   One bucket, window or count per user, per IP or for everybody. A bucket that has had the time to fill up, or a
         window that is over, is the same as one that was never used, so it may be forgotten: memory follows the users
         of late, not those of all time.
Checked  tests/properties/test_token_bucket.py, tests/properties/test_request_limits.py
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal

from models.request import Request

LimitKey = Literal["user", "ip", "global"]
"""Whose requests share a limit."""


def _everybody(request: Request) -> int:  # noqa: ARG001 (one of four ways to read a request's key)
    return 0


def _one_address(request: Request) -> int:  # noqa: ARG001
    return -1  # nobody else's


KEY_OF: dict[LimitKey, Callable[[Request], int]] = {
    "user": attrgetter("user"),
    "ip": attrgetter("ip"),
    "global": _everybody,
}

KEY_BEHIND_PROXY: dict[LimitKey, Callable[[Request], int]] = {**KEY_OF, "ip": _one_address}
"""The same where all requests come from the address of a proxy before, which is not looked behind."""


_LONGEST = 1 << 62
"""Nanoseconds: longer than any run."""


class RecentBuckets:
    """Buckets by key, forgotten once nobody has asked for them during `keep` (in the unit of `now`, which grows).

    Two generations, so that forgetting costs neither an event nor a search: every `keep` the younger one becomes
    the older one, and what is left of the older one has been idle for at least `keep`. Nothing happens in silence.
    """

    __slots__ = ("_keep", "_old", "_turned_at", "_young")

    def __init__(self, keep: int) -> None:
        self._keep = min(keep, _LONGEST)
        self._young: dict[int, Any] = {}
        self._old: dict[int, Any] = {}
        self._turned_at = 0

    def get(self, key: int, now: int) -> Any:
        """The bucket of `key`, or None where it has none or may have been forgotten."""
        if now - self._turned_at >= self._keep:
            self._old = self._young
            self._young = {}
            self._turned_at = now
        bucket = self._young.get(key)
        if bucket is None and self._old:
            bucket = self._old.pop(key, None)
            if bucket is not None:
                self._young[key] = bucket
        return bucket

    def put(self, key: int, bucket: Any) -> None:
        self._young[key] = bucket

    def clear(self) -> None:
        """Forget everybody, as a store that was killed does."""
        self._young = {}
        self._old = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
