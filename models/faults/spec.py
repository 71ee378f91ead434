"""What a scenario may say of a fault: its kind, its target, and when it is on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from models.distribution import ConstantSpec, DistributionSpec
from models.spec import NonNegativeDuration, PositiveDuration, Spec

Between = Annotated[list[str], Field(min_length=2, max_length=2)]


class TimetableSpec(Spec):
    """When: at an instant, and maybe again and again."""

    at: NonNegativeDuration | None = Field(default=None, description="When it begins first, from the start of a run.")
    every: PositiveDuration | None = Field(
        default=None, description="From one beginning to the next. Default: it comes once."
    )

    @model_validator(mode="after")
    def _is_due(self) -> TimetableSpec:
        if self.at is None:
            raise ValueError("at: must say when it begins, e.g. 2m. Add it.")
        return self


class TimedSpec(TimetableSpec):
    """When: by a timetable or at random, and for how long."""

    ends: ClassVar[bool] = True
    """It goes on until it is over; else it is a matter of an instant, unless it says how long it lasts."""

    lasts: PositiveDuration | None = Field(default=None, description="How long it is on. Default: see the kind.")
    mean_time_between: PositiveDuration | None = Field(
        default=None, description="Instead of at: mean time from an end to the next beginning, exponential."
    )
    mean_duration: PositiveDuration | None = Field(
        default=None, description="Instead of lasts: mean of how long it is on, exponential."
    )

    @model_validator(mode="after")
    def _is_due(self) -> TimedSpec:
        if (self.at is None) == (self.mean_time_between is None):
            raise ValueError("must have exactly one of at and mean_time_between. Say when it begins, or how often.")
        if self.every is not None and self.at is None:
            raise ValueError("every: goes with at, not with mean_time_between. Remove one of them.")
        if self.mean_duration is not None and self.lasts is not None:
            raise ValueError("must have at most one of lasts and mean_duration. Remove one of them.")
        if self.mean_duration is not None and self.mean_time_between is None:
            raise ValueError("mean_duration: goes with mean_time_between, not with at. Say how long it lasts.")
        is_repeated = self.every is not None or self.mean_time_between is not None
        if self.ends and is_repeated and self.lasts is None and self.mean_duration is None:
            raise ValueError("must say how long it lasts, since it comes again. Add lasts, or mean_duration.")
        if self.every is not None and self.lasts is not None and self.lasts >= self.every:
            raise ValueError(f"every: must be longer than it lasts, {self.lasts:g}s, got {self.every:g}s. Lengthen it.")
        return self


Container = "its path, e.g. services.shop (all replicas), services.shop.replica-2, gateway, caches.redis."


class CrashSpec(TimedSpec):
    """Killed. Without `lasts` the restart policy decides what comes then; else it is down for so long."""

    ends: ClassVar[bool] = False
    kind: Literal["crash"] = "crash"
    target: str = Field(description=f"What dies: {Container}")


class HangSpec(TimedSpec):
    """It takes what comes and answers nothing, as when it is stopped: callers wait, connections pile up."""

    kind: Literal["hang"] = "hang"
    target: str = Field(description=f"What hangs: {Container}")


class SlowSpec(TimedSpec):
    """It burns more CPU for the same work."""

    kind: Literal["slow"] = "slow"
    target: str = Field(description=f"What is slow: {Container}")
    factor: float = Field(gt=1, description="So many times the CPU.")


class RefuseSpec(TimedSpec):
    """Who connects is refused at once; those inside, and connections that are open, go on."""

    kind: Literal["refuse"] = "refuse"
    target: str = Field(description="What refuses: a service or a replica of it, the gateway, a load balancer, or a "
                        "database by its path.")  # fmt: skip


class ErrorSpec(TimedSpec):
    """A service answers errors."""

    kind: Literal["error"] = "error"
    target: str = Field(description="A service or a replica of it, by its path.")
    probability: float = Field(default=1.0, gt=0, le=1, description="How often. Default: always.")
    status: int = Field(default=500, ge=400, le=599, description="What it answers. Default 500.")
    after_work: bool = Field(
        default=False, description="Whether it does its work before it answers the error. Default: no."
    )


class StealSpec(TimedSpec):
    """Neighbours on the same hardware take time from every core of a machine (top shows it as st)."""

    kind: Literal["steal"] = "steal"
    target: str = Field(description="The machine by its path, e.g. machines.vm.")
    share: float = Field(gt=0, lt=1, description="Part of every core that is stolen.")


class ReplicaLagSpec(TimedSpec):
    """What a primary commits comes later to a standby."""

    kind: Literal["replica_lag"] = "replica_lag"
    target: str = Field(description="The standby by its path, e.g. databases.standby.")
    lag: PositiveDuration = Field(description="By how much later.")


class NetworkSpec(TimedSpec):
    """The network between two components is slower, or loses segments."""

    kind: Literal["network"] = "network"
    between: Between = Field(description="The two ends by their paths, e.g. [gateway, services.shop].")
    delay: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": 0}), description="Further time a message takes, each way."
    )
    loss: float = Field(default=0.0, ge=0, lt=1, description="Probability that a segment is lost.")

    @model_validator(mode="after")
    def _does_something(self) -> NetworkSpec:
        if not self.loss and not self.delay.distribution().mean:
            raise ValueError("must have a delay or a loss. Add one of them.")
        return self


class PartitionSpec(TimedSpec):
    """Nothing gets through between two components, and nobody is told."""

    kind: Literal["partition"] = "partition"
    between: Between = Field(description="The two ends by their paths, e.g. [gateway, services.shop].")


class ClockStepSpec(TimedSpec):
    """Redis' clock is set, and set back when the fault is over (without `lasts`: never)."""

    ends: ClassVar[bool] = False
    kind: Literal["clock_step"] = "clock_step"
    target: str = Field(description="The cache by its path, e.g. caches.redis.")
    forward: PositiveDuration | None = Field(default=None, description="By how much it is set forward.")
    back: PositiveDuration | None = Field(default=None, description="By how much it is set back.")

    @model_validator(mode="after")
    def _steps(self) -> ClockStepSpec:
        if (self.forward is None) == (self.back is None):
            raise ValueError("must have exactly one of forward and back. Say which way the clock is set.")
        return self

    @property
    def by_s(self) -> float:
        """Negative where it is set back."""
        return self.forward if self.forward is not None else -(self.back or 0.0)


class RollingRestartSpec(TimetableSpec):
    """The replicas of a service are stopped and started one after another, each when the one before is up again. How
    one stops is the service's `shutdown`."""

    kind: Literal["rolling_restart"] = "rolling_restart"
    target: str = Field(description="The service by its path, e.g. services.shop.")


FaultSpec = Annotated[
    CrashSpec | HangSpec | SlowSpec | RefuseSpec | ErrorSpec | StealSpec | ReplicaLagSpec | NetworkSpec
    | PartitionSpec | ClockStepSpec | RollingRestartSpec,
    Field(discriminator="kind"),
]  # fmt: skip
