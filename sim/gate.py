"""A gate: open, it costs nothing; shut, whoever comes waits until it opens.

Use: `while gate.is_shut: yield from gate.wait()`. Who is interrupted there leaves nothing behind.

Checked  tests/unit/test_gate.py
"""

from __future__ import annotations

from sim.environment import Activity, Environment, Light
from sim.errors import SimulationError


class Gate:
    """Shut as long as somebody keeps it shut."""

    __slots__ = ("_env", "_held", "_shut", "is_shut")

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._held: list[tuple[Light, int]] = []
        self._shut = 0
        self.is_shut = False

    def shut(self) -> None:
        self._shut += 1
        self.is_shut = True

    def open(self) -> None:
        """Whoever shut it opens it again; when the last one has, those who wait go on in the order they came."""
        if not self._shut:
            raise SimulationError("a gate was opened more often than it was shut")
        self._shut -= 1
        self.is_shut = self._shut > 0
        if not self._shut:
            held, self._held = self._held, []
            for light, ticket in held:
                if light.ticket == ticket:
                    self._env.wake(light)

    def wait(self) -> Activity:
        """Until it opens. It may have been shut again since: ask again."""
        light = self._env.park(self)
        self._held.append((light, light.ticket))
        yield

    def withdraw(self, light: Light) -> None:
        """Interrupted: its entry is skipped by its ticket."""
