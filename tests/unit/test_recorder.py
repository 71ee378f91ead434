"""sim/recorder against a naive account of the same requests, kept in plain Python."""

from __future__ import annotations

import hashlib
import math
import pickle
import random
import struct
from collections import Counter

import numpy as np
import pytest

from models.outcomes import Outcome
from models.request import Request
from sim.environment import Environment
from sim.errors import SimulationError
from sim.processor import Processor
from sim.recorder import OUTCOMES, PARTS, End, Recorder
from sim.recorder import recorder as recorder_module
from sim.resources import Permits

ENDPOINTS = ("read", "write", "search")
SETTINGS = ((Outcome.SUCCEEDED, 200, ""), (Outcome.REFUSED, 429, "rate_limited"), (Outcome.FAILED, 504, "time_limit"),
            (Outcome.FAILED, 502, "instance_died"), (Outcome.ABANDONED, 499, "patience"))  # fmt: skip


class Planned(Request):
    """A request that knows how it will end."""

    __slots__ = ("plan",)


def make_requests(count, seed=1, mean_gap_s=0.05, stuck=()):
    """Requests with everything drawn; those in `stuck` never end."""
    chance = random.Random(seed)
    requests, now = [], 0.0
    for ordinal in range(count):
        now += chance.expovariate(1 / mean_gap_s)
        request = Planned(ordinal, 1000 + ordinal, chance.randrange(3), ordinal % 7, ordinal % 3, now)
        outcome, status, reason = chance.choices(SETTINGS, (70, 15, 5, 5, 5))[0]
        latency = 0.0 if outcome is Outcome.REFUSED else chance.expovariate(4)
        request.ended_at_s = math.inf if ordinal in stuck else now + latency
        request.attempts = chance.choice((1, 1, 1, 2, 3))
        request.wait_s, request.cpu_s, request.db_s = latency * 0.25, latency * 0.5, latency * 0.125
        request.replica, request.cache = f"read-{ordinal % 2}", chance.choice(("hit", "miss", ""))
        request.plan = outcome, status, reason
        requests.append(request)
    return requests


def end(request):
    request.outcome, request.status, request.reason = request.plan


def play(requests, recorder, env, until):
    """Let the requests happen, as events of `env`."""

    def live(request):
        yield request.arrived_at_s
        recorder.arrived(request)
        if request.ended_at_s <= until:
            yield request.ended_at_s - env.now
            request.ended_at_s = env.now
            end(request)
            recorder.ended(request)

    for request in requests:
        env.start(live(request))
    env.run(until)


def record(requests, until=1000.0, warm_up_s=0.0, bin_s=1.0, rows=None, replication=0):
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, warm_up_s, bin_s, rows, replication=replication)
    play(requests, recorder, env, until)
    return recorder.result()


def fold_every(requests, monkeypatch):
    monkeypatch.setattr(recorder_module, "FOLD", requests)


@pytest.fixture
def small_blocks(monkeypatch):
    """Fold every seven requests, so that few requests exercise many folds."""
    fold_every(7, monkeypatch)


# --- figures ---


@pytest.mark.parametrize("warm_up_s", [0.0, 12.5, 1e6])
def test_figures_are_those_of_a_naive_account(small_blocks, warm_up_s):
    requests = make_requests(600, stuck={3, 500, 599})
    result = record(requests, warm_up_s=warm_up_s)
    counted = [r for r in requests if r.arrived_at_s >= warm_up_s]
    ended = [r for r in counted if r.outcome is not None]
    figures = result.requests
    assert figures.ends == Counter(End(r.endpoint, int(r.outcome), r.status, r.reason) for r in ended)
    assert figures.arrived() == len(counted)
    for endpoint in range(3):
        mine = [r for r in ended if r.endpoint == endpoint]
        assert figures.in_flight[endpoint] == sum(r.outcome is None and r.endpoint == endpoint for r in counted)
        assert figures.attempts[endpoint] == sum(r.attempts for r in mine)
        assert figures.arrived(endpoint) == len(mine) + figures.in_flight[endpoint]
        assert figures.count(endpoint, least_status=500) == sum(r.status >= 500 for r in mine)
        assert figures.by_reason(2, endpoint) == Counter(r.reason for r in mine if r.outcome == 2)
        for succeeded in (False, True):
            latencies = [r.ended_at_s - r.arrived_at_s for r in mine if r.outcome == 0 or not succeeded]
            histogram = figures.latency(endpoint, succeeded=succeeded)
            assert histogram.count == len(latencies)
            if latencies:
                assert histogram.max == max(latencies)
                assert histogram.smallest == min(latencies)
                assert histogram.mean == pytest.approx(sum(latencies) / len(latencies), rel=1e-12)
                median = float(np.quantile(latencies, 0.5, method="inverted_cdf"))
                assert histogram.quantile(0.5, at_any_count=True) == pytest.approx(median, rel=1 / 256)
    assert (result.arrived, result.in_flight) == (600, 3)
    assert result.ended == tuple(sum(r.outcome == number for r in requests) for number in range(4))


