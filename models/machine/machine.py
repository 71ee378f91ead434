"""A machine: shared cores, shared memory, the OOM killer, and what lives on it beside the services."""

from __future__ import annotations

from math import inf

from models.machine.container import Container
from models.machine.spec import BackgroundSpec, ContainerSpec, MachineSpec
from models.spec import Context
from sim.environment import ENDED, Environment, Timer
from sim.processor import Container as Cpu
from sim.processor import Processor


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
        residents = [
            _Resident(self, context.at("background").at(name), resident) for name, resident in spec.background.items()
        ]
        self._bursting = [resident for resident in residents if resident.bursts]

    def cpus(self) -> list[Cpu]:
        """The processor's account of every container, residents included."""
        return [container.cpu for container in self.containers]

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
        """The OOM killer picks who holds most, unless what it is killing already will do."""
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
    """A background container: a CPU burst on a fixed grid with a random phase, only while requests are in flight
    and it is up."""

    def __init__(self, machine: Machine, context: Context, spec: BackgroundSpec) -> None:
        self._env = machine.env
        self._spec = spec
        limits = spec.limits.model_dump(mode="json")
        container = {"machine": "here", "base_memory": f"{spec.memory}B", "limits": limits}
        self._host = Container(machine, context, ContainerSpec.model_validate(container))
        self.bursts = spec.burst > 0
        self._every_s = spec.every
        self._phase_s = context.streams.sequence(f"{context.path}.phase").next() * spec.every
        self._timer = Timer(self._env, self._burn)
        self._paused = (ENDED, inf)
        """Ticket and instant of the timer when it was paused: its entry is still in the schedule."""

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
        if self._host.is_started:
            self._host.burn_aside(self._spec.burst)
