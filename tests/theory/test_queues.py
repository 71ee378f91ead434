"""Open queues against their closed forms: M/M/1, M/M/c, M/M/c/K, Erlang B, Pollaczek-Khinchine, Jackson's tandem.

Every model is run in 20 experiments of 5 replications with fixed seeds. Two things are asked of every figure: the
95 % intervals of the 20 experiments must cover the truth as often as they claim (at least 16 of 20: a correct interval
misses that once in 390 figures), and the interval over all 100 replications together must be narrow and hold it.
"""

from __future__ import annotations

import math

import pytest
from scipy.stats import binom

from models.outcomes import Outcome
from models.request import Request
from sim.distributions import Constant, Erlang, Exponential, Gamma, Hyperexponential, Lognormal
from sim.replication import run_replication
from sim.resources import Permits
from sim.statistics import LogHistogram, t_interval

EXPERIMENTS, REPLICATIONS, LEAST_COVERED = 20, 5, 16
ALMOST_SURE = 0.9999


class Line:
    """Poisson arrivals that pass through stages one after the other: (servers, service, room or None) each.

    `room` counts those in service too; who finds it full is refused.
    """

    endpoints = ("visit",)

    def __init__(self, env, streams, recorder, rate, stages):
        self.env, self.recorder = env, recorder
        self.gaps = streams.draws("gap", Exponential(1 / rate))
        self.stages = [
            (Permits(env, servers, recorder.station(f"stage-{number}", servers, "permit")),
             streams.draws(f"service-{number}", service), room)
            for number, (servers, service, room) in enumerate(stages)
        ]  # fmt: skip
        self.in_flight = 0

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
        request.outcome, request.status = Outcome.SUCCEEDED, 200
        for permits, services, room in self.stages:
            if room is not None and permits.in_use + permits.waiting >= room:
                permits.station.refuse()
                request.outcome, request.status, request.reason = Outcome.REFUSED, 503, "full"
                break
            yield permits.hold(services.at(request.identity))
            permits.release()
        request.ended_at_s = self.env.now
        self.in_flight -= 1
        self.recorder.ended(request)

    def checks(self):
        return ()


def replicate(rate, stages, seed, replication, customers):
    warm_up_s = 150 * max(service.mean for _, service, _ in stages)
    return run_replication(
        lambda env, streams, recorder: Line(env, streams, recorder, rate, stages),
        endpoints=Line.endpoints, seed=seed, replication=replication, duration_s=warm_up_s + customers / rate,
        warm_up_s=warm_up_s, bin_s=1e9,
    ).recording  # fmt: skip


def everything(recording):
    """The figures that the closed forms speak of."""
    requests = recording.requests
    refused = requests.count(outcome=Outcome.REFUSED) / requests.count()
    figures = {"latency": requests.latency(succeeded=True).mean, "refused": refused}
    for number, station in enumerate(recording.measured.stations.values()):
        figures[f"utilisation-{number}"] = station.utilisation
        figures[f"queue-{number}"] = station.mean_queue
        figures[f"wait-{number}"] = station.mean_wait_s
    return figures


def assert_covered(seed, truth, rate, stages, customers=1600, narrow=0.1):
    """Run the experiments, with seeds of their own, and compare each figure in `truth` with its closed form."""
    values = {name: [] for name in truth}
    covered = dict.fromkeys(truth, 0)
    for experiment in range(EXPERIMENTS):
        runs = [everything(replicate(rate, stages, seed + experiment, r, customers)) for r in range(REPLICATIONS)]
        for name, exact in truth.items():
            seen = [run[name] for run in runs]
            values[name] += seen
            interval = t_interval(seen)
            covered[name] += interval.low <= exact <= interval.high
    for name, exact in truth.items():
        whole = t_interval(values[name], ALMOST_SURE)
        assert whole.low <= exact <= whole.high, (name, exact, whole)
        assert whole.high - whole.low <= 2 * narrow * exact, (name, exact, whole)
        assert covered[name] >= LEAST_COVERED, (name, covered[name])


def test_the_bounds_are_the_ones_claimed():
    assert binom.cdf(LEAST_COVERED - 1, EXPERIMENTS, 0.95) == pytest.approx(1 / 390, rel=0.01)


# --- closed forms ---


