"""A machine and the containers on it: shared cores, shared memory, the OOM killer, Docker's restarts.

Models   Containers share a machine's cores by weight and CFS quota periods (`sim.processor`). Memory is counted as it
         is used: over its own limit a container is killed; over the machine's, the largest container is. A killed
         container restarts after Docker's back-off, spends its start-up wait and CPU, and then is up again.
         Background residents (monitoring, a frontend) hold memory and burn a burst of CPU every period.
Source   Docker: moby daemon/internal/restartmanager (100 ms doubling to 60 s, reset after a run of 10 s),
         daemon/daemon_unix.go (quota of cpus x 100 ms each 100 ms); Linux Documentation/scheduler/sched-bwc.rst.
Omits    Swap, page cache, memory reclaim; NUMA; the CPU that background residents use while no request is in flight.
Checked  tests/unit/test_machine.py, tests/fidelity/test_docker_restart.py
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Annotated, Any

from pydantic import Field, PositiveFloat

from models.jvm import cpu_count
from models.outcomes import InstanceDied
from models.spec import Context, NonNegativeDuration, NonNegativeSize, PositiveDuration, PositiveSize, Spec
from sim.environment import ENDED, Activity, Environment, Light, Timer
from sim.errors import Failure
from sim.processor import Container as Cpu
from sim.processor import Processor, Quota

CFS_PERIOD_S = 0.1
"""Docker's CPU period (moby daemon/daemon_unix.go)."""
RESTART_FIRST_S, RESTART_LONGEST_S, RESTART_RESET_S = 0.1, 60.0, 10.0
RESTART_POLICY = r"^(no|always|unless-stopped|on-failure(:[1-9][0-9]*)?)$"


class BackgroundSpec(Spec):
    """Something that lives on the machine beside the services: it takes memory and a regular burst of CPU."""

    memory: NonNegativeSize = Field(description="Memory it holds, e.g. 300M.")
    burst: NonNegativeDuration = Field(
        default=0.0, description="CPU time of one burst. Default 0: it only holds memory."
    )
    every: PositiveDuration = Field(
        default=15.0, description="Time between bursts. Default 15s: a common Prometheus scrape interval (assumed)."
    )


class MachineSpec(Spec):
    """One machine: what everything that runs on it shares."""

    cores: PositiveFloat = Field(description="CPU cores.")
    memory: PositiveSize = Field(description="Memory, e.g. 4G.")
    system_memory: NonNegativeSize = Field(default=0, description="What the operating system keeps for itself.")
    speed: PositiveFloat = Field(
        default=1.0, description="Speed of a core relative to the one on which demands were measured."
    )
    background: dict[str, BackgroundSpec] = Field(default_factory=dict, description="Residents that serve no request.")

    def build(self, context: Context) -> Machine:
        return Machine(context, self)


class LimitsSpec(Spec):
    """Docker's resource limits of one container."""

    cpus: Annotated[float, Field(ge=0.01)] | None = Field(
        default=None,
        description="CPU limit (Compose deploy.resources.limits.cpus). Docker's default: none; its least: 0.01.",
    )
    memory: PositiveSize | None = Field(
        default=None, description="Memory limit (Compose deploy.resources.limits.memory). Docker's default: none."
    )


class ContainerSpec(Spec):
    """What every container has: a machine, its share of it, and a life after death."""

    machine: str = Field(description="The machine it runs on.")
    cpu_shares: PositiveFloat = Field(default=1024.0, description="Weight under contention. Docker's default: 1024.")
    limits: LimitsSpec = Field(default_factory=LimitsSpec, description="CPU and memory limits.")
    base_memory: NonNegativeSize = Field(default=0, description="Memory it holds when idle.")
    restart: Annotated[str, Field(pattern=RESTART_POLICY)] = Field(
        default="always",
        description="Docker's restart policy: no, always, unless-stopped, on-failure, on-failure:3 (at most 3 "
        "restarts). Default: always (assumed; Docker's own default is no).",
    )
    start_wait: NonNegativeDuration = Field(default=0.0, description="Start-up time that burns no CPU (assumed).")
    start_cpu: NonNegativeDuration = Field(default=0.0, description="CPU time that a start burns (assumed).")


