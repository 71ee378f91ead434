"""What a scenario says of machines and of the containers on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveFloat, model_validator

from models.spec import Context, NonNegativeDuration, NonNegativeSize, PositiveDuration, PositiveSize, Spec

if TYPE_CHECKING:
    from models.machine.machine import Machine

RESTART_POLICY = r"^(no|always|unless-stopped|on-failure(:[1-9][0-9]*)?)$"


class LimitsSpec(Spec):
    """Docker's resource limits of one container."""

    cpus: Annotated[float, Field(ge=0.01)] | None = Field(
        default=None,
        description="CPU limit (Compose deploy.resources.limits.cpus). Docker's default: none; its least: 0.01.",
    )
    memory: PositiveSize | None = Field(
        default=None, description="Memory limit (Compose deploy.resources.limits.memory). Docker's default: none."
    )


class BackgroundSpec(Spec):
    """Something that lives on the machine beside the services: it takes memory and a regular burst of CPU."""

    memory: NonNegativeSize = Field(description="Memory it holds, e.g. 300M.")
    limits: LimitsSpec = Field(default_factory=LimitsSpec, description="CPU and memory limits of its container.")
    burst: NonNegativeDuration = Field(
        default=0.0, description="CPU time of one burst. Default 0: it only holds memory."
    )
    every: PositiveDuration = Field(
        default=15.0, description="Time between bursts. Default 15s: a common Prometheus scrape interval (assumed)."
    )

    @model_validator(mode="after")
    def _fits(self) -> BackgroundSpec:
        if self.limits.memory is not None and self.limits.memory < self.memory:
            raise ValueError("limits.memory: must be at least its memory. It would be killed for ever. Raise it.")
        return self


class MachineSpec(Spec):
    """One machine: what everything that runs on it shares."""

    cores: PositiveFloat = Field(description="CPU cores.")
    memory: PositiveSize = Field(description="Memory, e.g. 4G.")
    system_memory: NonNegativeSize = Field(default=0, description="What the operating system keeps for itself.")
    speed: PositiveFloat = Field(
        default=1.0, description="Speed of a core relative to the one on which demands were measured."
    )
    background: dict[str, BackgroundSpec] = Field(default_factory=dict, description="Residents that serve no request.")

    def build(self, context: Context) -> Machine:
        from models.machine.machine import Machine

        return Machine(context, self)


class ContainerSpec(Spec):
    """What every container has: a machine, its share of it, and a life after death."""

    machine: str = Field(description="The machine it runs on.")
    cpu_shares: PositiveFloat = Field(default=1024.0, description="Weight under contention. Docker's default: 1024.")
    limits: LimitsSpec = Field(default_factory=LimitsSpec, description="CPU and memory limits.")
    base_memory: NonNegativeSize = Field(
        default=0, description="Memory it holds when idle; where it has a jvm, beside heap and stacks."
    )
    restart: Annotated[str, Field(pattern=RESTART_POLICY)] = Field(
        default="always",
        description="Docker's restart policy: no, always, unless-stopped, on-failure, on-failure:3 (at most 3 "
        "restarts). Default: always (assumed; Docker's own default is no).",
    )
    start_wait: NonNegativeDuration = Field(default=0.0, description="Start-up time that burns no CPU (assumed).")
    start_cpu: NonNegativeDuration = Field(default=0.0, description="CPU time that a start burns (assumed).")
