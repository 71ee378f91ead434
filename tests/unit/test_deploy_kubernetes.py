"""Manifests as units: what stands in them by hand, files inside ConfigMaps, the way back, and hostile input."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.assemble import Assembled, assemble
from experiments.deploy.deployment import Deployment
from experiments.deploy.kubernetes import quantities as q
from experiments.deploy.patch import make_patch
from experiments.deploy.reading import read_deployment
from experiments.errors import InputError
from experiments.runner import run
from experiments.scenario.load import scenario_of
from experiments.scenario.paths import at_path, parse_path

SHOP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: shop-config}
data:
  application.yml: |
    server:
      tomcat:
        threads:
          max: 40  # few
    spring:
      datasource:
        url: jdbc:postgresql://db:5432/shop
        hikari:
          maximum-pool-size: 12
    ---
    server.shutdown: graceful
  plain: "text"
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-deployment
spec:
  replicas: 3  # as of March
  strategy: {type: RollingUpdate}
  selector:
    matchLabels: {app: shop}
  template:
    metadata:
      labels: {app: shop}
    spec:
      terminationGracePeriodSeconds: 45
      nodeSelector: {disk: ssd}
      containers:
        - name: shop
          image: example/shop:1
          ports: [{containerPort: 8080}]
          env:
            - {name: USERS_URL, value: "http://users.team.svc.cluster.local:8080/api"}
            - {name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db-secret, key: password}}}
          resources:
            requests: {cpu: 250m, memory: 256Mi}
            limits: {cpu: 500m, memory: 512Mi}
          readinessProbe:
            httpGet: {path: /ready, port: 8080}
            periodSeconds: 5
            failureThreshold: 2
          livenessProbe:
            httpGet: {path: /live, port: 8080}
            initialDelaySeconds: 60
          startupProbe: {tcpSocket: {port: 8080}, failureThreshold: 30}
          lifecycle: {preStop: {exec: {command: [sh, -c, sleep 15]}}}
          volumeMounts: [{name: config, mountPath: /config}]
      volumes:
        - {name: config, configMap: {name: shop-config}}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: team}
spec:
  selector: {app: shop}
  ports: [{port: 8080, targetPort: 8080}]
"""

OTHERS = """\
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: users}
  spec:
    replicas: 2
    template:
      metadata: {labels: {app: users}}
      spec:
        containers:
        - {name: users, image: example/users, resources: {limits: {cpu: 1, memory: 300M}},
           env: [{name: REDIS_HOST, value: cache}]}
        - {name: proxy, image: example/sidecar}
- {apiVersion: v1, kind: Service, metadata: {name: users, namespace: team}, spec: {selector: {app: users}}}
- apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: db}
  spec:
    replicas: 1
    serviceName: db
    template:
      metadata: {labels: {app: db}}
      spec:
        containers:
        - name: db
          image: postgres:15
          args: ["-c", "max_connections=60"]
- {apiVersion: v1, kind: Service, metadata: {name: db}, spec: {clusterIP: None, selector: {app: db}}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: cache}
  spec:
    template:
      metadata: {labels: {app: cache}}
      spec:
        containers:
        - {name: cache, image: "redis:7", args: [/etc/redis/redis.conf],
           volumeMounts: [{name: c, mountPath: /etc/redis}]}
        volumes: [{name: c, configMap: {name: cache-config}}]
- {apiVersion: v1, kind: Service, metadata: {name: cache}, spec: {selector: {app: cache}}}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: cache-config}
  data:
    redis.conf: |
      # the cache
      maxmemory 100mb
      maxmemory-policy allkeys-lru
- {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent},
   spec: {template: {spec: {containers: [{name: a, image: x}]}}}}
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata: {name: users}
  spec:
    scaleTargetRef: {kind: Deployment, name: users}
    minReplicas: 2
    maxReplicas: 9
    metrics:
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}
"""

GATEWAY = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1.25
        volumeMounts: [{name: c, mountPath: /etc/nginx/nginx.conf, subPath: nginx.conf}]
      volumes: [{name: c, configMap: {name: web}}]
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: LoadBalancer, selector: {app: web}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data:
  nginx.conf: |
    events {}
    http {
      upstream shop { server shop:8080 max_fails=2; }
      server {
        location /api/shop/ {
          proxy_pass http://shop;
          proxy_read_timeout 7s;
        }
      }
    }
