"""HikariCP's settings: what may be written, and what the pool makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from models.connection_pool.connection import Database
from models.connection_pool.growth import GrowthRule, growth_rule
from models.distribution import ConstantSpec, DistributionSpec
from models.spec import Context, Duration, NonNegativeDuration, Spec
from sim.quantities import format_duration

if TYPE_CHECKING:
    from models.connection_pool.hikari import Hikari

LEAST_CONNECTION_TIMEOUT_S = 0.25
WAITS_LONGEST_S = 2147483.647
"""What HikariCP makes of a connection_timeout of 0: the largest integer, in milliseconds; about 24.8 days."""
DEFAULT_IDLE_TIMEOUT_S, LEAST_IDLE_TIMEOUT_S = 600.0, 10.0
DEFAULT_MAX_LIFETIME_S, LEAST_MAX_LIFETIME_S = 1800.0, 30.0
LEAST_KEEPALIVE_S = 30.0
CUSTOM_PLANS = 5
"""PostgreSQL plans a prepared query anew on so many uses before it makes a plan to keep (plancache.c)."""
OLDEST_VERSION = (2, 7)


class HikariSpec(Spec):
    """A HikariCP connection pool; each replica has one of its own."""

    database: str = Field(description="The database it connects to.")
    maximum_pool_size: PositiveInt = Field(
        default=10, description="Connections at most. HikariCP's default: 10 (maximumPoolSize)."
    )
    minimum_idle: NonNegativeInt | None = Field(
        default=None,
        description="Idle connections it tries to keep. HikariCP's default: as many as maximum_pool_size.",
    )
    connection_timeout: NonNegativeDuration = Field(
        default=30.0,
        description="How long a borrower waits for a connection; 0: about 24.8 days. HikariCP's default: 30s.",
    )
    idle_timeout: NonNegativeDuration = Field(
        default=DEFAULT_IDLE_TIMEOUT_S,
        description="How long a connection above minimum_idle may be idle; 0: for ever. HikariCP's default: 10m.",
    )
    max_lifetime: NonNegativeDuration = Field(
        default=DEFAULT_MAX_LIFETIME_S,
        description="How long a connection lives, less a random part (2.5 % at most, 25 % from 6.1); 0: for ever. "
        "HikariCP's default: 30m.",
    )
    keepalive_time: NonNegativeDuration | None = Field(
        default=None,
        description="How often idle connections are validated, less a random part; 0: never. HikariCP's default: 0, "
        "and 2m from 6.2.1.",
    )
    validation: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": "0.051ms"}),
        description="The database's CPU time to validate a connection that was idle for more than 500 ms. Default "
        "0.051ms: assumed to take as long as a key lookup, which was measured on PostgreSQL 15.",
    )
    validation_timeout: Annotated[Duration, Field(ge=LEAST_CONNECTION_TIMEOUT_S)] = Field(
        default=5.0, description="A connection that takes longer to validate is dead. HikariCP's default: 5s."
    )
    initialization_fail_timeout: NonNegativeDuration | None = Field(
        default=0.001,
        description="For how long a start tries to make its first connection before it fails; 0: it tries once and "
        "goes on; null: it does not try (HikariCP: below 0). HikariCP's default: 1ms, so one attempt.",
    )
    socket_timeout: NonNegativeDuration = Field(
        default=0.0,
        description="The driver gives up after waiting for an answer for this long; 0: never. pgjdbc's default: 0.",
    )
    prepare_threshold: NonNegativeInt = Field(
        default=5,
        description="The use of a query on a connection with which the server prepares it; 0: never. pgjdbc's "
        "default: 5 (prepareThreshold).",
    )
    version: str = Field(
        default="4.0.3",
        pattern=r"^\d{1,3}\.\d{1,3}(\.\d{1,3})?$",
        description="HikariCP's release: the pool grows slower from 5.0 (10 ms a connection) and 5.1 (30 ms), lives "
        "vary more from 6.1, keepalive is on from 6.2.1. Default: 4.0.3, that of Spring Boot 2.7.",
    )

    @field_validator("connection_timeout")
    @classmethod
    def _is_long_enough(cls, value: float) -> float:
        if 0 < value < LEAST_CONNECTION_TIMEOUT_S:
            raise ValueError(
                f"must be 0 or at least 250ms, got {format_duration(value)}. HikariCP refuses less; write 250ms."
            )
        return value

    @field_validator("version")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if _numbers(value) < OLDEST_VERSION:
            raise ValueError(f"must be 2.7 or later, got {value}. Older pools grow differently; write 2.7.9.")
        return value

    def build(self, context: Context, database: Database) -> Hikari:
        from models.connection_pool.hikari import Hikari  # which needs the settings in turn

        return Hikari(context, self, database)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


@dataclass(frozen=True, slots=True)
class Settings:
    """What the pool works with: HikariCP replaces some of what it is given, and only logs a warning."""

    maximum: int
    minimum_idle: int
    connection_timeout_s: float
    idle_timeout_s: float
    """0 where idle connections are never trimmed."""
    max_lifetime_s: float
    """0 where connections live for ever."""
    lifetime_variance: float
    """The share of it that chance may take away."""
    keepalive_s: float
    """0 where idle connections are not checked."""
    keepalive_variance: float
    login_s: float | None
    """How long the driver tries to establish a connection; None: for ever."""
    planned_uses: float
    """Uses of a query on a connection that cost a plan each."""
    growth: GrowthRule
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, spec: HikariSpec) -> Settings:
        remarks: list[str] = []
        maximum = spec.maximum_pool_size
        minimum = maximum if spec.minimum_idle is None else spec.minimum_idle
        if minimum > maximum:
            remarks.append(f"minimum_idle {minimum} is more than maximum_pool_size: {maximum} is used")
            minimum = maximum
        wait_s = spec.connection_timeout or WAITS_LONGEST_S
        lifetime_s = spec.max_lifetime
        if 0 < lifetime_s < LEAST_MAX_LIFETIME_S:
            remarks.append(f"max_lifetime {format_duration(lifetime_s)} is less than 30s: the default of 30m is used")
            lifetime_s = DEFAULT_MAX_LIFETIME_S
        version = _numbers(spec.version)
        growth = growth_rule(version, maximum, minimum, wait_s)
        idle_s = _idle_timeout_s(spec.idle_timeout, lifetime_s, remarks) if minimum < maximum else 0.0
        keepalive_s = _keepalive_s(spec.keepalive_time, version, lifetime_s, remarks)
        # the pool sets the driver's login time to its own, rounded to seconds (PoolBase.setLoginTimeout)
        login_s = float(max(1, int(0.5 + spec.connection_timeout))) if spec.connection_timeout else None
        planned_uses = spec.prepare_threshold + CUSTOM_PLANS if spec.prepare_threshold else inf
        return cls(
            maximum, minimum, wait_s, idle_s, lifetime_s, 0.25 if version >= (6, 1) else 0.025, keepalive_s,
            0.2 if version >= (6, 3) else 0.1, login_s, planned_uses, growth, tuple(remarks),
        )  # fmt: skip


def _keepalive_s(given_s: float | None, version: tuple[int, ...], lifetime_s: float, remarks: list[str]) -> float:
    """The keepalive_time of a release, where it has one."""
    if given_s is None:
        return 120.0 if version >= (6, 2, 1) else 0.0
    if not given_s:
        return 0.0
    written = format_duration(given_s)
    if version < (4,):
        remarks.append(f"keepalive_time {written} is unknown to releases before 4.0: it has no effect")
        return 0.0
    if given_s < LEAST_KEEPALIVE_S:
        remarks.append(f"keepalive_time {written} is less than 30s: it has no effect")
        return 0.0
    if lifetime_s and given_s >= lifetime_s:
        remarks.append(f"keepalive_time {written} is max_lifetime or more: it has no effect")
        return 0.0
    return given_s


def _idle_timeout_s(idle_s: float, lifetime_s: float, remarks: list[str]) -> float:
    """The idle_timeout of a pool that may shrink."""
    if lifetime_s and idle_s + 1.0 > lifetime_s:
        remarks.append(f"idle_timeout {format_duration(idle_s)} is close to max_lifetime or more: it has no effect")
        return 0.0
    if 0 < idle_s < LEAST_IDLE_TIMEOUT_S:
        remarks.append(f"idle_timeout {format_duration(idle_s)} is less than 10s: the default of 10m is used")
        return DEFAULT_IDLE_TIMEOUT_S
    return idle_s