def test_a_latency_is_split_into_its_parts(small_blocks):
    requests = make_requests(400)
    figures = record(requests).requests
    whole = figures.split()
    latencies = [r.ended_at_s - r.arrived_at_s for r in requests]
    assert whole.count == 400
    assert whole.mean_s == pytest.approx(sum(latencies) / 400, rel=1e-9)
    assert tuple(whole.parts_s) == PARTS
    for name, share in (("wait", 0.25), ("cpu", 0.5), ("db", 0.125), ("cache", 0.0)):
        assert whole.parts_s[name] == pytest.approx(share * whole.mean_s, abs=1e-12)
    left = [r.attempts > 1 or r.plan[0] is Outcome.ABANDONED for r in requests]
    for name, mine in (("left", left), ("other", [not is_left for is_left in left])):
        latency_s = math.fsum(latency for latency, is_mine in zip(latencies, mine, strict=True) if is_mine)
        assert whole.parts_s[name] == pytest.approx(0.125 * latency_s / 400, abs=1e-12) and latency_s
    tail = figures.split(0.9, 1.0, succeeded=True)
    slowest = sorted(r.ended_at_s - r.arrived_at_s for r in requests if r.outcome == 0)
    assert abs(tail.count - len(slowest) / 10) <= 3
    assert tail.mean_s == pytest.approx(sum(slowest[-tail.count :]) / tail.count, rel=1e-9)
    one = figures.split(0.5, 0.5, endpoint=1)
    median = figures.latency(1).quantile(0.5, at_any_count=True)
    assert one.count >= 1
    assert one.mean_s == pytest.approx(median, rel=0.04)


def test_a_split_of_refusals_alone_and_of_nothing():
    request = make_requests(1)[0]
    request.plan, request.ended_at_s = SETTINGS[1], request.arrived_at_s
    request.wait_s = request.cpu_s = request.db_s = 0.0
    figures = record([request]).requests
    assert figures.split(0.985, 0.995).mean_s == 0.0
    assert figures.split(succeeded=True) is None


def test_parts_are_read_when_the_request_ends_and_not_later(small_blocks):
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 0.0, 1.0)
    request = make_requests(1)[0]
    request.plan, request.cpu_s = SETTINGS[4], 0.5
    play([request], recorder, env, 100.0)
    request.cpu_s, request.attempts, request.status = 99.0, 99, 200  # work that nobody waits for goes on
    figures = recorder.result().requests
    assert figures.split().parts_s["cpu"] == 0.5
    assert figures.count(least_status=499) == 1


# --- series ---


