"""Standbys that nobody reads."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import Finding, Rule, Severity
from experiments.doctor.subject import Subject
from models.service import TransactionStepSpec


def routing_reads_primary(subject: Subject) -> Iterator[Finding]:
    """A bare AbstractRoutingDataSource is asked before the transaction has said that it is read-only."""
    for service_name, service in subject.spec.services.items():
        for name, source in service.data_sources.items():
            if source.style != "routing_data_source" or source.replica is None:
                continue
            path = ("services", service_name, "data_sources", name, "style")
            yield Finding(
                "reads-go-to-primary", Severity.ERROR, subject.where(*path), subject.path(*path),
                f"{name} routes by the read-only flag with nothing lazy in front of it",
                "The connection is taken before the flag is set: every read-only transaction gets the primary, and the "
                f"standby behind {source.replica} serves nobody.",
                "Wrap it in a LazyConnectionDataSourceProxy (style: lazy_proxy).",
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
            if reads:
                continue
            path = ("services", service_name, "data_sources", name, "replica")
            yield Finding(
                "standby-unread", Severity.WARNING, subject.where(*path), subject.path(*path),
                f"{service_name} has no read-only transaction on {name}",
                f"Only @Transactional(readOnly = true) goes to {source.replica}: its connections are open and idle, "
                "and the "
                "primary serves everything.",
                "Mark reading methods readOnly, or leave the standby out.",
            )  # fmt: skip


RULES = (
    Rule("reads-go-to-primary", "Read routing that reads the primary", routing_reads_primary),
    Rule("standby-unread", "A standby that nobody reads from", nobody_reads_only),
)
