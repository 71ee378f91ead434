"""What a result says of nginx: its upstreams, its connections, and which of its limits binds."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.bottleneck import candidates
from experiments.figures import figures
from experiments.runner import Task, replicate, system_of
from models.system import SystemSpec

NGINX = "load_balancers.nginx"


def document(upstream: dict[str, Any], rate: str = "50/s", **nginx: Any) -> dict[str, Any]:
    """An nginx before two replicas that answer after 100 ms."""
    return {
        "machines": {"vm": {"cores": 4, "memory": "1G"}},
        "services": {
            "api": {
                "machine": "vm", "replicas": 2,
                "endpoints": {"get": {"steps": [{"kind": "delay", "duration": "100ms"}]}},
            }
        },
        "load_balancers": {
            "nginx": {"machine": "vm", "cpu": "50us", "upstreams": {"u": {"service": "api", **upstream}}, **nginx}
        },
        "routes": {"get": {"service": "api", "endpoint": "get", "through": ["nginx"]}},
        "traffic": {"open": {"kind": "constant", "rate": rate}, "mix": {"get": 1}},
    }  # fmt: skip


def measured(document: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The figures of 10 s, and the setting that binds first."""
    spec = SystemSpec.model_validate(document)
    tree = figures(replicate(Task(spec.model_dump_json(), None, 1, 0, 10.0, 0.0, 1.0)), spec)
    first = candidates(system_of(spec).limits, tree)[0]
    return tree, first.limit.setting if first.binds else ""


def test_tries_are_shared_and_connections_reused() -> None:
    tree, binding = measured(document({"keepalive": 8, "weights": [3, 1]}))
    upstream = tree["upstreams"][f"{NGINX}.upstreams.u"]
    assert (upstream["failures"], upstream["retries"], upstream["no_live"]) == (0, 0, 0)
    assert upstream["peers"]["api-1"]["tries"] == pytest.approx(3 * upstream["peers"]["api-2"]["tries"], abs=4)
    assert upstream["tries"] == sum(peer["tries"] for peer in upstream["peers"].values())
    assert upstream["reused_share"] > 0.95
    assert tree["limiters"][f"{NGINX}.worker_connections"]["refused"] == 0
    assert binding == ""


def test_nothing_is_reused_where_nothing_is_kept() -> None:
    tree, _ = measured(document({}))
    assert tree["upstreams"][f"{NGINX}.upstreams.u"]["reused_share"] is None


def test_worker_connections_can_be_what_breaks_first() -> None:
    tree, binding = measured(document({}, worker_connections=8))  # 3 at a time, the next 3 come too early
    limiter = tree["limiters"][f"{NGINX}.worker_connections"]
    assert limiter["asked"] == pytest.approx(500, abs=1)
    assert limiter["refused_share"] == pytest.approx(1 / 2, abs=0.01)
    assert tree["requests"]["refused"] == {"worker_connections": limiter["refused"]}
    assert binding == f"{NGINX}.worker_connections"


def test_max_conns_can_be_what_breaks_first() -> None:
    tree, binding = measured(document({"max_conns": 2}))  # 4 at a time, the next 2 come too early
    path = f"{NGINX}.upstreams.u"
    assert tree["limiters"][f"{path}.max_conns"]["refused_share"] == pytest.approx(1 / 3, abs=0.01)
    assert tree["upstreams"][path]["no_live"] == tree["limiters"][f"{path}.max_conns"]["refused"]
    assert binding == f"{path}.max_conns"


def test_a_worker_s_thread_can_be_what_breaks_first() -> None:
    tree, binding = measured(document({}, cpu="18ms"))
    assert tree["stations"][f"{NGINX}.worker-1"]["utilisation"] == pytest.approx(0.9, abs=0.02)
    assert binding == f"{NGINX}.workers"
