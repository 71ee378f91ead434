"""More is promised than there is: threads beside pools, pools beside the database, limits beside the machine."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from experiments.doctor.finding import Finding, Rule, Severity
from experiments.doctor.subject import Subject
from models.jvm import Ergonomics, cpu_count
from models.machine import ContainerSpec
from models.replica import TomcatSpec
from models.service import DatabaseStepSpec, ServiceSpec, TransactionStepSpec, walk
from models.system import containers
from sim.quantities import format_size

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
                f"{threads} threads share {spec.maximum_pool_size} connections of {pool}",
                f"When the database is slow, {threads - spec.maximum_pool_size} threads wait, each up to "
                f"{spec.connection_timeout or inf:g} s, and requests that need no database find none free.",
                f"Fewer threads (server.tomcat.threads.max {2 * spec.maximum_pool_size} to "
                f"{5 * spec.maximum_pool_size}), or a "
                "shorter connection-timeout so that they fail soon.",
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
            f"{shown} = {wanted}: the last {wanted - usable} are refused (FATAL: sorry, too many clients already), "
            "and a "
            "replica that starts then does not start.",
            f"Smaller pools, or max_connections {wanted + database.reserved_connections} (about "
            f"{format_size((wanted - usable) * database.memory_per_connection)} more memory).",
        )  # fmt: skip


def _reach(subject: Subject, container: ContainerSpec) -> float:
    """Memory that one container may come to hold."""
    if container.limits.memory is not None:
        return container.limits.memory
    jvm = getattr(container, "jvm", None)
    machine = subject.spec.machines[container.machine]
    cpus = cpu_count(container.limits.cpus, machine.cores)
    heap = 0 if jvm is None else Ergonomics.of(jvm, cpus, machine.memory).max_heap
    return container.base_memory + heap


def memory_above_machine(subject: Subject) -> Iterator[Finding]:
    """Everything on a machine beside its memory."""
    for name, machine in subject.spec.machines.items():
        parts: list[tuple[str, float]] = [("the system", float(machine.system_memory))]
        parts += [(resident, float(one.limits.memory or one.memory)) for resident, one in machine.background.items()]
        for at, container in containers(subject.spec):
            if container.machine == name:
                parts.append((at.rpartition(".")[2], _reach(subject, container) * getattr(container, "replicas", 1)))
        whole = sum(part for _, part in parts)
        if whole <= machine.memory:
            continue
        largest = sorted(parts, key=lambda part: -part[1])[:4]
        shown = ", ".join(f"{part} {format_size(int(size))}" for part, size in largest)
        path = ("machines", name, "memory")
        yield Finding(
            "memory-above-machine", Severity.ERROR, subject.where(*path), subject.path(*path),
            f"what runs on {name} may take {format_size(int(whole))} of its {format_size(machine.memory)}",
            f"The largest: {shown} (limits where there are some, else heap and what they hold at rest). When they "
            "grow to "
            "that, the kernel kills the largest process.",
            "Give the JVMs smaller heaps (-Xmx, or limits with MaxRAMPercentage), or the machine more memory.",
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
            f"{', '.join(f'{part} {cpus:g}' for part, cpus in parts)}: under load none of them gets what its limit "
            "says, and "
            "what decides is cpu_shares.",
            "Lower the limits of what may wait, or set cpu_shares for what may not.",
        )  # fmt: skip


def small_quota_and_g1(subject: Subject) -> Iterator[Finding]:
    """Below 2 CPUs, or 1792 MiB, a JVM takes the serial collector unless it is told otherwise."""
    for name, service in subject.spec.services.items():
        if service.jvm is None:
            continue
        machine = subject.spec.machines[service.machine]
        cpus = cpu_count(service.limits.cpus, machine.cores)
        if cpus >= 2 or service.limits.cpus is None:
            continue
        forced = service.jvm.collector == "g1"
        path = ("services", name, "limits", "cpus")
        why = (
            "G1 is forced on it: its concurrent work competes with requests for the same quota"
            if forced
            else "It takes the serial collector, and one compiler thread: whoever tuned for G1 tuned for nothing"
        )
        yield Finding(
            "quota-below-one-cpu", Severity.WARNING if forced else Severity.NOTE,
            subject.where(*path), subject.path(*path),
            f"{service.limits.cpus:g} CPUs for a JVM of {name}, which therefore sees {cpus} processor"
            f"{'s' * (cpus > 1)}",
            f"{why}; a collection that needs more than {service.limits.cpus * 100:g} ms of CPU stops all threads to "
            "the next "
            "period of 100 ms.",
            "Give it 2 CPUs, or say -XX:+UseSerialGC and -XX:ActiveProcessorCount so that it is meant.",
        )  # fmt: skip


RULES = (
    Rule("threads-above-pool", "Far more threads than connections", threads_above_pool),
    Rule("pools-above-database", "Pools that the database cannot serve together", pools_above_database),
    Rule("memory-above-machine", "Limits, heaps and residents above the machine's memory", memory_above_machine),
    Rule("cpus-above-machine", "CPU limits above the machine's cores", cpus_above_machine),
    Rule("quota-below-one-cpu", "A JVM that sees one processor", small_quota_and_g1),
)
