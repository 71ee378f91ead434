"""What faults do while they are on. Each takes back what it did, and no more: others may be on beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from models.outcomes import ErrorAnswered
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.gate import Gate
from sim.quantities import format_duration


class Cpu(Protocol):
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


class Container(Protocol):
    """What a fault does to a container."""

    path: str
    cpu: Any
    is_started: bool
    on_killed: Callable[[], None]

    def kill(self, reason: str, down_for_s: float | None = None) -> None: ...
    def close(self) -> None: ...
    def open(self) -> None: ...
    def slow_down(self, by: float, /) -> None: ...
    def speed_up(self, by: float, /) -> None: ...


class Machine(Protocol):
    def steal(self, share: float, /) -> None: ...
    def give_back(self, share: float, /) -> None: ...


class Lagging(Protocol):
    def add_lag(self, seconds: float, /) -> None: ...


class Clocked(Protocol):
    def step_clock(self, delta_s: float, /) -> None: ...


class Breakable(Protocol):
    def suffer(self, trouble: Any, /) -> None: ...
    def recover(self, trouble: Any, /) -> None: ...


class _Effect:
    """Begins and ends without a word of its own."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def begin(self, lasts_s: float | None, over: Callable[[], None]) -> str:
        self._do(lasts_s)
        return self._what if lasts_s is None else f"{self._what} for {format_duration(round(lasts_s, 3))}"

    def end(self) -> None:
        self._undo()

    def _do(self, lasts_s: float | None) -> None:
        raise NotImplementedError

    def _undo(self) -> None:
        raise NotImplementedError


class Crash(_Effect):
    __slots__ = ("_containers",)

    def __init__(self, target: str, containers: Sequence[Container]) -> None:
        super().__init__(f"{target} crashes")
        self._containers = containers

    def _do(self, lasts_s: float | None) -> None:
        for container in self._containers:
            container.kill("crashed, as a fault has it", lasts_s)

    def _undo(self) -> None:
        """Whoever killed it said when it starts again."""


class Hang(_Effect):
    """Freezes containers, and shuts the gates at which it would take up and answer what needs no CPU. A container that
    is killed does not hang any more: what is started after it is another process."""

    __slots__ = ("_containers", "_gates", "_hung")

    def __init__(self, target: str, containers: Sequence[Container], gates: Sequence[Sequence[Gate]]) -> None:
        """`gates`: those of every container."""
        super().__init__(f"{target} hangs")
        self._containers = containers
        self._gates = gates
        self._hung: dict[int, None] = {}
        for number, container in enumerate(containers):
            container.on_killed = _both(container.on_killed, partial(self._let_go, number))

    def _do(self, lasts_s: float | None) -> None:
        for number, container in enumerate(self._containers):
            if container.is_started:
                self._hung[number] = None
                container.cpu.freeze()
                for gate in self._gates[number]:
                    gate.shut()

    def _undo(self) -> None:
        for number in list(self._hung):
            self._let_go(number)

    def _let_go(self, number: int) -> None:
        if number in self._hung:
            del self._hung[number]
            self._containers[number].cpu.thaw()
            for gate in self._gates[number]:
                gate.open()


class Slow(_Effect):
    __slots__ = ("_containers", "_factor")

    def __init__(self, target: str, containers: Sequence[Container], factor: float) -> None:
        super().__init__(f"{target} is slower by a factor of {factor:g}")
        self._containers = containers
        self._factor = factor

    def _do(self, lasts_s: float | None) -> None:
        for container in self._containers:
            container.slow_down(self._factor)

    def _undo(self) -> None:
        for container in self._containers:
            container.speed_up(self._factor)


class Refuse(_Effect):
    __slots__ = ("_containers",)

    def __init__(self, target: str, containers: Sequence[Container]) -> None:
        super().__init__(f"{target} refuses connections")
        self._containers = containers

    def _do(self, lasts_s: float | None) -> None:
        for container in self._containers:
            container.close()

    def _undo(self) -> None:
        for container in self._containers:
            container.open()


class Steal(_Effect):
    __slots__ = ("_machine", "_share")

    def __init__(self, target: str, machine: Machine, share: float) -> None:
        super().__init__(f"{100 * share:g} % of every core of {target} is stolen")
        self._machine = machine
        self._share = share

    def _do(self, lasts_s: float | None) -> None:
        self._machine.steal(self._share)

    def _undo(self) -> None:
        self._machine.give_back(self._share)


