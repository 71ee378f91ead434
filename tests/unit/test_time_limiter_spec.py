"""Time limiter: its spec, its reports, and whose failure is whose."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.outcomes import ClientGone, InstanceDied, TimeLimitExceeded
from models.spec import Context
from models.time_limiter import TimeLimiter, TimeLimiterSpec
from sim.environment import Activity, Environment
from sim.errors import Failure
from sim.probe import Count, Level, NullProbe


class Keeping(NullProbe):
    left: Count
    unattended: Level

    def count(self, path: str) -> Count:
        assert path == "steps.call.time_limiter.left"
        self.left = super().count(path)
        return self.left

    def level(self, path: str, value: float = 0.0) -> Level:
        assert path == "steps.call.time_limiter.unattended"
        self.unattended = super().level(path, value)
        return self.unattended


def build(limit: str = "1s") -> tuple[Environment, TimeLimiter, Keeping]:
    env = Environment()
    probe = Keeping(env)
    context = Context(env, None, probe, "steps.call.time_limiter")  # type: ignore[arg-type]
    return env, TimeLimiterSpec(limit=limit).build(context), probe  # type: ignore[arg-type]


def work(duration_s: float, failure: Failure | None = None) -> Activity:
    yield duration_s
    if failure is not None:
        raise failure
    return "answer"


def call(limiter: TimeLimiter, activity: Activity, ended: list[Any]) -> Activity:
    try:
        ended.append((yield from limiter.call(activity)))
    except Failure as failure:
        ended.append(failure)


def test_defaults_and_refusals() -> None:
    assert TimeLimiterSpec().limit == 1.0
    for limit in ("0s", "900us", "-1s", 3, None):
        with pytest.raises(ValidationError):
            TimeLimiterSpec.model_validate({"limit": limit})


def test_waste_is_reported_as_it_happens() -> None:
    env, limiter, probe = build()
    ended: list[Any] = []
    for duration_s in (0.5, 3.0, 6.0):
        env.start(call(limiter, work(duration_s), ended))
    env.run(until=4.0)
    assert probe.unattended.value == 1
    env.run()
    assert ended[0] == "answer"
    assert [type(failure) for failure in ended[1:]] == [TimeLimitExceeded, TimeLimitExceeded]
    assert {(failure.path, failure.status) for failure in ended[1:]} == {("steps.call.time_limiter", 504)}
    assert probe.left.total == 2
    assert (probe.unattended.value, probe.unattended.peak) == (0, 2)
    assert probe.unattended.area == (3.0 - 1.0) + (6.0 - 1.0)


def test_the_works_own_failure_is_passed_on() -> None:
    env, limiter, probe = build()
    died = InstanceDied("services.place-service.1")
    ended: list[Any] = []
    env.start(call(limiter, work(0.5, died), ended))
    env.run()
    assert ended == [died]
    assert (probe.left.total, probe.unattended.peak) == (0, 0)


def test_work_that_fails_later_fails_for_nobody() -> None:
    env, limiter, probe = build()
    ended: list[Any] = []
    env.start(call(limiter, work(2.0, InstanceDied("services.place-service.1")), ended))
    env.run()
    assert [type(failure) for failure in ended] == [TimeLimitExceeded]
    assert (probe.left.total, probe.unattended.value, probe.unattended.area) == (1, 0, 1.0)


def test_an_interrupted_caller_leaves_its_work_behind() -> None:
    env, limiter, probe = build()
    gone = ClientGone("client")
    ended: list[Any] = []
    light = env.start(call(limiter, work(0.75), ended))

    def interrupt() -> Activity:
        yield 0.25
        env.throw(light, gone)

    env.start(interrupt())
    env.run()
    assert ended == [gone]
    assert (probe.left.total, probe.unattended.value, probe.unattended.area) == (0, 0, 0.5)


def test_limits_nest() -> None:
    """The inner limit's failure is the outer work's own; each counts its own leavers."""
    env, inner, inner_probe = build("100ms")
    outer_probe = Keeping(env)
    context = Context(env, None, outer_probe, "steps.call.time_limiter")  # type: ignore[arg-type]
    outer = TimeLimiterSpec(limit="200ms").build(context)  # type: ignore[arg-type]
    ended: list[Any] = []
    env.start(call(outer, inner.call(work(1.0)), ended))
    env.run()
    assert [type(failure) for failure in ended] == [TimeLimitExceeded]
    assert (inner_probe.left.total, outer_probe.left.total) == (1, 0)
