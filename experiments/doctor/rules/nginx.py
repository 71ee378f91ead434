"""nginx settings that do nothing, or more than was meant, and ways past the gateway."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import SO_MANY, UNSUCCESSFUL, Finding, Proof, Rule, Severity
from experiments.doctor.situations import hasty, restarts
from experiments.doctor.subject import Subject
from models.load_balancer import UpstreamSpec

LONG_FAIL_TIMEOUT_S = 20.0
"""Longer than most restarts take (assumed)."""


def upstreams(subject: Subject) -> Iterator[tuple[tuple[str, ...], UpstreamSpec, int]]:
    """Path, settings, and servers that are in use, of every upstream."""
    for balancer_name, balancer in subject.spec.load_balancers.items():
        for name, upstream in balancer.upstreams.items():
            in_use = subject.spec.services[upstream.service].replicas - len(upstream.down)
            yield ("load_balancers", balancer_name, "upstreams", name), upstream, in_use


def single_server(subject: Subject) -> Iterator[Finding]:
    """A single server is never marked down, whatever max_fails says."""
    for at, upstream, in_use in upstreams(subject):
        said = [name for name in ("max_fails", "fail_timeout") if name in upstream.model_fields_set
                and subject.source(*at, name) != "default"]  # fmt: skip
        if in_use != 1 or not said or not upstream.max_fails:
            continue
        path = (*at, said[0])
        yield Finding(
            "max-fails-alone", Severity.NOTE, subject.where(*path), subject.path(*path),
            f"max_fails {upstream.max_fails} and fail_timeout {upstream.fail_timeout:g} s on the only server of "
            f"{at[-1]}",
            "nginx never marks the only server of an upstream down: while it fails, every request is sent to it.",
            "Leave them out, or add a second server.",
        )  # fmt: skip


def one_failure_for_long(subject: Subject) -> Iterator[Finding]:
    """After a restart, fail_timeout keeps a healthy server out; with all out, everything is refused at once."""
    for at, upstream, in_use in upstreams(subject):
        if in_use < 2 or not upstream.max_fails or upstream.fail_timeout < LONG_FAIL_TIMEOUT_S:
            continue
        path = (*at, "fail_timeout")
        yield Finding(
            "fail-timeout-long", Severity.NOTE, subject.where(*path), subject.path(*path),
            f"{upstream.max_fails} failure{'s' * (upstream.max_fails > 1)} take a server of {at[-1]} out for "
            f"{upstream.fail_timeout:g} s",
            f"A server that is back after a second is left out for up to {upstream.fail_timeout + 1:g} s; when all "
            f"{in_use} are out, every request is answered with 502 at once.",
            "fail_timeout 10s, or max_fails=0 during a rolling deploy.",
            Proof((f"{subject.path(*at)}.max_fails=0",), UNSUCCESSFUL, SO_MANY, "down",
                  *restarts(f"services.{upstream.service}")),
        )  # fmt: skip


def past_the_gateway(subject: Subject) -> Iterator[Finding]:
    """A way in that does not lead through the gateway, and through nothing that it enforces."""
    gateway = subject.spec.gateway
    if gateway is None:
        return
    limits = [*gateway.rate_limits, *(["limits of requests in progress"] if gateway.concurrency else [])]
    enforced = ", ".join(limits) or "who may come in, and how"
    why = f"What the gateway enforces ({enforced}) holds for nobody who comes this way."
    change = (
        "Publish the gateway alone and let it lead to nginx: no ports for nginx, uri: http://nginx:80 in its routes."
    )
    if any("gateway" in route.through for route in subject.spec.routes.values()):
        for name, route in subject.spec.routes.items():
            if "gateway" not in route.through:
                path = ("routes", name, "through")
                yield Finding(
                    "past-the-gateway", Severity.ERROR, subject.where(*path), subject.path(*path),
                    f"{name} reaches {route.service} without the gateway", why, change,
                    Proof((f"{subject.path(*path)}=[{', '.join(['gateway', *route.through])}]",),
                          "/requests/refused/rate_limited", "requests refused by limits", "up", *hasty(50.0, 5)),
                )  # fmt: skip
    deployment = subject.deployment
    for unit in deployment.units if deployment is not None else ():
        if not unit.is_published:
            continue
        reading = deployment.nginxes.get(unit.name) if deployment is not None else None
        for location in reading.locations if reading is not None else ():
            yield Finding(
                "past-the-gateway", Severity.ERROR, str(location.place), "",
                f"{unit.name} is published ({unit.place}) and passes {location.path} straight to {location.service}",
                why, change,
            )  # fmt: skip
        if unit.role == "service" and unit.name in subject.spec.services:
            is_routed = any(route.service == unit.name and "gateway" in route.through
                            for route in subject.spec.routes.values())  # fmt: skip
            if is_routed:
                yield Finding(
                    "past-the-gateway", Severity.WARNING, str(unit.place), "",
                    f"{unit.name} is published beside the gateway that leads to it", why,
                    "Use expose instead of ports: other containers reach it all the same.",
                )  # fmt: skip


RULES = (
    Rule("past-the-gateway", "A way in around the gateway and its limits", past_the_gateway),
    Rule("max-fails-alone", "max_fails on an upstream's only server", single_server),
    Rule("fail-timeout-long", "A server left out for longer than it was away", one_failure_for_long),
)
