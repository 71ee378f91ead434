"""All components that were compared with the real thing, in the order of the table in the docs."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.validation.bucket4j import BUCKET4J
from experiments.validation.bulkhead import BULKHEAD
from experiments.validation.check import Check, Component, LeftOut
from experiments.validation.circuit_breaker import CIRCUIT_BREAKER
from experiments.validation.client_retries import CLIENT_RETRIES
from experiments.validation.cpu_quota import CPU_QUOTA
from experiments.validation.docker import DOCKER
from experiments.validation.gateway_filters import GATEWAY
from experiments.validation.guards import GUARDS
from experiments.validation.hikaricp import HIKARICP
from experiments.validation.jvm import JVM
from experiments.validation.lettuce import LETTUCE
from experiments.validation.linux_tcp import LINUX_TCP
from experiments.validation.nginx_failures import NGINX_UPSTREAM
from experiments.validation.nginx_limits import LIMIT_CONN, LIMIT_REQ
from experiments.validation.not_modelled import KUBERNETES, QUEUES_AND_EDGES
from experiments.validation.postgresql import POSTGRESQL
from experiments.validation.postgresql_standby import STANDBY
from experiments.validation.prometheus import PROMETHEUS
from experiments.validation.rate_limiter import RATE_LIMITER
from experiments.validation.reactor_netty import REACTOR_NETTY
from experiments.validation.redis import REDIS
from experiments.validation.redis_rate_limiter import REDIS_RATE_LIMITER
from experiments.validation.retry import RETRY
from experiments.validation.spring_cache import SPRING_CACHE
from experiments.validation.theory import NETWORKS, POOL, QUEUES, SHARING, SYSTEMS
from experiments.validation.thread_pool_bulkhead import THREAD_POOL_BULKHEAD
from experiments.validation.time_limiter import TIME_LIMITER
from experiments.validation.tomcat import TOMCAT
from experiments.validation.window_limits import WINDOWS

COMPONENTS: Sequence[Component] = (
    REDIS_RATE_LIMITER,
    BUCKET4J,
    WINDOWS,
    LIMIT_REQ,
    LIMIT_CONN,
    CIRCUIT_BREAKER,
    TIME_LIMITER,
    BULKHEAD,
    THREAD_POOL_BULKHEAD,
    RETRY,
    RATE_LIMITER,
    GUARDS,
    GATEWAY,
    NGINX_UPSTREAM,
    HIKARICP,
    REDIS,
    LETTUCE,
    SPRING_CACHE,
    POSTGRESQL,
    STANDBY,
    CPU_QUOTA,
    DOCKER,
    LINUX_TCP,
    JVM,
    TOMCAT,
    REACTOR_NETTY,
    PROMETHEUS,
    KUBERNETES,
    CLIENT_RETRIES,
    QUEUES_AND_EDGES,
    QUEUES,
    NETWORKS,
    SHARING,
    POOL,
    SYSTEMS,
)


def checks() -> list[Check]:
    """Every vector that is replayed."""
    return [check for component in COMPONENTS for check in component.checks]


def left_out() -> list[LeftOut]:
    """Every vector that is not, with the reason."""
    return [each for component in COMPONENTS for each in component.left_out]
