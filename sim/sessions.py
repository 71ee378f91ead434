"""Sessions of closed users: how long a user pauses before its next request.

Models   A user thinks before each request; after the last request of a session, it is away.
Units    Seconds.
Omits    Session lengths other than geometric.
Checked  tests/unit/test_arrivals.py
"""

from __future__ import annotations

import math

from sim.distributions import Distribution
from sim.streams import Streams
from sim.streams.identities import closed_identity
from sim.streams.keyed import Draws


class SessionRule:
    """How long a closed user pauses before a request: it thinks; after the last request of a session, it is away.

    A user begins by thinking. A session ends after each request with probability 1 / `mean_requests`, so that its
    length is geometric. Everything is keyed by user and ordinal: a slower system delays a user's requests, but does
    not change what the user wants.
    """

    __slots__ = ("_away", "_ends", "_ends_below", "_think")

    def __init__(
        self,
        streams: Streams,
        purpose: str,
        think: Distribution,
        away: Distribution | None = None,
        mean_requests: float = math.inf,
    ) -> None:
        """Without `away` a session never ends. `mean_requests`: 1 or more."""
        if (away is None) != (mean_requests == math.inf):
            raise ValueError("sessions need both a number of requests and a time away, or neither")
        if not mean_requests >= 1:
            raise ValueError(f"requests of a session must be 1 or more on average, got {mean_requests:g}")
        self._think = streams.draws(f"{purpose}.think", think)
        self._away: Draws | None = None if away is None else streams.draws(f"{purpose}.away", away)
        self._ends = streams.uniforms(f"{purpose}.session_end")
        self._ends_below = 1.0 / mean_requests

    def pause_s(self, user: int, ordinal: int) -> float:
        """The pause of `user` before request `ordinal` (0 is the first), counted from the end of the one before."""
        identity = closed_identity(user, ordinal)
        if self._away is not None and ordinal and self.ends_session(user, ordinal - 1):
            return self._away.at(identity)
        return self._think.at(identity)

    def ends_session(self, user: int, ordinal: int) -> bool:
        """Whether request `ordinal` of `user` is the last of its session."""
        return self._ends.at(closed_identity(user, ordinal)) < self._ends_below