@pytest.mark.parametrize("mean_gap_s", [0.02, 3.0])
def test_series_are_those_of_a_naive_account(small_blocks, mean_gap_s):
    requests = make_requests(500, mean_gap_s=mean_gap_s, stuck={0, 250})
    series = record(requests, until=3000.0, warm_up_s=4.0, bin_s=0.75).series
    ended = [r for r in requests if r.outcome is not None]
    arrivals = Counter(math.floor(r.arrived_at_s / 0.75) for r in requests)
    bins = sorted(arrivals.keys() | {math.floor(r.ended_at_s / 0.75) for r in ended})
    assert series.bins.tolist() == bins
    assert series.start_s.tolist() == [0.75 * number for number in bins]
    assert series.arrivals.tolist() == [arrivals[number] for number in bins]
    for keep in ({}, {"outcome": 0}, {"outcome": 1}, {"endpoint": 2}, {"endpoint": 1, "least_status": 500}):
        counted = Counter(
            math.floor(r.ended_at_s / 0.75) for r in ended
            if keep.get("outcome") in (None, int(r.outcome)) and keep.get("endpoint") in (None, r.endpoint)
            and r.status >= keep.get("least_status", 0)
        )  # fmt: skip
        assert series.ended(**keep).tolist() == [counted[number] for number in bins]
    means, quantiles = series.mean_latency_s(), series.latency_quantile_s(0.9)
    latencies_of = {number: [] for number in bins}
    for r in ended:
        latencies_of[math.floor(r.ended_at_s / 0.75)].append(r.ended_at_s - r.arrived_at_s)
    for row, number in enumerate(bins):
        latencies = latencies_of[number]
        if not latencies:
            assert math.isnan(means[row])
            assert math.isnan(quantiles[row])
            continue
        assert means[row] == pytest.approx(sum(latencies) / len(latencies), rel=1e-9)
        exact = float(np.quantile(latencies, 0.9, method="inverted_cdf"))
        assert quantiles[row] == pytest.approx(exact, rel=0.065, abs=2e-6)
    near = series.ended_below(0.2).sum()
    assert near == pytest.approx(sum(r.ended_at_s - r.arrived_at_s <= 0.2 for r in ended), abs=12)
    pairs = zip(series.ends_reason, series.ends_outcome, strict=True)
    found = {(series.reasons[reason], int(outcome)) for reason, outcome in pairs}
    assert found == {(r.reason, int(r.outcome)) for r in ended}


def test_the_size_of_a_fold_changes_nothing(monkeypatch):
    whole = record(make_requests(3000, stuck={5, 1200}), warm_up_s=20.0)
    fold_every(11, monkeypatch)
    folded = record(make_requests(3000, stuck={5, 1200}), warm_up_s=20.0)
    assert folded.digest == whole.digest
    assert folded.requests.ends == whole.requests.ends
    for name in ("bins", "arrivals", "ends_row", "ends_status", "ends_count", "latency_row", "latency_count"):
        assert (getattr(folded.series, name) == getattr(whole.series, name)).all()
    counts = [recording.requests.latency(succeeded=True).counts for recording in (folded, whole)]
    assert (counts[0] == counts[1]).all()


def test_memory_does_not_grow_with_requests(monkeypatch):
    """Ten times the requests in the same time leave a recording of the same size."""
    fold_every(500, monkeypatch)
    sizes = [len(pickle.dumps(record(make_requests(n, mean_gap_s=60 / n), 200.0))) for n in (3000, 30_000)]
    assert sizes[1] < 1.8 * sizes[0]


# --- digest ---


def naive_digest(requests, replication=0):
    """Written from the description: blake2b-128 over the blake2b-256 of every 1024 rows in order of arrival."""
    rows = []
    for r in requests:
        latency = -1 if r.outcome is None else round((r.ended_at_s - r.arrived_at_s) * 1e6)
        outcome = 4 if r.outcome is None else int(r.outcome)
        status = 0 if r.outcome is None else r.status
        rows.append(struct.pack("<iqhbhiq", replication, r.ordinal, r.endpoint, outcome, status, r.attempts, latency))
    whole = hashlib.blake2b(digest_size=16)
    for start in range(0, len(rows), 1024):
        whole.update(hashlib.blake2b(b"".join(rows[start : start + 1024]), digest_size=32).digest())
    return whole.hexdigest()


@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 2048, 5000])
def test_digest_is_what_it_says(count):
    requests = make_requests(count, stuck={7, 1024, 3000, 4999})
    assert record(requests, replication=3).digest == naive_digest(requests, replication=3)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: setattr(r, "endpoint", (r.endpoint + 1) % 3),
        lambda r: setattr(r, "attempts", r.attempts + 1),
        lambda r: setattr(r, "plan", (Outcome.FAILED, 500, "failed")),
        lambda r: setattr(r, "plan", (*r.plan[:1], r.plan[1] + 1, r.plan[2])),
        lambda r: setattr(r, "ended_at_s", r.ended_at_s + 2e-6),
        lambda r: setattr(r, "ended_at_s", math.inf),
    ],
)
def test_digest_sees_every_field(change):
    requests = make_requests(50)
    before = record(make_requests(50)).digest
    assert record(make_requests(50)).digest == before
    assert record(make_requests(50), replication=1).digest != before
    change(requests[31])
    assert record(requests).digest != before


