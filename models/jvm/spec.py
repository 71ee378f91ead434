"""What a scenario says of a JVM, and what the JVM then decides by itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from pydantic import Field, model_validator

from models.spec import NonNegativeDuration, NonNegativeSize, PositiveSize, Spec

MIB = 1 << 20
SMALL_HEAP_BYTES = 130_862_280
"""MaxHeapSize of the platform, 96M x 1.3 on 64 bits: what a heap is at least, where half of the memory holds it."""
HEAP_GRAIN_BYTES, LEAST_INITIAL_BYTES = 2 * MIB, 8 * MIB
SERVER_CPUS, SERVER_BYTES = 2, 1792 * MIB

_JDK = "(OpenJDK 17)"
_HERE = "measured on OpenJDK 17.0.15 with small objects; an application full of references takes several times as much"


class JvmSpec(Spec):
    """The JVM a service runs in: its heap, its collector, what requests leave behind."""

    live_set: PositiveSize = Field(description="What stays in the heap for good: the framework, caches.")
    allocation_per_request: PositiveSize = Field(
        description="What a request allocates in the heap; garbage when it ends."
    )
    live_per_request: NonNegativeSize = Field(
        default=0, description="The part of it that is in use for as long as the request is worked on. Default 0."
    )
    tenured_per_request: NonNegativeSize = Field(
        default=0,
        description="The part of it that lives on for a while and becomes garbage in the old generation, such as "
        "entries of caches and sessions. Default 0.",
    )
    leak_per_request: NonNegativeSize = Field(
        default=0, description="The part of it that is never let go: a leak. Default 0."
    )
    max_heap: PositiveSize | None = Field(
        default=None,
        description="-Xmx. Default: a quarter of the container's memory, half when tiny, at least "
        f"initial_heap {_JDK}.",
    )
    initial_heap: PositiveSize | None = Field(
        default=None, description=f"-Xms. Default: 1/64 of the container's memory, at least 8M {_JDK}."
    )
    max_ram_percentage: float = Field(
        default=25.0, gt=0, le=100, description=f"-XX:MaxRAMPercentage, where max_heap is not set. Default 25 {_JDK}."
    )
    collector: Literal["serial", "g1"] | None = Field(
        default=None, description=f"Default: serial below 2 CPUs or 1792 MiB, else g1 {_JDK}."
    )
    pause_cpu: NonNegativeDuration = Field(
        default=0.0001, description=f"CPU time of a collection of the young generation that finds nothing ({_HERE})."
    )
    copy_cpu: NonNegativeDuration = Field(
        default=0.00025, description=f"CPU time to copy 1 MiB that is in use ({_HERE})."
    )
    mark_cpu: NonNegativeDuration = Field(
        default=0.00045, description=f"CPU time to mark and compact 1 MiB in a full collection ({_HERE})."
    )
    exit_on_out_of_memory: bool = Field(
        default=False,
        description=f"-XX:+ExitOnOutOfMemoryError: the process ends instead of throwing. Default off {_JDK}.",
    )
    thread_stack: NonNegativeSize = Field(
        default=128 << 10, description="Memory that a thread's stack really takes of the 1M reserved (assumed)."
    )

    @model_validator(mode="after")
    def _adds_up(self) -> JvmSpec:
        parts = self.live_per_request + self.tenured_per_request + self.leak_per_request
        if parts > self.allocation_per_request:
            raise ValueError(
                "allocation_per_request: must hold live_per_request, tenured_per_request and leak_per_request, which "
                f"are parts of it: at least {parts} bytes, got {self.allocation_per_request}. Raise it."
            )
        if self.max_heap is not None and self.initial_heap is not None and self.initial_heap > self.max_heap:
            raise ValueError(
                f"initial_heap: must be at most max_heap, {self.max_heap} bytes, got {self.initial_heap}. The "
                "JVM would not start. Lower it."
            )
        return self


@dataclass(frozen=True)
class Ergonomics:
    """What the JVM makes of its container."""

    cpus: int
    collector: str
    max_heap: int
    initial_heap: int
    gc_threads: int

    @classmethod
    def of(cls, spec: JvmSpec, cpus: int, memory_bytes: int) -> Ergonomics:
        is_server = cpus >= SERVER_CPUS and memory_bytes >= SERVER_BYTES
        collector = spec.collector or ("g1" if is_server else "serial")
        default = max(default_heap(memory_bytes, spec.max_ram_percentage), spec.initial_heap or 0)
        max_heap = aligned(spec.max_heap or default)
        initial_heap = min(max_heap, aligned(spec.initial_heap or max(memory_bytes // 64, LEAST_INITIAL_BYTES)))
        threads = 1 if collector == "serial" else parallel_threads(cpus)
        return cls(cpus, collector, max_heap, initial_heap, threads)


def cpu_count(limit: float | None, cores: float) -> int:
    """Processors that a JVM sees: ceil(quota / period), at most the machine's."""
    return max(1, min(ceil(cores), ceil(cores if limit is None else limit)))


def default_heap(memory_bytes: int, max_ram_percentage: float = 25.0) -> int:
    """The heap's largest size where nobody sets one."""
    half = memory_bytes // 2
    if half < SMALL_HEAP_BYTES:
        return half
    return max(int(memory_bytes * max_ram_percentage / 100), SMALL_HEAP_BYTES)


def parallel_threads(cpus: int) -> int:
    """ParallelGCThreads: all of 8 CPUs, 5/8 of those beyond."""
    return cpus if cpus <= 8 else 8 + (cpus - 8) * 5 // 8


def aligned(size: int) -> int:
    return -(-size // HEAP_GRAIN_BYTES) * HEAP_GRAIN_BYTES
