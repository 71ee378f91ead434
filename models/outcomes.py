"""How a request can end.

`CallFailure` and its tree are simulated failures: each has the HTTP status the caller sees, the reason under which
it is counted and the component path that caused it. What is wrong with the simulation itself is a
`sim.errors.SimulationError` and never mixes with them.

    CallFailure
      Refused              turned away before work
        RateLimited          429  limiter
        ConcurrencyLimited   503  bulkhead
        CircuitOpen          503  breaker (call not permitted)
        ConnectionRefused    502  nobody listens (replica down or starting)
          ConnectionClosed   502  accepted and closed at once (nginx has no connection left)
        NoLiveUpstream       502  every server of an upstream is marked down
        NoWorkerConnection   500  nginx has no connection left for a server
      Failed               work was begun
        TimeLimitExceeded    504  a caller's time limit (nginx, gateway, time limiter)
        PoolTimeout          500  no connection within the pool's connection timeout
        DatabaseRefused      500  the server has no connection left
        StatementTimeout     500  the database cancelled a statement after its statement_timeout
        LockTimeout          500  a row stayed locked for longer than its lock_timeout
        DeadlockDetected     500  the database ended a circle of transactions that wait for one another
        ReadOnlyDatabase     500  a write on a standby or in a read-only transaction (SQLSTATE 25006)
        SocketTimeout        500  the driver gave up waiting for the database's answer
        CacheUnavailable     500  the cache is down, or gave no answer in time
        CacheFull            500  the cache refused to write: its memory is full and nothing may be evicted
        ConnectionLost       500  the database died under the query
        Unreachable          504  the network lost every segment until TCP gave up
        ErrorAnswered        500  the service answered with an error, as a fault has it do
        InstanceDied         502  the replica was killed under the request
      ClientGone           499  the client has left; nobody sees the answer
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from sim.errors import Failure


class Outcome(IntEnum):
    """The one end of a request."""

    SUCCEEDED = 0
    REFUSED = 1
    FAILED = 2
    ABANDONED = 3
    IN_FLIGHT = 4


class CallFailure(Failure):
    """A call ended badly. `path`: the component that caused it; `status`: what the caller is told, where a setting
    says something other than what is usual."""

    outcome: ClassVar[Outcome] = Outcome.FAILED
    status: int = 500
    reason: ClassVar[str] = "failed"

    def __init__(self, path: str, status: int | None = None) -> None:
        super().__init__(path)
        self.path = path
        if status is not None:
            self.status = status


class Refused(CallFailure):
    """Turned away before any work."""

    outcome = Outcome.REFUSED
    status = 503
    reason = "refused"


class RateLimited(Refused):
    status = 429
    reason = "rate_limited"


class ConcurrencyLimited(Refused):
    reason = "concurrency_limited"


class CircuitOpen(Refused):
    reason = "circuit_open"


class ConnectionRefused(Refused):
    status = 502
    reason = "connection_refused"


class ConnectionClosed(ConnectionRefused):
    reason = "worker_connections"


class NoLiveUpstream(Refused):
    status = 502
    reason = "no_live_upstream"


class NoWorkerConnection(Refused):
    status = 500
    reason = "worker_connections"


class Failed(CallFailure):
    """Work was begun and did not end well."""


class TimeLimitExceeded(Failed):
    status = 504
    reason = "time_limit"


class PoolTimeout(Failed):
    reason = "pool_timeout"


class DatabaseRefused(Failed):
    reason = "database_refused"


class StatementTimeout(Failed):
    reason = "statement_timeout"


class LockTimeout(Failed):
    reason = "lock_timeout"


class DeadlockDetected(Failed):
    reason = "deadlock"


class ReadOnlyDatabase(Failed):
    reason = "read_only_database"


class SocketTimeout(Failed):
    reason = "socket_timeout"


class CacheUnavailable(Failed):
    reason = "cache_unavailable"


class CacheFull(CacheUnavailable):
    reason = "cache_full"


class ConnectionLost(Failed):
    reason = "connection_lost"


class Unreachable(Failed):
    status = 504
    reason = "unreachable"


class ErrorAnswered(Failed):
    reason = "error_answered"


class InstanceDied(Failed):
    status = 502
    reason = "instance_died"


class ClientGone(CallFailure):
    """Thrown into a request whose client has left: what holds something for it lets go."""

    outcome = Outcome.ABANDONED
    status = 499
    reason = "client_gone"
