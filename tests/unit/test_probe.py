"""sim/probe.py: every account is exact at the instant it is read."""

from __future__ import annotations

from typing import Any

import pytest

from sim.environment import Environment
from sim.probe import NullProbe


def at(env: Environment, instant: float) -> None:
    env.run(until=instant)


def test_a_station_integrates_who_waits_and_who_is_served() -> None:
    env = Environment()
    station = NullProbe(env).station("desk", 1, "permit")
    at(env, 1)
    station.start()  # a, served from 1 to 4
    at(env, 2)
    station.wait()  # b, waits from 2 to 4
    at(env, 3)
    station.wait()  # c, waits from 3 to 5 and leaves
    station.refuse()
    at(env, 4)
    station.pass_on()  # b instead of a, until 7
    at(env, 5)
    station.leave()
    at(env, 7)
    station.end()
    at(env, 10)
    assert (station.arrivals, station.started, station.refused, station.expired) == (4, 2, 1, 1)
    assert (station.at_once, station.queued, station.granted) == (1, 2, 1)
    assert (station.waiting, station.busy, station.most_waiting) == (0, 0, 2)
    assert (station.waiting_area, station.busy_area) == (2 + 2, 3 + 3)
    assert station.kind == "permit"


def test_a_waiter_may_be_served_by_a_server_that_was_free() -> None:
    env = Environment()
    station = NullProbe(env).station("pool", 2, "lease")
    station.wait()
    at(env, 2)
    station.grant()
    at(env, 5)
    station.end()
    assert (station.started, station.granted, station.arrivals) == (1, 1, 1)
    assert (station.waiting_area, station.busy_area) == (2, 3)


def test_who_is_still_there_counts_up_to_now() -> None:
    env = Environment()
    station = NullProbe(env).station("desk", 1, "permit")
    station.start()
    station.wait()
    at(env, 3)
    assert (station.waiting_area, station.busy_area) == (3, 3)
    station.pass_on()
    station.end()
    assert (station.waiting_area, station.busy_area) == (3, 3)
    at(env, 4)
    assert (station.waiting_area, station.busy_area) == (3, 3)


def test_a_station_made_late_starts_at_nothing() -> None:
    env = Environment()
    at(env, 5)
    station = NullProbe(env).station("desk", 1, "permit")
    station.start()
    at(env, 6)
    assert station.busy_area == 1


def test_resizing_changes_the_servers_and_no_account() -> None:
    env = Environment()
    station = NullProbe(env).station("desk", 1, "permit")
    station.start()
    at(env, 2)
    station.resize(3)
    at(env, 4)
    assert (station.servers, station.busy_area) == (3, 4)


def test_a_level_is_averaged_exactly_and_its_peak_kept() -> None:
    env = Environment()
    level = NullProbe(env).level("memory", 2.0)
    at(env, 1)
    level.set(10.0)
    at(env, 3)
    level.set(1.0)
    at(env, 5)
    level.settle()
    assert (level.area, level.peak, level.value) == (2 + 20 + 2, 10.0, 1.0)


def test_a_meter_reads_an_account_that_somebody_else_keeps() -> None:
    env = Environment()
    account = {"cpu_s": 1.5}
    meter = NullProbe(env).meter("cpu", lambda: account["cpu_s"])
    assert meter.area == 1.5
    at(env, 2)
    account["cpu_s"] = 3.0
    assert meter.area == 1.5
    meter.settle()
    assert (meter.area, meter.changed_at) == (3.0, 2)


def test_counts_and_tallies() -> None:
    probe = NullProbe(Environment())
    count = probe.count("refused")
    count.add()
    count.add(3)
    assert (count.path, count.total) == ("refused", 4)
    tally = probe.tally("wait_s")
    for value in (0.5, 2.0, 1.0):
        tally.observe(value)
    assert (tally.count, tally.total, tally.largest) == (3, 3.5, 2.0)


@pytest.mark.parametrize(
    "make", [lambda p: p.station("x", 1, "y"), lambda p: p.count("x"), lambda p: p.level("x"), lambda p: p.tally("x")]
)
def test_instruments_are_small(make: Any) -> None:
    instrument = make(NullProbe(Environment()))
    assert instrument.path == "x"
    assert not hasattr(instrument, "__dict__")
