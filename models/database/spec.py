"""What a scenario says of a PostgreSQL server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from models.distribution import ConstantSpec, DistributionSpec
from models.spec import Context, NonNegativeDuration, NonNegativeSize, PositiveDuration, Spec

if TYPE_CHECKING:
    from models.database.connections import Host
    from models.database.server import Postgres

_NOTHING = ConstantSpec.model_validate({"value": 0})


class TableSpec(Spec):
    """Data that queries read and write, by rows: what makes reads stale and lets writes wait for one another."""

    rows: PositiveInt | None = Field(
        default=None,
        description="Rows; a request asks for one of them, each as likely. Default: one for each user (assumed).",
    )


class QuerySpec(Spec):
    """One class of queries."""

    cpu: DistributionSpec = Field(description="CPU time that it burns on the database's cores.")
    io: DistributionSpec = Field(
        default=_NOTHING,
        description="What it then waits for beside the CPU (disk). Default 0: the data is in memory (assumed).",
    )
    plan_cpu: DistributionSpec = Field(
        default=_NOTHING,
        description="CPU time to plan it, burned on each of its first uses on a connection (with pgjdbc's default "
        "prepareThreshold the first 10). Default 0: contained in cpu (assumed).",
    )
    table: str | None = Field(
        default=None, description="The table of which it reads or writes a row. Default: none that matters."
    )
    writes: bool = Field(
        default=False,
        description="Whether it changes data: locks its row, is replicated, fails on a standby. Default: it reads.",
    )
    replay_cpu: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": "20us"}),
        description="CPU time to replay one such write on a standby, in its single process. Default 20us (assumed).",
    )


class PostgresSpec(Spec):
    """A PostgreSQL server."""

    max_connections: PositiveInt = Field(
        default=100, description="Connections at most. PostgreSQL's default: 100 (max_connections)."
    )
    reserved_connections: NonNegativeInt = Field(
        default=3,
        description="Of these, kept from the application. PostgreSQL's default: 3 (superuser_reserved_connections).",
    )
    connect_time: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": "2.65ms"}),
        description="Time to establish a connection. Default 2.65ms: measured, PostgreSQL 15 on loopback without TLS.",
    )
    connect_cpu: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": "1ms"}),
        description="The part of connect_time that burns the database's CPU. Default 1ms (assumed).",
    )
    memory_per_connection: NonNegativeSize = Field(
        default=5 << 20, description="Memory that an open connection holds. Default 5M (assumed)."
    )
    statement_timeout: NonNegativeDuration = Field(
        default=0.0, description="A statement is cancelled after this time; 0: never, PostgreSQL's default."
    )
    lock_timeout: NonNegativeDuration = Field(
        default=0.0, description="A statement waits for a row's lock at most this long; 0: for ever, its default."
    )
    deadlock_timeout: PositiveDuration = Field(
        default=1.0, description="After this time of waiting for a lock, deadlocks are looked for. Its default: 1s."
    )
    idle_in_transaction_session_timeout: NonNegativeDuration = Field(
        default=0.0,
        description="A connection idle for this long within a transaction is closed; 0: never, PostgreSQL's default.",
    )
    standby_of: str | None = Field(
        default=None,
        description="The database of which this one is a streaming standby, with its queries. Default: a primary.",
    )
    replication_delay: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": "0.3ms"}),
        description="Of a standby: time from a commit on the primary until it can be replayed here. Default 0.3ms: "
        "measured, a lag of 0.32ms (p50, replay included) with PostgreSQL 15 on loopback.",
    )
    synchronous_standby: str | None = Field(
        default=None,
        description="The standby for which commits wait (synchronous_standby_names). PostgreSQL's default: none.",
    )
    synchronous_commit: Literal["on", "remote_apply"] = Field(
        default="on",
        description="What they wait for: that it has the commit, or that it has replayed it. PostgreSQL's default: on.",
    )
    tables: dict[str, TableSpec] = Field(default_factory=dict, description="Tables by name. Default: none.")
    queries: dict[str, QuerySpec] = Field(default_factory=dict, description="Query classes by name.")

    @model_validator(mode="after")
    def _leaves_some(self) -> PostgresSpec:
        if self.reserved_connections >= self.max_connections:
            raise ValueError(
                f"reserved_connections: must be less than max_connections ({self.max_connections}), got "
                f"{self.reserved_connections}. PostgreSQL would not start. Reserve fewer, or allow more connections."
            )
        return self

    @model_validator(mode="after")
    def _knows_its_tables(self) -> PostgresSpec:
        for name, query in self.queries.items():
            if query.table is not None and query.table not in self.tables:
                have = ", ".join(self.tables) or "none"
                raise ValueError(
                    f"queries.{name}.table: must name one of the tables, got {query.table!r}. There are: {have}."
                )
        return self

    @model_validator(mode="after")
    def _has_its_primarys_queries(self) -> PostgresSpec:
        if self.standby_of is None:
            if self.replication_delay != type(self).model_fields["replication_delay"].default:
                raise ValueError("replication_delay: is for a standby. Remove it, or say whose standby this is.")
            return self
        for name in ("queries", "tables", "synchronous_standby"):
            if getattr(self, name):
                raise ValueError(
                    f"{name}: must be left out of a standby, which has what its primary has. "
                    f"Move it to {self.standby_of}."
                )
        return self

    def build(self, context: Context, host: Host, primary: Postgres | None = None) -> Postgres:
        """The server in its container; `primary`: the one whose standby it is."""
        from models.database.server import Postgres  # which needs the specification in turn

        return Postgres(context, self, host, primary)