"""

FACTS: dict[str, tuple[Any, str]] = {
    "services.shop.replicas": (3, "shop.yaml:24"),
    "services.shop.limits.cpus": (0.5, "shop.yaml:43"),
    "services.shop.limits.memory": ("512M", "shop.yaml:43"),
    "services.shop.cpu_shares": (256, "shop.yaml:42"),
    "services.shop.restart": ("always", ""),
    "services.shop.health.kind": ("kubernetes", ""),
    "services.shop.health.readiness.period": ("5s", "shop.yaml:46"),
    "services.shop.health.readiness.failure_threshold": (2, "shop.yaml:47"),
    "services.shop.health.readiness.timeout": ("1s", ""),
    "services.shop.health.liveness.initial_delay": ("1m", "shop.yaml:50"),
    "services.shop.health.liveness.period": ("10s", ""),
    "services.shop.health.startup.failure_threshold": (30, "shop.yaml:51"),
    "services.shop.health.startup.period": ("10s", ""),
    "services.shop.shutdown.deregistration": ("15s", "shop.yaml:52"),
    "services.shop.shutdown.stop_grace_period": ("30s", "shop.yaml:32"),
    "services.shop.shutdown.graceful": (True, "shop.yaml:16"),
    "services.shop.workers.threads": (40, "shop.yaml:9"),
    "services.shop.pools.main.maximum_pool_size": (12, "shop.yaml:14"),
    "services.shop.pools.main.database": ("db", "shop.yaml:12"),
    "services.users.replicas": (2, "others.yaml:8"),
    "services.users.limits.cpus": (1, "others.yaml:13"),
    "services.users.limits.memory": ("300000000B", "others.yaml:13"),
    "services.users.cpu_shares": (1024, ""),
    "services.users.shutdown.stop_grace_period": ("30s", ""),
    "databases.db.max_connections": (60, "others.yaml:29"),
    "caches.cache.maxmemory": ("100M", "others.yaml:49"),
    "caches.cache.maxmemory_policy": ("allkeys-lru", "others.yaml:50"),
    "load_balancers.web.upstreams.shop.read_timeout": ("7s", "gateway.yaml:27"),
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in (("shop", SHOP), ("others", OTHERS), ("gateway", GATEWAY)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def fact_of(assembled: Assembled, path: str) -> tuple[Any, str]:
    parts = parse_path(path)
    facts = assembled.facts.get(tuple(map(str, parts)), [])
    place = next((str(one.place) for one in facts if one.place is not None and one.source == "file"), "")
    return at_path(assembled.document, parts), "" if path.endswith("kind") else place


def said(deployment: Deployment) -> str:
    return "\n".join(f"{place} {what}" for place, what in deployment.ledger.problems)


def test_every_number_by_hand(shop: Path) -> None:
    assembled = assemble(read_deployment([shop]))
    assert {path: fact_of(assembled, path) for path in FACTS} == FACTS


def test_who_is_who_and_what_is_not_modelled(shop: Path) -> None:
    deployment = read_deployment([shop])
    assert {unit.name: unit.role for unit in deployment.units} == {
        "shop": "service", "users": "service", "db": "database", "cache": "cache", "agent": "background",
        "web": "load_balancer",
    }  # fmt: skip
    unit = deployment.unit("shop.team.svc.cluster.local")
    assert unit is not None and unit.name == "shop" and unit.depends_on == ["users"]
    assert deployment.unit("db-0.db.default.svc") is deployment.unit("db")
    for text in (
        "shop.yaml:40 shop-deployment: DB_PASSWORD comes from the Secret db-secret: its value is not known here.",
        "others.yaml:15 users: its side-car proxy is not modelled.",
        "HorizontalPodAutoscaler users: scales Deployment users from 2 to 9 replicas by cpu 60 %: not modelled",
        "others.yaml:57 HorizontalPodAutoscaler users: divides by requests, and proxy in others.yaml requests no cpu",
    ):
        assert text in said(deployment)
    left = {".".join(map(str, one.key)) for one in deployment.ledger.unmodelled()}
    assert "ConfigMap.shop-config.data.plain" in left and not {key for key in left if "nodeSelector" in key}


def test_it_runs(shop: Path) -> None:
    result = run(scenario_of(assemble(read_deployment([shop])).whole(), "shop"), replications=1, duration_s=60.0)
    requests = result.document["requests"]
    assert result.document["audit"]["passed"] and requests["succeeded"] > 0.9 * requests["arrived"] > 100


CHANGES: dict[str, tuple[Any, str, str]] = {
    "services.users.replicas": (4, "replicas: 2", "replicas: 4"),
    "services.shop.limits.cpus": (0.75, "limits: {cpu: 500m, memory: 512Mi}", "limits: {cpu: 750m, memory: 512Mi}"),
    "services.shop.limits.memory": ("1G", "memory: 512Mi}", "memory: 1024Mi}"),
    "services.shop.cpu_shares": (512, "cpu: 250m", "cpu: 500m"),
    "services.shop.health.readiness.period": ("7s", "periodSeconds: 5", "periodSeconds: 7"),
    "services.shop.shutdown.stop_grace_period": ("45s", "GracePeriodSeconds: 45", "GracePeriodSeconds: 60"),
    "services.shop.workers.threads": (80, "max: 40  # few", "max: 80  # few"),
    "services.shop.pools.main.maximum_pool_size": (20, "maximum-pool-size: 12", "maximum-pool-size: 20"),
    "services.users.limits.memory": ("390625K", "memory: 300M", "memory: 400M"),
    "caches.cache.maxmemory": ("200M", "maxmemory 100mb", "maxmemory 200mb"),
    "load_balancers.web.upstreams.shop.read_timeout": ("9s", "proxy_read_timeout 7s;", "proxy_read_timeout 9s;"),
}


@pytest.mark.parametrize("path", list(CHANGES))
def test_the_way_back_changes_one_line(path: str, shop: Path) -> None:
    value, before, after = CHANGES[path]
    deployment = read_deployment([shop])
    assembled = assemble(deployment)
    target = assemble(read_deployment([shop])).document
    *around, last = parse_path(path)
    at_path(target, around)[last] = value
    patch = make_patch(deployment.folder, assembled, target)
    assert patch.by_hand == []
    old = {name: (shop / name).read_text() for name in patch.files}
    (name,) = old
    for changed, data in patch.applied(deployment.folder).items():
        (shop / changed).write_bytes(data)
    assert (shop / name).read_text() == old[name].replace(before, after, 1) and old[name].count(before) == 1
    assert fact_of(assemble(read_deployment([shop])), path)[0] == value


@pytest.mark.parametrize(
    ("text", "cores"), [("500m", 0.5), ("0.5", 0.5), ("2", 2), ("1e1", 10), ("1500m", 1.5), ("100000u", 0.1)]
)
def test_cores(text: str, cores: float) -> None:
    assert q.cpus(text) == cores
    assert q.cpus(q.write_cpus(cores * 2, text)) == cores * 2


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("512Mi", 512 << 20), ("512M", 512_000_000), ("1Gi", 1 << 30), ("1e3", 1000), ("1500m", 2), ("0.5Ki", 512)],
)
def test_sizes(text: str, bytes_: int) -> None:
    assert q.parse_size(q.size(text)) == bytes_
    assert q.parse_size(q.size(q.write_size(f"{bytes_ * 2}B", text))) == bytes_ * 2


@pytest.mark.parametrize("text", ["", "-1", "1Q", "1mm", "0x10", "inf", "nan", "1e99", "9" * 40, "5", "1 Gi", "１"])
def test_what_is_no_size(text: str) -> None:
    if text == "5":
        assert q.size(text) == "5B"
        return
    with pytest.raises(ValueError, match="must be"):
        q.size(text)


HOSTILE = {
    "replicas": ("replicas: 3", "replicas: 999999999999999999999"),
    "replicas as a list": ("replicas: 3", "replicas: [3]"),
    "no cores": ("cpu: 500m", "cpu: 1m"),
    "cores": ("cpu: 500m", "cpu: 1e99"),
    "memory": ("memory: 512Mi", "memory: 99999999999999999Ei"),
    "containers as a mapping": ("        - name: shop\n", "          name: shop\n"),
    "env as a mapping": ("          env:\n", "          env: {a: b}\n          envs:\n"),
    "a probe that is a list": ("readinessProbe:\n", "readinessProbe: [1]\n          other:\n"),
    "a period of nothing": ("periodSeconds: 5", "periodSeconds: 0"),
    "metadata as a list": ("metadata:\n  name: shop-deployment", "metadata: [a]"),
    "a selector of lists": ("selector: {app: shop}", "selector: [[a]]"),
    "a missing ConfigMap": ("configMap: {name: shop-config}", "configMap: {name: none}"),
    "a name that leads out": ("application.yml: |", "../../etc/application.yml: |"),
    "a folded text": ("application.yml: |", "application.yml: >"),
    "tabs": ("server:\n", "\tserver:\n"),
    "no kind": ("kind: Deployment", "kind: null"),
    "a kind of its own": ("kind: Deployment", "kind: {a: b}"),
    "nothing of it": (SHOP, "apiVersion: 1\nkind: 2\n--- \n[]\n---\nfoo\n"),
    "a template of Helm": ("replicas: 3", "replicas: {{ .Values.replicas }}"),
    "a bomb": ("data:\n", "data:\n  x: &a [1,1,1,1,1,1,1,1,1]\n  y: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
               + "".join(f"  z{n}: &{chr(99 + n)} [{','.join(['*' + chr(98 + n)] * 9)}]\n" for n in range(8))),
}  # fmt: skip


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_input(name: str, shop: Path) -> None:
    """A problem or a result; nothing else."""
    before, after = HOSTILE[name]
    assert before in SHOP
    (shop / "shop.yaml").write_text(SHOP.replace(before, after))
    deployment = read_deployment([shop])
    told = said(deployment)
    assert "shop.yaml" in told
    with contextlib.suppress(InputError):
        assemble(deployment)


def test_a_rule_object_of_the_operator(data_dir: Path) -> None:
    deployment = read_deployment([data_dir / "deployments" / "bank_of_anthos"])
    assert deployment.files["rules.yaml"] == "Prometheus rules"
    assert "rules.yaml" in said(deployment) or deployment.ledger.unmodelled()
    told = said(deployment)
    assert "hpa/userservice.yaml" in told and "from 5 to 50 replicas by cpu 60 %" in told
    assert "from 5 to 25 replicas by loadbalancing.googleapis.com|https|request_count 5" in told
    assert "Deployment userservice is missing here" in told
