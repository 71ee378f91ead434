"""What a deployment consists of, and which part of a scenario each container is.

Models   A container image's name says what it is where it is a known one; else its configuration does (a Spring Cloud
         Gateway's routes), else its name, else it is a service of the team's own.
Checked  tests/unit/test_deploy_compose.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.redis_conf import Word
from experiments.deploy.setting import Setting

Role = Literal["service", "gateway", "load_balancer", "cache", "database", "background"]

SECTIONS: dict[Role, tuple[str, ...]] = {
    "service": ("services",),
    "load_balancer": ("load_balancers",),
    "cache": ("caches",),
    "database": ("databases",),
}
"""Where in a scenario a container of this role stands; the gateway and residents of machines apart."""


@dataclass(slots=True)
class Unit:
    """One entry of a Compose file or one workload of a cluster: a container and its replicas."""

    name: str
    image: str
    place: Place
    facts: list[Fact] = field(default_factory=list)
    """Paths begin below the container: `limits.cpus`, `replicas`."""
    replicas: int = 1
    environment: Mapping[str, Setting | str] = field(default_factory=dict)
    command: Sequence[Word] = ()
    mounts: Mapping[str, str] = field(default_factory=dict)
    """Files and folders of the deployment by where they stand in the container."""
    depends_on: Sequence[str] = ()
    is_published: bool = False
    """Whether it can be reached from outside."""
    aliases: Sequence[str] = ()
    builds_from: str = ""
    """The folder its image is built from, inside the deployment; empty where it is not."""
    image_setting: Setting | None = None
    """The image where a file says it."""
    role: Role = "service"
    kind: str = ""
    """What it is by its image: postgres, mysql, redis, nginx, ...; empty for the team's own."""
    why: str = ""
    """What the role was known by."""
    at: tuple[str, ...] = ()
    """Its path in the scenario."""


_KINDS: tuple[tuple[str, Role, tuple[str, ...]], ...] = (
    ("postgres", "database", ("postgres", "postgresql", "postgis", "timescaledb", "pgvector")),
    ("mysql", "database", ("mysql", "mariadb", "percona", "mysql-server")),
    ("redis", "cache", ("redis", "valkey", "redis-stack", "redis-stack-server", "keydb")),
    ("nginx", "load_balancer", ("nginx", "nginx-unprivileged", "openresty")),
)
_RESIDENTS = (
    "prometheus", "grafana", "alertmanager", "node-exporter", "cadvisor", "loki", "promtail", "tempo", "jaeger",
    "all-in-one", "zipkin", "opentelemetry-collector", "opentelemetry-collector-contrib", "otel-collector", "kibana",
    "elasticsearch",
    "opensearch", "fluentd", "fluent-bit", "logstash", "filebeat", "rabbitmq", "kafka", "cp-kafka", "zookeeper",
    "cp-zookeeper", "mongo", "mongodb", "memcached", "consul", "vault", "etcd", "flagd", "pgadmin4", "adminer",
    "redis-exporter",
    "postgres-exporter", "redis_exporter", "postgres_exporter", "nginx-prometheus-exporter",
    "blackbox-exporter", "minio",
    "swagger-ui", "mailhog", "mailpit", "watchtower", "portainer", "autoheal", "influxdb", "cassandra", "neo4j", "nats",
)  # fmt: skip
_HELPER_NAMES = re.compile(
    r"(?:.*[-_])?(?:config(?:-server)?|discovery(?:-server)?|eureka|registry|admin-server|monitoring|turbine(?:-.*)?|"
    r"load-?(?:gen(?:erator)?|test)?|locust|k6|user-sim|auth-db|tracing(?:-server)?|zipkin|dashboard|flagd-ui)(?:[-_]ui)?"
)
_GATEWAY_NAMES = re.compile(
    r"(?:api[-_]?)?gateway(?:[-_]service)?|edge[-_](?:service|router|server)|front-?proxy|frontend-proxy"
)
_STORE_NAMES = re.compile(r".+[-_]db|.*database|db")
_TELLING_PARTS = {
    "mongodb", "mongo", "mysql", "mariadb", "postgres", "postgresql", "redis", "valkey", "rabbitmq", "kafka", "grafana",
    "prometheus", "jaeger", "zipkin", "elasticsearch", "memcached", "opensearch",
}  # fmt: skip
_OWN_WORDS = {"service", "svc", "consumer", "producer", "worker", "api", "app", "client", "gateway", "exporter", "web"}
NOT_MODELLED_KINDS = {
    "mongo": "MongoDB", "mongodb": "MongoDB", "rabbitmq": "RabbitMQ", "kafka": "Kafka", "cp-kafka": "Kafka",
    "memcached": "Memcached", "elasticsearch": "Elasticsearch", "cassandra": "Cassandra", "nats": "NATS",
    "store": "its store",
}  # fmt: skip
"""Images that serve requests in the real system and only take memory here."""


def image_name(image: str) -> str:
    """`registry.example:5000/team/place-service:1.2@sha256:...` is `place-service`."""
    plain = image.partition("@")[0].rpartition("/")[2]
    return plain.partition(":")[0].lower()


def guess_role(unit: Unit) -> None:
    """Say what a container is, as far as its image and name tell."""
    for what, name in (("image", image_name(unit.image).removesuffix("-alpine")), ("name", unit.name.lower())):
        for plain in dict.fromkeys((name, *_parts(name))):
            known = next(((kind, role) for kind, role, images in _KINDS if plain in images), None)
            if known is None and plain in _RESIDENTS:
                known = (plain, "background")
            if known is not None:
                unit.kind, unit.role = known
                unit.why = f"its {what} {name}"
                return
    lower = unit.name.lower()
    if _HELPER_NAMES.fullmatch(lower):
        unit.role, unit.why = "background", "its name"
    elif _STORE_NAMES.fullmatch(lower):
        unit.kind, unit.role, unit.why = "store", "background", "its name: a store that is not modelled"
    elif _GATEWAY_NAMES.fullmatch(lower):
        unit.role, unit.why = "gateway", "its name"
    else:
        unit.role, unit.why = "service", "no image that is known: the team's own"


def _parts(name: str) -> list[str]:
    """What `rs-mongodb`, `valkey-cart` and `prometheus-server` may be called after; never a service of the team's."""
    parts = re.split("[-_]", name)
    if len(parts) != 2 or set(parts) & _OWN_WORDS:
        return []
    return [part for part in parts if part in _TELLING_PARTS]


def place_units(units: Iterable[Unit], machine: str) -> None:
    """Give each its path in the scenario."""
    for unit in units:
        if unit.role == "gateway":
            unit.at = ("gateway",)
        elif unit.role == "background":
            unit.at = ("machines", machine, "background", unit.name)
        else:
            unit.at = (*SECTIONS[unit.role], unit.name)
