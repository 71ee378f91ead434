"""Bulkhead: its spec, its reports, and what interrupts do to its permits."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.bulkhead import Bulkhead, BulkheadSpec
from models.outcomes import ClientGone, ConcurrencyLimited
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe, Station


class Keeping(NullProbe):
    """Keeps the station where a test can read it."""

    kept: Station

    def station(self, path: str, servers: float, kind: str) -> Station:
        self.kept = super().station(path, servers, kind)
        return self.kept


def build(**settings: Any) -> tuple[Environment, Bulkhead, Station]:
    env = Environment()
    probe = Keeping(env)
    bulkhead = BulkheadSpec(**settings).build(Context(env, None, probe, "gateway.concurrency.place"))  # type: ignore[arg-type]
    return env, bulkhead, probe.kept


def test_defaults_and_refusals() -> None:
    assert (BulkheadSpec().permits, BulkheadSpec().max_wait) == (25, 0.0)
    for fields in ({"permits": 0}, {"permits": 2.5}, {"max_wait": "-1s"}, {"max_wait": 3}, {"queue": 1}):
        with pytest.raises(ValidationError):
            BulkheadSpec.model_validate(fields)


def test_reports_as_a_station_of_permits() -> None:
    _, bulkhead, station = build(permits=1)
    bulkhead.take()
    with pytest.raises(ConcurrencyLimited) as refusal:
        bulkhead.take()
    assert (refusal.value.path, refusal.value.status) == ("gateway.concurrency.place", 503)
    assert (station.kind, station.servers) == ("permit", 1)
    assert (station.arrivals, station.started, station.refused, station.busy) == (2, 1, 1, 1)
    bulkhead.release()
    assert station.busy == 0


def enter(env: Environment, bulkhead: Bulkhead, request: Request, hold_s: float, log: list[str]) -> Activity:
    try:
        yield from bulkhead.enter(request)
    except ConcurrencyLimited:
        log.append("refused")
        return
    except ClientGone:
        log.append("left")
        return
    try:
        log.append("entered")
        yield hold_s
    except ClientGone:
        log.append("left inside")
    finally:
        bulkhead.release()


@pytest.mark.parametrize(
    ("leaves_at_s", "log", "wait_s"),
    [
        (0.5, ["entered", "left"], 0.5),
        (1.0, ["entered", "left"], 1.0),
        (1.5, ["entered", "entered", "left inside"], 1.0),
    ],
)
def test_an_interrupt_leaks_nothing(leaves_at_s: float, log: list[str], wait_s: float) -> None:
    """While it waits, in the very instant of the hand-over, and inside."""
    env, bulkhead, station = build(permits=1, max_wait="5s")
    ended: list[str] = []
    request = Request(0, 0, 0, 0, 0, 0.0)
    env.start(enter(env, bulkhead, Request(0, 0, 0, 0, 0, 0.0), 1.0, ended))
    leaver = env.start(enter(env, bulkhead, request, 1.0, ended))

    def interrupt() -> Activity:
        yield leaves_at_s
        env.throw(leaver, ClientGone("client"))

    env.start(interrupt())
    env.run()
    assert ended == log
    assert request.wait_s == wait_s
    assert (bulkhead.in_use, bulkhead.waiting, station.busy, station.waiting) == (0, 0, 0, 0)
    assert station.arrivals == station.started + station.expired + station.refused


def test_a_wait_that_is_over_counts_as_waited() -> None:
    env, bulkhead, station = build(permits=1, max_wait="250ms")
    ended: list[str] = []
    request = Request(0, 0, 0, 0, 0, 0.0)
    env.start(enter(env, bulkhead, Request(0, 0, 0, 0, 0, 0.0), 1.0, ended))
    env.start(enter(env, bulkhead, request, 1.0, ended))
    env.run()
    assert ended == ["entered", "refused"]
    assert request.wait_s == 0.25
    assert (station.expired, station.waiting_area) == (1, 0.25)
