"""A service: its endpoints as sequences of steps, carried out by its replicas.

Models   An endpoint is what the code behind a path does, step by step: burn CPU, ask a cache (on a miss: load and
         store), evict from it, query a database through a pool, call another service behind a circuit breaker, a
         time limiter and a fallback, wait for something outside. The caller's thread is held throughout.
         Calls without a load balancer between are spread over the replicas that are up.
Source   Spring's cache abstraction (look up, miss, invoke, put; no single flight; CacheAspectSupport), Resilience4j's
         order of decorators (circuit breaker outside time limiter), Spring Cloud LoadBalancer (round robin).
Omits    Parallel calls, messages, transactions over several queries, @Cacheable(sync = true).
Checked  tests/unit/test_service.py, tests/e2e/test_fields.py
"""

from models.service.dispatch import Service
from models.service.spec import (
    CacheStepSpec,
    CallStepSpec,
    CpuStepSpec,
    DatabaseStepSpec,
    DelayStepSpec,
    EndpointSpec,
    EvictStepSpec,
    ServiceSpec,
    walk,
)
from models.service.steps import Parts, compile_endpoint

__all__ = [
    "CacheStepSpec",
    "CallStepSpec",
    "CpuStepSpec",
    "DatabaseStepSpec",
    "DelayStepSpec",
    "EndpointSpec",
    "EvictStepSpec",
    "Parts",
    "Service",
    "ServiceSpec",
    "compile_endpoint",
    "walk",
]
