"""M/M/2 at 70 %: what every simulator of queues can say, with a mean waiting time that theory knows.

Poisson arrivals at 700/s, two servers, exponential 2 ms of service, first come first served. Written with plain SimPy
and with the kernel alone, over the same draws; mm2.yaml is the same as a scenario, peers.py has the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from typing import Any, NamedTuple

import numpy as np
import simpy

ARRIVALS_PER_S = 700.0
SERVERS = 2
SERVICE_S = 0.002
LOAD = ARRIVALS_PER_S * SERVICE_S / SERVERS
THEORY_WAIT_S = SERVICE_S * LOAD**2 / (1 - LOAD**2)
"""Mean waiting time of M/M/2."""


class Drawn(NamedTuple):
    """One entry a request, in seconds."""

    gap_s: list[float]
    service_s: list[float]


def draw(requests: int, seed: int = 1) -> Drawn:
    chance = np.random.Generator(np.random.Philox(seed))
    return Drawn(
        chance.exponential(1 / ARRIVALS_PER_S, requests).tolist(), chance.exponential(SERVICE_S, requests).tolist()
    )


def constant_service_wait_s(present: int = 200) -> float:
    """Mean waiting time of M/D/2, for a peer that knows constant service times only.

    Whoever is in service now has left one service time later, so the number present then is what was waiting now plus
    the arrivals in between: a chain whose stationary mean gives the waiting time by Little's law.
    """
    offered = ARRIVALS_PER_S * SERVICE_S
    arrivals = [exp(-offered)]
    while len(arrivals) < present:
        arrivals.append(arrivals[-1] * offered / len(arrivals))
    steps = np.zeros((present, present))
    for now in range(present):
        waiting = max(0, now - SERVERS)
        steps[now, waiting:] = arrivals[: present - waiting]
    stationary = np.linalg.matrix_power(steps, 1 << 14)[0]
    return float(stationary @ np.arange(present) / stationary.sum()) / ARRIVALS_PER_S - SERVICE_S


def plain(drawn: Drawn, env: simpy.Environment | None = None) -> list[float]:
    """Plain SimPy. Returns every waiting time."""
    env = env or simpy.Environment()
    servers = simpy.Resource(env, SERVERS)
    waited_s: list[float] = []

    def request(number: int) -> Iterator[Any]:
        arrived_at = env.now
        with servers.request() as server:
            yield server
            waited_s.append(env.now - arrived_at)
            yield env.timeout(drawn.service_s[number])

    def arrivals() -> Iterator[Any]:
        for number, gap in enumerate(drawn.gap_s):
            yield env.timeout(gap)
            env.process(request(number))

    env.process(arrivals())
    env.run()
    return waited_s


def lean(drawn: Drawn) -> tuple[list[float], int]:
    """The kernel alone. Returns every waiting time, and how many entries the schedule had."""
    from sim.environment import Activity, Environment
    from sim.probe import NullProbe
    from sim.resources import Permits

    env = Environment()
    servers = Permits(env, SERVERS, NullProbe(env).station("servers", SERVERS, "server"))
    waited_s: list[float] = []
    gap_s, service_s = drawn

    def request(number: int) -> Activity:
        arrived_at = env._now
        service = service_s[number]
        yield servers.hold(service)
        servers.release()
        waited_s.append(env._now - arrived_at - service)

    def arrivals() -> Activity:
        for number, gap in enumerate(gap_s):
            yield gap
            env.start_now(request(number))

    env.start(arrivals())
    env.run()
    return waited_s, env.numbers
