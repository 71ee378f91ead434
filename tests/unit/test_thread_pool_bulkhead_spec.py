"""Bulkhead with a thread pool: its spec, and who waits for what."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.outcomes import ConnectionRefused, Failed, InstanceDied
from models.request import Request
from models.spec import Context
from models.thread_pool_bulkhead import ThreadPoolBulkhead, ThreadPoolBulkheadSpec
from sim.environment import Activity, Environment, Light
from sim.errors import Failure
from sim.probe import NullProbe, Station


class Host:
    """A container that can be killed."""

    path = "host"

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.residents: dict[Light, None] = {}

    def enter(self) -> Light:
        assert self._env.active is not None
        self.residents[self._env.active] = None
        return self._env.active

    def leave(self, light: Light) -> None:
        self.residents.pop(light, None)

    def die(self) -> None:
        residents, self.residents = self.residents, {}
        for light in residents:
            self._env.throw(light, InstanceDied(self.path))


class Keeping(NullProbe):
    last: Station

    def station(self, path: str, servers: float, kind: str) -> Station:
        self.last = super().station(path, servers, kind)
        return self.last


class Stand:
    def __init__(self, **settings: Any) -> None:
        self.env = Environment()
        self.host = Host(self.env)
        probe = Keeping(self.env)
        context = Context(self.env, None, probe, "pool")  # type: ignore[arg-type]
        self.pool: ThreadPoolBulkhead = ThreadPoolBulkheadSpec(**settings).build(context, self.host, 2)
        self.station = probe.last
        self.log: list[tuple[str, float]] = []
        self.requests: list[Request] = []

    def call(self, work: Activity, at_s: float = 0.0) -> Light:
        def run() -> Activity:
            request = Request(0, 0, 0, 0, 0, self.env.now)
            self.requests.append(request)
            light = self.host.enter()
            try:
                yield from self.pool.call(request, work)
                self.log.append(("ok", self.env.now))
            except Failure as failure:
                self.log.append((type(failure).__name__, self.env.now))
            finally:
                self.host.leave(light)

        return self.env.start(run(), delay=at_s)


def work(duration_s: float, failure: Failure | None = None) -> Activity:
    yield duration_s
    if failure is not None:
        raise failure


ONE = {"core_thread_pool_size": 1, "max_thread_pool_size": 1}


def test_defaults_are_the_librarys() -> None:
    assert ThreadPoolBulkheadSpec().model_dump(mode="json") == {
        "core_thread_pool_size": None, "max_thread_pool_size": None, "queue_capacity": 100,
        "keep_alive_duration": "20ms",
    }  # fmt: skip
    assert ThreadPoolBulkheadSpec(max_thread_pool_size=7).sizes(4) == (3, 7)


@pytest.mark.parametrize(
    "settings",
    [
        {"core_thread_pool_size": 0},
        {"max_thread_pool_size": 0},
        {"queue_capacity": -1},
        {"keep_alive_duration": "-1ms"},
        {"core_thread_pool_size": 3, "max_thread_pool_size": 2},
    ],
)
def test_refuses_what_the_real_one_refuses(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ThreadPoolBulkheadSpec.model_validate(settings)


def test_a_core_above_the_default_maximum_is_refused() -> None:
    with pytest.raises(ValueError, match="3 core threads are more than 2"):
        Stand(core_thread_pool_size=3)


def test_waits_in_the_queue_are_waits_of_the_request() -> None:
    stand = Stand(**ONE)
    for _ in range(3):
        stand.call(work(1.0))
    stand.env.run()
    assert stand.log == [("ok", 1.0), ("ok", 2.0), ("ok", 3.0)]
    assert [request.wait_s for request in stand.requests] == [0.0, 1.0, 2.0]
    assert (stand.station.busy_area, stand.station.waiting_area, stand.station.busy) == (3.0, 3.0, 0)


def test_failures_of_the_work_reach_who_called() -> None:
    stand = Stand(**ONE)
    stand.call(work(1.0, Failed("far")))
    stand.call(work(1.0, InstanceDied("far")))
    stand.call(work(1.0))
    stand.env.run()
    assert stand.log == [("Failed", 1.0), ("InstanceDied", 2.0), ("ok", 3.0)]


def test_work_that_fails_at_once_frees_its_thread() -> None:
    def refused() -> Activity:
        raise ConnectionRefused("far")
        yield

    stand = Stand(**ONE, queue_capacity=0)
    for at_s in (0.0, 0.0, 1.0):
        stand.call(refused(), at_s)
    stand.env.run()
    assert stand.log == [("ConnectionRefused", 0.0)] * 2 + [("ConnectionRefused", 1.0)]


def test_who_leaves_leaves_the_work_behind() -> None:
    stand = Stand(**ONE, queue_capacity=1)
    lights = [stand.call(work(1.0)) for _ in range(2)]
    stand.env.run(0.5)
    for light in lights:
        stand.env.throw(light, Failed("caller"))
    stand.call(work(1.0))
    stand.call(work(1.0), 2.0)
    stand.env.run()
    assert stand.log == [("Failed", 0.5), ("Failed", 0.5), ("ConcurrencyLimited", 0.5), ("ok", 3.5)]


def test_a_death_leaves_nothing_behind() -> None:
    stand = Stand(**ONE, queue_capacity=2)
    for _ in range(3):
        stand.call(work(1.0))
    stand.env.run(0.5)
    stand.host.die()
    stand.pool.restart()
    assert stand.station.waiting == 0
    stand.call(work(1.0), 0.1)
    stand.env.run()
    assert stand.log == [("InstanceDied", 0.5)] * 3 + [("ok", 1.6)]
    assert (stand.station.busy, stand.station.waiting, stand.host.residents) == (0, 0, {})
