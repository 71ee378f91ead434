"""The cores that containers share, and how they share them when there are too few. See the package."""

from __future__ import annotations

from math import inf

from sim.environment import Environment
from sim.environment.scheduled import Timer
from sim.heap import INTERPRETED, heappop, heappush, new_heap
from sim.processor.burst import GRAIN, LEAST_S, Burst, Quota, VirtualTime, tell
from sim.processor.container import Container


class Processor:
    """`cores` cores of `speed` that everything on one machine shares."""

    def __init__(self, env: Environment, cores: float, speed: float = 1.0) -> None:
        if not 0 < cores < inf:
            raise ValueError(f"cores must be positive and finite, got {cores}")
        self._env = env
        self.cores = cores
        self._speed = _checked(speed)
        self._containers: dict[Container, None] = {}
        self._runnable = 0
        self._is_saturated = False
        """More runnable threads than cores, when the sharing was last computed. What follows counts only then."""
        self._running: dict[Container, None] = {}
        """Containers with threads that run."""
        self._share = 0.0
        """Cores for every unit of weight of the containers that get less than they could use."""
        self.shared = VirtualTime(env.now)
        """The same, times speed, summed up over time: what those containers go by."""
        self._events = new_heap()
        """What happens next in each of them, by level. An entry counts while its number is its container's."""
        self._number = 0
        self._timer = Timer(env, self._tick)
        self._touched: list[Container] = []
        """Containers whose running threads have changed since the sharing was computed."""
        self._telling: Container | None = None
        """The container of which those who waited are just being told."""
        self._removed_cpu_s = self._capacity_s = 0.0
        self._speed_since = env.now

    def container(self, path: str, weight: float, quota: Quota | None = None) -> Container:
        """A new container. `weight` counts against others on this machine, while there are too few cores."""
        if not 0 < weight < inf:
            raise ValueError(f"{path}: weight must be positive and finite, got {weight}")
        container = Container(self._env, self, path, weight, quota)
        self._containers[container] = None
        return container

    def remove(self, container: Container) -> None:
        """Cancel the container's bursts and forget it. The CPU time that it had stays in `cpu_s`."""
        container.clear()
        del self._containers[container]
        self._removed_cpu_s += container.cpu_s
        container._processor = None

    @property
    def speed(self) -> float:
        return self._speed

    def set_speed(self, speed: float) -> None:
        """Change the speed of every core now; 0 stops them. A slower clock, a neighbour that steals time."""
        speed = _checked(speed)
        self._capacity_s = self.capacity_s
        self._speed_since = self._env.now
        self._speed = speed
        for container in self._containers:
            container._speed = speed / container._stretch
        self._touched.extend(self._containers)
        self._settle()

    @property
    def load(self) -> int:
        """Threads that run or wait for a core. Those of throttled and frozen containers are not among them."""
        return self._runnable

    @property
    def cpu_s(self) -> float:
        """CPU time handed out to all containers, removed ones included."""
        cpu_s = self._removed_cpu_s
        for container in self._containers:
            cpu_s += container.cpu_s
        return cpu_s

    @property
    def capacity_s(self) -> float:
        """CPU time that could have been handed out so far."""
        return self._capacity_s + self.cores * self._speed * (self._env.now - self._speed_since)

    @property
    def level(self) -> float:
        """Virtual time of the containers that get less than they could use."""
        return self.shared.read(self._env.now)

    def _changed(self, container: Container) -> None:
        """The running threads of a container have changed, and there are, or were, too few cores."""
        if self._telling is not None:
            if container is not self._telling:
                self._touched.append(container)
        elif (
            self._runnable > self.cores
            and container._is_sharing
            and not container._is_stopped
            and container._n > self._share * container.weight
        ):  # it got less than it could use and still does: what the others get is the same
            self._expect(container)
            self._aim(self._env.now)
        else:
            self._touched.append(container)
            self._settle()

    def _tell(self, container: Container, ended: list[Burst]) -> None:
        """Tell who waited, and share anew only then: a thread that goes on to its next burst changes nothing."""
        self._telling = container
        try:
            if ended:
                tell(self._env, ended, container._throttled_wall_s)
        finally:
            self._telling = None
            if self._touched:
                self._touched.append(container)
                self._settle()
            else:
                self._changed(container)

    def _settle(self) -> None:
        """Bring rates and timers into order after the running threads of the touched containers have changed."""
        now = self._env.now
        if self._runnable > self.cores:
            self._divide(now)
            self._aim(now)
        else:
            self._relax(now)
        self._touched = []

    def _relax(self, now: float) -> None:
        """There are cores for all threads."""
        for container in self._touched:
            if container._n and not container._is_stopped:
                container._set_rate(now)
            else:
                container._arm(now)
        if not self._is_saturated:
            return
        for container in self._running:
            if container._is_sharing or container._rate != container._speed:
                if container._n and not container._is_stopped:
                    container._set_rate(now)
                container._is_sharing = False
        self._is_saturated = False
        self.shared.value = self.shared.pace = 0.0
        self._running.clear()
        self._events.clear()
        self._timer.disarm()

    def _divide(self, now: float) -> None:
        """There are too few cores: who could use more than it gets follows the level, others have what they need."""
        shared = self.shared
        level = shared.value + shared.pace * (now - shared.at)  # shared.read(now)
        running = self._running
        touched = self._touched
        for container in touched if self._is_saturated else self._containers:
            container._entry = 0
            if container._n and not container._is_stopped:
                running[container] = None
            else:
                running.pop(container, None)
                container._is_sharing = False
        self._is_saturated = True
        self._share = fill(self.cores, running)
        for container in running:
            if container._fits and (container._is_sharing or container._rate != container._speed):
                container._set_rate(now)
        for container in running:
            if not (container._fits or container._is_sharing):
                container._sync(now)
                container._rate = 0.0
                container._is_sharing = True
                container._level = level
                container._timer.disarm()
                self._expect(container)
        for container in touched:
            if not container._is_sharing:
                container._arm(now)
            elif not container._entry:
                self._expect(container)
        pace = self._share * self._speed
        if pace != shared.pace:
            shared.value = level
            shared.pace = pace
            shared.at = now

    def _expect(self, container: Container) -> None:
        """Note at which level the next thing happens in a container that shares: an end, or its budget is spent."""
        weight = container.weight
        level = container._level + (container._first - container._progress) * container._n / container._pull
        if container.quota is not None:
            spent = container._level + container._budget_s / weight
            if spent < level:
                level = spent
            if container._refill_at < container._timer.when:
                container._timer.arm(container._refill_at)
        self._number = container._entry = number = self._number + 1
        if INTERPRETED:
            heappush(self._events, (level, number, container))
        else:
            self._events.push(level, number, container)

    def _aim(self, now: float) -> None:
        """Set the timer to the next event of the containers that share."""
        events, shared = self._events, self.shared
        pace = shared.pace
        level = inf
        if INTERPRETED:
            while events:
                level, number, container = events[0]
                if number == container._entry:
                    break
                heappop(events)
                level = inf
        else:
            while events.size:
                container = events.look()
                if events.number == container._entry:
                    level = events.when
                    break
                events.take()
        if pace and level < inf:
            when = shared.at + (level - shared.value) / pace
            if when < now:
                when = now
            timer = self._timer
            if when != timer.when:
                timer.when = when  # timer.arm(when), without the call
                self._env.enter(when, timer)
        else:
            self._timer.disarm()

    def _tick(self) -> None:
        """The timer: let the container that comes first see to what is due in it."""
        now = self._env.now
        if INTERPRETED:
            level, _, container = self._events[0]
        else:
            container, level = self._events.look(), self._events.first
        shared = self.shared
        if level <= shared.value + shared.pace * (now - shared.at) + shared.pace * (LEAST_S + GRAIN * now):
            container._tick()
        else:
            self._aim(now)


def fill(cores: float, running: dict[Container, None]) -> float:
    """Water-filling: who can use no more than its share has a core for each thread and leaves the rest to the others.

    Returns the cores for each unit of weight, and notes of each container whether it fits into its share.
    """
    share = weight = 0.0
    for container in running:
        container._fits = False
        weight += container.weight
    while weight:
        share = cores / weight
        left = cores
        weight = 0.0
        for container in running:
            if not container._fits:
                if container._n <= share * container.weight:
                    container._fits = True
                    left -= container._n
                else:
                    weight += container.weight
        if left == cores:
            break
        cores = left
    return share


def _checked(speed: float) -> float:
    if not 0 <= speed < inf:
        raise ValueError(f"speed must be finite and not negative, got {speed}")
    return speed
