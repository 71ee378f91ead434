"""Limits of an nginx in a running system: who is held, refused, counted, and where that is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from experiments.bottleneck import candidates, relaxed
from experiments.figures import figures
from experiments.runner import Task, replicate
from models.assembly import Limit
from models.connection_limit import LimitConnSpec
from models.leaky_bucket import LimitReqSpec
from models.proxy import LoadBalancerSpec
from models.system import SystemSpec

PlayFixture = Callable[..., Any]
ZONE = "load_balancers.edge.limit_req.all"


def system(edge: dict[str, Any], work_s: float = 0.0, **traffic: Any) -> dict[str, Any]:
    """A service that answers after `work_s`, behind an nginx that takes no time."""
    upstream = {"service": "api", "connect_time": 0}
    return {
        "machines": {"vm": {"cores": 8, "memory": "4G"}},
        "load_balancers": {"edge": {"machine": "vm", "cpu": "0s", "upstreams": {"api": upstream}, **edge}},
        "services": {
            "api": {"machine": "vm", "endpoints": {"get": {"steps": [{"kind": "delay", "duration": f"{work_s}s"}]}}}
        },
        "routes": {"get": {"service": "api", "endpoint": "get", "through": ["edge"]}},
        "traffic": {"mix": {"get": 1}, **traffic},
    }


def rate(**fields: Any) -> dict[str, Any]:
    return {"limit_req": {"all": {"key": "global", "rate": "10r/s", **fields}}}


def ends(rows: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(row["status"], round(row["latency_s"], 6)) for row in rows]


def test_what_is_above_the_rate_waits_and_what_is_above_the_burst_is_refused(play: PlayFixture) -> None:
    game = play(system(rate(burst=2)), [0.25] * 4).until(None)
    rows = game.end()
    assert ends(rows) == [(200, 0.0), (200, 0.1), (200, 0.2), (503, 0.0)]
    assert [round(row["wait_s"], 6) for row in rows] == [0.0, 0.1, 0.2, 0.0]
    assert (rows[3]["outcome"], game.recording.whole.counts[f"{ZONE}.refused"]) == ("refused", 1)


def test_delay_and_nodelay(play: PlayFixture) -> None:
    held = play(system(rate(burst=3, delay=1)), [0.0] * 5).until(None).end()
    assert ends(held) == [(200, 0.0), (200, 0.0), (200, 0.1), (200, 0.2), (503, 0.0)]
    free = play(system(rate(burst=3, nodelay=True)), [0.0] * 5).until(None).end()
    assert ends(free) == [(200, 0.0)] * 4 + [(503, 0.0)]


def test_refusals_have_the_status_that_is_set(play: PlayFixture) -> None:
    rows = play(system({**rate(), "limit_req_status": 429}), [0.0] * 2).until(None).end()
    assert [row["status"] for row in rows] == [200, 429]
    edge = {"limit_conn": {"all": {"key": "global", "connections": 1}}, "limit_conn_status": 429}
    rows = play(system(edge, 1.0), [0.0] * 2).until(None).end()
    assert sorted(row["status"] for row in rows) == [200, 429]


def test_buckets_are_per_key(play: PlayFixture) -> None:
    for key, statuses in (("user", [200, 200, 503]), ("global", [200, 503, 503])):
        rows = play(system(rate(key=key)), [0.0] * 3, users=[1, 2, 2]).until(None).end()
        assert [row["status"] for row in rows] == statuses


@pytest.mark.parametrize(("real_ip", "statuses"), [(False, [200, 503, 503]), (True, [200, 200, 503])])
def test_behind_the_gateway_all_have_its_address(play: PlayFixture, real_ip: bool, statuses: list[int]) -> None:
    """Unless nginx is told to look behind it (users 1 and 2 have addresses of their own)."""
    for limit in (rate(key="ip"), {"limit_conn": {"all": {"key": "ip", "connections": 1}}}):
        document = system({**limit, "real_ip": real_ip}, 1.0)
        document["gateway"] = {"machine": "vm", "cpu": "0s"}
        document["routes"]["get"]["through"] = ["gateway", "edge"]
        rows = play(document, [0.0] * 3, users=[1, 2, 2]).until(None).end()
        assert sorted(row["status"] for row in rows) == statuses


def test_a_dry_run_only_counts(play: PlayFixture) -> None:
    """What would have been refused still counts nowhere, as in nginx."""
    game = play(system({**rate(burst=1), "limit_req_dry_run": True}), [0.0, 0.0, 0.0, 0.1]).until(None)
    assert ends(game.end()) == [(200, 0.0)] * 4
    whole = game.recording.whole
    assert whole.counts[f"{ZONE}.would_be_refused"] == 1
    assert whole.tallies[f"{ZONE}.would_be_held_s"].count == 2
    edge = {"limit_conn": {"all": {"key": "global", "connections": 1}}, "limit_conn_dry_run": True}
    game = play(system(edge, 1.0), [0.0] * 3).until(None)
    assert [row["status"] for row in game.end()] == [200] * 3
    assert game.recording.whole.counts["load_balancers.edge.limit_conn.all.would_be_refused"] == 2


def test_requests_in_progress_are_limited_per_key(play: PlayFixture) -> None:
    """A place is free again when a request has ended, however it ended."""
    edge = {"limit_conn": {"each": {"key": "user", "connections": 1}, "all": {"key": "global", "connections": 2}}}
    times, users = [0.0, 0.1, 0.2, 0.3, 1.05, 1.06, 1.15], [1, 1, 2, 3, 1, 2, 3]
    rows = play(system(edge, 1.0), times, users=users).until(None).end()
    assert [row["status"] for row in sorted(rows, key=lambda row: row["t_s"])] == [200, 503, 200, 503, 200, 503, 503]
    assert {row["outcome"] for row in rows if row["status"] == 503} == {"refused"}


def test_what_is_held_is_not_in_progress(play: PlayFixture) -> None:
    edge = {**rate(burst=9), "limit_conn": {"all": {"key": "global", "connections": 1}}}
    rows = play(system(edge, 0.05), [0.0] * 4).until(None).end()
    assert ends(rows) == [(200, 0.05), (200, 0.15), (200, 0.25), (200, 0.35)]


def test_who_leaves_while_held_gives_nothing_back(play: PlayFixture) -> None:
    """Its request counts in the bucket, and takes no place among those in progress."""
    edge = {**rate(burst=9), "limit_conn": {"all": {"key": "global", "connections": 1}}}
    game = play(system(edge, 0.05, client={"patience": "120ms"}), [0.0, 0.0, 0.0, 0.3]).until(None)
    rows = sorted(game.end(), key=lambda row: row["request"])
    assert [row["outcome"] for row in rows] == ["succeeded", "abandoned", "abandoned", "succeeded"]
    assert rows[1]["wait_s"] == pytest.approx(0.1)
    assert game.recording.whole.counts["load_balancers.edge.limit_conn.all.granted"] == 3


def test_an_nginx_that_is_killed_forgets(play: PlayFixture) -> None:
    """Its zones are in its memory: what was owed before its death is not owed after."""

    def statuses(is_killed: bool) -> list[int]:
        game = play(system(rate(rate="1r/m")), [0.0, 0.0, 5.0, 5.0]).until(1.0)
        if is_killed:
            game.system.containers["load_balancers.edge"].doom("killed by the test")
        return [row["status"] for row in sorted(game.until(None).end(), key=lambda row: row["request"])]

    assert statuses(is_killed=False) == [200, 503, 503, 503]
    assert statuses(is_killed=True) == [200, 503, 200, 503]


def test_limits_are_reported_and_can_be_raised(play: PlayFixture) -> None:
    edge = {**rate(burst=3), "limit_conn": {"all": {"key": "global", "connections": 2}}}
    document = system(edge, 0.25)
    document["traffic"] = {"mix": {"get": 1}, "open": {"kind": "constant", "rate": "20/s"}}
    spec = SystemSpec.model_validate(document)
    tree = figures(replicate(Task(spec.model_dump_json(), None, 1, 0, 5.0, 0.0, 1.0)), spec)
    limiter = tree["limiters"][ZONE]
    assert limiter["asked"] == tree["requests"]["arrived"] == pytest.approx(100, abs=1)
    assert limiter["refused"] > 30
    assert limiter["held"] > 30
    assert limiter["mean_held_ms"] > 100
    connections = tree["limiters"]["load_balancers.edge.limit_conn.all"]
    assert connections["asked"] == pytest.approx(limiter["asked"] - limiter["refused"], abs=4)
    assert connections["refused"] > 5
    assert limiter["refused"] + connections["refused"] == sum(tree["requests"]["refused"].values())
    settings = {limit.setting: limit for limit in play(document).system.limits}
    assert {f"{ZONE}.rate", "load_balancers.edge.limit_conn.all.connections"} <= set(settings)
    assert candidates([settings[f"{ZONE}.rate"]], tree)[0].binds
    assert relaxed("10/s") == "13/s"


def test_holding_back_binds_too() -> None:
    tree = {"limiters": {ZONE: {"asked": 100, "refused": 0, "refused_share": 0.0, "held": 40, "held_share": 0.4,
                                "mean_held_ms": 80.0}}}  # fmt: skip
    (found,) = candidates([Limit(ZONE, f"{ZONE}.rate", "rate")], tree)
    assert found.binds
    assert found.evidence == "refuses 0.0 % of requests, holds 40.0 % for 80 ms on average"
    tree["limiters"][ZONE] |= {"held_share": 0.05, "mean_held_ms": None}
    (found,) = candidates([Limit(ZONE, f"{ZONE}.rate", "rate")], tree)
    assert not found.binds
    assert found.evidence == "refuses 0.0 % of requests, holds 5.0 %"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rate": "1.5r/s"}, "whole number per second or per minute"),
        ({"rate": "10/2s"}, "whole number per second or per minute"),
        ({"rate": "0r/s"}, "whole number per second or per minute"),
        ({"rate": 10}, "must be a rate"),
        ({"burst": -1}, "greater than or equal to 0"),
        ({"zone": "31K"}, "greater than or equal to 32768"),
        ({"delay": 3, "nodelay": True}, "delay or nodelay"),
        ({"key": "route"}, "Input should be"),
    ],
)
def test_rates_that_nginx_would_not_take(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LimitReqSpec.model_validate({"key": "ip", "rate": "10r/s"} | fields)


@pytest.mark.parametrize("fields", [{"connections": 0}, {"connections": 65_536}, {"zone": "31K"}])
def test_connections_that_nginx_would_not_take(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LimitConnSpec.model_validate({"key": "ip", "connections": 1} | fields)


@pytest.mark.parametrize("name", ["limit_req_status", "limit_conn_status"])
def test_statuses_are_errors(name: str) -> None:
    for status in (399, 600):
        with pytest.raises(ValidationError):
            LoadBalancerSpec.model_validate(
                {"machine": "vm", "cpu": "0s", "upstreams": {"api": {"service": "api"}}, name: status}
            )


@pytest.mark.parametrize("written", ["10r/s", "10/s", "100r/m", "100/60s"])
def test_rates_survive_being_written_and_read(written: str) -> None:
    spec = LimitReqSpec.model_validate({"key": "ip", "rate": written, "burst": 5})
    assert LimitReqSpec.model_validate(spec.model_dump(mode="json")) == spec