def test_a_request_that_never_ends_holds_up_one_block_only(monkeypatch):
    fold_every(512, monkeypatch)
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 0.0, 10.0)
    requests = make_requests(20_000, stuck={0}, mean_gap_s=0.5)
    play(requests, recorder, env, requests[-1].arrived_at_s + 100)
    assert len(recorder._digest._in_order._open) <= 3
    assert recorder.result().digest == naive_digest(requests)


# --- rows ---


class Sink:
    def __init__(self, steps=()):
        self.steps = steps
        self.blocks = []

    def write(self, columns):
        self.blocks.append(columns)

    def column(self, name):
        return [value for block in self.blocks for value in list(block[name])]


def test_rows_show_every_request_in_order_of_arrival(small_blocks, monkeypatch):
    monkeypatch.setattr("sim.recorder.ledger.ROW_BLOCK", 64)
    requests = make_requests(300, stuck={10, 299})
    requests[5].steps_s = {"place.get.query": 0.25, "not.asked.for": 1.0}
    sink = Sink(["place.get.query"])
    record(requests, warm_up_s=3.0, rows=sink, replication=2)
    assert len(sink.blocks) == 5
    for block in sink.blocks:
        assert list(block) == [
            "replication", "request", "t_s", "user", "ip", "endpoint", "outcome", "status", "latency_s", "replica",
            "attempts", "wait_s", "cpu_s", "throttled_s", "cache_s", "db_s", "cache", "warm_up", "place.get.query",
        ]  # fmt: skip
        assert len({len(column) for column in block.values()}) == 1
    assert set(sink.column("replication")) == {2}
    assert sink.column("request") == list(range(300))
    assert sink.column("t_s") == [r.arrived_at_s for r in requests]
    assert sink.column("endpoint") == [ENDPOINTS[r.endpoint] for r in requests]
    assert sink.column("outcome") == [OUTCOMES[4 if r.outcome is None else r.outcome] for r in requests]
    for name in ("user", "ip", "status", "replica", "attempts", "wait_s", "cpu_s", "throttled_s", "cache", "db_s"):
        assert sink.column(name) == [getattr(r, name) for r in requests]
    assert sink.column("warm_up") == [r.arrived_at_s < 3.0 for r in requests]
    steps = sink.column("place.get.query")
    assert steps[5] == 0.25
    assert all(math.isnan(value) for value in steps[:5] + steps[6:])
    for request, latency in zip(requests, sink.column("latency_s"), strict=True):
        assert math.isnan(latency) if request.outcome is None else latency == request.ended_at_s - request.arrived_at_s


def test_rows_change_no_figure():
    plain = record(make_requests(200), warm_up_s=2.0)
    with_rows = record(make_requests(200), warm_up_s=2.0, rows=Sink())
    assert with_rows.digest == plain.digest
    assert with_rows.requests.ends == plain.requests.ends


# --- wrong reports ---


def _recorder():
    env = Environment()
    return env, Recorder(env, ENDPOINTS, 0.0, 1.0)


def test_an_arrival_out_of_turn_is_refused():
    _, recorder = _recorder()
    with pytest.raises(SimulationError, match="request 1 arrived where number 0 was due"):
        recorder.arrived(make_requests(2)[1])


def test_an_end_that_is_none_is_refused():
    _, recorder = _recorder()
    request = make_requests(1)[0]
    recorder.arrived(request)
    with pytest.raises(SimulationError, match="without an outcome"):
        recorder.ended(request)


def test_a_second_end_and_one_without_arrival_are_refused():
    env, recorder = _recorder()
    first, second = make_requests(2)
    play([first], recorder, env, 100.0)
    for request in (first, second):
        end(request)
        with pytest.raises(SimulationError, match="ended twice, without having arrived"):
            recorder.ended(request)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("endpoint", 3, "endpoint 3"), ("endpoint", -1, "endpoint -1"), ("status", 1000, "status 1000")],
)
def test_a_number_out_of_range_is_refused(name, value, message):
    env, recorder = _recorder()
    request = make_requests(1)[0]
    play([], recorder, env, 5.0)
    recorder.arrived(request)
    request.ended_at_s = request.arrived_at_s
    end(request)
    setattr(request, name, value)
    recorder.ended(request)
    with pytest.raises(SimulationError, match=message):
        recorder.result()