class Machine:
    """The shared cores and memory of one machine."""

    def __init__(self, context: Context, spec: MachineSpec) -> None:
        self.context = context
        self.env: Environment = context.env
        self.spec = spec
        self.processor = Processor(self.env, spec.cores, spec.speed)
        self._stolen: list[float] = []
        self.containers: list[Container] = []
        self.memory_bytes = spec.system_memory
        self.memory = context.probe.level(f"{context.path}.memory_bytes", float(self.memory_bytes))
        self.oom_kills = context.probe.count(f"{context.path}.oom_kills")
        self.is_deserted = False
        """Nobody is served and nobody will come: what cannot start need not try for ever."""
        self._memory_limit_bytes = spec.memory
        self.residents = [
            _Resident(self, context.at("background").at(name), resident) for name, resident in spec.background.items()
        ]
        self._bursting = [resident for resident in self.residents if resident.bursts]

    def cpus(self) -> list[Cpu]:
        """The processor's account of every container, residents included."""
        return [container.cpu for container in self.containers] + [resident.cpu for resident in self.residents]

    def steal(self, share: float) -> None:
        """Neighbours take so much of every core from now on, until they give it back. No quota is charged for it."""
        self._stolen.append(share)
        self._set_speed()

    def give_back(self, share: float) -> None:
        self._stolen.remove(share)
        self._set_speed()

    def _set_speed(self) -> None:
        speed = self.spec.speed
        for share in self._stolen:
            speed *= 1.0 - share
        self.processor.set_speed(speed)

    def use_memory(self, delta_bytes: int) -> None:
        self.memory_bytes = memory_bytes = self.memory_bytes + delta_bytes
        limit_bytes = self._memory_limit_bytes
        self.memory.set(memory_bytes if memory_bytes <= limit_bytes else limit_bytes)  # what does not fit, kills
        if memory_bytes > limit_bytes and delta_bytes > 0:
            self._kill_largest()

    def _kill_largest(self) -> None:
        """The OOM killer picks who holds most, unless what it is killing already will do; background residents are
        not its candidates."""
        candidates, dying_bytes = [], 0
        for container in self.containers:
            if container.is_doomed:
                dying_bytes += container.memory_bytes
            elif container.memory_bytes:
                candidates.append(container)
        if candidates and self.memory_bytes - dying_bytes > self.spec.memory:
            largest = max(candidates, key=lambda container: container.memory_bytes)
            self.oom_kills.add()
            largest.doom("out of memory: the machine's memory is full")

    def wake(self) -> None:
        """Requests are in flight again: background residents go on with their bursts."""
        for resident in self._bursting:
            resident.wake()

    def rest(self, is_deserted: bool) -> None:
        """No request is in flight: nothing that serves nobody may keep the clock busy. `is_deserted`: for good."""
        self.is_deserted = is_deserted
        for resident in self._bursting:
            resident.rest()


class _Resident:
    """A background container: a CPU burst on a fixed grid with a random phase, only while requests are in flight."""

    def __init__(self, machine: Machine, context: Context, spec: BackgroundSpec) -> None:
        self._env = machine.env
        self._spec = spec
        self.cpu = machine.processor.container(context.path, 1024.0, None)
        _report_cpu(context, self.cpu)
        self.bursts = spec.burst > 0
        self._every_s = spec.every
        self._phase_s = context.streams.sequence(f"{context.path}.phase").next() * spec.every
        self._timer = Timer(self._env, self._burn)
        self._paused = (ENDED, inf)
        """Ticket and instant of the timer when it was paused: its entry is still in the schedule."""
        machine.memory_bytes += spec.memory
        machine.memory.set(machine.memory_bytes)

    def wake(self) -> None:
        now, timer = self._env.now, self._timer
        due_s = self._phase_s + (int((now - self._phase_s) / self._every_s) + 1) * self._every_s
        if now < due_s == self._paused[1]:  # most silences are shorter than a period: the old entry counts again
            timer.ticket, timer.when = self._paused
        else:
            timer.arm(max(now, due_s))

    def rest(self) -> None:
        timer = self._timer
        self._paused = (timer.ticket, timer.when)
        timer.disarm()

    def _burn(self) -> None:
        self._timer.arm(self._env.now + self._spec.every)
        self.cpu.start(self._spec.burst, _nothing)


