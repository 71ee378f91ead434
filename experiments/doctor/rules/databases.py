"""Standbys that nobody reads, and standbys that are none."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import Finding, Proof, Rule, Severity
from experiments.doctor.subject import Subject
from models.service import TransactionStepSpec


def routing_reads_primary(subject: Subject) -> Iterator[Finding]:
    """A bare AbstractRoutingDataSource is asked before the transaction has said that it is read-only."""
    for service_name, service in subject.spec.services.items():
        for name, source in service.data_sources.items():
            if source.style != "routing_data_source" or source.replica is None:
                continue
            path = ("services", service_name, "data_sources", name, "style")
            standby = service.pools[source.replica].database
            yield Finding(
                "reads-go-to-primary", Severity.ERROR, subject.where(*path), subject.path(*path),
                f"{name} of {service_name} routes by the read-only flag with nothing lazy in front of it",
                "The connection is taken before the flag is set: every read-only transaction gets the primary, and "
                f"{standby} serves none of them.",
                "Wrap it in a LazyConnectionDataSourceProxy (style: lazy_proxy).",
                Proof((f"{subject.path(*path)}=lazy_proxy",), f"/containers/databases.{standby}/cpu_cores",
                      f"cores that {standby} keeps busy", "up"),
            )  # fmt: skip


def nobody_reads_only(subject: Subject) -> Iterator[Finding]:
    """A standby is for read-only transactions: without one it idles."""
    for service_name, service in subject.spec.services.items():
        for name, source in service.data_sources.items():
            if source.style != "lazy_proxy" or source.replica is None:
                continue
            reads = [
                step for path, _, step in subject.steps(TransactionStepSpec)
                if path[1] == service_name and step.pool == name and step.read_only
            ]  # fmt: skip
            if reads or _are_steps_assumed(subject, service_name):
                continue
            path = ("services", service_name, "data_sources", name, "replica")
            yield Finding(
                "standby-unread", Severity.WARNING, subject.where(*path), subject.path(*path),
                f"{service_name} has no read-only transaction on {name}",
                f"Only @Transactional(readOnly = true) goes to {source.replica}: its connections are open and idle, "
                "and the primary serves everything.",
                "Mark reading methods readOnly, or leave the standby out.",
            )  # fmt: skip


def _are_steps_assumed(subject: Subject, service: str) -> bool:
    """Files do not tell which transactions there are; what import assumes of them proves nothing."""
    endpoints = subject.spec.services[service].endpoints
    return any(subject.is_assumed("services", service, "endpoints", name, "steps") for name in endpoints)


def no_standby(subject: Subject) -> Iterator[Finding]:
    """A second PostgreSQL beside the first is not a standby of it."""
    for one in subject.presumed:
        yield Finding(
            "standby-is-none", Severity.ERROR, one.where, f"databases.{one.database}.standby_of",
            f"{one.by} reads from {one.database}, and nothing makes it follow {one.primary}",
            f"It starts as an empty database of its own: reads that are routed to it find no table and no row of "
            f"{one.primary}.",
            f"Start it from a base backup: pg_basebackup -h {one.primary} -D \"$PGDATA\" -R before postgres.",
        )  # fmt: skip


RULES = (
    Rule("standby-is-none", "Reads routed to a database that follows nobody", no_standby),
    Rule("reads-go-to-primary", "Read routing that reads the primary", routing_reads_primary),
    Rule("standby-unread", "A standby that nobody reads from", nobody_reads_only),
)
