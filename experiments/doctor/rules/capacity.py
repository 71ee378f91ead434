"""More is promised than there is: threads beside pools, pools beside the database, limits beside the machine."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import SO_MANY, UNSUCCESSFUL, Finding, Proof, Rule, Severity
from experiments.doctor.subject import Subject
from experiments.doctor.words import FOR_EVER_S, shown_bytes, shown_s
from models.jvm import Ergonomics, cpu_count
from models.machine import ContainerSpec
from models.replica import TomcatSpec
from models.service import DatabaseStepSpec, ServiceSpec, TransactionStepSpec, walk
from models.system import containers

_ROOM = 1.5
"""A heap is so many times what stays in it for good, or collections come one after the other (assumed)."""
FAR_ABOVE = 10
"""Threads for each connection: beyond that nearly all of them can only wait (assumed)."""


def _uses(service: ServiceSpec) -> set[str]:
    """Pools that some endpoint takes connections from."""
    found: set[str] = set()
    for endpoint in service.endpoints.values():
        for step in walk(endpoint.steps):
            if isinstance(step, DatabaseStepSpec | TransactionStepSpec):
                source = service.data_sources.get(step.pool)
                found |= {step.pool} if source is None else {source.primary, source.replica or source.primary}
    return found


def threads_above_pool(subject: Subject) -> Iterator[Finding]:
    """Threads that can do nothing but wait for a connection."""
    for name, service in subject.spec.services.items():
        if not isinstance(service.workers, TomcatSpec):
            continue
        for pool in sorted(_uses(service)):
            spec, threads = service.pools[pool], service.workers.threads
            if threads <= FAR_ABOVE * spec.maximum_pool_size:
                continue
            path = ("services", name, "pools", pool, "maximum_pool_size")
            yield Finding(
                "threads-above-pool", Severity.WARNING, subject.where(*path), subject.path(*path),
                f"{threads} threads of {name} share {spec.maximum_pool_size} connections of {pool}",
                f"When the database is slow, {threads - spec.maximum_pool_size} threads wait, each up to "
                f"{shown_s(spec.connection_timeout or FOR_EVER_S)}, and requests that need no database find none free.",
                f"Fewer threads (server.tomcat.threads.max {2 * spec.maximum_pool_size} to "
                f"{5 * spec.maximum_pool_size}), or a shorter connection-timeout so that they fail soon.",
            )  # fmt: skip


def pools_above_database(subject: Subject) -> Iterator[Finding]:
    """All pools of all replicas beside what the server lets in."""
    for name, database in subject.spec.databases.items():
        parts = [
            (service_name, service.replicas * pool.maximum_pool_size)
            for service_name, service in subject.spec.services.items()
            for pool in service.pools.values()
            if pool.database == name
        ]
        wanted, usable = sum(number for _, number in parts), database.max_connections - database.reserved_connections
        if wanted <= usable:
            continue
        path = ("databases", name, "max_connections")
        shown = " + ".join(f"{number} ({service})" for service, number in parts)
        yield Finding(
            "pools-above-database", Severity.ERROR, subject.where(*path), subject.path(*path),
            f"pools may open {wanted} connections, {name} lets {usable} in "
            f"({database.max_connections} less {database.reserved_connections} reserved)",
            f"{shown} = {wanted}: under load the last {wanted - usable} are refused (FATAL: remaining connection slots "
            "are reserved), and a replica that starts then ends at once, since HikariCP's first connection fails.",
            f"{_pools_that_fit(subject, name, usable)}max_connections {wanted + database.reserved_connections} (about "
            f"{shown_bytes((wanted - usable) * database.memory_per_connection)} more memory).",
            Proof((f"{subject.path(*path)}={wanted + database.reserved_connections}",),
                  f"/databases/databases.{name}/refused", "connections refused", "down"),
        )  # fmt: skip


def _pools_that_fit(subject: Subject, database: str, usable: int) -> str:
    """The size that all pools may have alike; nothing where not even one connection is left for each."""
    number = sum(
        service.replicas
        for service in subject.spec.services.values() for pool in service.pools.values() if pool.database == database
    )  # fmt: skip
    return f"maximum-pool-size {usable // number} for each of the {number} pools, or " if usable >= number else ""


def _heap(subject: Subject, container: ContainerSpec) -> int:
    """The largest heap that a container's JVM takes; 0 where it has none."""
    jvm = getattr(container, "jvm", None)
    if jvm is None:
        return 0
    machine = subject.spec.machines[container.machine]
    memory = min(container.limits.memory or machine.memory, machine.memory)
    return Ergonomics.of(jvm, cpu_count(container.limits.cpus, machine.cores), memory).max_heap


