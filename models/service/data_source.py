"""Data sources: what stands between a service's code and its pools, and decides which one a statement goes to.

Models   A transaction on a bare pool takes its connection as it begins. A lazy proxy takes it with the first
         statement, from the replica's pool where the transaction is read-only. A routing data source keyed on the
         read-only flag is asked for a connection as the transaction begins, before the flag can be seen: it answers
         with the primary, whatever the transaction says. Outside transactions both use the primary. Nobody falls
         back to the other one when a database fails.
Source   Spring Framework LazyConnectionDataSourceProxy (readOnlyDataSource), AbstractRoutingDataSource,
         AbstractPlatformTransactionManager (doBegin before prepareSynchronization), JpaTransactionManager.
Checked  experiments/validation/postgresql_standby.py, tests/unit/test_transactions.py
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.spec import Spec


class DataSourceSpec(Spec):
    """A data source over one or two pools."""

    style: Literal["lazy_proxy", "routing_data_source"] = Field(
        description="lazy_proxy: LazyConnectionDataSourceProxy with a readOnlyDataSource. routing_data_source: a bare "
        "AbstractRoutingDataSource keyed on the read-only flag, which never reaches its replica."
    )
    primary: str = Field(description="The pool of the primary.")
    replica: str | None = Field(
        default=None, description="The pool of a standby, for read-only transactions. Default: none, it is only lazy."
    )


class Source:
    """What a step's pool or data source means: a data source, or one of the pools by itself."""

    __slots__ = ("_primary", "_replica", "is_lazy", "name")

    def __init__(self, name: str, spec: DataSourceSpec | None) -> None:
        self.name = name
        self.is_lazy = spec is not None and spec.style == "lazy_proxy"
        self._primary = name if spec is None else spec.primary
        self._replica = spec.replica if spec is not None and self.is_lazy else None

    def pool(self, is_read_only: bool) -> str:
        """The name of the pool that a connection comes from."""
        return self._replica if is_read_only and self._replica is not None else self._primary
