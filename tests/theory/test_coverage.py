"""Do intervals cover the truth as often as they claim? Counted over many experiments with fixed seeds.

The bounds are those of the binomial distribution, chosen beforehand so that a correct interval lies outside them once
in a thousand: a figure can fail this test only where the seeds or the program are changed.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from models.outcomes import Outcome
from models.request import Request
from sim.distributions import Exponential
from sim.replication import run_replication
from sim.resources import Permits
from sim.statistics import compare_paired, t_interval

EXPERIMENTS, REPLICATIONS = 150, 5
RATE, SERVICE_RATE = 5.0, 10.0


def bounds(experiments, probability):
    """How many of `experiments` may cover, for a probability of one in a thousand to be outside."""
    return binom.ppf(0.0005, experiments, probability), binom.ppf(0.9995, experiments, probability)


class Desk:
    """M/M/1."""

    endpoints = ("visit",)

    def __init__(self, env, streams, recorder, service_s):
        self.env, self.recorder, self.in_flight = env, recorder, 0
        self.gaps = streams.draws("gap", Exponential(1 / RATE))
        self.services = streams.draws("service", Exponential(service_s))
        self.desk = Permits(env, 1, recorder.station("desk", 1, "permit"))

    def start(self):
        self.env.start(self.arrive())

    def arrive(self):
        ordinal = 0
        while True:
            yield self.gaps.at(ordinal)
            self.env.start_now(self.visit(Request(ordinal, ordinal, 0, 0, 0, self.env.now)))
            ordinal += 1

    def visit(self, request):
        self.in_flight += 1
        self.recorder.arrived(request)
        yield self.desk.hold(self.services.at(request.identity))
        self.desk.release()
        request.outcome, request.status, request.ended_at_s = Outcome.SUCCEEDED, 200, self.env.now
        self.in_flight -= 1
        self.recorder.ended(request)

    def checks(self):
        return ()


def run(seed, replication, span_s=80.0, service_s=1 / SERVICE_RATE):
    return run_replication(
        lambda env, streams, recorder: Desk(env, streams, recorder, service_s),
        endpoints=Desk.endpoints, seed=seed, replication=replication, duration_s=10.0 + span_s, warm_up_s=10.0,
        bin_s=1e9,
    ).recording  # fmt: skip


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("count", [2, 5, 30])
def test_t_intervals_of_normal_values_cover_exactly(confidence, count):
    rng = np.random.Generator(np.random.Philox(count))
    intervals = [t_interval(rng.normal(3.0, 2.0, count).tolist(), confidence) for _ in range(2000)]
    covered = sum(interval.low <= 3.0 <= interval.high for interval in intervals)
    low, high = bounds(2000, confidence)
    assert low <= covered <= high


@pytest.fixture(scope="module")
def experiments():
    """Figures of M/M/1 at half load: 150 experiments of 5 replications of about 400 customers."""
    return [[run(50_000 + number, r) for r in range(REPLICATIONS)] for number in range(EXPERIMENTS)]


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(
    ("figure", "truth"),
    [
        (lambda recording: recording.requests.arrived() / recording.span_s, RATE),
        (lambda recording: recording.measured.stations["desk"].utilisation, 0.5),
        (lambda recording: recording.measured.stations["desk"].mean_queue, 0.5),
        (lambda recording: recording.requests.latency().mean, 0.2),
    ],
    ids=["throughput", "utilisation", "queue", "latency"],
)
def test_intervals_of_a_simulation_cover_the_truth(experiments, figure, truth, confidence):
    intervals = [t_interval([figure(recording) for recording in runs], confidence) for runs in experiments]
    covered = sum(interval.low <= truth <= interval.high for interval in intervals)
    low, high = bounds(EXPERIMENTS, confidence)
    assert low <= covered <= high


def test_equal_systems_are_told_apart_as_seldom_as_claimed():
    rng = np.random.Generator(np.random.Philox(11))
    verdicts = [compare_paired(rng.normal(size=8).tolist(), rng.normal(size=8).tolist()).verdict for _ in range(2000)]
    low, high = bounds(2000, 0.95)
    assert low <= verdicts.count("not distinguishable") <= high
    better, worse = verdicts.count("better"), verdicts.count("worse")
    assert abs(better - worse) <= 4 * (better + worse) ** 0.5


def test_as_many_more_replications_as_were_said_are_about_enough():
    """Half of all experiments of the size that was said tell the two apart: the estimate is the middle, not a bound."""
    rng = np.random.Generator(np.random.Philox(12))
    pilot = compare_paired([0.0] * 200, (rng.normal(0.0, 1.0, 200) * 40 + 0.5).tolist())
    assert pilot.verdict == "not distinguishable"
    needed = 200 + pilot.more_replications
    told = 0
    for _ in range(300):
        values = rng.normal(pilot.mean, 40.0, needed)
        half = 1.96 * values.std(ddof=1) / needed**0.5
        told += abs(values.mean()) > half
    assert 0.35 <= told / 300 <= 0.65


def test_common_random_numbers_narrow_a_comparison():
    """A desk 5 % faster: five pairs of short runs tell it apart, as many independent runs rarely do."""
    pairs, strangers = [], []
    for seed in range(70_000, 70_012):
        slow, fast, other = (
            [run(seed_of_run, r, service_s=service_s).requests.latency().mean for r in range(5)]
            for seed_of_run, service_s in ((seed, 0.1), (seed, 0.095), (seed + 10_000, 0.095))
        )
        pairs.append(compare_paired(slow, fast))
        strangers.append(compare_paired(slow, other))
    assert [pair.verdict for pair in pairs] == ["better"] * 12
    assert [pair.verdict for pair in strangers].count("better") <= 5
    widths = [sum(pair.high - pair.low for pair in judged) for judged in (pairs, strangers)]
    assert widths[0] < widths[1] / 4
    exact = 1 / (1 / 0.095 - RATE) - 1 / (SERVICE_RATE - RATE)
    whole = t_interval([pair.mean for pair in pairs], 0.999)
    assert whole.low <= exact <= whole.high
