"""Other simulators, each written as faithfully as its own documented interface allows. Run in `.venv-peers`.

Every function runs one model of about so many requests and returns what it measured. What a peer cannot say is left
out, and told in `LEFT_OUT`; nothing of a peer is patched, and its recording stays as it comes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from draws import ARRIVALS_PER_S, BUCKET_CAPACITY, BUCKET_TOKENS_PER_S, BULKHEAD, CORES, POOL
from mm2 import SERVERS, SERVICE_S

DISTRIBUTIONS = {"asyncflow": "asyncflow-sim", "happysim": "happysim", "ciw": "ciw", "salabim": "salabim"}

LEFT_OUT = {
    ("asyncflow", "mm2"): "random service times (it has constants only, so this is M/D/2)",
    ("asyncflow", "reference"): (
        "token bucket, bulkhead and pool; service times are constants; replicas take turns (its least connections "
        "count requests on the link only, and would send all to one)"
    ),
    ("happysim", "mm2"): "",
    ("happysim", "reference"): "",
    ("ciw", "mm2"): "",
    ("ciw", "reference"): "token bucket and bulkhead; the shorter CPU queue is chosen, not the fewer connections",
    ("salabim", "mm2"): "",
    ("salabim", "reference"): "",
}


class Seen(NamedTuple):
    """What a run of a peer gave."""

    requests: int
    events: int | None
    """None where the peer does not count them."""
    mean_s: float
    """Mean waiting time of M/M/2; mean latency of the reference model."""


# --- asyncflow-sim ---------------------------------------------------------------------------------------------------


def asyncflow(model: str, requests: int, seed: int) -> Seen:
    import numpy as np
    import simpy
    from asyncflow import AsyncFlow, SimulationRunner
    from asyncflow.schemas.common.random_variables import RVConfig
    from asyncflow.schemas.settings.simulation import SimulationSettings
    from asyncflow.schemas.topology.edges import Edge
    from asyncflow.schemas.topology.endpoint import Endpoint, Step
    from asyncflow.schemas.topology.nodes import Client, LoadBalancer, Server, ServerResources
    from asyncflow.schemas.workload.rqs_generator import RqsGenerator

    def cpu(seconds: float) -> Step:
        return Step(kind="cpu_bound_operation", step_operation={"cpu_time": seconds})

    def wait(kind: str, seconds: float) -> Step:
        return Step(kind=kind, step_operation={"io_waiting_time": seconds})

    def edge(name: str, source: str, target: str) -> Edge:
        link_s = RVConfig(mean=1e-9, distribution="exponential")  # it must be more than nothing
        return Edge(id=name, source=source, target=target, latency=link_s, dropout_rate=0.0)

    def server(name: str, cores: int, *endpoints: Endpoint) -> Server:
        return Server(id=name, server_resources=ServerResources(cpu_cores=cores), endpoints=list(endpoints))

    flow = AsyncFlow().add_client(Client(id="client")).add_generator(
        RqsGenerator(
            id="users",
            avg_active_users=RVConfig(mean=ARRIVALS_PER_S, distribution="normal", variance=0.0),
            avg_request_per_minute_per_user=RVConfig(mean=60),
            user_sampling_window=120,
        )
    )  # fmt: skip
    whole_s = max(5, round(requests / ARRIVALS_PER_S))
    flow.add_simulation_settings(SimulationSettings(total_simulation_time=whole_s, sample_period_s=0.1))
    if model == "mm2":
        flow.add_servers(server("first", SERVERS, Endpoint(endpoint_name="serve", steps=[cpu(SERVICE_S)])))
        flow.add_edges(edge("in", "users", "client"), edge("there", "client", "first"), edge("back", "first", "client"))
    else:
        hit = [cpu(0.002), wait("io_cache", 0.001), cpu(0.002)]
        miss = [cpu(0.002), wait("io_cache", 0.001), wait("io_db", 0.020), cpu(0.002)]
        endpoints = [Endpoint(endpoint_name=f"hit-{number}", steps=hit) for number in range(4)]
        endpoints.append(Endpoint(endpoint_name="miss", steps=miss))  # one of them is chosen, all equally often
        flow.add_servers(server("first", CORES, *endpoints), server("second", CORES, *endpoints))
        balancer = LoadBalancer(id="lb", algorithms="round_robin", server_covered={"first", "second"})
        flow.add_load_balancer(balancer)
        flow.add_edges(
            edge("in", "users", "client"), edge("there", "client", "lb"),
            edge("lb-1", "lb", "first"), edge("lb-2", "lb", "second"),
            edge("back-1", "first", "client"), edge("back-2", "second", "client"),
        )  # fmt: skip
    env = simpy.Environment()
    runner = SimulationRunner(env=env, simulation_input=flow.build_payload())
    runner.rng = np.random.default_rng(seed)
    latencies_s = runner.run().get_latency_stats()
    figures = {str(name): value for name, value in latencies_s.items()}
    mean_s = next(value for name, value in figures.items() if name.endswith("mean"))
    ended = int(next(value for name, value in figures.items() if name.endswith("total_requests")))
    return Seen(ended, next(env._eid), mean_s - (SERVICE_S if model == "mm2" else 0.0))


# --- happysim --------------------------------------------------------------------------------------------------------


def happysim(model: str, requests: int, seed: int) -> Seen:
    import happysimulator as happy

    random.seed(seed)
    tracker = happy.LatencyTracker()
    if model == "mm2":
        target: Any = happy.Server(
            "server", concurrency=SERVERS, service_time=happy.ExponentialLatency(SERVICE_S), downstream=tracker
        )
        entities = [target, tracker]
    else:
        target, entities = _happysim_system(happy, tracker)
    source = happy.Source.poisson(rate=ARRIVALS_PER_S, target=target)
    simulation = happy.Simulation(duration=requests / ARRIVALS_PER_S, sources=[source], entities=entities)
    summary = simulation.run()
    return Seen(
        tracker.count, summary.total_events_processed, tracker.mean_latency() - (SERVICE_S if model == "mm2" else 0.0)
    )


def _happysim_system(happy: Any, tracker: Any) -> tuple[Any, list[Any]]:
    from happysimulator.components.load_balancer import LeastConnections, LoadBalancer
    from happysimulator.components.rate_limiter import RateLimitedEntity, TokenBucketPolicy
    from happysimulator.components.resilience import Bulkhead
    from happysimulator.components.resource import Resource

    pool = Resource("pool", POOL)

    class Replica(happy.Entity):  # type: ignore[misc, name-defined]
        def __init__(self, name: str) -> None:
            super().__init__(name)
            self.cpu = Resource(f"{name}.cpu", CORES)
            self.active_connections = 0

        def handle_event(self, event: Any) -> Any:
            self.active_connections += 1
            grant = yield self.cpu.acquire()
            yield random.expovariate(500.0)
            grant.release()
            yield 0.0005 + random.expovariate(2000.0)
            if random.random() >= 0.8:
                grant = yield pool.acquire()
                yield random.expovariate(50.0)
                grant.release()
            grant = yield self.cpu.acquire()
            yield random.expovariate(500.0)
            grant.release()
            self.active_connections -= 1
            return [self.forward(event, tracker)]

    replicas = [Replica("first"), Replica("second")]
    balancer = LoadBalancer("balancer", backends=replicas, strategy=LeastConnections())
    bulkhead = Bulkhead("bulkhead", balancer, max_concurrent=BULKHEAD)
    bucket = TokenBucketPolicy(capacity=BUCKET_CAPACITY, refill_rate=BUCKET_TOKENS_PER_S)
    limiter = RateLimitedEntity("limiter", bulkhead, bucket, queue_capacity=0)
    cpus = [replica.cpu for replica in replicas]
    return limiter, [limiter, bulkhead, balancer, *replicas, *cpus, pool, tracker]


# --- ciw -------------------------------------------------------------------------------------------------------------


def ciw(model: str, requests: int, seed: int) -> Seen:
    import ciw as peer

    peer.seed(seed)
    if model == "mm2":
        network = peer.create_network(
            arrival_distributions=[peer.dists.Exponential(ARRIVALS_PER_S)],
            service_distributions=[peer.dists.Exponential(1 / SERVICE_S)],
            number_of_servers=[SERVERS],
        )
    else:
        network = _ciw_system(peer)
    simulation = peer.Simulation(network)
    simulation.simulate_until_max_customers(requests, method="Finish")
    records = simulation.get_all_records()
    if model == "mm2":
        return Seen(len(records), None, sum(record.waiting_time for record in records) / len(records))
    began: dict[int, float] = {}
    ended: dict[int, float] = {}
    for record in records:
        began[record.id_number] = min(record.arrival_date, began.get(record.id_number, record.arrival_date))
        ended[record.id_number] = max(record.exit_date, ended.get(record.id_number, 0.0))
    latency_s = sum(ended[number] - began[number] for number in ended) / len(ended)
    return Seen(len(ended), None, latency_s)


def _ciw_system(peer: Any) -> Any:
    first, second, cache, pool = 2, 3, 4, 5  # 1 is the entrance

    def route(_: Any, simulation: Any) -> list[int]:
        queues = [simulation.nodes[node].number_of_individuals for node in (first, second)]
        replica = first if queues[0] <= queues[1] else second
        hit = random.random() < 0.8
        return [replica, cache, replica] if hit else [replica, cache, pool, replica]

    everywhere = float("inf")
    return peer.create_network(
        arrival_distributions=[peer.dists.Exponential(ARRIVALS_PER_S), None, None, None, None],
        service_distributions=[
            peer.dists.Deterministic(0.0),
            peer.dists.Exponential(500.0),
            peer.dists.Exponential(500.0),
            peer.dists.Gamma(4, 0.00025),  # the mean and variance of 0.5 ms + exponential 0.5 ms
            peer.dists.Exponential(50.0),
        ],
        number_of_servers=[everywhere, CORES, CORES, everywhere, POOL],
        routing=peer.routing.ProcessBased(route),
    )


# --- salabim ---------------------------------------------------------------------------------------------------------


def salabim(model: str, requests: int, seed: int) -> Seen:
    import salabim as peer

    peer.yieldless(False)
    env = peer.Environment(trace=False, random_seed=seed)
    seen = peer.Monitor("seen")
    gap = peer.Exponential(1 / ARRIVALS_PER_S)
    request = _salabim_mm2(peer, env, seen) if model == "mm2" else _salabim_reference(peer, env, seen)

    class Arrivals(peer.Component):  # type: ignore[misc, name-defined]
        def process(self) -> Any:
            for _ in range(requests):
                yield self.hold(gap())
                request()

    Arrivals()
    env.run()
    return Seen(seen.number_of_entries(), None, seen.mean())


def _salabim_mm2(peer: Any, env: Any, seen: Any) -> Any:
    servers = peer.Resource("servers", capacity=SERVERS)
    service = peer.Exponential(SERVICE_S)

    class Request(peer.Component):  # type: ignore[misc, name-defined]
        def process(self) -> Any:
            arrived_at = env.now()
            yield self.request(servers)
            seen.tally(env.now() - arrived_at)
            yield self.hold(service())
            self.release()

    return Request


def _salabim_reference(peer: Any, env: Any, seen: Any) -> Any:
    bulkhead, pool = peer.Resource("bulkhead", capacity=BULKHEAD), peer.Resource("pool", capacity=POOL)
    cpus = [peer.Resource("first", capacity=CORES), peer.Resource("second", capacity=CORES)]
    work, cache, query = peer.Exponential(0.002), peer.Exponential(0.0005), peer.Exponential(0.020)
    connections = [0, 0]
    bucket = {"tokens": float(BUCKET_CAPACITY), "at": 0.0}

    def taken() -> bool:
        grown = bucket["tokens"] + (env.now() - bucket["at"]) * BUCKET_TOKENS_PER_S
        bucket["tokens"], bucket["at"] = min(float(BUCKET_CAPACITY), grown), env.now()
        if bucket["tokens"] < 1:
            return False
        bucket["tokens"] -= 1
        return True

    class Request(peer.Component):  # type: ignore[misc, name-defined]
        def process(self) -> Any:
            arrived_at = env.now()
            if not taken() or bulkhead.available_quantity() < 1:
                return
            yield self.request(bulkhead)
            replica = 0 if connections[0] <= connections[1] else 1
            connections[replica] += 1
            yield self.request(cpus[replica])
            yield self.hold(work())
            self.release(cpus[replica])
            yield self.hold(0.0005 + cache())
            if random.random() >= 0.8:
                yield self.request(pool)
                yield self.hold(query())
                self.release(pool)
            yield self.request(cpus[replica])
            yield self.hold(work())
            connections[replica] -= 1
            self.release()
            seen.tally(env.now() - arrived_at)

    return Request


PEERS: dict[str, Callable[[str, int, int], Seen]] = {
    "asyncflow": asyncflow, "happysim": happysim, "ciw": ciw, "salabim": salabim,
}  # fmt: skip