def test_time_running_backwards_is_refused():
    _, recorder = _recorder()
    requests = make_requests(2)
    for request in requests:
        recorder.arrived(request)
        end(request)
    requests[0].ended_at_s, requests[1].ended_at_s = 9.0, 8.0
    for request in requests:
        recorder.ended(request)
    with pytest.raises(SimulationError, match="ended before"):
        recorder.result()


def test_too_many_reasons_are_a_bug_of_the_model():
    _, recorder = _recorder()
    for request in make_requests(255):
        recorder.arrived(request)
        request.ended_at_s = request.arrived_at_s + 100.0
        request.outcome, request.reason = Outcome.FAILED, f"reason {request.ordinal}"
        recorder.ended(request)
    request.reason = "one more"
    with pytest.raises(SimulationError, match="reasons"):
        recorder.ended(request)
    assert len(recorder.result().requests.by_reason(2)) == 255


@pytest.mark.parametrize(("warm_up_s", "bin_s"), [(-1.0, 1.0), (0.0, 0.0), (0.0, float("nan"))])
def test_spans_must_make_sense(warm_up_s, bin_s):
    with pytest.raises(ValueError, match="a bin must be longer"):
        Recorder(Environment(), ENDPOINTS, warm_up_s, bin_s)


# --- instruments ---


def test_asking_twice_is_an_error():
    _, recorder = _recorder()
    for ask in (lambda: recorder.station("a", 1, "permit"), lambda: recorder.count("a"), lambda: recorder.level("a"),
                lambda: recorder.tally("a")):  # fmt: skip
        ask()
        with pytest.raises(SimulationError, match="a: asked for twice"):
            ask()


def test_station_figures_cover_the_span_after_the_warm_up():
    """One permit; visits of 2 s at t = 0, 1 and 7; warm-up of 3 s, run of 10 s."""
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 3.0, 1.0)
    permits = Permits(env, 1, recorder.station("pool", 1, "permit"))

    def visit():
        yield permits.hold(2.0)
        permits.release()

    for instant in (0.0, 1.0, 7.0):
        env.start(visit(), instant)
    env.run(10.0)
    result = recorder.result()
    whole, measured = result.whole.stations["pool"], result.measured.stations["pool"]
    assert (whole.arrivals, whole.started, whole.most_waiting, whole.span_s) == (3, 3, 1, 10.0)
    assert (whole.busy_area, whole.waiting_area, whole.capacity_area) == (6.0, 1.0, 10.0)
    assert whole.utilisation == 0.6
    assert whole.mean_wait_s == pytest.approx(1 / 3)
    assert whole.mean_service_s == 2.0
    assert (measured.arrivals, measured.started, measured.most_waiting, measured.span_s) == (1, 1, 0, 7.0)
    assert (measured.busy_area, measured.waiting_area) == (3.0, 0.0)
    assert measured.utilisation == pytest.approx(3 / 7)
    assert measured.mean_queue == 0.0
    assert measured.mean_busy == pytest.approx(3 / 7)


def test_utilisation_follows_servers_that_come_and_go():
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 0.0, 1.0)
    station = recorder.station("cores", 1, "core")
    env.run(4.0)
    station.resize(3)
    station.start()
    env.run(6.0)
    station.resize(0)
    env.run(9.0)
    figures = recorder.result().measured.stations["cores"]
    assert figures.capacity_area == 4 * 1 + 2 * 3
    assert figures.utilisation == 5 / 10
    assert figures.servers == 0


def test_what_has_nothing_to_divide_is_none():
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 0.0, 1.0)
    recorder.station("idle", 0, "permit")
    recorder.station("endless", math.inf, "thread")
    recorder.tally("values")
    env.run(1.0)
    result = recorder.result()
    idle = result.measured.stations["idle"]
    assert (idle.utilisation, idle.mean_wait_s, idle.mean_service_s, idle.mean_queue) == (None, None, None, 0.0)
    assert result.measured.stations["endless"].utilisation is None
    assert result.measured.tallies["values"].mean is None


