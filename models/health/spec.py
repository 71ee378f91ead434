"""What a scenario may say of how replicas are watched and stopped."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from models.spec import NonNegativeDuration, PositiveDuration, Spec

_PROBE_CPU = Field(
    default=0.001, description="CPU time that answering a probe burns in the replica. Default 1ms (assumed)."
)


class ShutdownSpec(Spec):
    """How a replica stops when it is told to (SIGTERM)."""

    graceful: bool = Field(
        default=False,
        description="Whether it finishes what it has begun (server.shutdown). Default: no, as Spring Boot 2.7.",
    )
    timeout: PositiveDuration = Field(
        default=30.0,
        description="How long it does so at most (spring.lifecycle.timeout-per-shutdown-phase). Default 30s: Spring "
        "Boot 2.7.",
    )
    stop_grace_period: NonNegativeDuration = Field(
        default=10.0, description="After SIGTERM, Docker's SIGKILL comes so much later. Docker's default: 10s."
    )
    deregistration: NonNegativeDuration = Field(
        default=0.0,
        description="Before SIGTERM, time in which callers hear that it will go and choose others (a preStop hook, a "
        "wait after deregistering). Default: none, callers find out when they are refused.",
    )


class DockerHealthSpec(Spec):
    """Docker's HEALTHCHECK."""

    kind: Literal["docker"] = "docker"
    interval: PositiveDuration = Field(
        default=30.0, description="From the end of a check to the next one. Docker's default: 30s."
    )
    timeout: PositiveDuration = Field(default=30.0, description="A check that takes longer fails. Default: 30s.")
    retries: PositiveInt = Field(default=3, description="Failures in a row that make it unhealthy. Default: 3.")
    start_period: NonNegativeDuration = Field(
        default=0.0, description="From a start on, failures do not count until a check has passed. Default: 0s."
    )
    restart_unhealthy: bool = Field(
        default=False,
        description="Whether something restarts what is unhealthy, as Swarm and autoheal do. Default: no, Docker alone "
        "marks it and lets it be.",
    )
    cpu: PositiveDuration = _PROBE_CPU


class ProbeSpec(Spec):
    """One of Kubernetes' probes."""

    period: PositiveDuration = Field(default=10.0, description="Between probes (periodSeconds). Default: 10s.")
    timeout: PositiveDuration = Field(
        default=1.0, description="A probe that takes longer fails (timeoutSeconds). Default: 1s."
    )
    failure_threshold: PositiveInt = Field(default=3, description="Failures in a row that count. Default: 3.")
    success_threshold: PositiveInt = Field(default=1, description="Successes in a row that count. Default: 1.")
    initial_delay: NonNegativeDuration = Field(
        default=0.0, description="No probe for so long after a start (initialDelaySeconds). Default: 0s."
    )


class KubernetesHealthSpec(Spec):
    """Kubernetes' probes."""

    kind: Literal["kubernetes"] = "kubernetes"
    liveness: ProbeSpec | None = Field(default=None, description="Who fails it is restarted. Default: none.")
    readiness: ProbeSpec | None = Field(
        default=None, description="Who fails it is not chosen by callers until it passes. Default: none."
    )
    startup: ProbeSpec | None = Field(
        default=None,
        description="From a start on, until it has passed, the others are not asked and callers choose others; who "
        "fails it is restarted. Default: none.",
    )
    cpu: PositiveDuration = _PROBE_CPU

    @model_validator(mode="after")
    def _probes(self) -> KubernetesHealthSpec:
        if self.liveness is None and self.readiness is None and self.startup is None:
            raise ValueError("must have liveness, readiness, startup, or several. Add one, or remove the health check.")
        for name, probe in (("liveness", self.liveness), ("startup", self.startup)):
            if probe is not None and probe.success_threshold != 1:
                raise ValueError(
                    f"{name}.success_threshold: must be 1, as Kubernetes demands, got {probe.success_threshold}. "
                    "Leave it out."
                )
        return self


HealthSpec = Annotated[DockerHealthSpec | KubernetesHealthSpec, Field(discriminator="kind")]
