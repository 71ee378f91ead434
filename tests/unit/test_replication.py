"""sim/replication.py: one run is deterministic, audited, and the same however it is watched."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from models.outcomes import Outcome
from models.request import Request
from sim.distributions import Exponential
from sim.environment import Timer
from sim.errors import SimulationError
from sim.recorder import recorder as recorder_module
from sim.replication import Check, close, combined_digest, equal, merge, pilot_warm_up_s, run_replication
from sim.resources import Permits
from sim.statistics import t_interval


class OneQueue:
    """Poisson arrivals at one permit with room for a few; `last`: how many arrive in all (None: no end)."""

    endpoints = ("visit",)

    def __init__(self, env, streams, recorder, rate=8.0, room=5, last=None):
        self.env, self.recorder, self.room, self.last = env, recorder, room, last
        self.gaps = streams.draws("gap", Exponential(1 / rate))
        self.services = streams.draws("service", Exponential(0.1))
        self.station = recorder.station("desk", 1, "permit")
        self.queue = recorder.level("queue")
        self.desk = Permits(env, 1, self.station)
        self.in_flight = 0

    def start(self):
        self.env.start(self.arrive())

    def arrive(self):
        ordinal = 0
        while self.last is None or ordinal < self.last:
            yield self.gaps.at(ordinal)
            self.env.start(self.visit(Request(ordinal, ordinal, 0, 0, 0, self.env.now)))
            ordinal += 1

    def visit(self, request):
        self.in_flight += 1
        self.recorder.arrived(request)
        if self.desk.waiting >= self.room:
            self.station.refuse()
            self.recorder.note("desk", "full")
            request.outcome, request.status, request.reason = Outcome.REFUSED, 503, "full"
        else:
            request.cpu_s = self.services.at(request.ordinal)
            self.queue.set(self.desk.waiting + 1)
            yield self.desk.hold(request.cpu_s)
            self.desk.release()
            request.outcome, request.status = Outcome.SUCCEEDED, 200
        request.ended_at_s = self.env.now
        self.in_flight -= 1
        self.recorder.ended(request)

    def checks(self):
        present = self.station.busy + self.station.waiting
        yield Check("desk: permits", present == self.in_flight, "present = in flight", self.in_flight, present)


def replicate(build=OneQueue, **changes):
    given = {"endpoints": ["visit"], "seed": 1, "replication": 0, "duration_s": 60.0, "warm_up_s": 5.0, "bin_s": 1.0}
    return run_replication(build, **{**given, **changes})


def same(left, right):
    """Equal in every bit, but for the time it took."""
    if is_dataclass(left):
        names = [field.name for field in fields(left) if field.name != "wall_s"]
        return type(left) is type(right) and all(same(getattr(left, n), getattr(right, n)) for n in names)
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if hasattr(left, "__getstate__") and type(left).__name__ == "LogHistogram":
        return same(left.__getstate__(), right.__getstate__())
    return left == right


def test_equal_seeds_leave_equal_replications_and_others_do_not():
    first = replicate()
    assert same(first, replicate())
    assert same(first, pickle.loads(pickle.dumps(first)))
    assert not same(first, replicate(seed=2))
    assert first.digest != replicate(replication=1).digest
    assert same(first, replicate(block=4))


def test_watching_the_progress_changes_nothing():
    seen = []
    assert same(replicate(on_progress=seen.append), replicate())
    assert len(seen) == 100
    assert seen == sorted(seen)
    assert seen[-1] == 60.0


def test_the_audit_speaks_of_every_station_and_every_request():
    result = replicate()
    names = [check.name for check in result.checks]
    assert {"requests: arrivals", "requests: in flight", "requests: series of arrivals", "requests: series of outcomes",
            "desk: arrivals", "desk: waiting", "desk: busy", "desk: permits"} == set(names)  # fmt: skip
    assert result.passed
    recording = result.recording
    assert recording.arrived == sum(recording.ended) + recording.in_flight
    assert recording.ended[1] > 0
    assert recording.measured.stations["desk"].refused > 0
    assert recording.notes.total == recording.ended[1]
    assert recording.end_s == 60.0


def test_without_a_duration_it_runs_until_nothing_is_left():
    """The end is the last thing that happened, whatever the width of the bins."""
    ends = set()
    for bin_s in (0.1, 7.0, 1e4):
        result = replicate(lambda *a: OneQueue(*a, last=200), duration_s=None, warm_up_s=0.0, bin_s=bin_s)
        assert (result.recording.arrived, result.recording.in_flight) == (200, 0)
        ends.add((result.recording.end_s, result.digest, result.recording.measured.stations["desk"].utilisation))
    assert len(ends) == 1
    last = ends.pop()[0]
    assert 20.0 < last < 30.0


def test_progress_without_a_duration_is_told_at_every_fold(monkeypatch):
    monkeypatch.setattr(recorder_module, "FOLD", 50)
    monkeypatch.setattr(recorder_module, "_FULL", 50 * recorder_module._SIZE)
    seen = []
    result = replicate(
        lambda *a: OneQueue(*a, last=200), duration_s=None, warm_up_s=0.0, on_progress=seen.append
    )  # fmt: skip
    assert len(seen) == 4
    assert seen == sorted(seen)
    assert seen[-1] == result.recording.end_s


def test_events_are_entries_of_the_schedule():
    """Two timers fire and one is left; the run's own end does not count."""

    class Timers(OneQueue):
        def start(self):
            for instant in (1.0, 2.0, 500.0):
                Timer(self.env, lambda: None).arm(instant)

    assert replicate(Timers, warm_up_s=0.0).events == 2
    assert replicate(Timers, warm_up_s=0.0, on_progress=lambda now: None).events == 2
    assert replicate(Timers, warm_up_s=5.0).events == 3


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda s: setattr(s, "in_flight", s.in_flight + 1), "requests: in flight"),
        (lambda s: setattr(s.station, "expired", s.station.expired + 1), "desk: arrivals: arrivals = started"),
        (lambda s: setattr(s.station, "waiting_area", s.station.waiting_area * (1 + 1e-6)), "desk: waiting: integral"),
        (lambda s: setattr(s.station, "busy_balance", s.station.busy_balance + 1e-5), "desk: busy: integral"),
        (lambda s: setattr(s.station, "busy", s.station.busy + 1), "desk: permits"),
    ],
)
def test_a_broken_law_is_an_error_that_names_it(break_it, message):
    class Broken(OneQueue):
        def start(self):
            super().start()
            Timer(self.env, lambda: break_it(self)).arm(59.99999)

    with pytest.raises(SimulationError, match=f"the audit failed: .*{message}"):
        replicate(Broken)
    lenient = replicate(Broken, strict=False)
    assert not lenient.passed
    assert any(check.name.startswith(message.split(":")[0]) and not check.passed for check in lenient.checks)