def _stacks(container: ContainerSpec) -> int:
    """Memory of all its threads' stacks."""
    jvm, workers = getattr(container, "jvm", None), getattr(container, "workers", None)
    return jvm.thread_stack * workers.threads if jvm is not None and isinstance(workers, TomcatSpec) else 0


def _reach(subject: Subject, name: str, container: ContainerSpec) -> int:
    """Memory that one container may come to hold: its limit, else heap, stacks, what Redis may keep, what connections
    take, and all that it holds when idle (metaspace, code, buffers)."""
    spec, kept = subject.spec, 0
    if name in spec.caches and container is spec.caches[name]:
        kept = spec.caches[name].maxmemory or 0
    elif name in spec.databases and container is spec.databases[name]:
        database = spec.databases[name]
        open_ = min(_wanted(subject, name), database.max_connections - database.reserved_connections)
        kept = open_ * database.memory_per_connection
    whole = container.base_memory + _heap(subject, container) + _stacks(container) + kept
    return whole if container.limits.memory is None else min(container.limits.memory, max(whole, 1))


def _wanted(subject: Subject, database: str) -> int:
    """Connections that all pools of all replicas may open."""
    return sum(
        service.replicas * pool.maximum_pool_size
        for service in subject.spec.services.values() for pool in service.pools.values() if pool.database == database
    )  # fmt: skip


def memory_above_machine(subject: Subject) -> Iterator[Finding]:
    """Everything on a machine beside its memory: limits where there are some, else what it may come to hold."""
    for name, machine in subject.spec.machines.items():
        parts: list[tuple[str, int]] = [("the system", machine.system_memory)]
        parts += [(resident, one.limits.memory or one.memory) for resident, one in machine.background.items()]
        for at, container in containers(subject.spec):
            if container.machine == name:
                one = at.rpartition(".")[2]
                each = container.limits.memory or _reach(subject, one, container)
                parts.append((one, each * getattr(container, "replicas", 1)))
        whole = sum(part for _, part in parts)
        if whole <= machine.memory:
            continue
        largest = sorted(parts, key=lambda part: -part[1])[:4]
        shown = ", ".join(f"{part} {shown_bytes(size)}" for part, size in largest)
        path = ("machines", name, "memory")
        is_guess = subject.is_assumed(*path)
        yield Finding(
            "memory-above-machine", Severity.WARNING if is_guess else Severity.ERROR,
            subject.where(*path), subject.path(*path),
            f"what runs on {name} may take {shown_bytes(whole)} of its {shown_bytes(machine.memory)}"
            f"{' (assumed)' if is_guess else ''}",
            f"The largest: {shown} (memory limits; without one, the largest heap, stacks, metaspace and the rest). "
            "When they grow to that, the kernel kills the largest process.",
            _smaller(subject, name, machine.memory - whole, whole),
            Proof((f"{subject.path(*path)}={-(-whole >> 20)}M",), f"/machines/machines.{name}/oom_kills",
                  "processes killed for memory", "down"),
        )  # fmt: skip


def _smaller(subject: Subject, machine: str, missing: int, whole: int) -> str:
    """What fits: the heap that is left for each JVM without a limit, if it holds what stays in it for good."""
    heaps = [
        (getattr(one, "replicas", 1), _heap(subject, one), one.jvm.live_set)  # type: ignore[attr-defined]
        for _, one in containers(subject.spec)
        if one.machine == machine and one.limits.memory is None and _heap(subject, one)
    ]  # fmt: skip
    number = sum(replicas for replicas, _, _ in heaps)
    more = f"the machine {shown_bytes(whole)}"
    if not number:
        return f"Lower limits, or give {more}."
    each = (sum(replicas * heap for replicas, heap, _ in heaps) + missing) // number >> 24 << 24
    least = round(_ROOM * max(live for _, _, live in heaps))
    if each < least:
        tight = whole - sum(replicas * heap for replicas, heap, _ in heaps) + number * least
        return (
            f"Smaller heaps alone do not do: with -Xmx{least >> 20}m, the least that holds what stays in them, for "
            f"each of the {number} JVMs without a limit it is still {shown_bytes(tight)}. Fewer replicas, or {more}."
        )
    return f"-Xmx{each >> 20}m for each of the {number} JVMs without a limit (JAVA_TOOL_OPTIONS), or {more}."


