"""The container that something runs in, as what runs there sees it.

Models   Who is being served in it hears of its death. Whether it lets people in, and whether others take it for up, are
         two things (`models.machine.container` says when they differ).
Checked  tests/unit/test_machine.py
"""

from __future__ import annotations

from typing import Any

from sim.environment import Environment
from sim.environment.scheduled import Light


class Host:
    """A container of which only those inside matter. `run`: see `models.machine.container`."""

    __slots__ = ("_env", "_residents", "cpus", "is_listed", "is_started", "is_up", "path", "run", "speed")

    run: Any

    def __init__(self, env: Environment, path: str, speed: float = 1.0, cpus: int = 1) -> None:
        self._env = env
        self.path = path
        self.speed = speed
        self.cpus = cpus
        """Processors that a JVM in it sees."""
        self.is_up = True
        """Who connects is let in."""
        self.is_listed = True
        """Who chooses among several takes it for up: without health checks or notice, as long as it lives."""
        self.is_started = True
        """It lives and has started. Not the same as `is_up` where it turns people away."""
        self._residents: dict[Light, None] = {}

    def enter(self) -> Light:
        """The running process is being served here: if the container dies, it gets `InstanceDied`."""
        light = self._env.active
        assert light is not None
        self._residents[light] = None
        return light

    def leave(self, light: Light) -> None:
        self._residents.pop(light, None)

    def use_memory(self, delta_bytes: int) -> None:
        """Take or return memory."""
        raise NotImplementedError

    def burn_aside(self, demand_s: float) -> None:
        """A thread of the process that nobody waits for burns CPU."""
        raise NotImplementedError
