"""A replica is asked whether it is well, again and again, and what comes of the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from models.health.spec import DockerHealthSpec, KubernetesHealthSpec, ProbeSpec, ShutdownSpec
from models.health.stopping import stop
from models.outcomes import CallFailure
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Timer
from sim.patience import TimeLimit, TimeLimitReached

HEALTH: Final = "(health)"
"""The endpoint that probes ask for: it has no name that a scenario could give."""


class Replica(Protocol):
    name: str
    host: Any
    in_progress: int

    def handle(self, request: Request, visit: Visit, /) -> Activity: ...


class Streak:
    """Decides; never waits. Well or not, from answers in a row."""

    __slots__ = ("_failures", "_in_a_row", "_successes", "is_well")

    def __init__(self, failures: int, successes: int, is_well: bool) -> None:
        self._failures = failures
        self._successes = successes
        self.reset(is_well)

    def reset(self, is_well: bool) -> None:
        """Begin anew."""
        self._in_a_row = 0
        self.is_well = is_well

    def answered(self, well: bool) -> bool:
        """Whether that changes what it is."""
        if well == self.is_well:
            self._in_a_row = 0
            return False
        self._in_a_row += 1
        if self._in_a_row < (self._successes if well else self._failures):
            return False
        self._in_a_row = 0
        self.is_well = well
        return True


class _Probing:
    """One kind of probe of one replica, one at a time: a timer, and a request when it is due."""

    def __init__(
        self, context: Context, replica: Replica, service: str, period_s: float, limit_s: float, first_s: float,
        is_ticking: bool, tell: Callable[[bool], None],
    ) -> None:  # fmt: skip
        """`is_ticking`: every period, or at once where the answer took longer than that (kubelet); else a period after
        the answer (Docker)."""
        self._env = context.env
        self._replica = replica
        self._visit = Visit(service, HEALTH)
        self._period_s = period_s
        self._first_s = first_s
        self._is_ticking = is_ticking
        self._due_s = 0.0
        self._limit = TimeLimit(context.env, limit_s)
        self._tell = tell
        self._timer = Timer(context.env, self._ask)
        self._failures = context.probe.count(f"{context.path}.failures")
        self._is_deserted = False

    def begin(self, delay_s: float) -> None:
        """The replica has started: the first probe comes after its delay."""
        if not self._is_deserted:
            self._due_s = self._env.now + delay_s + self._first_s
            self._timer.arm(self._due_s)

    def cease(self) -> None:
        """The replica is gone."""
        self._timer.disarm()

    def desert(self) -> None:
        self._is_deserted = True
        self._timer.disarm()

    def _ask(self) -> None:
        self._env.start_now(self._probe(self._replica.host.deaths.total))

    def _probe(self, life: int) -> Activity:
        request = Request(-1, 0, 0, 0, 0, self._env.now)
        well = True
        try:
            yield from self._limit.call(self._replica.handle(request, self._visit))
        except (CallFailure, TimeLimitReached):
            well = False
        if self._replica.host.deaths.total == life and not self._is_deserted:  # else the answer is another's
            if not well:
                self._failures.add()
            self._come_again()
            self._tell(well)

    def _come_again(self) -> None:
        """Of the ticks that passed while a probe was under way, Go's ticker keeps one and drops the others."""
        now, period_s = self._env.now, self._period_s
        if not self._is_ticking:
            self._timer.arm(now + period_s)
            return
        self._due_s += period_s
        if self._due_s < now:
            self._due_s += int((now - self._due_s) / period_s) * period_s
        self._timer.arm(max(now, self._due_s))


