"""Closed networks: exact mean value analysis, and the finite source M/M/c//N."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from experiments.validation.check import Component
from experiments.validation.theory.coverage import AGREEMENT, expect_covered
from models.outcomes import Outcome
from models.request import Request
from sim.distributions import Exponential
from sim.environment import Activity, Environment
from sim.recorder import Recorder
from sim.replication import Check, run_replication
from sim.resources import Permits
from sim.streams import Streams, closed_identity

NETWORKS = Component(
    "Closed networks",
    version="closed forms",
    source="Reiser and Lavenberg 1980, doi:10.1145/322186.322195",
)

Station = tuple[int, float, float]
"""Servers, mean service, probability of a visit."""


class Terminals:
    """Users who think and then visit stations (servers, mean service, probability of the visit), one after another."""

    endpoints = ("visit",)

    def __init__(
        self, env: Environment, streams: Streams, recorder: Recorder, users: int, think_s: float,
        stations: Sequence[Station],
    ) -> None:  # fmt: skip
        self.on_over: Callable[[], None] = lambda: None
        self.env, self.recorder, self.users = env, recorder, users
        self.thinking = streams.draws("think", Exponential(think_s))
        self.stations = [
            (Permits(env, servers, recorder.station(f"station-{number}", servers, "permit")),
             streams.draws(f"service-{number}", Exponential(mean_s)), streams.uniforms(f"visit-{number}"), probability)
            for number, (servers, mean_s, probability) in enumerate(stations)
        ]  # fmt: skip
        self.in_flight = self.arrivals = 0

    def start(self) -> None:
        for user in range(self.users):
            self.env.start(self.live(user))

    def live(self, user: int) -> Activity:
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

    def checks(self) -> Iterator[Check]:
        law = "nobody is in two places"
        present = [permits.in_use + permits.waiting for permits, *_ in self.stations]
        yield Check("users", sum(present) == self.in_flight <= self.users, law, self.in_flight, sum(present))


def compare(
    seed: int, truth: Mapping[str, float], duration_s: float, users: int, think_s: float, stations: Sequence[Station]
) -> None:
    def figures(seed: int, number: int) -> dict[str, float | None]:
        recording = run_replication(
            lambda env, streams, recorder: Terminals(env, streams, recorder, users, think_s, stations),
            endpoints=Terminals.endpoints, seed=seed, replication=number, duration_s=duration_s + 30.0,
            warm_up_s=30.0, bin_s=1e9, block=16,
        ).recording  # fmt: skip
        requests = recording.requests
        found: dict[str, float | None] = {
            "throughput": requests.count() / recording.span_s,
            "response": requests.latency().mean,
        }
        for each, station in enumerate(recording.measured.stations.values()):
            found[f"present-{each}"] = (station.mean_busy or 0.0) + (station.mean_queue or 0.0)
            found[f"utilisation-{each}"] = station.utilisation
        return found

    expect_covered(figures, seed, truth)


def mean_value_analysis(users: int, think_s: float, demands_s: Sequence[float]) -> tuple[float, float, list[float]]:
    """Throughput, response time and the number present at each single-server station, exactly."""
    present = [0.0] * len(demands_s)
    throughput = response_s = 0.0
    for population in range(1, users + 1):
        residence = [demand * (1 + queue) for demand, queue in zip(demands_s, present, strict=True)]
        response_s = math.fsum(residence)
        throughput = population / (think_s + response_s)
        present = [throughput * time for time in residence]
    return throughput, response_s, present


def finite_source(users: int, servers: int, think_s: float, service_s: float) -> tuple[float, float, float]:
    """Throughput and response time of M/M/c//N from its birth and death rates."""
    weights = [1.0]
    for here in range(1, users + 1):
        weights.append(weights[-1] * (users - here + 1) / think_s / (min(here, servers) / service_s))
    total = math.fsum(weights)
    shares = [weight / total for weight in weights]
    throughput = math.fsum(share * min(here, servers) for here, share in enumerate(shares)) / service_s
    present = math.fsum(share * here for here, share in enumerate(shares))
    return throughput, present / throughput, present


def central_server(seed: int, users: int) -> None:
    """Every request visits the first and last station, three in five the second."""
    stations = [(1, 0.08, 1.0), (1, 0.15, 0.6), (1, 0.05, 1.0)]
    demands = [mean_s * probability for _, mean_s, probability in stations]
    throughput, response_s, present = mean_value_analysis(users, 0.5, demands)
    truth = {"throughput": throughput, "response": response_s}
    for number, demand in enumerate(demands):
        truth[f"utilisation-{number}"] = throughput * demand
        truth[f"present-{number}"] = present[number]
    compare(seed, truth, 700 / throughput, users, 0.5, stations)


@NETWORKS.check("central server, 2 users", "exact mean value analysis", AGREEMENT)
def two_users() -> None:
    central_server(21_000, 2)


@NETWORKS.check("central server, 6 users", "exact mean value analysis", AGREEMENT)
def six_users() -> None:
    central_server(22_000, 6)


@NETWORKS.check("central server, 15 users", "exact mean value analysis", AGREEMENT)
def fifteen_users() -> None:
    central_server(23_000, 15)


@NETWORKS.check("M/M/3//12", "a pool of servers and a finite source, from birth and death rates", AGREEMENT)
def pool_and_finite_source() -> None:
    users, servers, think_s, service_s = 12, 3, 1.0, 0.35
    throughput, response_s, present = finite_source(users, servers, think_s, service_s)
    truth = {
        "throughput": throughput,
        "response": response_s,
        "present-0": present,
        "utilisation-0": throughput * service_s / servers,
    }
    compare(24_000, truth, 900 / throughput, users, think_s, [(servers, service_s, 1.0)])
