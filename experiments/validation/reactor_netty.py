"""Reactor Netty: a few event loops, each with connections of its own."""

from __future__ import annotations

from experiments.validation.check import Component, expect
from experiments.validation.stand import ONE_SECOND, Stand, only

REACTOR_NETTY = Component(
    "Reactor Netty",
    version="1.2 (da0f550)",
    source="reactor-netty: resources/LoopResources.java, resources/ConnectionProvider.java",
    section="7",
)

BURN = {"kind": "cpu", "demand": "1s"}


@REACTOR_NETTY.check("Reactor Netty: max(4, CPUs) event loops", "Loops follow the CPUs that the JVM sees.")
def loops() -> None:
    for cpus, number in ((1, 4), (3.5, 4), (4.5, 5), (8, 8)):
        stand = Stand(only(BURN, workers={"kind": "event_loop"}, limits={"cpus": cpus}), [0.0], cores=16).run()
        expect(stand.recording.whole.stations["services.api.replica-1.loops"].servers, number, f"{cpus} CPUs")


@REACTOR_NETTY.check("no request queue limit", "Handlers that do not block hold nothing while they wait.")
def no_limit() -> None:
    stand = Stand(only(ONE_SECOND, workers={"kind": "event_loop"}), [0.0] * 1000).run()
    expect(stand.ends_s, [1.0] * 1000)


@REACTOR_NETTY.check("one blocking call stalls 1/N of all traffic", "Others of the same loop wait; nobody else does.")
def stalls() -> None:
    quick = {"kind": "event_loop", "loops": 4, "blocking": True}
    delays = only({"kind": "delay", "duration": "100ms"}, workers=quick)
    stand = Stand(delays, [0.0] + [0.01] * 8, users=[0, 0, 1, 2, 3, 4, 5, 6, 7]).run()
    # user 0 blocks loop 0; of the eight that follow, the two of that loop wait for it
    waits = [float(row["wait_s"]) for row in stand.rows]
    expect([round(waits[n], 8) for n in (1, 5)], [0.09, 0.19])
    expect([round(waits[n], 8) for n in (2, 3, 4)], [0, 0, 0])
    free = Stand(only({"kind": "delay", "duration": "100ms"}, workers=quick | {"blocking": False}), [0.0] * 9).run()
    expect(free.ends_s, [0.1] * 9)


@REACTOR_NETTY.check("one blocking step stalls its loop", "Other steps and endpoints wait without it.")
def one_step_stalls() -> None:
    wait = {"kind": "delay", "duration": "100ms"}
    endpoints = {
        "blocks": {"steps": [wait, {**wait, "name": "jdbc", "blocking": True}]},
        "waits": {"steps": [wait, {"kind": "cpu", "demand": "10ms"}]},
    }
    service = {"endpoints": endpoints, "workers": {"kind": "event_loop", "loops": 2}}
    stand = Stand(service, [0.0, 0.0, 0.05, 0.05], users=[0, 2, 0, 1], endpoints=[0, 0, 1, 1]).run()
    # users 0 and 2 share a loop: their waiting overlaps, their JDBC does not; what burns CPU there comes after both
    expect(stand.ends_s, [0.2, 0.3, 0.31, 0.16])


@REACTOR_NETTY.check("a connection stays on its loop", "A request waits for its own loop while others are idle.")
def affinity() -> None:
    stand = Stand(only(BURN, workers={"kind": "event_loop", "loops": 4}), [0.0] * 3, users=[0, 4, 1]).run()
    expect(stand.ends_s, [1.0, 2.0, 1.0])
