"""nginx settings that do nothing, or more than was meant."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import Finding, Rule, Severity
from experiments.doctor.subject import Subject


def single_server(subject: Subject) -> Iterator[Finding]:
    """A single server is never marked down, whatever max_fails says."""
    for balancer_name, balancer in subject.spec.load_balancers.items():
        for name, upstream in balancer.upstreams.items():
            service = subject.spec.services[upstream.service]
            in_use = service.replicas - len(upstream.down)
            if in_use != 1 or not {"max_fails", "fail_timeout"} & upstream.model_fields_set:
                continue
            path = ("load_balancers", balancer_name, "upstreams", name, "max_fails")
            yield Finding(
                "max-fails-alone", Severity.NOTE, subject.where(*path), subject.path(*path),
                f"max_fails {upstream.max_fails} and fail_timeout {upstream.fail_timeout:g} s on the only server of "
                f"{name}",
                "nginx never marks the only server of an upstream down: while it fails, every request is sent to it.",
                "Leave them out, or add a second server.",
            )  # fmt: skip


def one_failure_for_long(subject: Subject) -> Iterator[Finding]:
    """After a restart, fail_timeout keeps a healthy server out; with all out, everything is refused at once."""
    for balancer_name, balancer in subject.spec.load_balancers.items():
        for name, upstream in balancer.upstreams.items():
            service = subject.spec.services[upstream.service]
            if service.replicas < 2 or not upstream.max_fails or upstream.fail_timeout < 20:
                continue
            path = ("load_balancers", balancer_name, "upstreams", name, "fail_timeout")
            yield Finding(
                "fail-timeout-long", Severity.NOTE, subject.where(*path), subject.path(*path),
                f"{upstream.max_fails} failure{'s' * (upstream.max_fails > 1)} take a server of {name} out for "
                f"{upstream.fail_timeout:g} s",
                f"A server that is back after a second is left out for up to {upstream.fail_timeout + 1:g} s; when all "
                f"{service.replicas} are out, every request is answered with 502 at once.",
                "fail_timeout 10s, or max_fails=0 during a rolling deploy.",
            )  # fmt: skip


RULES = (
    Rule("max-fails-alone", "max_fails on an upstream's only server", single_server),
    Rule("fail-timeout-long", "A server left out for longer than it was away", one_failure_for_long),
)
