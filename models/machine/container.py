"""A container: its CPU, its memory, its deaths and restarts."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Final, Protocol

from models.host import Host
from models.jvm import cpu_count
from models.machine.restart import RestartRule
from models.machine.spec import ContainerSpec, MachineSpec
from models.outcomes import InstanceDied
from models.spec import Context
from sim.environment import Activity
from sim.environment.scheduled import Light, Timer
from sim.errors import Failure
from sim.probe import Count
from sim.processor import Processor, Quota
from sim.processor.container import Container as Cpu

CFS_PERIOD_S = 0.1
"""Docker's CPU period (moby daemon/daemon_unix.go)."""
NO_LIMIT: Final = (1 << 63) - 1
"""Bytes: as many as Linux counts."""


class Ground(Protocol):
    """The machine a container stands on."""

    spec: MachineSpec
    processor: Processor
    containers: list[Container]
    oom_kills: Count
    is_deserted: bool

    def use_memory(self, delta_bytes: int) -> None: ...


class Container(Host):
    """One container: its CPU, its memory, who is being served in it, and whether it is up."""

    __slots__ = (
        "_closures", "_death", "_down_for_s", "_is_running", "_machine", "_memory_limit_bytes", "_probe",
        "_restart_rule", "_restarting", "_slowdowns", "_started_at_s", "base_bytes", "cpu", "deaths", "is_doomed",
        "is_leaving", "memory", "memory_bytes", "on_killed", "on_start", "on_starting", "on_up", "spec",
    )  # fmt: skip

    def __init__(self, machine: Ground, context: Context, spec: ContainerSpec, base_bytes: int | None = None) -> None:
        cpus = cpu_count(spec.limits.cpus, machine.spec.cores)
        super().__init__(context.env, context.path, machine.spec.speed, cpus)
        self._machine = machine
        self._probe = context.probe
        self.spec = spec
        quota = None
        if spec.limits.cpus is not None:
            phase_s = context.streams.sequence(f"{context.path}.quota_phase").next() * CFS_PERIOD_S
            quota = Quota(spec.limits.cpus * CFS_PERIOD_S, CFS_PERIOD_S, phase_s)
        self.cpu: Cpu = machine.processor.container(context.path, spec.cpu_shares, quota)
        _report_cpu(context, self.cpu)
        self.run: Callable[[float], Any] = self.cpu.run
        """`yield container.run(demand_s)`: one CPU burst; the yield returns the seconds it was throttled."""
        self.base_bytes = spec.base_memory if base_bytes is None else base_bytes
        self.memory_bytes = 0
        self._memory_limit_bytes: int = NO_LIMIT if spec.limits.memory is None else spec.limits.memory
        self.memory = context.probe.level(f"{context.path}.memory_bytes")
        self.deaths = context.probe.count(f"{context.path}.deaths")
        self.is_leaving = False
        """It is about to be stopped and takes itself off the list: a readiness probe does not put it back."""
        self._closures = 0
        self._slowdowns: list[float] = []
        self.on_up: Callable[[], None] = _nothing
        """Called when it has started again."""
        self.is_doomed = False
        self._death = Timer(self._env, self._die)
        self._restart_rule = RestartRule(spec.restart)
        self._down_for_s: float | None = None
        self._is_running = True
        """There is a process: it is up or starts."""
        self._started_at_s = -inf
        self._restarting: Light | None = None
        self.on_killed: Callable[[], None] = _nothing
        self.on_starting: Callable[[], None] = _nothing
        """Called when its process begins to start, long before it is up."""
        self.on_start: Callable[[], Activity] | None = None
        """What else a restart has to do before the container is up again (a generator)."""
        machine.containers.append(self)
        self.use_memory(self.base_bytes)

    def burn_aside(self, demand_s: float) -> None:
        """A thread of the process that nobody waits for burns CPU."""
        self.cpu.start(demand_s, _nothing)

    def use_memory(self, delta_bytes: int) -> None:
        """Take or return memory. Too much of it kills this container, or the machine's largest, at this instant."""
        self.memory_bytes = memory_bytes = self.memory_bytes + delta_bytes
        limit_bytes = self._memory_limit_bytes
        if memory_bytes <= limit_bytes:
            self.memory.set(memory_bytes)
        else:
            self.memory.set(limit_bytes)  # what does not fit is not handed out: it kills
            if delta_bytes > 0 and not self.is_doomed:
                self._machine.oom_kills.add()
                self.doom("out of memory: its limit is reached")
        self._machine.use_memory(delta_bytes)

    def kill(self, reason: str, down_for_s: float | None = None) -> None:
        """Crash now. `down_for_s` None: Docker's restart policy decides what comes then; a number: it stays down for
        so long (from now on, if it is down already) and is then started by hand."""
        if self._is_running:
            self._down_for_s = down_for_s
            if not self.is_doomed:
                self.doom(reason)
        elif down_for_s is not None:
            self._down_for_s = down_for_s
            self._probe.note(self.path, f"stays down, {reason}")
            self._bring_back()

    def slow_down(self, by: float) -> None:
        """From now on all its work takes so many times the CPU, until it has sped up by the same again."""
        self._slowdowns.append(by)
        self._set_pace()

    def speed_up(self, by: float) -> None:
        self._slowdowns.remove(by)
        self._set_pace()

    def _set_pace(self) -> None:
        slowdown = 1.0
        for by in self._slowdowns:
            slowdown *= by
        self.cpu.slow_down(slowdown)
        self.speed = self._machine.spec.speed / slowdown

    def close(self) -> None:
        """Refuse whoever connects from now on; those inside go on. Whoever closes it also opens it again."""
        self._closures += 1
        self.is_up = False

    def open(self) -> None:
        self._closures -= 1
        self.is_up = self.is_started and not self._closures

    def doom(self, reason: str) -> None:
        """Kill the container at this instant, after the running process has come to its next wait."""
        self.is_doomed = True
        self.deaths.add()
        self._probe.note(self.path, f"killed, {reason}")
        self._death.arm(self._env.now)

    def _die(self) -> None:
        self.is_up = self.is_listed = self.is_started = False
        residents, self._residents = self._residents, {}
        for light in residents:
            self._env.throw(light, InstanceDied(self.path))
        self.cpu.clear()
        self.on_killed()
        self._bring_back()

    def _bring_back(self) -> None:
        """Start it again, now or later; who is about to do that hears that there is a new reason to wait."""
        if self._restarting is not None and self._restarting.is_alive:
            self._env.throw(self._restarting, InstanceDied(self.path))
        else:
            self._restarting = self._env.start(self._restart())

    def _restart(self) -> Activity:
        """Docker waits, starts the container again, and waits longer each time it did not live for 10 s."""
        has_failed = False
        while not self.is_started:
            self._is_running = False
            self.use_memory(-self.memory_bytes)
            if has_failed and self._machine.is_deserted:
                return
            pause_s = self._pause_s()
            if pause_s is None:
                self._probe.note(self.path, f"stays down: restart is {self.spec.restart}")
                return
            try:
                yield pause_s
            except InstanceDied:  # killed while it is down: for longer
                continue
            self._started_at_s = self._env.now
            self._is_running = True
            self.is_doomed = False
            self.on_starting()
            try:
                self.use_memory(self.base_bytes)
                yield self.spec.start_wait
                yield self.run(self.spec.start_cpu)
                if self.on_start is not None:
                    yield from self.on_start()
                if self.is_doomed:
                    yield  # its death is due at this instant
            except Failure as failure:
                has_failed = True
                self._probe.note(self.path, f"did not start: {failure}")
                if not self.is_doomed:
                    self.on_killed()  # it exits by itself, with what it had opened
            else:
                self.is_listed = self.is_started = True
                self.is_leaving = False
                self.is_up = not self._closures
        self._probe.note(self.path, "up again")
        self.on_up()

    def _pause_s(self) -> float | None:
        """How long it stays down: as whoever killed it wants, else as Docker's restart policy says."""
        if self._down_for_s is None:
            return self._restart_rule.pause_s(self._env.now - self._started_at_s)
        pause_s, self._down_for_s = self._down_for_s, None
        self._restart_rule.reset()
        return pause_s


def _report_cpu(context: Context, cpu: Cpu) -> None:
    """What the processor accounts for, as rates: cores in use, threads present, share of time throttled."""
    context.probe.meter(f"{context.path}.cpu_s", lambda: cpu.cpu_s, cpu)
    context.probe.meter(f"{context.path}.threads_s", lambda: cpu.present_area, cpu)
    context.probe.meter(f"{context.path}.throttled_s", lambda: cpu.throttled_wall_s, cpu)
    context.probe.meter(f"{context.path}.throttled_thread_s", lambda: cpu.throttled_thread_s, cpu)


def _nothing() -> None:
    """Nobody waits for it."""
