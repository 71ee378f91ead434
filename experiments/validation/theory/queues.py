"""Open queues: M/M/1, M/M/c, M/M/c/K, Erlang B, Pollaczek-Khinchine, Jackson's tandem."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.validation.check import Component, expect_near
from experiments.validation.theory.coverage import AGREEMENT, erlang_b, erlang_c, expect_covered
from models.outcomes import Outcome
from models.request import Request
from sim.distributions import Constant, Distribution, Erlang, Exponential, Gamma, Hyperexponential, Lognormal
from sim.environment import Activity, Environment
from sim.recorder import Recorder, Recording
from sim.replication import Check, run_replication
from sim.resources import Permits
from sim.statistics import LogHistogram
from sim.streams import Streams

QUEUES = Component(
    "Open queues",
    version="closed forms",
    source="Kleinrock, Queueing Systems I, 1975; Gross et al., Fundamentals of Queueing Theory, 2008",
)

Stage = tuple[int, Distribution, int | None]
"""Servers, service, room (None: endless)."""


class Line:
    """Poisson arrivals that pass through stages one after the other: (servers, service, room or None) each.

    `room` counts those in service too; who finds it full is refused.
    """

    endpoints = ("visit",)

    def __init__(
        self, env: Environment, streams: Streams, recorder: Recorder, rate: float, stages: Sequence[Stage]
    ) -> None:
        self.on_over: Callable[[], None] = lambda: None
        self.env, self.recorder = env, recorder
        self.gaps = streams.draws("gap", Exponential(1 / rate))
        self.stages = [
            (Permits(env, servers, recorder.station(f"stage-{number}", servers, "permit")),
             streams.draws(f"service-{number}", service), room)
            for number, (servers, service, room) in enumerate(stages)
        ]  # fmt: skip
        self.in_flight = 0

    def start(self) -> None:
        self.env.start(self.arrive())

    def arrive(self) -> Activity:
        ordinal = 0
        while True:
            yield self.gaps.at(ordinal)
            self.env.start_now(self.visit(Request(ordinal, ordinal, 0, 0, 0, self.env.now)))
            ordinal += 1

    def visit(self, request: Request) -> Activity:
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

    def checks(self) -> Sequence[Check]:
        return ()


def replicate(rate: float, stages: Sequence[Stage], seed: int, replication: int, customers: int) -> Recording:
    warm_up_s = 150 * max(service.mean for _, service, _ in stages)
    return run_replication(
        lambda env, streams, recorder: Line(env, streams, recorder, rate, stages),
        endpoints=Line.endpoints, seed=seed, replication=replication, duration_s=warm_up_s + customers / rate,
        warm_up_s=warm_up_s, bin_s=1e9,
    ).recording  # fmt: skip


def everything(recording: Recording) -> dict[str, float | None]:
    """The figures that the closed forms speak of."""
    requests = recording.requests
    refused = requests.count(outcome=Outcome.REFUSED) / requests.count()
    figures: dict[str, float | None] = {"latency": requests.latency(succeeded=True).mean, "refused": refused}
    for number, station in enumerate(recording.measured.stations.values()):
        figures[f"utilisation-{number}"] = station.utilisation
        figures[f"queue-{number}"] = station.mean_queue
        figures[f"wait-{number}"] = station.mean_wait_s
    return figures


def compare(
    seed: int, truth: Mapping[str, float], rate: float, stages: Sequence[Stage], customers: int = 1600,
    narrow: float = 0.1,
) -> None:  # fmt: skip
    def figures(seed: int, number: int) -> dict[str, float | None]:
        return everything(replicate(rate, stages, seed, number, customers))

    expect_covered(figures, seed, truth, narrow)


def mmck(servers: int, room: int, load: float) -> list[float]:
    """Probabilities of 0 .. room customers in M/M/c/K."""
    weights = [1.0]
    for number in range(1, room + 1):
        weights.append(weights[-1] * load / min(number, servers))
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def pollaczek_khinchine(rate: float, service: Distribution) -> float:
    """Mean wait in M/G/1."""
    return rate * (service.variance + service.mean**2) / (2 * (1 - rate * service.mean))


@QUEUES.check("M/M/1 at 60 %", "latency, wait, queue and utilisation", AGREEMENT)
def mm1() -> None:
    rate, service_rate = 6.0, 10.0
    load = rate / service_rate
    truth = {
        "latency": 1 / (service_rate - rate),
        "wait-0": load / (service_rate - rate),
        "queue-0": load**2 / (1 - load),
        "utilisation-0": load,
    }
    compare(1000, truth, rate, [(1, Exponential(0.1), None)])


@QUEUES.check("M/M/1 at 50 %, latency's distribution", "exponential", "quantiles within 3 % over 100,000 requests")
def mm1_latency() -> None:
    rate, service_rate = 5.0, 10.0
    together = LogHistogram()
    for replication in range(25):
        recording = replicate(rate, [(1, Exponential(1 / service_rate), None)], 7, replication, 4000)
        together.merge(recording.requests.latency())
    for q in (0.1, 0.5, 0.9, 0.99):
        exact = -math.log(1 - q) / (service_rate - rate)
        expect_near(together.quantile(q) or 0.0, exact, 0.03 * exact, f"quantile {q}")
    expect_near(together.count_below(0.2) / together.count, 1 - math.exp(-1), 0.01, "share below the mean")


@QUEUES.check("M/M/4 at 70 %", "Erlang C", AGREEMENT)
def mmc() -> None:
    servers, rate, service_rate = 4, 28.0, 10.0
    wait = erlang_c(servers, rate / service_rate) / (servers * service_rate - rate)
    truth = {"latency": wait + 1 / service_rate, "wait-0": wait, "queue-0": rate * wait, "utilisation-0": 0.7}
    compare(2000, truth, rate, [(servers, Exponential(1 / service_rate), None)], narrow=0.13)


@QUEUES.check("M/M/2/6 at 90 %", "who finds it full is refused", AGREEMENT)
def mmck_refuses_and_queues() -> None:
    servers, room, rate, service_rate = 2, 6, 18.0, 10.0
    shares = mmck(servers, room, rate / service_rate)
    admitted = rate * (1 - shares[-1])
    waiting = math.fsum((number - servers) * share for number, share in enumerate(shares) if number > servers)
    truth = {
        "refused": shares[-1],
        "queue-0": waiting,
        "wait-0": waiting / admitted,
        "latency": waiting / admitted + 1 / service_rate,
        "utilisation-0": admitted / service_rate / servers,
    }
    compare(3000, truth, rate, [(servers, Exponential(1 / service_rate), room)])


def loss_system(seed: int, service: Distribution) -> None:
    servers, load = 5, 4.0
    blocked = erlang_b(servers, load)
    truth = {"refused": blocked, "utilisation-0": load * (1 - blocked) / servers}
    compare(seed, truth, load / 0.1, [(servers, service, servers)], customers=1200)


@QUEUES.check("M/M/5/5", "Erlang B", AGREEMENT)
def erlang_b_exponential() -> None:
    loss_system(4000, Exponential(0.1))


@QUEUES.check("M/D/5/5", "Erlang B knows only the mean", AGREEMENT)
def erlang_b_constant() -> None:
    loss_system(5000, Constant(0.1))


@QUEUES.check("M/G/5/5, lognormal", "Erlang B knows only the mean", AGREEMENT)
def erlang_b_lognormal() -> None:
    loss_system(6000, Lognormal.from_mean_percentile(0.1, 95, 0.3))


def single_server(seed: int, service: Distribution) -> None:
    rate = 5.0
    wait = pollaczek_khinchine(rate, service)
    truth = {"latency": wait + 0.1, "wait-0": wait, "queue-0": rate * wait, "utilisation-0": 0.5}
    compare(seed, truth, rate, [(1, service, None)], narrow=0.13)


@QUEUES.check("M/D/1 at 50 %", "Pollaczek-Khinchine", AGREEMENT)
def mg1_constant() -> None:
    single_server(7000, Constant(0.1))


@QUEUES.check("M/E4/1 at 50 %", "Pollaczek-Khinchine", AGREEMENT)
def mg1_erlang() -> None:
    single_server(8000, Erlang(0.1, 4))


@QUEUES.check("M/G/1 at 50 %, gamma of shape 1/2", "Pollaczek-Khinchine", AGREEMENT)
def mg1_gamma() -> None:
    single_server(9000, Gamma(0.1, 0.5))


@QUEUES.check("M/H2/1 at 50 %", "Pollaczek-Khinchine", AGREEMENT)
def mg1_hyperexponential() -> None:
    single_server(10_000, Hyperexponential(0.1, 3.0))


@QUEUES.check("M/M/1 then M/M/2 at 60 %", "a tandem is a Jackson network: each queue as if it were alone", AGREEMENT)
def tandem() -> None:
    rate, first, second = 6.0, (1, 10.0), (2, 5.0)
    wait_second = erlang_c(2, rate / 5.0) / (2 * 5.0 - rate)
    truth = {
        "latency": 1 / (first[1] - rate) + wait_second + 1 / second[1],
        "wait-0": 0.6 / (10.0 - 6.0),
        "wait-1": wait_second,
        "utilisation-0": 0.6,
        "utilisation-1": 0.6,
    }
    stages: list[Any] = [(servers, Exponential(1 / service_rate), None) for servers, service_rate in (first, second)]
    compare(11_000, truth, rate, stages, narrow=0.13)
