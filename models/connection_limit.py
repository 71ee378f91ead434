"""Nginx's limit_conn: so many requests in progress for a key, the next one is refused.

Models   A zone counts the requests of each key that nginx is working on, from when it has read their headers until
         they have ended; one more than `connections` is refused. Several zones must all have room, and a request that
         one of them refuses counts in none. It is asked after limit_req, so that what is held there does not count.
Source   nginx 1.22.1, src/http/modules/ngx_http_limit_conn_module.c; src/http/ngx_http.c (handlers of a phase run in
         the reverse order of their modules); src/core/ngx_slab.c (how many 64-byte nodes fit).
Omits    Limits of single locations: these hold for all that comes through this nginx. Keys that are empty or longer
         than 24 bytes. Connections without a request: nginx does not count them either.
Checked  experiments/validation/nginx_limits.py, tests/properties/test_request_limits.py,
         tests/unit/test_nginx_limits.py, tests/real/test_nginx_limits.py
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Final

from pydantic import Field, PositiveInt

from models.limit_keys import KEY_BEHIND_PROXY, KEY_OF, LimitKey
from models.outcomes import ConcurrencyLimited
from models.request import Request
from models.shared_zone import LEAST_ZONE_BYTES, chunks_in
from models.spec import Context, Size, Spec

NODE_BYTES: Final = 64
"""What a key takes in a zone of a 64-bit nginx: 36 bytes and the key itself, in a chunk of 64."""


class LimitConnSpec(Spec):
    """A zone (limit_conn_zone) and how it is used (limit_conn)."""

    key: LimitKey = Field(
        description="Whose requests are counted together: one user's, one ip's (behind the gateway that is the "
        "gateway's, unless real_ip), or global."
    )
    connections: PositiveInt = Field(le=65_535, description="Requests in progress at most, for one key.")
    zone: Size = Field(
        default=10 << 20,
        ge=LEAST_ZONE_BYTES,
        description="Memory of the zone, at least 32K: 10M holds 162,751 keys at a time, and who finds it full is "
        "refused. Default 10M (the example of nginx's documentation; nginx has none).",
    )

    def build(self) -> ConnectionZone:
        return ConnectionZone(self.connections, chunks_in(self.zone, NODE_BYTES))


class LimitsConnections(Spec):
    """The limit_conn directives of an nginx."""

    limit_conn: dict[str, LimitConnSpec] = Field(
        default_factory=dict,
        description="Zones that limit the requests in progress, asked in this order after limit_req.",
    )
    limit_conn_status: int = Field(
        default=503, ge=400, le=599, description="Status of what they refuse. Default 503 (nginx 1.22)."
    )
    limit_conn_dry_run: bool = Field(
        default=False, description="Only count what would be refused. Default: off (nginx 1.22)."
    )


class ConnectionZone:
    """One zone's counts. Decides; never waits."""

    __slots__ = ("capacity", "connections", "in_progress")

    def __init__(self, connections: int, capacity: int) -> None:
        self.connections = connections
        self.capacity = capacity
        self.in_progress: dict[int, int] = {}
        """By key; a key with none is not kept."""

    def enter(self, key: int) -> bool:
        """Count one more of `key`, where there is room."""
        number = self.in_progress.get(key, 0)
        if number >= self.connections if number else len(self.in_progress) >= self.capacity:
            return False
        self.in_progress[key] = number + 1
        return True

    def leave(self, key: int) -> None:
        """One of `key` has ended."""
        number = self.in_progress.pop(key) - 1
        if number:
            self.in_progress[key] = number


class ConnectionLimits:
    """Several zones that all must have room. Decides; never waits."""

    __slots__ = ("zones",)

    def __init__(self, zones: Sequence[ConnectionZone]) -> None:
        self.zones = zones

    def enter(self, keys: Sequence[int]) -> int | None:
        """Count a request in every zone, or in none: then the zone that refuses it."""
        for number, zone in enumerate(self.zones):
            if not zone.enter(keys[number]):
                for entered in range(number):
                    self.zones[entered].leave(keys[entered])
                return number
        return None

    def leave(self, keys: Sequence[int]) -> None:
        for number, zone in enumerate(self.zones):
            zone.leave(keys[number])


class ConnectionLimit:
    """Asks the zones, reports, and refuses with `ConcurrencyLimited`."""

    __slots__ = ("_granted", "_is_dry_run", "_key_of", "_keys", "_limits", "_paths", "_refused", "_status")

    def __init__(self, context: Context, spec: LimitsConnections) -> None:
        zones = spec.limit_conn
        self._paths = [context.at("limit_conn").at(name).path for name in zones]
        self._keys = [zone.key for zone in zones.values()]
        self._key_of = [KEY_OF[key] for key in self._keys]
        self._limits = ConnectionLimits([zone.build() for zone in zones.values()])
        self._status = spec.limit_conn_status
        self._is_dry_run = spec.limit_conn_dry_run
        prefix = "would_be_" if self._is_dry_run else ""
        self._granted = [context.probe.count(f"{path}.granted") for path in self._paths]
        self._refused = [context.probe.count(f"{path}.{prefix}refused") for path in self._paths]

    @property
    def in_progress(self) -> list[int]:
        """Requests that each zone counts now."""
        return [sum(zone.in_progress.values()) for zone in self._limits.zones]

    def behind_proxy(self) -> ConnectionLimit:
        """The same limit, with the same zones, for requests that all come from one address."""
        other = copy(self)
        other._key_of = [KEY_BEHIND_PROXY[key] for key in self._keys]
        return other

    def enter(self, request: Request) -> Sequence[int] | None:
        """Count `request`; what it returns is to be given back to `leave`. None: a dry run let it pass uncounted.
        Raises `ConcurrencyLimited`."""
        keys = [key_of(request) for key_of in self._key_of]
        full = self._limits.enter(keys)
        if full is None:
            for granted in self._granted:
                granted.total += 1
            return keys
        self._refused[full].add()
        if self._is_dry_run:
            return None
        raise ConcurrencyLimited(self._paths[full], self._status)

    def leave(self, keys: Sequence[int] | None) -> None:
        """What `enter` counted has ended."""
        if keys is not None:
            self._limits.leave(keys)