class Lag(_Effect):
    __slots__ = ("_lag_s", "_standby")

    def __init__(self, target: str, standby: Lagging, lag_s: float) -> None:
        super().__init__(f"{target} lags {format_duration(lag_s)} more")
        self._standby = standby
        self._lag_s = lag_s

    def _do(self, lasts_s: float | None) -> None:
        self._standby.add_lag(self._lag_s)

    def _undo(self) -> None:
        self._standby.add_lag(-self._lag_s)


class Network(_Effect):
    """`trouble`: what the link is told that it suffers."""

    __slots__ = ("_link", "_trouble")

    def __init__(self, what: str, link: Breakable, trouble: Any) -> None:
        super().__init__(what)
        self._link = link
        self._trouble = trouble

    def _do(self, lasts_s: float | None) -> None:
        self._link.suffer(self._trouble)

    def _undo(self) -> None:
        self._link.recover(self._trouble)


class Clock(_Effect):
    """Set by so much; set back when it is over, unless it was a matter of an instant."""

    __slots__ = ("_by_s", "_cache", "_is_kept")

    def __init__(self, target: str, cache: Clocked, by_s: float) -> None:
        way = "forward" if by_s > 0 else "back"
        super().__init__(f"the clock of {target} is set {way} by {format_duration(abs(by_s))}")
        self._cache = cache
        self._by_s = by_s
        self._is_kept = True

    def _do(self, lasts_s: float | None) -> None:
        self._cache.step_clock(self._by_s)
        self._is_kept = lasts_s is None

    def _undo(self) -> None:
        if not self._is_kept:
            self._cache.step_clock(-self._by_s)


class _Answers:
    """The errors that a fault has replicas answer."""

    __slots__ = ("after_work", "chance", "probability", "probe_chance", "status")

    def __init__(self, context: Context, probability: float, status: int, after_work: bool) -> None:
        self.chance = context.streams.uniforms(f"{context.path}.probability")
        self.probe_chance = context.streams.sequence(f"{context.path}.probe_probability")
        self.probability = probability
        self.status = status
        self.after_work = after_work

    def hits(self, request: Request, visit: Visit) -> bool:
        if request.ordinal < 0:  # a health probe: no request of anybody, and each has another answer
            return self.probe_chance.next() < self.probability
        return bool(self.chance.at(request.identity, visit.lane) < self.probability)


class Errors(_Effect):
    __slots__ = ("_answers", "_replicas", "_troubles")

    def __init__(
        self, context: Context, target: str, troubles: Troubles, replicas: Sequence[str], probability: float,
        status: int, after_work: bool,
    ) -> None:  # fmt: skip
        super().__init__(f"{target} answers {status} to {100 * probability:g} %")
        self._troubles = troubles
        self._replicas = replicas
        self._answers = _Answers(context, probability, status, after_work)

    def _do(self, lasts_s: float | None) -> None:
        for name in self._replicas:
            self._troubles.of(name).answers.append(self._answers)

    def _undo(self) -> None:
        for name in self._replicas:
            self._troubles.of(name).answers.remove(self._answers)


class _Trouble:
    """What one replica suffers: a gate that is shut while it hangs, and errors it answers."""

    __slots__ = ("answers", "gate")

    def __init__(self, env: Environment) -> None:
        self.gate = Gate(env)
        self.answers: list[_Answers] = []


class Troubles:
    """What the replicas of one service suffer, around the work they do. Only services that faults can hit have it."""

    __slots__ = ("_env", "_path", "_replicas")

    def __init__(self, env: Environment, path: str) -> None:
        self._env = env
        self._path = path
        self._replicas: dict[str, _Trouble] = {}

    def of(self, replica: str) -> _Trouble:
        """`replica`: its name."""
        if replica not in self._replicas:
            self._replicas[replica] = _Trouble(self._env)
        return self._replicas[replica]

    def around(self, work: Callable[[Request, Visit, Any], Activity]) -> Callable[[Request, Visit, Any], Activity]:
        """The work of an endpoint as it is done in trouble."""

        def troubled(request: Request, visit: Visit, replica: Any) -> Activity:
            trouble = self.of(replica.name)
            while trouble.gate.is_shut:
                yield from trouble.gate.wait()
            answer = self._hit(trouble, request, visit)
            if answer is not None and not answer.after_work:
                raise ErrorAnswered(self._path, answer.status)
            yield from work(request, visit, replica)
            while trouble.gate.is_shut:
                yield from trouble.gate.wait()
            if answer is not None:
                raise ErrorAnswered(self._path, answer.status)

        return troubled

    @staticmethod
    def _hit(trouble: _Trouble, request: Request, visit: Visit) -> _Answers | None:
        for answers in trouble.answers:
            if answers.hits(request, visit):
                return answers
        return None


def _both(first: Callable[[], None], then: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        first()
        then()

    return call
