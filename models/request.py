"""A request: what a user wants, and what has become of it so far."""

from __future__ import annotations

from sim.environment import Light
from sim.recorder.record import Recorded


class Request(Recorded):
    """One request from arrival to outcome. Times in seconds of simulated time.

    `identity` keys every draw the request brings (endpoint, key, demands), so that two configurations meet the
    same wishes.
    """

    __slots__ = ("failed_at", "given", "identity", "key", "process")

    def __init__(self, ordinal: int, identity: int, endpoint: int, user: int, ip: int, arrived_at_s: float) -> None:
        self.ordinal = ordinal
        self.identity = identity
        self.endpoint = endpoint
        self.user = user
        self.ip = ip
        self.arrived_at_s = arrived_at_s
        self.ended_at_s = arrived_at_s
        self.outcome = None
        """Written once, by the client."""
        self.process: Light | None = None
        """The client-side process that carries it, to be told when the client leaves."""
        self.status = 0
        self.reason = self.failed_at = self.replica = self.cache = ""
        self.attempts = 1
        self.key: int | None = None
        """The key it asks caches for where a trace says so; else keys are drawn per cache class."""
        self.given: dict[str, float] | None = None
        """Demands a trace states, by step path (service.endpoint.step), in seconds."""
        self.steps_s = None
        self.wait_s = self.cpu_s = self.throttled_s = self.cache_s = self.db_s = self.delay_s = 0.0

    def given_s(self, step: str) -> float | None:
        """The demand that a trace states for a step (service.endpoint.step); None: it is drawn."""
        return None if self.given is None else self.given.get(step)


class Visit:
    """One call of one endpoint on behalf of a request: what is asked, and the lane its draws come from.

    Lane 0 is the request itself; a retry or a second call of the same endpoint within a request gets a lane of
    its own, so that its demands are its own.
    """

    __slots__ = ("endpoint", "idempotent", "lane", "method", "service")

    def __init__(
        self, service: str, endpoint: str, lane: int = 0, idempotent: bool = True, method: str = "GET"
    ) -> None:
        self.service = service
        self.endpoint = endpoint
        self.lane = lane
        self.idempotent = idempotent
        """Whether proxies may repeat it once it has been sent."""
        self.method = method

    def again(self, lane: int) -> Visit:
        """The same visit once more, as an attempt whose draws are its own."""
        return Visit(self.service, self.endpoint, lane, self.idempotent, self.method)