def _report_cpu(context: Context, cpu: Cpu) -> None:
    """What the processor accounts for, as rates: cores in use, threads present, share of time throttled."""
    context.probe.meter(f"{context.path}.cpu_s", lambda: cpu.cpu_s)
    context.probe.meter(f"{context.path}.threads_s", lambda: cpu.present_area)
    context.probe.meter(f"{context.path}.throttled_s", lambda: cpu.throttled_wall_s)
    context.probe.meter(f"{context.path}.throttled_thread_s", lambda: cpu.throttled_thread_s)


def _nothing() -> None:
    """A background burst has nobody waiting for it."""


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


class Container:
    """One container: its CPU, its memory, who is being served in it, and whether it is up."""

    __slots__ = (
        "_closures", "_death", "_down_for_s", "_env", "_is_running", "_machine", "_memory_limit_bytes", "_probe",
        "_residents", "_restart_rule", "_restarting", "_slowdowns", "_started_at_s", "base_bytes", "cpu", "cpus",
        "deaths", "is_doomed", "is_listed", "is_started", "is_up", "memory", "memory_bytes", "on_killed", "on_start",
        "on_up", "path", "run", "spec", "speed",
    )  # fmt: skip

    def __init__(self, machine: Machine, context: Context, spec: ContainerSpec, base_bytes: int | None = None) -> None:
        self._machine = machine
        self._env = context.env
        self._probe = context.probe
        self.path = context.path
        self.spec = spec
        quota = None
        if spec.limits.cpus is not None:
            phase_s = context.streams.sequence(f"{context.path}.quota_phase").next() * CFS_PERIOD_S
            quota = Quota(spec.limits.cpus * CFS_PERIOD_S, CFS_PERIOD_S, phase_s)
        self.cpu: Cpu = machine.processor.container(context.path, spec.cpu_shares, quota)
        _report_cpu(context, self.cpu)
        self.run: Callable[[float], Any] = self.cpu.run
        """`yield container.run(demand_s)`: one CPU burst; the yield returns the seconds it was throttled."""
        self.speed = machine.spec.speed
        self.cpus = cpu_count(spec.limits.cpus, machine.spec.cores)
        """Processors that a JVM in it sees."""
        self.base_bytes = spec.base_memory if base_bytes is None else base_bytes
        self.memory_bytes = 0
        self._memory_limit_bytes = inf if spec.limits.memory is None else spec.limits.memory
        self.memory = context.probe.level(f"{context.path}.memory_bytes")
        self.deaths = context.probe.count(f"{context.path}.deaths")
        self.is_up = True
        """Who connects is let in."""
        self.is_listed = True
        """Who chooses among several takes it for up: without health checks or notice, as long as it lives."""
        self.is_started = True
        """It lives and has started. Not the same as `is_up` where it turns people away."""
        self._closures = 0
        self._slowdowns: list[float] = []
        self.on_up: Callable[[], None] = _nothing
        """Called when it has started again."""
        self.is_doomed = False
        self._residents: dict[Light, None] = {}
        self._death = Timer(self._env, self._die)
        self._restart_rule = RestartRule(spec.restart)
        self._down_for_s: float | None = None
        self._is_running = True
        """There is a process: it is up or starts."""
        self._started_at_s = -inf
        self._restarting: Light | None = None
        self.on_killed: Callable[[], None] = _nothing
        self.on_start: Callable[[], Activity] | None = None
        """What else a restart has to do before the container is up again (a generator)."""
        machine.containers.append(self)
        self.use_memory(self.base_bytes)

    def burn_aside(self, demand_s: float) -> None:
        """A thread of the process that nobody waits for burns CPU."""
        self.cpu.start(demand_s, _nothing)

    def enter(self) -> Light:
        """The running process is being served here: if the container dies, it gets `InstanceDied`."""
        light = self._env.active
        assert light is not None
        self._residents[light] = None
        return light

    def leave(self, light: Light) -> None:
        self._residents.pop(light, None)

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
