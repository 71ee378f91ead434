"""Resilience4j's rate limiter: its spec, its phase, its reports."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.outcomes import ClientGone, RateLimited
from models.rate_limiter import RateLimiter, RateLimiterSpec
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams


def build(env: Environment, replication: int = 0, **settings: Any) -> RateLimiter:
    return RateLimiterSpec(**settings).build(Context(env, Streams(1, replication), NullProbe(env), "limiter"))


def calls(env: Environment, limiter: RateLimiter, times: list[float]) -> tuple[list[tuple[str, float]], list[Any]]:
    log: list[tuple[str, float]] = []

    def call() -> Activity:
        try:
            yield from limiter.check(Request(0, 0, 0, 0, 0, env.now))
            log.append(("granted", env.now))
        except RateLimited:
            log.append(("refused", env.now))
        except ClientGone:
            log.append(("gone", env.now))

    return log, [env.start(call(), delay=at_s) for at_s in times]


def test_defaults_are_the_librarys() -> None:
    assert RateLimiterSpec().model_dump(mode="json") == {
        "limit_for_period": 50, "limit_refresh_period": "500ns", "timeout_duration": "5s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [("limit_for_period", 0), ("limit_refresh_period", "0s"), ("timeout_duration", "-1s")]
)
def test_refuses_what_the_real_setters_refuse(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        RateLimiterSpec.model_validate({field: value})


def test_cycles_began_before_the_run() -> None:
    """Two permits in one cycle of a second each: when the next cycle begins differs from run to run."""
    ends = set()
    for replication in range(5):
        env = Environment()
        limiter = build(env, replication, limit_for_period=1, limit_refresh_period="1s")
        log, _ = calls(env, limiter, [0.0, 0.0, 0.0])
        env.run()
        assert [what for what, _ in log] == ["granted"] * 3
        assert 0.0 == log[0][1] < log[1][1] <= 1.0
        assert log[2][1] - log[1][1] == pytest.approx(1.0, abs=1e-8)
        ends.add(log[1][1])
    assert len(ends) == 5


def test_a_restart_begins_a_cycle() -> None:
    env = Environment()
    limiter = build(env, limit_for_period=1, limit_refresh_period="1s", timeout_duration="0s")
    log, _ = calls(env, limiter, [0.0, 0.0, 10.25, 10.25, 11.2, 11.25])
    env.run(10.25)
    limiter.restart()
    env.run()
    assert [what for what, _ in log] == ["granted", "refused"] * 2 + ["refused", "granted"]


def test_who_leaves_while_waiting_keeps_the_reservation() -> None:
    env = Environment()
    limiter = build(env, limit_for_period=1, limit_refresh_period="1s", timeout_duration="5s")
    limiter.restart()
    log, lights = calls(env, limiter, [0.0, 0.0, 0.0])
    env.run(0.5)
    env.throw(lights[1], ClientGone("client"))
    env.run()
    assert log == [("granted", 0.0), ("gone", 0.5), ("granted", 2.0)]
