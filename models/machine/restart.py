"""Docker's restart manager: 100 ms doubling to 60 s, anew after a run of 10 s.

Source   moby daemon/internal/restartmanager/restartmanager.go.
"""

from __future__ import annotations

RESTART_FIRST_S, RESTART_LONGEST_S, RESTART_RESET_S = 0.1, 60.0, 10.0


class RestartRule:
    """Docker's restart manager: whether a container that exited is started again, and after which pause. Every exit
    here is a failure (137 where it was killed)."""

    __slots__ = ("_most", "_pause_s", "_restarts")

    def __init__(self, policy: str) -> None:
        name, _, most = policy.partition(":")
        self._most = 0.0 if name == "no" else float(most or "inf")
        self.reset()

    def reset(self) -> None:
        """Somebody starts the container by hand."""
        self._restarts = 0
        self._pause_s = 0.0

    def pause_s(self, ran_s: float) -> float | None:
        """The pause before the next start, None if there is none. `ran_s`: how long it ran before it exited."""
        if ran_s >= RESTART_RESET_S:
            self._pause_s = 0.0
        self._pause_s = min(2 * self._pause_s or RESTART_FIRST_S, RESTART_LONGEST_S)
        if self._restarts >= self._most:
            return None
        self._restarts += 1
        return self._pause_s
