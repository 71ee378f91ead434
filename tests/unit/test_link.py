"""The network between two components: what a message costs, and what its loss costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from models.link import Link, LinkSpec, Trouble
from models.outcomes import Unreachable
from models.spec import Context
from models.system import SystemSpec
from sim.environment import Environment
from sim.probe import NullProbe
from sim.streams import Streams

PlayFixture = Callable[..., Any]


def link(env: Environment, **more: Any) -> Link:
    spec = LinkSpec.model_validate({"between": ["client", "gateway"], **more})
    return Link(Context(env, Streams(1, 0), NullProbe(env), "links.wire"), spec)


def crossing_s(env: Environment, made: Link, crossing: Any = None) -> float | None:
    """How long a message takes; None where TCP gives up."""
    found: list[float | None] = []
    began_at_s = env.now

    def process() -> Any:
        try:
            yield from crossing or made.there()
        except Unreachable:
            found.append(None)
        else:
            found.append(env.now - began_at_s)

    env.start(process())
    env.run()
    return found[0]


def test_a_message_takes_its_delay() -> None:
    env = Environment()
    assert crossing_s(env, link(env, delay="5ms")) == pytest.approx(0.005)
    assert crossing_s(env, link(env)) == 0.0


def test_a_request_that_opens_a_connection_pays_a_round_trip_more() -> None:
    env = Environment()
    made = link(env, delay="5ms", keep_alive=False)
    assert crossing_s(env, made, made.there(opens=True)) == pytest.approx(0.015)


def test_lost_segments_come_after_linux_retransmission_times() -> None:
    """200 ms and the smoothed round trip, doubling: 0.21, 0.63, 1.47 s."""
    env = Environment()
    wire = link(env, delay="5ms", loss=0.5)
    found = {round(crossing_s(env, wire) or 0.0, 6) for _ in range(60)}
    assert {0.005, 0.215, 0.635, 1.475} <= found
    assert all(any(abs(each - 0.005 - 0.21 * (2**n - 1)) < 1e-6 for n in range(20)) for each in found)


def test_a_partition_is_waited_out_at_the_instants_of_retransmissions() -> None:
    env = Environment()
    wire = link(env)
    cut = Trouble(is_cut=True)
    wire.suffer(cut)
    env.start(after(1.0, lambda: wire.recover(cut)))
    assert crossing_s(env, wire) == pytest.approx(1.4), "0.2, 0.6, and 1.4 s are the first instants"


def after(delay_s: float, what: Callable[[], None]) -> Any:
    yield delay_s
    what()


def test_tcp_gives_up_when_linux_does() -> None:
    """924.6 s for data (tcp_retries2 = 15), 127 s for a handshake (tcp_syn_retries = 6); pgjdbc waits 10 s for it."""
    for crossing, takes_s in ((Link.there, 924.6), (Link.connect, 127.0), (lambda wire: wire.connect(10.0), 10.0)):
        env = Environment()
        wire = link(env)
        wire.suffer(Trouble(is_cut=True))
        assert crossing_s(env, wire, crossing(wire)) is None
        assert env.now == pytest.approx(takes_s)


def test_troubles_add_up_and_go_one_by_one() -> None:
    env = Environment()
    wire = link(env, delay="1ms")
    slow = Trouble(Streams(1, 0).sequence("slow", LinkSpec(between=["a", "b"], delay="9ms").delay.distribution()))
    wire.suffer(slow)
    assert crossing_s(env, wire) == pytest.approx(0.010)
    wire.recover(slow)
    assert crossing_s(env, wire) == pytest.approx(0.001)


# --- in a system ---


def system(links: dict[str, Any], through: list[str], **more: Any) -> dict[str, Any]:
    return {
        "machines": {"vm": {"cores": 8, "memory": "4G"}},
        "gateway": {"machine": "vm", "cpu": "0s", "response_timeout": "30s"},
        "load_balancers": {
            "nginx": {"machine": "vm", "cpu": "0s", "upstreams": {"shops": {"service": "shop", "connect_time": "0s"}}}
        },
        "services": {
            "shop": {
                "machine": "vm", "replicas": 1,
                "pools": {"main": {"database": "db", "maximum_pool_size": 2, "minimum_idle": 0,
                                   "connection_timeout": "10s"}},
                "endpoints": {"get": {"steps": [
                    {"kind": "cache", "cache": "redis", "data_class": "items", "on_miss": [
                        {"kind": "db", "pool": "main", "query": "find"}, {"kind": "call", "service": "back",
                                                                          "endpoint": "get"}]},
                ]}},
            },
            "back": {"machine": "vm", "endpoints": {"get": {"steps": [{"kind": "delay", "duration": "100ms"}]}}},
        },
        "caches": {
            "redis": {
                "machine": "vm", "command_cpu": "0s", "round_trip": "0s", "client": {"command_timeout": "5s"},
                "classes": {"items": {"keys": 1000, "popularity": 0, "value": "1K"}},
            }
        },
        "databases": {
            "db": {"machine": "vm", "connect_time": "0s", "connect_cpu": "0s", "queries": {"find": {"cpu": "1ms"}}}
        },
        "routes": {"get": {"service": "shop", "endpoint": "get", "through": through}},
        "traffic": {"mix": {"get": 1}, "client": {"patience": "20m"}},
        "links": links,
        **more,
    }  # fmt: skip


def row(play: PlayFixture, document: dict[str, Any], at: float = 0.0) -> dict[str, Any]:
    (found,) = play(document, [at], keys=[1]).until(None).end()
    return found  # type: ignore[no-any-return]


WAY = {
    ("client", "gateway"): 2,
    ("gateway", "load_balancers.nginx"): 2,
    ("load_balancers.nginx", "services.shop"): 4,  # nginx opens a connection
    ("services.shop", "caches.redis"): 4,  # GET and SET
    ("services.shop", "databases.db"): 10 + 2,  # handshake, four exchanges, the query
    ("services.shop", "services.back"): 2,
}


@pytest.mark.parametrize("between", WAY)
def test_every_pair_that_speaks_can_have_a_network_between(play: PlayFixture, between: tuple[str, str]) -> None:
    through = ["gateway", "nginx"]
    plain = row(play, system({}, through))["latency_s"]
    slower = row(play, system({"wire": {"between": list(between), "delay": "10ms"}}, through))
    assert slower["status"] == 200
    assert slower["latency_s"] - plain == pytest.approx(0.01 * WAY[between])


def test_what_nginx_waits_for_a_connection_is_accounted_for(play: PlayFixture) -> None:
    wire = {"between": ["load_balancers.nginx", "services.back"], "delay": "10ms"}
    document = system({"wire": wire}, ["nginx"])
    upstream = {"service": "back", "connect_time": "3ms", "send_time": "2ms"}
    document["load_balancers"]["nginx"]["upstreams"] = {"backs": upstream}
    document["routes"] = {"get": {"service": "back", "endpoint": "get", "through": ["nginx"]}}
    game = play(document, [0.0]).until(None)
    (found,) = game.end()
    assert found["latency_s"] == pytest.approx(0.145)
    split = game.recording.requests.split()
    assert split is not None and split.parts_s["delay"] == pytest.approx(0.145)


@pytest.mark.parametrize("between", WAY)
def test_only_hops_open_a_connection_for_every_request(play: PlayFixture, between: tuple[str, str]) -> None:
    """Nginx has opened one already; commands, queries and logins use theirs."""
    wire = {"between": list(between), "delay": "10ms"}
    kept = row(play, system({"wire": wire}, ["gateway", "nginx"]))["latency_s"]
    fresh = row(play, system({"wire": {**wire, "keep_alive": False}}, ["gateway", "nginx"]))["latency_s"]
    hops = {("client", "gateway"), ("gateway", "load_balancers.nginx"), ("services.shop", "services.back")}
    assert fresh - kept == pytest.approx(0.02 if between in hops else 0.0)


@pytest.mark.parametrize(
    ("between", "status", "takes_s"),
    [
        (("gateway", "load_balancers.nginx"), 504, 30.0),  # the gateway's response timeout
        (("load_balancers.nginx", "services.shop"), 504, 2.0),  # nginx' connect timeout
        (("services.shop", "caches.redis"), 500, 5.0),  # lettuce' command timeout
        (("services.shop", "databases.db"), 500, 10.0),  # the pool's connection timeout
    ],
)
def test_a_partition_refuses_nobody_and_callers_wait_for_their_limits(
    play: PlayFixture, between: tuple[str, str], status: int, takes_s: float
) -> None:
    document = system(
        {}, ["gateway", "nginx"], faults={"cut": {"kind": "partition", "between": list(between), "at": "0s"}}
    )
    document["load_balancers"]["nginx"]["upstreams"]["shops"]["connect_timeout"] = "2s"
    document["databases"]["db"]["connect_time"] = "1ms"
    found = row(play, document, 1.0)
    assert found["status"] == status
    assert found["latency_s"] == pytest.approx(takes_s, abs=0.2)


def test_nginx_goes_on_to_the_next_server_when_tcp_gives_up_on_an_answer(play: PlayFixture) -> None:
    """That is an error, which it goes on after, and no answer 504, which it would not go on after."""
    between = ["load_balancers.nginx", "services.shop"]
    cut = {"kind": "partition", "between": between, "at": "1001ms", "lasts": "930s"}
    document = system({}, ["gateway", "nginx"], faults={"cut": cut})
    document["services"]["shop"]["replicas"] = 2
    document["load_balancers"]["nginx"]["upstreams"]["shops"]["read_timeout"] = "1h"
    document["gateway"]["response_timeout"] = "2h"
    found = row(play, document, 1.0)
    assert (found["status"], found["replica"]) == (200, "shop-2")
    assert 930.0 < found["latency_s"] < 960.0


def test_a_partition_without_limits_is_waited_out(play: PlayFixture) -> None:
    cut = {"kind": "partition", "between": ["services.shop", "services.back"], "at": "0s", "lasts": "10s"}
    found = row(play, system({}, [], faults={"cut": cut}), 1.0)
    assert found["status"] == 200
    assert 9.0 < found["latency_s"] < 14.0


@pytest.mark.parametrize(
    ("links", "says"),
    [
        ({"a": {"between": ["client", "client"]}}, "must be two components"),
        ({"a": {"between": ["client", "services.back"]}}, r"There are: \[client, gateway\]"),
        (
            {"a": {"between": ["client", "gateway"]}, "b": {"between": ["gateway", "client"]}},
            "a has the same ends",
        ),
    ],
)
def test_links_that_lead_nowhere_are_refused(links: dict[str, Any], says: str) -> None:
    document = system(links, ["gateway"], traffic={"trace": {"file": "none"}, "mix": {"get": 1}})
    with pytest.raises(ValidationError, match=says):
        SystemSpec.model_validate(document)
