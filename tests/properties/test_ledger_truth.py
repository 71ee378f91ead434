"""What the ledger calls modelled is modelled: another value in the file makes another scenario.

Every kind of setting (the last word of its key, by kind of file) of the shipped deployments, of those of others, and of
one that has a bit of everything is changed in its file, one at a time, to something as plausible.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.assemble import assemble
from experiments.deploy.deployment import Deployment
from experiments.deploy.reading import read_deployment
from experiments.deploy.setting import Setting
from experiments.errors import InputError

DEPLOY = Path(str(resources.files("experiments").joinpath("scenarios", "maltan", "deploy")))
FOREIGN = ("otel_demo", "packt_ch23", "petclinic", "piggymetrics", "robot_shop", "sock_shop")

WORDS = {
    "true": "false", "false": "true", "on": "off", "off": "on", "always": '"no"', "unless-stopped": "always",
    "on-failure": "always", "graceful": "immediate", "allkeys-lru": "noeviction", "redis": "none", "CMD": "NONE",
    "CMD-SHELL": "NONE", "COUNT_BASED": "TIME_BASED", "least_conn": "ip_hash", "FIXED": "ELASTIC", "none": "any",
    "Always": "OnFailure", "reactive": "servlet", "GREEDY": "INTERVALLY", "SERVER_ERROR": "CLIENT_ERROR", "any": "none",
    "GET": "POST", "+": "-", "error": "timeout", "#{@userKeyResolver}": "#{@ipKeyResolver}",
    "INTERNAL_SERVER_ERROR": "BAD_GATEWAY", "java.io.IOException": "java.util.concurrent.TimeoutException",
    "remote_apply": "on",
}  # fmt: skip
ONLY_WHETHER = ("fallbackUri",)
"""What counts is that it is there: where it leads stands in code."""
SAID = ("max_fails", "fail_timeout", "max_conns", "base-config")
"""Of an upstream's servers the scenario has one value: where they differ the first counts, and that is said. Where the
base configuration is empty, another name is only one that is not there, and that is said."""

COMPOSE = """\
name: all
services:
  gate:
    image: a/gate
    environment: {JAVA_TOOL_OPTIONS: "-Xmx256m"}
    healthcheck: {test: [CMD, curl, localhost], interval: 7s}
  shop:
    image: a/shop
    scale: 2
    cpus: 1.5
    mem_limit: 900m
    cpu_shares: 700
    stop_grace_period: 33s
    restart: on-failure:3
    healthcheck: {test: [CMD, curl, localhost], interval: 20s, timeout: 4s, retries: 5, start_period: 40s}
    command: java -Xms64m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -jar a.jar
    environment:
      - JAVA_OPTS=-Xmx${HEAP:-300m}
      - SPRING_DATASOURCE_HIKARI_MINIMUMIDLE=3
  users:
    image: a/users
    depends_on: [primary]
    environment: {JAVA_OPTS: "-XX:MaxRAMPercentage=60"}
    deploy: {resources: {limits: {cpus: "0.5", memory: 512M}}, replicas: 2,
             restart_policy: {condition: on-failure, max_attempts: 4}}
  lb:
    image: nginx
    volumes: ["./nginx.conf:/etc/nginx/nginx.conf"]
    healthcheck: {test: [CMD, curl, localhost], interval: 9s}
  cache:
    image: redis:7
    command: redis-server /etc/redis.conf --maxmemory-samples 7
    volumes: ["./redis.conf:/etc/redis.conf"]
  primary:
    image: postgres:15
    command: postgres -c max_connections=80 -c synchronous_commit=remote_apply
    volumes: ["./postgresql.conf:/etc/postgresql/postgresql.conf"]
    healthcheck: {test: [CMD, pg_isready], interval: 3s}
  mongo: {image: mongo, restart: always, mem_limit: 400m}
