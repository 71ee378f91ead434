"""Servers that do as they are told behind the model of nginx, for the checks of its upstreams."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from models.load_balancer import PeerSet, Upstream, UpstreamSpec, Worker
from models.outcomes import CallFailure, Failed, InstanceDied
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

RELEASE = (1, 22, 1)


class Backend:
    """A server that answers after some seconds, closes the connection, hangs, or gives a status (`http_500`)."""

    def __init__(self, env: Environment, name: str, mode: str | float) -> None:
        self.env = env
        self.name = name
        self.host: Any = SimpleNamespace(path=f"servers.{name}", is_up=True, deaths=SimpleNamespace(total=0))
        self.mode = mode
        self.asked: list[float] = []

    def handle(self, request: Request, visit: Visit) -> Activity:
        self.asked.append(self.env.now)
        mode = self.mode
        if isinstance(mode, float):
            yield mode
        elif mode == "close":
            raise InstanceDied(self.host.path)
        elif mode == "hang":
            yield
        else:
            raise Failed("application", int(mode.removeprefix("http_")))


class _Clock(Streams):
    """Whole seconds begin where a check says."""

    phase_s = 0.0

    def sequence(self, purpose: str, distribution: Any = None) -> Any:
        return SimpleNamespace(next=lambda: self.phase_s)


class Stand:
    """An upstream of such servers, in one worker or several."""

    def __init__(
        self,
        modes: dict[str, str | float],
        phase_s: float = 0.0,
        release: tuple[int, ...] = RELEASE,
        connections: int = 510,
        **spec: Any,
    ) -> None:
        self.env = Environment()
        self.backends = {name: Backend(self.env, name, mode) for name, mode in modes.items()}
        streams = _Clock(1, 0)
        streams.phase_s = phase_s
        settings = UpstreamSpec.model_validate({"service": "s", "connect_time": 0, **spec})
        context = Context(self.env, streams, NullProbe(self.env), "u")
        self.worker = Worker(connections)
        self.upstream = Upstream(context, settings, list(self.backends.values()), release, self.worker)
        self.sent = 0

    def other_worker(self) -> None:
        """From now on requests come to another worker process."""
        self.worker = Worker(self.worker.free)
        self.upstream = self.upstream.beside(self.worker)

    def send(self, idempotent: bool = True) -> SimpleNamespace:
        """Start a request now. Its result fills in when it ends."""
        request = Request(self.sent, self.sent, 0, self.sent, 0, self.env.now)
        self.sent += 1
        upstream = self.upstream
        result = SimpleNamespace(status=None, ended_s=None)

        def process() -> Activity:
            try:
                yield from upstream.handle(request, Visit("s", "e", 0, idempotent))
                result.status = 200
            except CallFailure as failure:
                result.status = failure.status
            result.ended_s = self.env.now

        self.env.start(process())
        return result

    def get(self, idempotent: bool = True) -> int:
        """Send a request and wait for its end: its status."""
        result = self.send(idempotent)
        while result.status is None:
            self.env.step()
        return int(result.status)

    def at(self, when_s: float) -> int:
        """The status of a request sent at `when_s`."""
        if when_s > self.env.now:
            self.env.run(until=when_s)
        return self.get()

    def together(self, number: int) -> list[int]:
        """The statuses of so many requests at once."""
        results = [self.send() for _ in range(number)]
        self.env.run()
        return [result.status for result in results]

    def tries(self) -> list[int]:
        return [len(backend.asked) for backend in self.backends.values()]


def peers(weights: list[int], balancing: str = "round_robin", max_fails: int = 1, **more: Any) -> PeerSet:
    return PeerSet(weights, balancing, max_fails, 10, 0.0, **more)


def picks(rule: PeerSet, number: int, hold: bool = False) -> str:
    """The servers chosen one after the other, as letters; `hold`: their connections stay."""
    chosen = ""
    for _ in range(number):
        index = rule.pick(0.0)
        if index is None:
            chosen += "-"
            continue
        chosen += "abcdef"[index]
        if not hold:
            rule.free(index, False, 0.0)
    return chosen
