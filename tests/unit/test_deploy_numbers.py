"""What is read of the deployments of others, against tables that were written by hand from their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.containers.tree import port
from experiments.deploy.reading import read_deployment

COMPOSE: dict[str, dict[str, Any]] = {
    "packt_ch23": {
        "checks": 4,
        "memory": dict.fromkeys(("product", "recommendation", "review", "product-composite", "mongodb", "mysql",
                                 "rabbitmq", "gateway", "auth-server"), "512M")
                  | {"jaeger-collector.istio-system": "1G"},
        "restart": dict.fromkeys(("mongodb", "mysql", "rabbitmq", "jaeger-collector.istio-system"), "always"),
        "published": {"mongodb", "mysql", "rabbitmq", "gateway", "jaeger-collector.istio-system"},
        "containers": 10, "heaps": {},
    },
    "petclinic": {
        "checks": 2,
        "memory": dict.fromkeys(("config-server", "discovery-server", "customers-service", "visits-service",
                                 "vets-service", "genai-service", "api-gateway", "tracing-server",
                                 "admin-server"), "512M")
                  | {"grafana-server": "256M", "prometheus-server": "256M"},
        "restart": {}, "containers": 11, "heaps": {},
        "published": {"config-server", "discovery-server", "customers-service", "visits-service", "vets-service",
                      "genai-service", "api-gateway", "tracing-server", "admin-server", "grafana-server",
                      "prometheus-server"},
    },
    "sock_shop": {
        "checks": 0, "memory": {}, "containers": 15, "published": {"edge-router"},
        "restart": dict.fromkeys(("front-end", "edge-router", "catalogue", "catalogue-db", "carts", "carts-db",
                                  "orders", "orders-db", "shipping", "queue-master", "rabbitmq", "payment", "user",
                                  "user-db"), "always"),
        "heaps": {name: {"max_heap": "128M", "initial_heap": "64M", "collector": "g1"}
                  for name in ("carts", "orders", "shipping")},
    },
    "otel_demo": {
        "checks": 17, "memory": {"ad": "300M", "cart": "160M", "checkout": "20M", "currency": "20M", "email": "100M",
                   "frontend": "250M", "frontend-proxy": "90M", "image-provider": "120M", "load-generator": "512M",
                   "payment": "140M", "product-catalog": "20M", "quote": "40M", "recommendation": "500M",
                   "shipping": "20M", "flagd": "75M", "flagd-ui": "200M", "telemetry-docs": "100M",
                   "astronomy-db": "80M", "valkey-cart": "20M", "otel-collector": "400M"},
        "containers": 20, "heaps": {},
    },
    "piggymetrics": {
        "checks": 0, "memory": {}, "containers": 14, "heaps": {},
        "restart": dict.fromkeys(("rabbitmq", "config", "registry", "gateway", "auth-service", "auth-mongodb",
                                  "account-service", "account-mongodb", "statistics-service", "statistics-mongodb",
                                  "notification-service", "notification-mongodb", "monitoring",
                                  "turbine-stream-service"), "always"),
    },
    "robot_shop": {"checks": 7, "memory": {}, "containers": 12, "heaps": {}, "restart": {}, "published": {"web"}},
}  # fmt: skip


@pytest.mark.parametrize("name", list(COMPOSE))
def test_containers(name: str, data_dir: Path) -> None:
    folder = data_dir / "deployments" / name
    if not folder.is_dir():
        pytest.skip(f"no recorded deployment: {folder}")
    lines = [str(folder / "dot_env")] if (folder / "dot_env").is_file() else []
    units = read_deployment([folder], env_files=lines).units
    table = COMPOSE[name]
    assert len(units) == table["containers"]
    facts = {(unit.name, fact.path): fact.value for unit in units for fact in unit.facts}
    assert {who: value for (who, path), value in facts.items() if path == ("limits", "memory")} == table["memory"]
    assert not [path for _, path in facts if path in (("limits", "cpus"), ("replicas",))]
    assert [path for _, path in facts].count(("health", "kind")) == table["checks"]
    heaps: dict[str, dict[str, object]] = {}
    for (who, path), value in facts.items():
        if path[0] == "jvm":
            heaps.setdefault(who, {})[path[1]] = value
    assert heaps == table["heaps"]
    if "restart" in table:
        assert {w: v for (w, path), v in facts.items() if path == ("restart",) and v != "no"} == table["restart"]
    if "published" in table:
        assert {unit.name for unit in units if unit.is_published} == table["published"]


def test_ports_in_all_their_spellings() -> None:
    from experiments.deploy.place import Place
    from experiments.deploy.setting import Setting

    for text, expected in {
        "80": ("", "", "80", "tcp"), "8080:80": ("", "8080", "80", "tcp"), "53:53/udp": ("", "53", "53", "udp"),
        "127.0.0.1:8080:80": ("127.0.0.1", "8080", "80", "tcp"), "90-92:70-72": ("", "90-92", "70-72", "tcp"),
        "[::1]:1:2": ("[::1]", "1", "2", "tcp"),
    }.items():  # fmt: skip
        assert port(Setting((), text, text, Place("f", 1, 0, 0))) == expected
    assert port(Setting((), "x", "x", Place("f", 1, 0, 0))) is None