"""

NGINX = """\
worker_processes 2;
events { worker_connections 900; }
http {
  limit_req_zone $binary_remote_addr zone=by_ip:10m rate=20r/s;
  limit_conn_zone $binary_remote_addr zone=c:5m;
  limit_req_status 429;
  upstream shop { least_conn; zone z 64k; keepalive 16; keepalive_timeout 30s; keepalive_requests 500;
    server shop:8080 weight=2 max_fails=4 fail_timeout=20s max_conns=50; }
  upstream users { hash $request_uri consistent; server users:8080; }
  server {
    listen 80;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    limit_req zone=by_ip burst=7 delay=3;
    limit_conn c 9;
    set_real_ip_from 10.0.0.0/8;
    real_ip_header X-Forwarded-For;
    proxy_read_timeout 21s;
    location /shop { proxy_pass http://shop; proxy_connect_timeout 3s; proxy_send_timeout 4s;
      proxy_next_upstream error http_503; proxy_next_upstream_tries 2; proxy_next_upstream_timeout 5s; }
    location /users { proxy_pass http://users; }
  }
}
"""

GATE = """\
server: {port: 8080, shutdown: graceful}
spring:
  data: {redis: {host: cache, timeout: 300ms, connect-timeout: 200ms}}
  cloud:
    gateway:
      httpclient: {response-timeout: 6s, pool: {type: FIXED, max-connections: 90, acquire-timeout: 2000}}
      default-filters:
        - name: RequestRateLimiter
          args: {key-resolver: "#{@userKeyResolver}", redis-rate-limiter.replenishRate: 20,
                 redis-rate-limiter.burstCapacity: 40, redis-rate-limiter.requestedTokens: 2, deny-empty-key: false}
        - name: RequestRateLimiter
          args: {key-resolver: "#{@userKeyResolver}",
                 bucket4j-rate-limiter: {capacity: 50, refillTokens: 10, refillPeriod: 1s, refillStyle: GREEDY}}
        - name: Retry
          args: {retries: 2, series: SERVER_ERROR, methods: GET, exceptions: java.io.IOException,
                 backoff: {firstBackoff: 50ms, maxBackoff: 500ms, factor: 2, basedOnPreviousValue: false}}
        - name: CircuitBreaker
          args: {name: all, statusCodes: INTERNAL_SERVER_ERROR, fallbackUri: "forward:/sorry"}
      routes:
        - {id: shop, uri: "http://lb", predicates: ["Path=/shop/**"]}
        - {id: users, uri: "http://lb", predicates: ["Path=/users/**"]}
resilience4j:
  circuitbreaker: {instances: {all: {slidingWindowSize: 40, failureRateThreshold: 55}}}
  timelimiter: {instances: {all: {timeoutDuration: 4s}}}
  bulkhead: {instances: {shop: {maxConcurrentCalls: 33, maxWaitDuration: 10ms}}}
"""

SHOP = """\
server:
  shutdown: graceful
  tomcat: {threads: {max: 40, min-spare: 4}, max-connections: 900, accept-count: 50}
spring:
  lifecycle: {timeout-per-shutdown-phase: 21s}
  jpa: {open-in-view: false}
  datasource:
    url: jdbc:postgresql://primary:5432/shop?prepareThreshold=3&socketTimeout=9
    hikari: {maximum-pool-size: 12, connection-timeout: 3_000, idle-timeout: 120000, max-lifetime: 600000,
             keepalive-time: 60000, validation-timeout: 2000, initialization-fail-timeout: 5000}
  data: {redis: {host: cache, timeout: 500ms}}
  cache: {type: redis, cache-names: "items,lists", redis: {time-to-live: 90s, cache-null-values: false}}
shop.caches.lists.time-to-live: 40s
resilience4j:
  circuitbreaker:
    configs:
      default: {slidingWindowType: COUNT_BASED, minimumNumberOfCalls: 12}
      more: {slowCallDurationThreshold: 900ms, slowCallRateThreshold: 80}
    instances:
      users: {baseConfig: more, waitDurationInOpenState: 7s, permittedNumberOfCallsInHalfOpenState: 4,
              maxWaitDurationInHalfOpenState: 8s, automaticTransitionFromOpenToHalfOpenEnabled: true,
              ignoreExceptions: [java.io.IOException]}
      nobody: {slidingWindowSize: 77}
  retry:
    instances:
      users: {maxAttempts: 4, waitDuration: 70ms, enableExponentialBackoff: true, exponentialBackoffMultiplier: 3,
              exponentialMaxWaitDuration: 2s, enableRandomizedWait: true, randomizedWaitFactor: 0.3}
  bulkhead: {instances: {users: {maxConcurrentCalls: 8, maxWaitDuration: 5ms}}}
  timelimiter: {instances: {users: {timeoutDuration: 2s}}}
  ratelimiter: {instances: {users: {limitForPeriod: 60, limitRefreshPeriod: 1s, timeoutDuration: 100ms}}}
spring.http.client.read-timeout: 5s
"""

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: team}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: shop}}
    spec:
      terminationGracePeriodSeconds: 45
      restartPolicy: Always
      containers:
        - name: shop
          image: a/shop
          env: [{name: JAVA_OPTS, value: "-Xmx200m"}]
          resources: {requests: {cpu: 250m, memory: 256Mi}, limits: {cpu: 500m, memory: 512Mi}}
          readinessProbe: {httpGet: {path: /r, port: 80}, periodSeconds: 5, failureThreshold: 2, successThreshold: 3,
                           timeoutSeconds: 4, initialDelaySeconds: 6}
          livenessProbe: {httpGet: {path: /l, port: 80}, initialDelaySeconds: 60}
          startupProbe: {httpGet: {path: /l, port: 80}, failureThreshold: 30, periodSeconds: 4}
          lifecycle: {preStop: {sleep: {seconds: 11}}}
          volumeMounts: [{name: c, mountPath: /config}]
      volumes: [{name: c, configMap: {name: shop}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop, namespace: team}
data:
  application.yml: |
    spring:
      datasource:
        url: jdbc:postgresql://db.team.svc.cluster.local:5432/shop
        hikari: {maximum-pool-size: 7}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: team}, spec: {selector: {app: db}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: team}
spec:
  replicas: 1
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
        - name: db
          image: postgres:15
          args: ["-c", "max_connections=60"]
          resources: {limits: {memory: 1Gi}}
          readinessProbe: {exec: {command: [pg_isready]}, periodSeconds: 5}
"""


def written(folder: Path, kind: str) -> Path:
    if kind == "manifests":
        (folder / "shop.yaml").write_text(MANIFESTS)
        return folder
    for name in ("gate", "shop"):
        (folder / name).mkdir()
    files = {
        "docker-compose.yml": COMPOSE, "nginx.conf": NGINX, "gate/application.yml": GATE, "shop/application.yml": SHOP,
        ".env": "HEAP=310m\n", "redis.conf": "maxmemory 100mb\nmaxmemory-policy allkeys-lru\nappendonly yes\n",
        "postgresql.conf": "superuser_reserved_connections = 4\nstatement_timeout = 8s\nlock_timeout = 900\n"
        "deadlock_timeout = 2s\nidle_in_transaction_session_timeout = 1min\nshared_buffers = 128MB\n",
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def others(text: str, units: list[str]) -> Iterator[str]:
    """What could as well stand there, the most plausible first."""
    if text in WORDS:
        yield WORDS[text]
    if "//" in text:
        yield re.sub("//[^:/]+", "//elsewhere", text)
    for unit in units:
        if re.search(rf"(?<![\w-]){re.escape(unit)}(?![\w-])", text):
            for other in units:
                if other != unit:
                    yield text.replace(unit, other)
    numbers = list(re.finditer("[0-9]+", text))
    for match in [*numbers[-1:], *numbers[:-1]]:
        for number in (int(match[0]) + 1, int(match[0]) * 2, max(int(match[0]) - 1, 0)):
            yield text[: match.start()] + str(number) + text[match.end() :]
    for word, other in WORDS.items():
        if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text):
            yield re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", other, text)
    yield f"{text}x"
    yield ""


def modelled(deployment: Deployment) -> list[Setting]:
    """One of each kind."""
    kinds: dict[tuple[str, str], Setting] = {}
    for setting in deployment.ledger.modelled.values():
        if setting.key[-1] in ONLY_WHETHER:
            continue
        words = [str(part) for part in setting.key if not re.fullmatch(r"\[?[0-9]+\]?", str(part))]
        kinds.setdefault((Path(setting.place.file).suffix, " ".join(words[-2:])), setting)
    return list(kinds.values())


def seen(deployment: Deployment) -> tuple[dict[str, Any], set[str]]:
    """The scenario without what is only for people, and what is said of it."""
    found = assemble(deployment)
    said = {what for _, what in deployment.ledger.problems} | set(found.remarks)
    return {key: value for key, value in found.document.items() if key != "description"}, said


PARTS = [(name, part, 4) for name in ("growth", "everything") for part in range(4)]
PARTS += [("as-written", part, 2) for part in range(2)]
PARTS += [(name, 0, 1) for name in (*FOREIGN, "manifests")]


@pytest.mark.parametrize(("name", "part", "parts"), PARTS)
def test_what_is_modelled_changes_the_scenario(
    name: str, part: int, parts: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "deploy"
    lines: list[str] = []
    if name in ("everything", "manifests"):
        folder.mkdir()
        written(folder, name)
    else:
        source = DEPLOY / name if name in ("growth", "as-written") else (
            request.getfixturevalue("data_dir") / "deployments" / name)  # fmt: skip
        shutil.copytree(source, folder, copy_function=shutil.copyfile)
        lines = [str(folder / "dot_env")] if (folder / "dot_env").is_file() else []
    deployment = read_deployment([folder], env_files=lines)
    before, said = seen(deployment)
    units = [unit.name for unit in deployment.units if unit.role == "service"]
    silent = []
    chosen = modelled(deployment)[part::parts]
    for setting in chosen:
        file = folder / setting.place.file
        raw = file.read_text(encoding="utf-8")
        start, end = setting.place.start, setting.place.end
        is_said = setting.key[-1] in SAID
        for other in others(raw[start:end], units):
            file.write_text(raw[:start] + other + raw[end:], encoding="utf-8")
            try:
                after, now = seen(read_deployment([folder], env_files=lines))
            except InputError:
                continue  # refused: the next one
            if after != before or (is_said and now > said):
                break
        else:
            silent.append(f"{setting.place} {'.'.join(map(str, setting.key))} {raw[start:end][:60]!r}")
        file.write_text(raw, encoding="utf-8")
    assert not silent, "\n".join(silent)
    assert chosen
