# cython: annotation_typing=True
"""A listening socket: connections that are accepted, those that wait to be, and those that are not even seen.

Models   Up to `max_connections` are accepted. The next ones are completed by the kernel and wait in its queue, which
         holds one more than the backlog that was asked for. Beyond, SYNs are dropped: nobody is refused, the
         client's kernel sends again after 1, 2, 3, 4, 5, 7, 11 s and so on (Linux since 6.5), or after 1, 3, 7, 15 s
         (before), and gives up in the end.
Source   Tomcat 10.1, util/net/AbstractEndpoint.java (maxConnections, acceptCount; the acceptor counts a connection
         before it accepts it); Linux net/core/sock.c and include/net/sock.h (sk_acceptq_is_full),
         net/socket.c (__sys_listen: a backlog is at most somaxconn, 4096 since 5.4), Documentation/networking/
         ip-sysctl.rst (tcp_syn_retries 6, tcp_syn_linear_timeouts 4).
Omits    The queue of half-open connections, SYN cookies; a request in progress stands for its connection, so idle
         keep-alive connections do not count.
Checked  tests/unit/test_listener.py, experiments/validation/tomcat.py
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from models.outcomes import Refused
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment, Light

SYN_RETRIES, LINEAR_RETRIES = 6, 4
SOMAXCONN = 4096

SynBackoff = Literal["linear", "exponential"]


class ConnectTimedOut(Refused):
    """The client's kernel has given up sending SYNs."""

    status = 504
    reason = "connect_timed_out"


def syn_pauses_s(backoff: SynBackoff) -> list[float]:
    """Pauses after the first SYN and each further one; after the last pause the kernel gives up."""
    pauses = [1.0] * (LINEAR_RETRIES if backoff == "linear" else 0)
    return pauses + [float(2**n) for n in range(SYN_RETRIES + 1)]


class Listener:
    """Who has a connection is counted; who has none yet waits here."""

    __slots__ = (
        "_drops", "_env", "_granted", "_path", "_pauses_s", "_queue", "_queue_limit", "accepted", "limit", "waiting",
    )  # fmt: skip

    def __init__(self, context: Context, max_connections: int, accept_count: int, backoff: SynBackoff) -> None:
        self._env: Environment = context.env
        self._path = context.path
        self.limit = max_connections
        self._queue_limit = min(accept_count, SOMAXCONN) + 1
        self._pauses_s = syn_pauses_s(backoff)
        self._queue: deque[tuple[Light, int]] = deque()
        self.waiting = 0
        """Connections that the kernel has completed and nobody has accepted yet."""
        self._granted = _Granted(self)
        self.accepted = 0
        """Connections that the process has accepted and not closed yet."""
        self._drops = context.probe.count(f"{context.path}.syn_drops")

    def connect(self, request: Request) -> Activity:
        """Get through to the process where it has as many connections as it takes. Raises `ConnectTimedOut`."""
        began_at_s = self._env.now
        try:
            for pause_s in self._pauses_s:
                if self.accepted < self.limit:  # whoever leaves hands over to the queue, so nobody is passed by
                    self.accepted += 1
                    return
                if self.waiting < self._queue_limit:
                    light = self._env.park(self)
                    self._queue.append((light, light.ticket))
                    self.waiting += 1
                    yield
                    return
                self._drops.add()
                yield pause_s
            raise ConnectTimedOut(self._path)
        finally:
            request.wait_s += self._env.now - began_at_s

    def close(self) -> None:
        """A connection is closed: the longest waiting one is accepted."""
        if not self.waiting:
            self.accepted -= 1
            return
        self.waiting -= 1
        light, ticket = self._queue.popleft()
        while light.ticket != ticket:
            light, ticket = self._queue.popleft()
        self._env.wake(light)
        light.waiting = self._granted

    def withdraw(self, light: Light) -> None:
        """Who waits in the kernel's queue has gone; its entry is skipped later, by its ticket."""
        self.waiting -= 1
        if not self.waiting:
            self._queue.clear()


class _Granted:
    """What a process waits in between being accepted and its next step."""

    __slots__ = ("_listener",)

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def withdraw(self, light: Light) -> None:
        self._listener.close()