def test_a_law_is_kept_to_a_billionth():
    assert close("x", "law", 1000.0, 1000.0 + 1e-7, 1.0).passed
    assert not close("x", "law", 1000.0, 1000.0 + 1e-5, 1.0).passed
    assert equal("x", "law", 3, 3).passed
    assert equal("x", "law", 3, 4) == Check("x", False, "law: expected 3, got 4", 3, 4)


def test_what_cannot_be_run_is_refused():
    with pytest.raises(ValueError, match="nothing left after a warm-up"):
        replicate(duration_s=5.0, warm_up_s=5.0)
    with pytest.raises(SimulationError, match="built with endpoints"):
        replicate(endpoints=["other"])


def test_replications_merge_into_intervals():
    replications = [replicate(replication=number) for number in range(4)]

    def figures(replication):
        return {"/arrived": replication.recording.requests.arrived(), "/p999": None}

    merged = merge(replications, figures)
    assert merged["/arrived"] == t_interval([r.recording.requests.arrived() for r in replications])
    assert merged["/p999"] is None
    digests = {combined_digest(replications), combined_digest(replications[::-1]), combined_digest(replications[:3])}
    assert len(digests) == 3


class FillsUp(OneQueue):
    """A thousand customers find the desk slow at first: the latency settles after about 100 s."""

    def visit(self, request):
        self.in_flight += 1
        self.recorder.arrived(request)
        yield 0.2 + self.services.at(request.ordinal) + max(0.0, 3.0 * (1 - self.env.now / 100.0))
        request.outcome, request.status, request.ended_at_s = Outcome.SUCCEEDED, 200, self.env.now
        self.in_flight -= 1
        self.recorder.ended(request)

    def checks(self):
        return ()


def test_a_pilot_run_tells_where_the_warm_up_ends():
    pilot = replicate(FillsUp, duration_s=600.0, warm_up_s=0.0, bin_s=2.0)
    warm_up_s = pilot_warm_up_s(pilot.recording)
    assert 80.0 <= warm_up_s <= 180.0
    assert warm_up_s % 2.0 == 0.0
    assert pilot_warm_up_s(replicate(FillsUp, duration_s=90.0, warm_up_s=0.0, bin_s=1.0).recording) is None
    assert pilot_warm_up_s(replicate(lambda *a: OneQueue(*a, last=0), warm_up_s=0.0).recording) is None


WITHOUT_WIDE_VECTORS = "X86_V4 AVX512_ICL AVX512_SPR"


def test_a_processor_without_wide_vectors_leaves_the_same_replication():
    """Not only the digest: every count, sum and quantile of the recording, to the last bit."""
    code = (
        "import hashlib, pickle, runpy, sys;"
        "test = runpy.run_path(sys.argv[1]);"
        "print(hashlib.blake2b(pickle.dumps(test['replicate'](duration_s=400.0).recording)).hexdigest())"
    )
    found = {
        subprocess.run([sys.executable, "-c", code, __file__], env=env, capture_output=True, check=True).stdout
        for env in (dict(os.environ), {**os.environ, "NPY_DISABLE_CPU_FEATURES": WITHOUT_WIDE_VECTORS})
    }
    assert len(found) == 1
