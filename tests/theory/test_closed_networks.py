"""Closed networks against exact mean value analysis (Reiser and Lavenberg 1980) and the finite-source M/M/c//N.

Each is run in 20 experiments of 5 replications with fixed seeds: the 95 % intervals of the experiments must cover the
truth at least 16 times (a correct interval misses that once in 390 figures), and the interval over all 100
replications together must be narrow and hold it.
"""

from __future__ import annotations

import pytest

from models.outcomes import Outcome
from models.request import Request
from sim.distributions import Exponential
from sim.replication import Check, run_replication
from sim.resources import Permits
from sim.statistics import t_interval
from sim.streams import closed_identity

EXPERIMENTS, REPLICATIONS, LEAST_COVERED = 20, 5, 16
ALMOST_SURE = 0.9999


class Terminals:
    """Users who think and then visit stations (servers, mean service, probability of the visit), one after another."""

    endpoints = ("visit",)

    def __init__(self, env, streams, recorder, users, think_s, stations):
        self.env, self.recorder, self.users = env, recorder, users
        self.thinking = streams.draws("think", Exponential(think_s))
        self.stations = [
            (Permits(env, servers, recorder.station(f"station-{number}", servers, "permit")),
             streams.draws(f"service-{number}", Exponential(mean_s)), streams.uniforms(f"visit-{number}"), probability)
            for number, (servers, mean_s, probability) in enumerate(stations)
        ]  # fmt: skip
        self.in_flight = self.arrivals = 0

    def start(self):
        for user in range(self.users):
            self.env.start(self.live(user))

    def live(self, user):
        ordinal = 0
        while True:
            identity = closed_identity(user, ordinal)
            yield self.thinking.at(identity)
            request = Request(self.arrivals, identity, 0, user, user, self.env.now)
            self.arrivals += 1
            self.in_flight += 1
            self.recorder.arrived(request)
            for permits, services, visits, probability in self.stations:
                if visits.at(identity) < probability:
                    yield permits.hold(services.at(identity))
                    permits.release()
            request.outcome, request.status, request.ended_at_s = Outcome.SUCCEEDED, 200, self.env.now
            self.in_flight -= 1
            self.recorder.ended(request)
            ordinal += 1

    def checks(self):
        law = "nobody is in two places"
        present = [permits.in_use + permits.waiting for permits, *_ in self.stations]
        yield Check("users", sum(present) == self.in_flight <= self.users, law, self.in_flight, sum(present))


def figures(seed, replication, duration_s, users, think_s, stations):
    recording = run_replication(
        lambda env, streams, recorder: Terminals(env, streams, recorder, users, think_s, stations),
        endpoints=Terminals.endpoints, seed=seed, replication=replication, duration_s=duration_s + 30.0, warm_up_s=30.0,
        bin_s=1e9, block=16,
    ).recording  # fmt: skip
    found = {"throughput": recording.requests.count() / recording.span_s, "response": recording.requests.latency().mean}
    for number, station in enumerate(recording.measured.stations.values()):
        found[f"present-{number}"] = station.mean_busy + station.mean_queue
        found[f"utilisation-{number}"] = station.utilisation
    return found


def assert_covered(seed, truth, duration_s, *network, narrow=0.1):
    values = {name: [] for name in truth}
    covered = dict.fromkeys(truth, 0)
    for experiment in range(EXPERIMENTS):
        runs = [figures(seed + experiment, number, duration_s, *network) for number in range(REPLICATIONS)]
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


def mean_value_analysis(users, think_s, demands_s):
    """Throughput, response time and the number present at each single-server station, exactly."""
    present = [0.0] * len(demands_s)
    throughput = response_s = 0.0
    for population in range(1, users + 1):
        residence = [demand * (1 + queue) for demand, queue in zip(demands_s, present, strict=True)]
        response_s = sum(residence)
        throughput = population / (think_s + response_s)
        present = [throughput * time for time in residence]
    return throughput, response_s, present


def finite_source(users, servers, think_s, service_s):
    """Throughput and response time of M/M/c//N from its birth and death rates."""
    weights = [1.0]
    for here in range(1, users + 1):
        weights.append(weights[-1] * (users - here + 1) / think_s / (min(here, servers) / service_s))
    shares = [weight / sum(weights) for weight in weights]
    throughput = sum(share * min(here, servers) for here, share in enumerate(shares)) / service_s
    present = sum(share * here for here, share in enumerate(shares))
    return throughput, present / throughput, present


def test_the_two_closed_forms_agree_where_both_apply():
    throughput, response_s, present = mean_value_analysis(7, 1.0, [0.2])
    assert finite_source(7, 1, 1.0, 0.2) == pytest.approx((throughput, response_s, present[0]))
    throughput, response_s, present = mean_value_analysis(1, 2.0, [0.3, 0.1])
    assert (throughput, response_s, *present) == pytest.approx((1 / 2.4, 0.4, 0.3 / 2.4, 0.1 / 2.4))


@pytest.mark.parametrize(("seed", "users"), [(21_000, 2), (22_000, 6), (23_000, 15)])
def test_a_central_server_is_exact_mean_value_analysis(seed, users):
    """Every request visits the first and last station, three in five the second."""
    stations = [(1, 0.08, 1.0), (1, 0.15, 0.6), (1, 0.05, 1.0)]
    demands = [mean_s * probability for _, mean_s, probability in stations]
    throughput, response_s, present = mean_value_analysis(users, 0.5, demands)
    truth = {"throughput": throughput, "response": response_s}
    for number, demand in enumerate(demands):
        truth[f"utilisation-{number}"] = throughput * demand
        truth[f"present-{number}"] = present[number]
    assert_covered(seed, truth, 700 / throughput, users, 0.5, stations)


def test_a_pool_of_servers_and_a_finite_source():
    users, servers, think_s, service_s = 12, 3, 1.0, 0.35
    throughput, response_s, present = finite_source(users, servers, think_s, service_s)
    truth = {
        "throughput": throughput,
        "response": response_s,
        "present-0": present,
        "utilisation-0": throughput * service_s / servers,
    }
    assert_covered(24_000, truth, 900 / throughput, users, think_s, [(servers, service_s, 1.0)])
