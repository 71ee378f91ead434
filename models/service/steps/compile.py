# cython: annotation_typing=True
"""From the steps of an endpoint's specification to the processes that carry them out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol

from models.replica import Work
from models.service.data_source import Source
from models.service.spec import (
    CacheStepSpec,
    CallStepSpec,
    CpuStepSpec,
    DatabaseStepSpec,
    DelayStepSpec,
    EvictStepSpec,
    TransactionStepSpec,
    walk,
)
from models.service.steps.blocking import BlockingStep
from models.service.steps.cache import Cache, CacheStep, EvictStep
from models.service.steps.call import CallStep, GuardedCallStep
from models.service.steps.database import DatabaseStep
from models.service.steps.layers import Hop
from models.service.steps.plain import CpuStep, DelayStep
from models.service.steps.transaction import HeldDatabaseStep, JoinedStep, TransactionStep, in_view
from models.spec import Context
from models.step import Endpoint, Step


class Parts(Protocol):
    """What assembly hands to the steps of a service: what they use, by name."""

    def cache(self, name: str) -> Cache: ...
    def source(self, name: str) -> Source: ...
    @property
    def open_in_view(self) -> bool: ...
    def service(self, name: str) -> Hop: ...
    def is_idempotent(self, service: str, endpoint: str) -> bool: ...


def compile_endpoint(context: Context, service: str, endpoint: str, specs: Sequence[Any], parts: Parts) -> Work:
    """Turn the steps of an endpoint into processes. Draws are keyed by the endpoint, so replicas share them."""
    sites = count(1)
    kept = sources_of(specs) if parts.open_in_view else []
    held, begun = list(kept), list[str]()
    """Sources whose connection is kept, and in a transaction, where the step that is being compiled stands."""
    locked: list[tuple[str, str]] = []
    """Classes of data whose synchronised load the step is part of."""

    def compile_steps(specs: Sequence[Any]) -> list[Step]:
        return [compile_step(spec) for spec in specs]

    def compile_step(spec: Any) -> Step:
        at = context.at("steps").at(spec.name)
        given = f"{service}.{endpoint}.{spec.name}"
        match spec:
            case CpuStepSpec():
                return CpuStep(at, spec, given)
            case DelayStepSpec():
                return blocking(spec, DelayStep(at, spec, given))
            case CacheStepSpec():
                return compile_cache(at, spec)
            case EvictStepSpec():
                return EvictStep(at, spec, parts.cache(spec.cache))
            case DatabaseStepSpec():
                if spec.pool in held:
                    return blocking(spec, HeldDatabaseStep(at, spec, given))
                return blocking(spec, DatabaseStep(at, spec, parts.source(spec.pool), given))
            case TransactionStepSpec():
                return compile_transaction(at, spec)
            case CallStepSpec():
                site = next(sites)
                fallback = None if spec.fallback is None else compile_steps(spec.fallback)
                idempotent = parts.is_idempotent(spec.service, spec.endpoint)
                kind = GuardedCallStep if spec.is_guarded else CallStep
                return kind(at, spec, parts.service(spec.service), idempotent, fallback, site)
        raise TypeError(f"unknown step {spec!r}")

    def compile_cache(at: Context, spec: CacheStepSpec) -> Step:
        what = (spec.cache, spec.data_class)
        has_lock = what in locked
        if spec.sync:
            locked.append(what)
        on_miss = compile_steps(spec.on_miss)
        if spec.sync:
            locked.pop()
        return CacheStep(at, spec, parts.cache(spec.cache), on_miss, has_lock)

    def compile_transaction(at: Context, spec: TransactionStepSpec) -> Step:
        if spec.pool in begun:
            return JoinedStep(at, spec, compile_steps(spec.steps))
        is_held = spec.pool in held
        held.append(spec.pool)
        begun.append(spec.pool)
        steps = compile_steps(spec.steps)
        held.pop()
        begun.pop()
        return TransactionStep(at, spec, parts.source(spec.pool), steps, is_held)

    steps = compile_steps(specs)
    if kept:
        work: Work = in_view([parts.source(name) for name in kept], steps, context.env)
        return work
    return Endpoint(context, steps)


def blocking(spec: DelayStepSpec | DatabaseStepSpec, step: Step) -> Step:
    """The step as it waits: with its loop, or without."""
    return BlockingStep(step) if spec.blocking else step


def sources_of(specs: Sequence[Any]) -> list[str]:
    """The pools and data sources that steps name, each once."""
    names = [spec.pool for spec in walk(specs) if isinstance(spec, DatabaseStepSpec | TransactionStepSpec)]
    return list(dict.fromkeys(names))
