"""Steps on a cache: look up and load on a miss, evict."""

from __future__ import annotations

from typing import Protocol

from models.replica import Replica
from models.request import Request, Visit
from models.service.spec import CacheStepSpec, EvictStepSpec
from models.service.steps.base import Step, take
from models.spec import Context
from sim.environment import Activity


class Cache(Protocol):
    """What a step needs of a cache."""

    def lookup(self, request: Request, cls: str, lane: int) -> Activity: ...
    def store(self, request: Request, cls: str, lane: int) -> Activity: ...
    def evict(self, request: Request, cls: str, lane: int) -> Activity: ...


class CacheStep(Step):
    """Look up; on a miss load and store. Nothing stops several requests from loading the same key at once."""

    __slots__ = ("_cache", "_cls", "_on_miss")

    def __init__(self, context: Context, spec: CacheStepSpec, cache: Cache, on_miss: list[Step]) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._cache = cache
        self._cls = spec.data_class
        self._on_miss = on_miss

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        if not (yield from self._cache.lookup(request, self._cls, visit.lane)):
            yield from take(self._on_miss, request, visit, replica)
            yield from self._cache.store(request, self._cls, visit.lane)


class EvictStep(Step):
    __slots__ = ("_cache", "_cls")

    def __init__(self, context: Context, spec: EvictStepSpec, cache: Cache) -> None:
        super().__init__(context, spec.name, spec.probability)
        self._cache = cache
        self._cls = spec.data_class

    def process(self, request: Request, visit: Visit, replica: Replica) -> Activity:
        return self._cache.evict(request, self._cls, visit.lane)