def heap_above_limit(subject: Subject) -> Iterator[Finding]:
    """A heap is not all that a JVM holds."""
    for at, container in containers(subject.spec):
        limit, heap = container.limits.memory, _heap(subject, container)
        needed = heap + container.base_memory + _stacks(container)
        if limit is None or not heap or needed <= limit:
            continue
        path = (*at.split(".", 1), "limits", "memory")
        is_guess = subject.is_assumed(*at.split(".", 1), "base_memory")
        yield Finding(
            "heap-above-limit", Severity.WARNING if is_guess else Severity.ERROR,
            subject.where(*path), subject.path(*path),
            f"{at.rpartition('.')[2]} may hold {shown_bytes(needed)} under a limit of {shown_bytes(limit)}",
            f"Heap {shown_bytes(heap)}, metaspace, code and buffers {shown_bytes(container.base_memory)}"
            f"{' (assumed)' if is_guess else ''}, stacks {shown_bytes(_stacks(container))}: when it has grown to that, "
            "the kernel kills it (exit 137), and no OutOfMemoryError says why.",
            f"A smaller heap (-Xmx), fewer threads, or a limit of {shown_bytes(int(needed * 1.1))}.",
            Proof((f"{subject.path(*path)}={int(needed * 1.1) >> 20}M",), UNSUCCESSFUL, SO_MANY, "down"),
        )  # fmt: skip


def cpus_above_machine(subject: Subject) -> Iterator[Finding]:
    """CPU limits are not a share: together they may promise more cores than there are."""
    for name, machine in subject.spec.machines.items():
        parts = [
            (path.rpartition(".")[2], container.limits.cpus * getattr(container, "replicas", 1))
            for path, container in containers(subject.spec)
            if container.machine == name and container.limits.cpus is not None
        ]
        parts += [(each, one.limits.cpus) for each, one in machine.background.items() if one.limits.cpus is not None]
        whole = sum(part for _, part in parts)
        if whole <= machine.cores:
            continue
        path = ("machines", name, "cores")
        yield Finding(
            "cpus-above-machine", Severity.NOTE, subject.where(*path), subject.path(*path),
            f"CPU limits on {name} add up to {whole:g} of its {machine.cores:g} cores",
            f"{', '.join(f'{part} {cpus:g}' for part, cpus in parts)}: when all have work, none gets what its limit "
            "says, and what decides is cpu_shares.",
            "Lower the limits of what may wait, or set cpu_shares for what may not.",
        )  # fmt: skip


def small_quota_and_g1(subject: Subject) -> Iterator[Finding]:
    """Below 2 CPUs, or 1792 MiB, a JVM takes the serial collector unless it is told otherwise."""
    for name, service in subject.spec.services.items():
        if service.jvm is None:
            continue
        machine = subject.spec.machines[service.machine]
        quota, cpus = service.limits.cpus, cpu_count(service.limits.cpus, machine.cores)
        if cpus >= 2 or quota is None or service.jvm.collector == "serial":
            continue
        forced = service.jvm.collector == "g1"
        path = ("services", name, "limits", "cpus")
        why = (
            "G1 is forced on it: its concurrent work competes with requests for the same quota"
            if forced else "It takes the serial collector, not G1: whoever tuned for G1 tuned for nothing"
        )  # fmt: skip
        yield Finding(
            "quota-below-one-cpu", Severity.WARNING if forced else Severity.NOTE,
            subject.where(*path), subject.path(*path),
            f"a limit of {quota:g} CPU for the JVM of {name}, which therefore sees one processor",
            f"{why}; a collection that needs more than {quota * 100:g} ms of CPU stops all threads until the next "
            "period of 100 ms.",
            "Give it 2 CPUs (G1 takes 1792M of memory, too), or say -XX:+UseSerialGC so that it is meant.",
            Proof(
                (f"{subject.path(*path)}=2",), "/latency_ms/all/p95", "the 95th percentile of response times, ms",
                "down",
            ),
        )  # fmt: skip


RULES = (
    Rule("threads-above-pool", "Far more threads than connections", threads_above_pool),
    Rule("pools-above-database", "Pools that the database cannot serve together", pools_above_database),
    Rule(
        "memory-above-machine",
        "Limits, heaps and metaspace above the machine's memory",
        memory_above_machine,
    ),
    Rule("heap-above-limit", "A heap that leaves its container no room for the rest", heap_above_limit),
    Rule("cpus-above-machine", "CPU limits above the machine's cores", cpus_above_machine),
    Rule("quota-below-one-cpu", "A JVM that sees one processor", small_quota_and_g1),
)