def test_levels_counts_and_tallies_after_the_warm_up():
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 2.0, 1.0)
    level, count, tally = recorder.level("memory", 5.0), recorder.count("kills"), recorder.tally("batch")

    def change(to):
        level.set(to)
        count.add(2)
        tally.observe(to)

    for instant, to in ((1.0, 50.0), (1.5, 10.0), (3.0, 20.0), (4.0, 0.0)):
        env.start(iter_of(change, to), instant)
    env.run(6.0)
    result = recorder.result()
    whole, measured = result.whole, result.measured
    assert whole.levels["memory"].peak == 50.0
    assert whole.levels["memory"].mean == pytest.approx((5 * 1 + 50 * 0.5 + 10 * 1.5 + 20 * 1) / 6)
    assert measured.levels["memory"].peak == 20.0
    assert measured.levels["memory"].mean == pytest.approx((10 * 1 + 20 * 1) / 4)
    assert measured.levels["memory"].last == 0.0
    assert (whole.counts["kills"], measured.counts["kills"]) == (8, 4)
    seen = [(tally.count, tally.largest, tally.mean) for tally in (whole.tallies["batch"], measured.tallies["batch"])]
    assert seen == [(4, 50.0, 20.0), (2, 20.0, 10.0)]


def test_a_meter_is_the_rate_of_what_it_reads():
    """A core that works from 1 s to 4 s, read at the end of the warm-up, at the bins and at the end."""
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 3.0, 2.0)
    recorder.meter("cpu_s", lambda: min(max(env.now - 1.0, 0.0), 3.0))
    with pytest.raises(SimulationError, match="cpu_s: asked for twice"):
        recorder.level("cpu_s")
    play([one_request(0, 0.0, 7.0)], recorder, env, 8.0)
    result = recorder.result()
    assert result.whole.levels["cpu_s"].mean == 3 / 8
    assert result.measured.levels["cpu_s"].mean == 1 / 5
    assert result.samples.levels[:, 0].tolist() == [0.5, 1.0, 0.0, 0.0]


def test_a_meter_whose_source_rests_is_not_read_for_every_bin():
    """Ten bins, and the source is read when made and in those in which something began or went on."""
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 0.0, 1.0)
    processor = Processor(env, 1)
    cpu = processor.container("app", 1.0)
    read = []

    def account():
        read.append(env.now)
        return cpu.cpu_s

    recorder.meter("cpu_s", account, cpu)
    unsourced = []
    recorder.meter("other_s", lambda: unsourced.append(env.now) or 0.0)

    def burst():
        yield 4.5
        yield cpu.run(2.0)

    env.start(burst())
    play([one_request(0, 0.0, 10.0)], recorder, env, 10.0)
    assert read == [0.0, 5.0, 6.0, 7.0]
    assert unsourced == [*map(float, range(10))]
    assert recorder.result().samples.levels[:, 0].tolist() == [0.0] * 4 + [0.5, 1.0, 0.5] + [0.0] * 3


def iter_of(function, *arguments):
    function(*arguments)
    return
    yield


def test_what_is_made_after_the_warm_up_counts_from_then_on():
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 2.0, 1.0)
    env.run(5.0)
    station = recorder.station("replica-3", 2, "thread")
    station.start()
    env.run(10.0)
    figures = recorder.result().measured.stations["replica-3"]
    assert (figures.arrivals, figures.busy_area, figures.capacity_area, figures.utilisation) == (1, 5.0, 10.0, 0.5)


def test_notes_are_kept_up_to_a_bound(monkeypatch):
    monkeypatch.setattr(recorder_module, "NOTES", 3)
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 0.0, 1.0)
    env.run(2.0)
    for number in range(5):
        recorder.note("breaker", f"opened {number}")
    notes = recorder.result().notes
    assert notes.lines == tuple((2.0, "breaker", f"opened {number}") for number in range(3))
    assert notes.total == 5


# --- samples ---


def sampled(requests, until, bin_s=1.0, report=lambda recorder, env: None):
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 0.0, bin_s)
    report(recorder, env)
    play(requests, recorder, env, until)
    return recorder.result().samples


def one_request(ordinal, arrived_at_s, ended_at_s):
    request = make_requests(1)[0]
    request.ordinal, request.arrived_at_s, request.ended_at_s = ordinal, arrived_at_s, ended_at_s
    return request


