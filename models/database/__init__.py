"""PostgreSQL: a limited number of connections, queries that share its container's cores, and streaming replication.

Models   Establishing a connection takes time and burns CPU where the server runs; when the connections open to the
         application are taken, the attempt is refused, after that time. A query burns CPU on the shared cores, then
         may wait for something outside (disk). Every connection holds memory. When the server dies its
         connections are gone: a query on a connection from before fails, whoever has one finds out by using it.
         A write locks the row it changes until its transaction ends; the next one waits, first come first served,
         at most lock_timeout, and a circle of waiters is found after deadlock_timeout and costs one of them its
         transaction. A statement is cancelled at statement_timeout and its connection survives; a transaction that is
         idle for too long is thrown out with its connection.
         What a primary commits reaches its standbys after a delay and is replayed there, in order, by a single
         process that burns the standby's CPU; until then a read of the row there is stale. Writes on a standby, and
         in a read-only transaction, fail (SQLSTATE 25006). A primary with a synchronous standby commits when that one
         has it.
         A query is planned on each of its first uses on a connection: the driver has the server prepare it on its
         fifth use, and the server makes plans for five uses of a prepared query and then a generic one for good.
Units    Seconds of simulated time.
Source   PostgreSQL 15 (max_connections 100, superuser_reserved_connections 3: 97 for the application, over all
         pools; then FATAL "remaining connection slots are reserved"; postgresql.conf's time limits;
         utils/cache/plancache.c: five custom plans; replication/syncrep.c); connect 2.65 ms, key lookup 0.051 ms and
         replication lag (p50 0.32 ms, 4.2 ms at most), measured on loopback without TLS; pgjdbc PGProperty
         (prepareThreshold 5).
Omits    Shared buffers and disk as a queue; several rows in one write, locks of reads, tables and indexes; hot
         rows (rows are drawn alike). Queries on a standby cancelled after 30 s of conflict with replay
         (max_standby_streaming_delay): nothing is vacuumed here. Cascading standbys, promotion, WAL that was recycled
         before a standby came back, the way back of a standby's confirmation. The slot a refused attempt holds while
         it is being refused; a query goes on when the replica that sent it dies.
         Where a connection is replaced while nobody watches (`opened_since`), the CPU of connecting is not charged.
Checked  experiments/validation/postgresql.py, experiments/validation/postgresql_standby.py,
         tests/real/test_postgres_limit.py, tests/unit/test_database_spec.py, tests/unit/test_database.py,
         tests/unit/test_replication.py, tests/properties/test_connection_pool.py, tests/properties/test_row_locks.py
"""

from models.database.connections import CLOSED, ConnectionLimit, Host
from models.database.server import Postgres
from models.database.spec import PostgresSpec, QuerySpec, TableSpec

__all__ = [
    "CLOSED",
    "ConnectionLimit",
    "Host",
    "Postgres",
    "PostgresSpec",
    "QuerySpec",
    "TableSpec",
]