def erlang_b(servers, load):
    """Share refused by M/G/c/c, by the stable recursion."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked


def erlang_c(servers, load):
    """Share that waits in M/M/c."""
    blocked = erlang_b(servers, load)
    return blocked / (1 - load / servers * (1 - blocked))


def mmck(servers, room, load):
    """Probabilities of 0 .. room customers in M/M/c/K."""
    weights = [1.0]
    for number in range(1, room + 1):
        weights.append(weights[-1] * load / min(number, servers))
    return [weight / sum(weights) for weight in weights]


def pollaczek_khinchine(rate, service):
    """Mean wait in M/G/1."""
    return rate * (service.variance + service.mean**2) / (2 * (1 - rate * service.mean))


def test_the_closed_forms_agree_with_each_other():
    assert erlang_b(1, 0.5) == pytest.approx(0.5 / 1.5)
    assert erlang_c(1, 0.6) == pytest.approx(0.6)
    assert mmck(4, 4, 3.0)[-1] == pytest.approx(erlang_b(4, 3.0))
    assert 1 - sum(mmck(3, 400, 2.0)[:3]) == pytest.approx(erlang_c(3, 2.0))
    assert pollaczek_khinchine(6.0, Exponential(0.1)) == pytest.approx(0.6 / (10 - 6))


# --- models ---


def test_mm1():
    rate, service_rate = 6.0, 10.0
    load = rate / service_rate
    truth = {
        "latency": 1 / (service_rate - rate),
        "wait-0": load / (service_rate - rate),
        "queue-0": load**2 / (1 - load),
        "utilisation-0": load,
    }
    assert_covered(1000, truth, rate, [(1, Exponential(0.1), None)])


def test_mm1_latency_is_exponential():
    """Quantiles of many replications put together, in spite of the bins of the histogram."""
    rate, service_rate = 5.0, 10.0
    together = LogHistogram()
    for replication in range(25):
        recording = replicate(rate, [(1, Exponential(1 / service_rate), None)], 7, replication, 4000)
        together.merge(recording.requests.latency())
    for q in (0.1, 0.5, 0.9, 0.99):
        assert together.quantile(q) == pytest.approx(-math.log(1 - q) / (service_rate - rate), rel=0.03)
    assert together.count_below(0.2) / together.count == pytest.approx(1 - math.exp(-1), abs=0.01)


def test_mmc():
    servers, rate, service_rate = 4, 28.0, 10.0
    load = rate / service_rate
    wait = erlang_c(servers, load) / (servers * service_rate - rate)
    truth = {"latency": wait + 1 / service_rate, "wait-0": wait, "queue-0": rate * wait, "utilisation-0": 0.7}
    assert_covered(2000, truth, rate, [(servers, Exponential(1 / service_rate), None)], narrow=0.13)


def test_mmck_refuses_and_queues():
    servers, room, rate, service_rate = 2, 6, 18.0, 10.0
    shares = mmck(servers, room, rate / service_rate)
    admitted = rate * (1 - shares[-1])
    waiting = sum((number - servers) * share for number, share in enumerate(shares) if number > servers)
    truth = {
        "refused": shares[-1],
        "queue-0": waiting,
        "wait-0": waiting / admitted,
        "latency": waiting / admitted + 1 / service_rate,
        "utilisation-0": admitted / service_rate / servers,
    }
    assert_covered(3000, truth, rate, [(servers, Exponential(1 / service_rate), room)])


@pytest.mark.parametrize(
    ("seed", "service"),
    [(4000, Exponential(0.1)), (5000, Constant(0.1)), (6000, Lognormal.from_mean_percentile(0.1, 95, 0.3))],
    ids=["Exponential", "Constant", "Lognormal"],
)
def test_erlang_b_knows_only_the_mean(seed, service):
    servers, load = 5, 4.0
    blocked = erlang_b(servers, load)
    truth = {"refused": blocked, "utilisation-0": load * (1 - blocked) / servers}
    assert_covered(seed, truth, load / 0.1, [(servers, service, servers)], customers=1200)


@pytest.mark.parametrize(
    ("seed", "service"),
    [(7000, Constant(0.1)), (8000, Erlang(0.1, 4)), (9000, Gamma(0.1, 0.5)), (10_000, Hyperexponential(0.1, 3.0))],
    ids=["Constant", "Erlang", "Gamma", "Hyperexponential"],
)
def test_mg1_is_pollaczek_khinchine(seed, service):
    rate = 5.0
    wait = pollaczek_khinchine(rate, service)
    truth = {"latency": wait + 0.1, "wait-0": wait, "queue-0": rate * wait, "utilisation-0": 0.5}
    assert_covered(seed, truth, rate, [(1, service, None)], narrow=0.13)


def test_a_tandem_is_a_jackson_network():
    rate, first, second = 6.0, (1, 10.0), (2, 5.0)
    wait_second = erlang_c(2, rate / 5.0) / (2 * 5.0 - rate)
    truth = {
        "latency": 1 / (first[1] - rate) + wait_second + 1 / second[1],
        "wait-0": 0.6 / (10.0 - 6.0),
        "wait-1": wait_second,
        "utilisation-0": 0.6,
        "utilisation-1": 0.6,
    }
    stages = [(servers, Exponential(1 / service_rate), None) for servers, service_rate in (first, second)]
    assert_covered(11_000, truth, rate, stages, narrow=0.13)
