"""What a scenario says of the load: who comes, how many, when, and what they ask for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from models.distribution import DistributionSpec
from models.spec import PositiveRate, Spec
from models.workload.shapes import BurstySpec, ShapeSpec, SurgeSpec, highest
from sim.curves import Surge
from sim.streams import USERS_LIMIT


class SessionSpec(Spec):
    """A user's visit: some requests, then a pause."""

    requests: float = Field(ge=1, description="Mean number of requests in a session (geometric).")
    gap: DistributionSpec = Field(
        description="Time between a session's last answer and the next session's first request."
    )


class UsersSpec(Spec):
    """Closed users: each sends its next request only after the last one has ended."""

    population: PositiveInt = Field(le=USERS_LIMIT, description="Users at once.")
    think_time: DistributionSpec = Field(description="Time between an answer and the next request.")
    session: SessionSpec | None = Field(default=None, description="Sessions. Default: one that never ends.")

    @property
    def mean_pause_s(self) -> float:
        """Between an answer and the next request of the same user, on average."""
        if self.session is None:
            return self.think_time.mean_s
        ends = 1 / self.session.requests
        return (1 - ends) * self.think_time.mean_s + ends * self.session.gap.mean_s


class OpenSpec(Spec):
    """Open arrivals: requests come whatever happens to the earlier ones."""

    kind: Literal["poisson", "constant"] = Field(default="poisson", description="At random, or evenly spaced.")
    rate: PositiveRate = Field(description="Arrival rate, e.g. 700/s.")
    users: PositiveInt = Field(
        default=1000, description="Distinct users behind the requests, equally likely (assumed)."
    )


class TraceSpec(Spec):
    """A recorded trace: CSV or Parquet with a column t_s and optionally endpoint, user, ip, key, demand.*."""

    file: str = Field(description="The file, relative to the scenario.")
    speed: PositiveFloat = Field(default=1.0, description="Time scaling: 2 replays in half the time.")


class WorkloadSpec(Spec):
    """The load: exactly one of users, open and trace."""

    users: UsersSpec | None = Field(
        default=None, description="Closed users, who wait for an answer before they ask again."
    )
    open: OpenSpec | None = Field(default=None, description="Open arrivals, which come whatever happens.")
    trace: TraceSpec | None = Field(default=None, description="A recorded trace.")
    users_per_ip: PositiveInt = Field(
        default=1, description="Users behind one IP address (NAT). Default: each has its own (assumed)."
    )
    shape: ShapeSpec | None = Field(
        default=None,
        description="How the rate of open arrivals, or the number of users at once, changes over time. Default: not.",
    )
    surges: dict[str, SurgeSpec] = Field(
        default_factory=dict, description="More load, or less, for a while. Those that overlap multiply."
    )
    mix: dict[str, Annotated[float, Field(ge=0)]] = Field(min_length=1, description="Weight of each route.")

    @model_validator(mode="after")
    def _one_kind(self) -> WorkloadSpec:
        kinds = [name for name in ("users", "open", "trace") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"must have exactly one of users, open and trace, got {' and '.join(kinds) or 'none'}.")
        if not any(self.mix.values()):
            raise ValueError("must have a route with a positive weight in mix, got none. Raise one.")
        return self

    @model_validator(mode="after")
    def _can_be_shaped(self) -> WorkloadSpec:
        if self.trace is not None and (self.shape is not None or self.surges):
            raise ValueError("a trace has its own instants and cannot have a shape or surges. Remove them.")
        if self.users is None:
            return self
        if isinstance(self.shape, BurstySpec):
            raise ValueError("the shape of closed users cannot be bursty. Use any other shape, or surges.")
        most = self.users.population * highest(self.shape, self.all_surges())
        if most > USERS_LIMIT:
            raise ValueError(f"must have at most {USERS_LIMIT} users at once, got {most:g} at the highest. Lower them.")
        return self

    def all_surges(self) -> list[Surge]:
        return [surge.surge() for surge in self.surges.values()]

    @property
    def most_users(self) -> int | None:
        """Closed users at the highest; None where there are none."""
        if self.users is None:
            return None
        return int(self.users.population * highest(self.shape, self.all_surges()) + 0.5)

    def requests_each(self, duration_s: float | None) -> float:
        """How many requests of a closed user there is time for, on average, were all of them answered at once."""
        if self.users is None or duration_s is None:
            return 0.0
        return duration_s / max(self.users.mean_pause_s, 1e-3)
