"""The rules, one file for each kind of trouble. A rule yields findings and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.doctor.finding import Finding, Rule
from experiments.doctor.rules import (
    alerts,
    breakers,
    caches,
    capacity,
    checklist,
    databases,
    kubernetes,
    limits,
    nginx,
    retries,
    time_limits,
)  # fmt: skip
from experiments.doctor.subject import Subject

RULES: tuple[Rule, ...] = (
    *limits.RULES, *breakers.RULES, *time_limits.RULES, *capacity.RULES, *retries.RULES, *caches.RULES,
    *databases.RULES, *nginx.RULES, *kubernetes.RULES, *alerts.RULES, *checklist.RULES,
)  # fmt: skip


def examine(subject: Subject, without: Sequence[str] = ()) -> list[Finding]:
    """Everything that the rules find, the worst first, then in the order of the rules. `without`: rules left out."""
    found = [finding for rule in asked(subject, without) for finding in rule.check(subject)]
    return sorted(dict.fromkeys(found), key=lambda finding: -finding.severity)


def asked(subject: Subject, without: Sequence[str] = ()) -> list[Rule]:
    """The rules that can look at it."""
    return [rule for rule in RULES if rule.name not in without
            and (subject.system is not None or not rule.needs_scenario)]  # fmt: skip
