"""Retry: its spec and its reports."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.resilience import LONGEST_MS, grown_ms
from models.retry import Retry, RetrySpec
from models.spec import Context
from sim.environment import Environment
from sim.probe import Count, NullProbe
from sim.streams import Streams


class Keeping(NullProbe):
    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.totals: dict[str, Count] = {}

    def count(self, path: str) -> Count:
        self.totals[path] = count = super().count(path)
        return count


def build(**settings: Any) -> tuple[Retry, dict[str, Count]]:
    env = Environment()
    probe = Keeping(env)
    return RetrySpec(**settings).build(Context(env, Streams(1, 0), probe, "retry")), probe.totals


def test_defaults_are_the_librarys() -> None:
    assert RetrySpec().model_dump(mode="json") == {
        "max_attempts": 3,
        "wait_duration": "500ms",
        "exponential_backoff_multiplier": None,
        "exponential_max_wait_duration": None,
        "randomized_wait_factor": None,
        "retry_exceptions": None,
        "ignore_exceptions": [],
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"max_attempts": 0},
        {"max_attempts": 65},
        {"wait_duration": "-1s"},
        {"exponential_backoff_multiplier": 0},
        {"randomized_wait_factor": 1.0},
        {"randomized_wait_factor": 0.0},
        {"exponential_max_wait_duration": "1s"},
        {"wait_duration": "0s", "exponential_backoff_multiplier": 2},
        {"wait_duration": "0s", "randomized_wait_factor": 0.5},
        {"retry_exceptions": []},
        {"retry_exceptions": ["java.io.IOException"]},
        {"ignore_exceptions": ["200"]},
        {"ignore_exceptions": ["3xx"]},
    ],
)
def test_refuses_what_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RetrySpec.model_validate(settings)


def test_reports_what_became_of_failed_calls() -> None:
    retry, totals = build(max_attempts=3, wait_duration="1900us", retry_exceptions=["5xx"])
    server, client = frozenset(("500", "5xx")), frozenset(("404", "4xx"))
    assert retry.pause_s(1, server) == 0.001, "whole milliseconds"
    retry.recover()
    assert [retry.pause_s(1, server), retry.pause_s(2, server), retry.pause_s(3, server)] == [0.001, 0.001, None]
    assert retry.pause_s(1, client) is None
    assert {path: count.total for path, count in totals.items()} == {
        "retry.retries": 3, "retry.recovered": 1, "retry.exhausted": 1,
    }  # fmt: skip


def test_spread_pauses_come_from_a_stream_of_their_own() -> None:
    names = frozenset(("time_limit",))
    (first, _), (second, _) = (build(randomized_wait_factor=0.5, max_attempts=9) for _ in range(2))
    pauses = [first.pause_s(1, names) for _ in range(20)]
    assert pauses == [second.pause_s(1, names) for _ in range(20)]
    assert len(set(pauses)) > 10
    assert all(pause is not None and 0.25 <= pause <= 0.75 for pause in pauses)


def test_intervals_stop_growing_where_java_s_long_does() -> None:
    assert grown_ms(500, 1e6, 64) == LONGEST_MS
    assert grown_ms(500, 1.0, 64) == 500
    assert grown_ms(1000, 0.5, 3) == 250