class Checker:
    """The health checks of one replica."""

    __slots__ = ("_began_at_s", "_context", "_env", "_is_starting", "_probings", "_replica", "_shutdown", "_spec",
                 "_startup", "_streaks", "_unhealthy", "on_ready")  # fmt: skip

    def __init__(
        self, context: Context, spec: DockerHealthSpec | KubernetesHealthSpec, shutdown: ShutdownSpec, service: str,
        replica: Replica,
    ) -> None:  # fmt: skip
        self._context = context
        self._env = context.env
        self._spec = spec
        self._shutdown = shutdown
        self._replica = replica
        self._probings: list[tuple[_Probing, float]] = []
        self._startup: tuple[_Probing, float] | None = None
        """What is asked from a start on until it has passed, before all others."""
        self._began_at_s = 0.0
        self._streaks: dict[str, Streak] = {}
        self._is_starting = False
        self.on_ready: Callable[[], None] = _nothing
        """Called when it has become ready."""
        self._unhealthy = context.probe.count(f"{context.path}.unhealthy")
        if isinstance(spec, DockerHealthSpec):
            self._streaks["health"] = Streak(spec.retries, 1, True)
            every_s, limit_s = spec.interval, spec.timeout
            probing = _Probing(context, replica, service, every_s, limit_s, every_s, False, self._marked)
            self._probings.append((probing, 0.0))
        else:
            self._kubernetes(spec, service)
        host = replica.host
        host.on_killed, host.on_up = _both(host.on_killed, self._gone), _both(host.on_up, self._up)
        if self._startup is not None:
            host.on_starting = _both(host.on_starting, self._starting)

    def _kubernetes(self, spec: KubernetesHealthSpec, service: str) -> None:
        kinds: list[tuple[str, ProbeSpec | None, Callable[[bool], None]]] = [
            ("liveness", spec.liveness, self._live), ("readiness", spec.readiness, self._ready),
            ("startup", spec.startup, self._has_started),
        ]  # fmt: skip
        for name, probe, tell in kinds:
            if probe is not None:
                at = self._context.at(name)
                self._streaks[name] = Streak(probe.failure_threshold, probe.success_threshold, True)
                first_s = at.streams.sequence(f"{at.path}.phase").next() * probe.period
                probing = _Probing(at, self._replica, service, probe.period, probe.timeout, first_s, True, tell)
                if name == "startup":
                    self._startup = probing, probe.initial_delay
                else:
                    self._probings.append((probing, probe.initial_delay))

    # lives

    def start(self) -> None:
        """In a system that has been up, every replica has passed before."""
        for probing, _ in self._probings:
            probing.begin(0.0)

    def desert(self) -> None:
        """Nobody is served and nobody will come: nobody asks."""
        for probing in self._all():
            probing.desert()

    def _all(self) -> list[_Probing]:
        return [probing for probing, _ in (*self._probings, *([self._startup] if self._startup else ()))]

    def _gone(self) -> None:
        for probing in self._all():
            probing.cease()

    def _starting(self) -> None:
        """Its process begins to start, and the startup probe with it."""
        assert self._startup is not None
        self._began_at_s = self._env.now
        self._streaks["startup"].reset(True)
        probing, delay_s = self._startup
        probing.begin(delay_s)

    def _up(self) -> None:
        for name, streak in self._streaks.items():
            if name != "startup":
                streak.reset(name != "readiness")
        if "readiness" in self._streaks or self._startup is not None:
            self._replica.host.is_listed = False
        self._is_starting = isinstance(self._spec, DockerHealthSpec) and self._spec.start_period > 0
        if self._is_starting:
            self._env.start(self._end_of_start(self._replica.host.deaths.total))
        if self._startup is None:
            for probing, delay_s in self._probings:
                probing.begin(delay_s)

    def _end_of_start(self, life: int) -> Activity:
        assert isinstance(self._spec, DockerHealthSpec)
        yield self._spec.start_period
        if self._replica.host.deaths.total == life:
            self._is_starting = False

    # answers

    def _marked(self, well: bool) -> None:
        assert isinstance(self._spec, DockerHealthSpec)
        if well:
            self._is_starting = False
        elif self._is_starting:
            return
        if self._streaks["health"].answered(well):
            self._note("healthy" if well else "unhealthy")
            if not well:
                self._unhealthy.add()
                if self._spec.restart_unhealthy:
                    self._env.start(self._restart())

    def _live(self, well: bool) -> None:
        if self._streaks["liveness"].answered(well) and not well:
            self._unhealthy.add()
            self._note("failed its liveness probe")
            self._env.start(self._restart())

    def _ready(self, well: bool) -> None:
        if self._streaks["readiness"].answered(well):
            self._replica.host.is_listed = well and not self._replica.host.is_leaving
            self._note("ready" if well else "not ready: callers choose others")
            if well:
                self.on_ready()
            else:
                self._unhealthy.add()

    def _has_started(self, well: bool) -> None:
        """The startup probe's answer: from the first good one on the others are asked."""
        assert self._startup is not None
        host = self._replica.host
        if not well:
            if self._streaks["startup"].answered(False):
                self._unhealthy.add()
                self._note("failed its startup probe")
                self._env.start(self._restart())
            return
        self._startup[0].cease()
        for probing, delay_s in self._probings:
            probing.begin(max(0.0, self._began_at_s + delay_s - self._env.now))
        if "readiness" not in self._streaks:
            host.is_listed = not host.is_leaving
            self._note("passed its startup probe")
            self.on_ready()

    def _restart(self) -> Activity:
        yield from stop(self._env, self._replica, self._shutdown, "unhealthy")

    def _note(self, text: str) -> None:
        self._context.probe.note(self._replica.host.path, text)


def _nothing() -> None:
    """Nobody waits for it to be ready."""


def work(cpu_s: float) -> Callable[[Request, Visit, Any], Activity]:
    """What answering a probe makes a replica do."""

    def answer(request: Request, _: Visit, replica: Any) -> Activity:
        found: Activity = replica.burn(request, cpu_s)
        return found

    return answer


def _both(first: Callable[[], None], then: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        first()
        then()

    return call
