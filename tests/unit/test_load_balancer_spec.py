"""What a scenario may say of nginx, and what it gets by default."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from models.load_balancer import NginxSpec, Upstream, UpstreamSpec, Worker
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams


def test_defaults_are_those_of_nginx() -> None:
    spec = UpstreamSpec.model_validate({"service": "s"})
    assert (spec.balancing, spec.weights, spec.max_fails, spec.fail_timeout) == ("round_robin", None, 1, 10.0)
    assert (spec.connect_timeout, spec.send_timeout, spec.read_timeout) == (60.0, 60.0, 60.0)
    assert (spec.next_upstream, spec.next_upstream_tries, spec.next_upstream_timeout) == (["error", "timeout"], 0, 0.0)
    assert (spec.connect_time.mean_s, spec.send_time.mean_s) == (0.0001, 0.0)


def test_a_spec_survives_being_written_and_read() -> None:
    written = {
        "service": "user-service", "balancing": "least_conn", "weights": [1, 2], "max_fails": 3, "fail_timeout": "30s",
        "connect_timeout": "5s", "send_timeout": "10s", "read_timeout": "10s", "next_upstream": ["error", "http_503"],
        "next_upstream_tries": 2, "next_upstream_timeout": "3s", "connect_time": "200us", "backup": [2], "down": [1],
        "max_conns": 7, "zone": True, "keepalive": 3, "keepalive_requests": 10, "keepalive_timeout": "5s",
        "keepalive_time": "1m",
        "send_time": {"kind": "exponential", "mean": "1ms"},
    }  # fmt: skip
    spec = NginxSpec.model_validate({"cpu": "150us", "upstreams": {"users": written}})
    assert NginxSpec.model_validate(spec.model_dump()) == spec
    assert NginxSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fail_timeout": "1500ms"}, "whole seconds"),
        ({"fail_timeout": "-1s"}, "duration"),
        ({"max_fails": -1}, "greater than or equal to 0"),
        ({"weights": []}, "at least 1"),
        ({"weights": [1, 0]}, "greater than 0"),
        ({"balancing": "fair"}, "round_robin"),
        ({"next_upstream": []}, "at least 1"),
        ({"next_upstream": ["invalid_header"]}, "http_500"),
        ({"read_timeout": "0s"}, "greater than 0"),
        ({"connect_timeout": "0s"}, "greater than 0"),
        ({"slow_start": "30s"}, "Extra inputs"),
        ({"balancing": "hash"}, "must have a hash_key"),
        ({"hash_key": "user"}, "must have a hash_key"),
        ({"balancing": "ip_hash", "backup": [2]}, "ip_hash does not support backup"),
        ({"balancing": "random_two", "backup": [1]}, "random_two does not support backup"),
        ({"down": [0]}, "greater than 0"),
        ({"max_conns": -1}, "greater than or equal to 0"),
        ({"keepalive_timeout": "0s"}, "greater than 0"),
        ({"port": 0}, "greater than or equal to 1"),
    ],
)
def test_what_nginx_would_refuse_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        UpstreamSpec.model_validate({"service": "s", **change})


def test_two_upstreams_for_one_service_are_refused() -> None:
    with pytest.raises(ValidationError, match="one and two both lead to s"):
        NginxSpec.model_validate({"cpu": "1ms", "upstreams": {"one": {"service": "s"}, "two": {"service": "s"}}})
    with pytest.raises(ValidationError, match="at least 1"):
        NginxSpec.model_validate({"cpu": "1ms", "upstreams": {}})


class Replica:
    def __init__(self, name: str) -> None:
        self.name = name
        self.host = SimpleNamespace(path=name, is_up=True)
        self.lanes: list[int] = []

    def handle(self, request: Request, visit: Visit) -> Activity:
        self.lanes.append(visit.lane)
        yield 0.0


def built(spec: dict[str, Any], replicas: list[Replica]) -> tuple[Environment, Upstream]:
    env = Environment()
    context = Context(env, Streams(1, 0), NullProbe(env), "u")
    settings = UpstreamSpec.model_validate({"service": "s", **spec})
    return env, Upstream(context, settings, replicas, (1, 22, 1), Worker(510))


def test_weights_must_match_the_replicas() -> None:
    with pytest.raises(ValueError, match=r"u\.weights: must have one weight for each of the 2 replicas of s, got 3"):
        built({"weights": [1, 2, 3]}, [Replica("a"), Replica("b")])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backup": [3]}, "backup: must be replicas of s, 1 to 2, got 3"),
        ({"down": [1, 5]}, "down: must be replicas of s, 1 to 2, got 5"),
        ({"backup": [1, 2]}, "backup: must leave a server that is none"),
    ],
)
def test_marked_servers_must_exist(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        built(change, [Replica("a"), Replica("b")])


def test_weights_and_times_are_used() -> None:
    replicas = [Replica("a"), Replica("b")]
    env, upstream = built({"weights": [3, 1], "connect_time": "1s", "send_time": "2s"}, replicas)

    def send() -> Activity:
        for ordinal in range(8):
            yield from upstream.handle(Request(ordinal, ordinal, 0, 0, 0, env.now), Visit("s", "e"))
            ends.append(env.now)

    ends: list[float] = []
    env.start(send())
    env.run()
    assert [len(replica.lanes) for replica in replicas] == [6, 2]
    assert ends == [3.0 * number for number in range(1, 9)]


def test_notes_say_when_a_server_goes_and_comes_back() -> None:
    replicas = [Replica("a"), Replica("b")]
    notes: list[tuple[float, str, str]] = []

    class NotingProbe(NullProbe):
        def note(self, path: str, text: str) -> None:
            notes.append((env.now, path, text))

    env = Environment()
    context = Context(env, Streams(1, 0), NotingProbe(env), "u")
    spec = UpstreamSpec.model_validate({"service": "s", "fail_timeout": "2s", "connect_time": "0s"})
    upstream = Upstream(context, spec, replicas, (1, 22, 1), Worker(510))

    def send() -> Activity:
        for ordinal in range(50):
            replicas[0].host.is_up = not 1.0 <= env.now < 3.0
            yield from upstream.handle(Request(ordinal, ordinal, 0, 0, 0, env.now), Visit("s", "e"))
            yield 0.25

    env.start(send())
    env.run()
    assert [(path, text.split()[0]) for _, path, text in notes] == [("u.peers.a", "left"), ("u.peers.a", "back:")]
    assert notes[0][0] in (1.0, 1.25)
    assert 3.0 < notes[1][0] < 8.0
