"""SystemSpec: what no single part can see is said with its path, the requirement, the value and the next step."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from models.system import SystemSpec, containers

STEP = {"kind": "cpu", "demand": "1ms"}
BASE: dict[str, Any] = {
    "machines": {"vm": {"cores": 2, "memory": "4G"}},
    "gateway": {"machine": "vm", "cpu": "1ms"},
    "services": {
        "shop": {
            "machine": "vm",
            "replicas": 2,
            "pools": {"main": {"database": "db"}},
            "endpoints": {"get": {"steps": [STEP]}},
        },
        "stock": {"machine": "vm", "endpoints": {"count": {"steps": [STEP]}, "sum": {"steps": [STEP]}}},
    },
    "load_balancers": {"nginx": {"machine": "vm", "cpu": "1ms", "upstreams": {"shops": {"service": "shop"}}}},
    "caches": {
        "redis": {
            "machine": "vm",
            "command_cpu": "1ms",
            "round_trip": "1ms",
            "classes": {"items": {"keys": 9, "popularity": 0, "value": "1K"}},
        }
    },
    "databases": {"db": {"machine": "vm", "queries": {"find": {"cpu": "1ms"}}}},
    "routes": {"get": {"service": "shop", "endpoint": "get", "through": ["gateway", "nginx"]}},
    "traffic": {"open": {"rate": "10/s"}, "mix": {"get": 1}},
}


def laid_over(changes: dict[str, Any]) -> dict[str, Any]:
    document = deepcopy(BASE)
    for path, value in changes.items():
        *parents, last = path.split(".")
        node: Any = document
        for name in parents:
            node = node[name]
        node[last] = value
    return document


def refusal(changes: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        SystemSpec.model_validate(laid_over(changes))
    (error,) = refused.value.errors()
    return error["msg"].removeprefix("Value error, ").splitlines()


GET = "services.shop.endpoints.get"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gateway.machine": "pc"}, "gateway.machine: must name one of the machines, got 'pc'. There are: vm."),
        (
            {"services.stock.machine": "pc"},
            "services.stock.machine: must name one of the machines, got 'pc'. There are: vm.",
        ),
        (
            {"services.shop.pools": {"main": {"database": "pg"}}},
            "services.shop.pools.main.database: must name one of the databases, got 'pg'. There are: db.",
        ),
        (
            {f"{GET}.steps": [{"kind": "db", "name": "load", "pool": "side", "query": "find"}]},
            f"{GET}.steps.load.pool: must name one of the pools of this service, got 'side'. There are: main.",
        ),
        (
            {f"{GET}.steps": [{"kind": "db", "name": "load", "pool": "main", "query": "save"}]},
            f"{GET}.steps.load.query: must name one of the queries of db, got 'save'. There are: find.",
        ),
        (
            {f"{GET}.steps": [{"kind": "cache", "cache": "memcached", "data_class": "x"}]},
            f"{GET}.steps.cache.cache: must name one of the caches, got 'memcached'. There are: redis.",
        ),
        (
            {f"{GET}.steps": [{"kind": "evict", "cache": "redis", "data_class": "x"}]},
            f"{GET}.steps.evict.data_class: must name one of the classes of redis, got 'x'. There are: items.",
        ),
        (
            {f"{GET}.steps": [{"kind": "call", "service": "stok", "endpoint": "count"}]},
            f"{GET}.steps.call.service: must name one of the services, got 'stok'. There are: shop, stock.",
        ),
        (
            {f"{GET}.steps": [{"kind": "call", "service": "stock", "endpoint": "x"}]},
            f"{GET}.steps.call.endpoint: must name one of the endpoints of stock, got 'x'. There are: count, sum.",
        ),
        (
            {
                f"{GET}.steps": [
                    {
                        "kind": "cache",
                        "cache": "redis",
                        "data_class": "items",
                        "on_miss": [{"kind": "db", "name": "deep", "pool": "main", "query": "x"}],
                    }
                ]
            },
            f"{GET}.steps.deep.query: must name one of the queries of db, got 'x'. There are: find.",
        ),
        (
            {"routes.get.service": "shops"},
            "routes.get.service: must name one of the services, got 'shops'. There are: shop, stock.",
        ),
        (
            {"routes.get.endpoint": "put"},
            "routes.get.endpoint: must name one of the endpoints of shop, got 'put'. There are: get.",
        ),
        (
            {"routes.get.through": ["haproxy"]},
            "routes.get.through: must name one of the load balancers, got 'haproxy'. There are: nginx.",
        ),
        (
            {"routes.get.through": ["nginx", "gateway"]},
            "routes.get.through: must be a gateway, a load balancer, or a gateway and then a load balancer, "
            "got ['nginx', 'gateway']. Shorten it.",
        ),
        (
            {"gateway": None},
            "routes.get.through: must name what exists, got 'gateway'. Add a gateway, or take it out of the way.",
        ),
        (
            {"routes.get.service": "stock", "routes.get.endpoint": "count"},
            "routes.get.through: must lead to stock, got 'nginx', which has no upstream for it. "
            "Add load_balancers.nginx.upstreams.stock, or take nginx out of the way.",
        ),
        (
            {"load_balancers.nginx.upstreams": {"shops": {"service": "shop", "weights": [1, 2, 3]}}},
            "load_balancers.nginx.upstreams.shops.weights: must have one weight for each of the 2 replicas of shop, "
            "got 3. Add or remove weights, or leave them out.",
        ),
        (
            {"gateway.concurrency": {"shp": {}}},
            "gateway.concurrency.shp: must name one of the services, got 'shp'. There are: shop, stock.",
        ),
        (
            {
                "gateway.rate_limits": {
                    "all": {"kind": "spring_redis", "key": "user", "replenish_rate": 1, "cache": "x"}
                }
            },
            "gateway.rate_limits.all.cache: must name one of the caches, got 'x'. There are: redis.",
        ),
        ({"traffic.mix": {"put": 1}}, "traffic.mix.put: must name one of the routes, got 'put'. There are: get."),
    ],
)
def test_what_does_not_hang_together_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refusal(changes)


def test_all_problems_are_said_at_once() -> None:
    lines = refusal({"gateway.machine": "pc", "traffic.mix": {"put": 1}})
    assert [line.split(":")[0] for line in lines] == ["gateway.machine", "traffic.mix.put"]


def calling(service: str, endpoint: str) -> list[dict[str, Any]]:
    return [{"kind": "call", "service": service, "endpoint": endpoint}]


def test_call_cycles_are_refused() -> None:
    lines = refusal(
        {f"{GET}.steps": calling("stock", "count"), "services.stock.endpoints.count.steps": calling("shop", "get")}
    )
    assert lines == [
        "services.shop.endpoints.get: must not call itself, got shop.get -> stock.count -> shop.get. "
        "Remove one of these calls."
    ]
    itself = refusal({f"{GET}.steps": calling("shop", "get")})
    assert itself == [f"{GET}: must not call itself, got shop.get -> shop.get. Remove one of these calls."]
    hidden = [{**calling("stock", "sum")[0], "fallback": calling("shop", "get")}]
    assert "must not call itself" in refusal({f"{GET}.steps": hidden})[0]


def test_calls_that_meet_again_are_no_cycle() -> None:
    document = laid_over(
        {
            f"{GET}.steps": [*calling("stock", "count"), {**calling("stock", "sum")[0], "name": "second"}],
            "services.stock.endpoints.count.steps": calling("stock", "sum"),
        }
    )
    SystemSpec.model_validate(document)


def test_an_objective_has_one_bound() -> None:
    for bounds in ({}, {"at_most": 1, "at_least": 0}):
        with pytest.raises(ValidationError, match="must have exactly one of at_most and at_least"):
            SystemSpec.model_validate({**BASE, "objectives": {"fast": {"path": "/x", **bounds}}})


def test_containers_are_everything_that_runs_somewhere() -> None:
    spec = SystemSpec.model_validate(BASE)
    assert [path for path, _ in containers(spec)] == [
        "services.shop",
        "services.stock",
        "gateway",
        "load_balancers.nginx",
        "caches.redis",
        "databases.db",
    ]


def test_a_spec_survives_its_own_json() -> None:
    spec = SystemSpec.model_validate(BASE)
    assert SystemSpec.model_validate_json(spec.model_dump_json()) == spec