def test_samples_are_exact_averages_by_bin():
    def report(recorder, env):
        station, level = recorder.station("pool", 2, "permit"), recorder.level("memory")

        def use():
            station.start()
            level.set(8.0)
            yield 1.25
            station.end()
            level.set(0.0)

        env.start(use(), 0.5)

    samples = sampled([one_request(0, 0.0, 3.1)], 3.5, report=report)
    assert samples.from_s.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert samples.to_s.tolist() == [1.0, 2.0, 3.0, 3.5]
    assert samples.station_paths == ("pool",)
    assert samples.busy[:, 0].tolist() == [0.5, 0.75, 0.0, 0.0]
    assert samples.servers[:, 0].tolist() == [2.0] * 4
    assert samples.levels[:, 0].tolist() == [4.0, 6.0, 0.0, 0.0]
    assert samples.in_flight.tolist() == [1, 1, 1, 0]


def test_silence_is_one_span_and_its_average_is_exact():
    def report(recorder, env):
        station = recorder.station("pool", 1, "permit")

        def waste():  # goes on behind a client that has left
            station.start()
            yield 60.0
            station.end()

        env.start(waste(), 0.25)

    samples = sampled([one_request(0, 0.25, 0.5), one_request(1, 100.25, 100.5)], 101.0, report=report)
    assert samples.to_s.tolist() == [100.25, 101.0]
    assert samples.busy[0, 0] == pytest.approx(60.0 / 100.25)
    assert samples.busy[1, 0] == 0.0


def test_silence_costs_no_event():
    entries = []
    for gap_s in (2.0, 2000.0):
        env = Environment()
        recorder = Recorder(env, ENDPOINTS, 0.0, 0.01)
        play([one_request(0, 1.0, 1.005), one_request(1, 1.0 + gap_s, 1.005 + gap_s)], recorder, env, 1e4)
        entries.append(env.numbers)
    assert entries[0] == entries[1]


def test_short_silences_within_a_bin_take_no_sample_and_no_entry():
    requests = [one_request(n, n * 0.02, n * 0.02 + 0.01) for n in range(400)]
    env = Environment()
    recorder = Recorder(env, ENDPOINTS, 0.0, 1.0)
    play(requests, recorder, env, 8.5)
    assert recorder.result().samples.to_s.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.5]
    lone = Environment()
    play(requests, Recorder(lone, ENDPOINTS, 0.0, 1e6), lone, 8.5)
    assert env.numbers - lone.numbers == 7  # one entry for each boundary, however often all was silent


def test_an_arrival_exactly_at_a_boundary_after_silence():
    samples = sampled([one_request(0, 0.5, 0.75), one_request(1, 1.0, 1.5), one_request(2, 3.0, 3.0)], 4.0)
    assert samples.to_s.tolist() == [1.0, 3.0, 4.0]


def test_samples_know_what_was_not_there_yet():
    def report(recorder, env):
        first = recorder.level("first")
        first.set(3.0)

        def later():
            recorder.station("new", 5, "thread").start()
            recorder.level("second").set(7.0)

        env.start(iter_of(later), 1.5)

    samples = sampled([one_request(0, 0.0, 2.9)], 3.0, report=report)
    assert samples.station_paths == ("new",)
    assert samples.level_paths == ("first", "second")
    assert math.isnan(samples.busy[0, 0])
    assert samples.busy[1:, 0].tolist() == [0.5, 1.0]
    assert samples.levels[:, 0].tolist() == [3.0, 3.0, 3.0]
    assert math.isnan(samples.levels[0, 1])
    assert samples.levels[1:, 1].tolist() == [3.5, 7.0]


def test_a_recording_is_picklable_and_survives():
    result = record(make_requests(300), warm_up_s=2.0)
    back = pickle.loads(pickle.dumps(result))
    assert back.requests.ends == result.requests.ends
    assert back.digest == result.digest
    assert back.requests.split(0.9) == result.requests.split(0.9)
    assert back.span_s == result.end_s - 2.0


def test_nothing_at_all_is_a_recording_too():
    result = record([], until=5.0)
    assert (result.arrived, result.in_flight, result.requests.arrived()) == (0, 0, 0)
    assert len(result.series.bins) == len(result.series.latency_quantile_s(0.5)) == 0
    assert result.requests.split() is None
    assert result.requests.latency().quantile(0.5) is None
    assert result.samples.to_s.tolist() == [5.0]
