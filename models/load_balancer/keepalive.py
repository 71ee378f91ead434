"""Connections to servers that are kept when a request is done, and a worker process's stock of connections."""

from __future__ import annotations

from typing import Protocol

from sim.probe import Count


class Host(Protocol):
    """The container at a connection's other end."""

    @property
    def deaths(self) -> Count: ...


class Link:
    """A connection to a server."""

    __slots__ = ("_deaths", "_host", "index", "kept_at_s", "opened_at_s", "requests")

    def __init__(self, index: int, host: Host, opened_at_s: float) -> None:
        self.index = index
        self._host = host
        self._deaths = host.deaths.total
        self.opened_at_s = opened_at_s
        self.kept_at_s = opened_at_s
        self.requests = 0
        """Sent over it so far."""

    @property
    def is_open(self) -> bool:
        """A server that dies closes its connections, and nginx sees that at once."""
        return self._host.deaths.total == self._deaths


class Worker:
    """The connections of one worker process, to clients and to servers: how many are free, and who can spare some."""

    __slots__ = ("free", "idle")

    def __init__(self, connections: int) -> None:
        self.free = connections
        self.idle: list[IdleLinks] = []

    def take(self, now_s: float) -> bool:
        """One more connection, if there is one."""
        if self.free <= 0:
            for links in self.idle:  # those that timed out are closed, though nobody has looked since
                links.tidy(now_s)
            if self.free <= 0:
                return False
        self.free -= 1
        return True


class IdleLinks:
    """The kept connections of one upstream in one worker. Decides; never waits: a connection that timed out is closed
    when somebody looks, which nobody can tell from a timer."""

    __slots__ = ("_age_s", "_most", "_requests", "_timeout_s", "_worker", "links")

    def __init__(self, worker: Worker, most: int, requests: int, timeout_s: float, age_s: float) -> None:
        self._worker = worker
        worker.idle.append(self)
        self._most = most
        self._requests = requests
        self._timeout_s = timeout_s
        self._age_s = age_s
        self.links: list[Link] = []
        """The one kept last at the end."""

    def take(self, index: int, now_s: float) -> Link | None:
        """The connection to server `index` that was kept last."""
        links = self.links
        if links and now_s - links[0].kept_at_s >= self._timeout_s:
            self.tidy(now_s)
        for place in range(len(links) - 1, -1, -1):
            link = links[place]
            if link.index == index:
                del links[place]
                if link.is_open:
                    return link
                self._worker.free += 1
        return None

    def keep(self, link: Link, now_s: float) -> None:
        """A request is done: keep its connection, or close it. Too many: the one kept longest is closed."""
        if link.requests >= self._requests or now_s - link.opened_at_s > self._age_s or not link.is_open:
            self._worker.free += 1
            return
        links = self.links
        if len(links) >= self._most:
            self.tidy(now_s)
            if len(links) >= self._most:
                del links[0]
                self._worker.free += 1
        link.kept_at_s = now_s
        links.append(link)

    def tidy(self, now_s: float) -> None:
        """Close what timed out, and what its server has closed."""
        left = [link for link in self.links if now_s - link.kept_at_s < self._timeout_s and link.is_open]
        self._worker.free += len(self.links) - len(left)
        self.links[:] = left

    def close(self) -> None:
        """Nginx was killed."""
        self._worker.free += len(self.links)
        self.links.clear()
