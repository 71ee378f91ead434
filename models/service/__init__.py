"""A service: its endpoints as sequences of steps, carried out by its replicas.

Models   An endpoint is what the code behind a path does, step by step: burn CPU, ask a cache (on a miss: load and
         store), evict from it, query a database through a pool, by itself or in a transaction (steps.transaction),
         call another service behind guards and with a fallback, wait for something outside. The caller's thread is
         held throughout.
         Calls without a load balancer between are spread over the replicas that are up.
Source   Spring's cache abstraction (look up, miss, invoke, put; no single flight; CacheAspectSupport), Spring Cloud
         LoadBalancer (round robin); steps.guards for what stands around a call.
Omits    Parallel calls, messages.
Checked  tests/unit/test_service.py, tests/e2e/test_fields.py
"""

from models.service.data_source import DataSourceSpec, Source
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
    TransactionStepSpec,
    walk,
)
from models.service.steps import Guards, Parts, compile_endpoint

__all__ = [
    "CacheStepSpec",
    "CallStepSpec",
    "CpuStepSpec",
    "DataSourceSpec",
    "DatabaseStepSpec",
    "DelayStepSpec",
    "EndpointSpec",
    "EvictStepSpec",
    "Guards",
    "Parts",
    "Service",
    "ServiceSpec",
    "Source",
    "TransactionStepSpec",
    "compile_endpoint",
    "walk",
]
