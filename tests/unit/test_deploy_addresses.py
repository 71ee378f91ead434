"""Hosts in addresses mean the units of the deployment, by every name they are found under; others stay others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.assemble import assemble
from experiments.deploy.reading import read_deployment

WORKLOAD = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: team}}
spec:
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: {name}, image: "{image}"{more}}}]{pod}}}
---
{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: team}}, spec: {{selector: {{app: {name}}}}}}}
"""
MOUNT = ", volumeMounts: [{name: c, mountPath: /config}]"
VOLUMES = ", volumes: [{name: c, configMap: {name: shop}}]"
SETTINGS = """\
spring:
  datasource: {url: "jdbc:postgresql://db.team.svc.cluster.local:5432/shop"}
  data: {redis: {host: cache.team.svc}}
  cache: {cache-names: items}
clients.users.url: http://users.team:8080
resilience4j.circuitbreaker.instances.users.slidingWindowSize: 20
"""


def document(folder: Path) -> dict[str, Any]:
    return assemble(read_deployment([folder])).document


def test_full_names_in_a_cluster(tmp_path: Path) -> None:
    texts = [WORKLOAD.format(name="shop", image="a/shop", more=MOUNT, pod=VOLUMES)]
    for name, image in (("users", "a/users"), ("db", "postgres:15"), ("cache", "redis:7")):
        texts.append(WORKLOAD.format(name=name, image=image, more="", pod=""))
    lines = "\n".join(f"    {line}" for line in SETTINGS.splitlines())
    texts.append(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop, namespace: team}\n"
        f"data:\n  application.yml: |\n{lines}\n"
    )
    (tmp_path / "all.yaml").write_text("".join(texts))
    found = document(tmp_path)
    assert found["services"]["shop"]["pools"]["main"]["database"] == "db"
    assert list(found["databases"]) == ["db"] and list(found["caches"]) == ["cache"]
    assert "items" in found["caches"]["cache"]["classes"]
    call = next(s for s in found["services"]["shop"]["endpoints"]["handle"]["steps"] if s["kind"] == "call")
    assert call["service"] == "users" and call["breaker"]["sliding_window_size"] == 20


@pytest.mark.parametrize(
    ("host", "database"),
    [
        ("postgres", "postgres"), ("shop_database", "postgres"),
        ("postgres.abc.eu-west-1.rds.example.com", "postgres.abc.eu-west-1.rds.example.com"),
    ],
)  # fmt: skip
def test_containers_names_and_hosts_of_the_world(host: str, database: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services:\n  shop: {image: a/shop}\n  postgres: {image: 'postgres:15', container_name: shop_database}\n"
    )
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "application.yml").write_text(f"spring.datasource.url: jdbc:postgresql://{host}:5432/shop\n")
    assert document(tmp_path)["services"]["shop"]["pools"]["main"]["database"] == database
