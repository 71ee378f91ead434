"""Prometheus' alert rules: pending, firing, reset; and what is left out of scrapes and of Alertmanager."""

from __future__ import annotations

from collections.abc import Callable

from experiments.alerts import firing
from experiments.validation.check import Component, expect
from models.system import AlertSpec

PROMETHEUS = Component(
    "Prometheus alert rules",
    version="2.42",
    source="prometheus: rules/alerting.go",
    section="9",
)

END_S = 600.0


def spans(hold: str, is_true: Callable[[float], bool]) -> list[tuple[float, float]]:
    """When a rule that is evaluated every 15 s fires."""
    rule = AlertSpec.model_validate(
        {"series": "cpu_share", "above": 0.5, "window": "15s", "hold": hold, "every": "15s"}
    )
    return firing(rule, lambda _, now: float(is_true(now)), END_S)


@PROMETHEUS.check("eval 15 s, true from 30 s: for 0 / 20 s / 1 m", "fires at the first evaluation `for` later")
def holds() -> None:
    for hold, fires_at_s in (("0s", 30.0), ("20s", 60.0), ("1m", 90.0)):
        expect(spans(hold, lambda now: now >= 30.0), [(fires_at_s, END_S)], f"for {hold}")


@PROMETHEUS.check("one false at 120 s, true at 135 s, for 1 m", "one false result resets it")
def resets() -> None:
    expect(spans("1m", lambda now: now >= 75.0 and now != 120.0), [(195.0, END_S)])


@PROMETHEUS.check("Scrape 1 m, evaluation 1 m", "the default of an alert rule's evaluation interval")
def defaults() -> None:
    expect(AlertSpec.model_validate({"series": "cpu_share", "above": 0.8}).every, 60.0)


_SCRAPES = "series are known exactly here, without scrapes between"
for _vector in (
    "15 s scrape, rate[20s] off-phase",
    "counter 0→100 between scrapes, increase[1m] off-phase",
    "series born at 1000, +3 per 15 s, true +9",
    "2.42 c[1m] on-phase",
    "series last seen at 0: at 300 / 301 s; stale marker",
    "buckets .1:50 .5:90 1:99 +Inf:100, q .25 / .95 / .995",
):
    PROMETHEUS.leaves_out(_vector, _SCRAPES)
for _vector in (
    "AM wait 2, interval 5, repeat 12: a at 0, b at 3, both resolve at 30",
    "alert already 60 s old",
    "alert fires and resolves between ticks of a live group",
):
    PROMETHEUS.leaves_out(_vector, "Alertmanager's grouping and repeats are not modelled: who is told, and when")
