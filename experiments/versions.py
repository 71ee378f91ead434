"""Which releases of the real components a scenario is simulated as: said by the scenario, or assumed.

Some behaviour differs between releases, so a specification has a `version` where that is so; every other model follows
the one release it was compared with (`docs/conformance.md`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from models.bulkhead import BulkheadSpec
from models.cache import RedisSpec
from models.circuit_breaker import CircuitBreakerSpec
from models.connection_pool import HikariSpec
from models.database import PostgresSpec
from models.gateway import GatewaySpec
from models.health import KubernetesHealthSpec
from models.jvm import JvmSpec
from models.load_balancer import NginxSpec
from models.machine import MachineSpec
from models.rate_limiter import RateLimiterSpec
from models.replica import EventLoopSpec, TomcatSpec
from models.retry import RetrySpec
from models.service import CacheStepSpec
from models.system import AlertSpec, SystemSpec
from models.thread_pool_bulkhead import ThreadPoolBulkheadSpec
from models.time_limiter import TimeLimiterSpec
from models.token_bucket import SpringRedisSpec

RELEASES: Sequence[tuple[type[BaseModel], str, str]] = (
    (MachineSpec, "Docker", "moby b985e23"),
    (GatewaySpec, "Spring Cloud Gateway", "3.1 to 5.0"),
    (SpringRedisSpec, "RedisRateLimiter", ""),
    (NginxSpec, "nginx", ""),
    (TomcatSpec, "Tomcat", "10.1.60"),
    (EventLoopSpec, "Reactor Netty", "1.2"),
    (JvmSpec, "OpenJDK", "17.0.15"),
    (CircuitBreakerSpec, "Resilience4j", "2.3.0"),
    (RetrySpec, "Resilience4j", "2.3.0"),
    (RateLimiterSpec, "Resilience4j", "2.3.0"),
    (TimeLimiterSpec, "Resilience4j", "2.3.0"),
    (BulkheadSpec, "Resilience4j", "2.3.0"),
    (ThreadPoolBulkheadSpec, "Resilience4j", "2.3.0"),
    (RedisSpec, "Redis", "7.0.15"),
    (RedisSpec, "Lettuce", "6"),
    (CacheStepSpec, "Spring Framework", "91eb426"),
    (HikariSpec, "HikariCP", ""),
    (PostgresSpec, "PostgreSQL", "15.20"),
    (KubernetesHealthSpec, "Kubernetes probes", "v1"),
    (AlertSpec, "Prometheus", "2.42"),
)
"""A specification, the product behind it, and the release it follows; none where the specification says it itself."""


def versions(spec: SystemSpec) -> list[dict[str, Any]]:
    """Every product in a scenario once for each release: its name, the release, and who says so."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for part in _parts(spec):
        for kind, product, release in RELEASES:
            if isinstance(part, kind):
                source = "model" if release else "scenario" if "version" in part.model_fields_set else "default"
                version = release or str(getattr(part, "version", ""))
                found.setdefault((product, version), {"product": product, "version": version, "source": source})
    return list(found.values())


def _parts(value: Any) -> Iterator[BaseModel]:
    """All specifications inside one, itself included."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from _parts(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from _parts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _parts(each)
