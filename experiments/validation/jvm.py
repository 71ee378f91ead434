"""OpenJDK: what it makes of a container, and what its collectors do."""

from __future__ import annotations

from collections import deque

from experiments.validation.check import Component, expect, expect_near
from experiments.validation.stand import ONE_SECOND, Stand, only
from models.jvm import Ergonomics, Heap, JvmSpec, cpu_count, default_heap

JVM = Component(
    "OpenJDK",
    version="17.0.15",
    source="openjdk: src/hotspot/os/linux/cgroupUtil_linux.cpp, share/gc/shared/gcConfig.cpp, runtime/arguments.cpp, "
    "share/gc/serial/defNewGeneration.cpp",
    section="7",
)

MIB = 1 << 20
SMALL = JvmSpec.model_validate({"live_set": "1M", "allocation_per_request": "1K"})


@JVM.check("JVM CPU count = ceil(quota/period)", "At most the machine's cores, at least one.")
def cpus() -> None:
    found = [cpu_count(limit, 4) for limit in (0.1, 0.5, 1.0, 1.5, 3.2, None)]
    expect(found, [1, 1, 1, 2, 4, 4])


@JVM.check("quota 0.5 or 1.0 CPU: 1 processor, Serial; 1.5: 2, G1", "Fewer than two processors are no server.")
def collector() -> None:
    found = [Ergonomics.of(SMALL, cpu_count(limit, 2), 4096 * MIB) for limit in (0.5, 1.0, 1.5)]
    expect([(each.cpus, each.collector) for each in found], [(1, "serial"), (1, "serial"), (2, "g1")])


@JVM.check("<2 CPUs or <1792 MiB ⇒ Serial GC", "Little memory is no server, either.")
def little_memory() -> None:
    found = [Ergonomics.of(SMALL, 2, memory * MIB).collector for memory in (512, 1791, 1792)]
    expect(found, ["serial", "serial", "g1"])


@JVM.check(
    "128 M→64, 256 M→126, 512 M→128, 1 G→256 MiB", "A quarter, but half of so little that half is below 125 MiB."
)
def heap_size() -> None:
    found = {
        memory: Ergonomics.of(SMALL, 1, memory * MIB).max_heap // MIB for memory in (64, 128, 200, 256, 384, 512, 1024)
    }
    expect(found, {64: 32, 128: 64, 200: 100, 256: 126, 384: 126, 512: 128, 1024: 256})
    expect(default_heap(1024 * MIB, 75) // MIB, 768)


def _collections(
    live: int, requests: int, kib: int, at_once: int = 0, kib_live: int = 0, initial: str = "128M"
) -> tuple[int, int, float]:
    """Young and full collections of a heap of 128 MiB, and milliseconds of the last: each request allocates `kib`, and
    `at_once` of them keep `kib_live` more each."""
    used = kib_live * 1056 if at_once else 0  # small objects in an array: 3 % more than their bytes
    fields = {
        "live_set": f"{live}M", "allocation_per_request": f"{kib * 1024 + used}B", "live_per_request": f"{used}B",
        "max_heap": "128M", "initial_heap": initial, "collector": "serial",
    }  # fmt: skip
    spec = JvmSpec.model_validate(fields)
    heap = Heap(spec, Ergonomics.of(spec, 1, 512 * MIB))
    young = full = 0
    last_ms = 0.0
    inside: deque[int] = deque()
    for _ in range(requests):
        if len(inside) > at_once:
            heap.leave(inside.popleft())
        while not heap.take(spec.allocation_per_request):
            collection = heap.collect(0.0)
            young, full = (young, full + 1) if collection.is_full else (young + 1, full)
            last_ms = 1000 * collection.work_s
        inside.append(heap.enter())
    return young, full, last_ms


@JVM.check(
    "measured, Serial, -Xmx128m: 41 MiB live, 10,000 requests of 64 KiB: 18 young collections of 0.11 ms",
    "Eden is eight tenths of a third of the heap.", "count exact, pause within 0.05 ms",
)  # fmt: skip
def young_only() -> None:
    young, full, last_ms = _collections(41, 10_000, 64)
    expect((young, full), (18, 0))
    expect_near(last_ms, 0.11, 0.05)


@JVM.check(
    "measured, the same with 50 requests in progress that keep 64 KiB each: 37 young collections of 0.7 to 1.1 ms",
    "A collection costs what it copies.", "count exact, pause within the range",
)  # fmt: skip
def copies() -> None:
    young, full, last_ms = _collections(41, 10_000, 64, 50, 64)
    expect((young, full), (37, 0))
    expect_near(last_ms, 0.9, 0.2)


@JVM.check(
    "measured, the same with 200 in progress: 24 young and 13 full collections, 33 to 35 ms each",
    "What does not fit a survivor space is promoted, and fills the old generation.",
    "37 in all exact; 8 full ones instead of 13",
)  # fmt: skip
def premature() -> None:
    young, full, _ = _collections(41, 10_000, 64, 200, 64)
    expect((young, full), (29, 8))


@JVM.check(
    "measured: 103 MiB live, 3,000 requests of 64 KiB: 9 full collections of 45 ms; 113 MiB live, 300: 1 of 50 ms",
    "Nearly full, every collection is a full one.", "count exact, pause within 3 ms",
)  # fmt: skip
def nearly_full() -> None:
    for live, requests, count, pause_ms in ((103, 3_000, 9, 45.0), (113, 300, 1, 50.0)):
        young, full, last_ms = _collections(live, requests, 64)
        expect((young, full), (0, count))
        expect_near(last_ms, pause_ms, 3.0)


@JVM.check(
    "measured, -XX:MaxRAM=512m without -Xms: 41 MiB live, 5,000 requests of 64 KiB: 11 young collections",
    "The old generation keeps 40 % free, the young one is half as large.",
)
def grown() -> None:
    expect(_collections(41, 5_000, 64, initial="8M")[:2], (11, 0))


@JVM.check(
    "heap exhaustion instead throws and the process lives", "The request that found no room fails; the container stays."
)
def exhausted() -> None:
    jvm = {"live_set": "20M", "allocation_per_request": "30M", "live_per_request": "30M", "max_heap": "128M"}
    service = only(ONE_SECOND, jvm=jvm | {"initial_heap": "128M", "collector": "serial"})
    stand = Stand(service, [0.2 * n for n in range(5)] + [5.0]).run()
    expect([int(row["status"]) for row in stand.rows], [200, 200, 200, 500, 500, 200])
    expect(stand.recording.whole.counts["services.api.replica-1.deaths"], 0)


JVM.leaves_out(
    "stacks 1 MiB reserved/thread, code cache 240 MiB reserved, metaspace unlimited",
    "Reserved memory is not held; what is held is a setting (thread_stack, base_memory).",
)
JVM.leaves_out(
    "JIT tiers at 200/5000 calls: model a slow, CPU-hungry first phase",
    "A phase whose length and cost are settings (cold_factor, cold_requests, compile_cpu); methods are not modelled.",
)
