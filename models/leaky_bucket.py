"""Nginx's limit_req: leaky buckets that hold requests back, or refuse them.

Models   Every zone keeps an excess per key, which drains at the zone's rate and grows by one with every request. A
         request whose excess is above `burst` in any zone is refused and counts nowhere; else it waits until its
         excess above `delay` has drained, in the slowest zone. What waits holds its connection and nothing else.
         A zone has room for as many keys as its memory holds; a new key in a full zone displaces the one that has
         rested longest, and with it what that key owed.
Units    Whole milliseconds and thousandths of a request, as nginx counts them; rounded down where it does.
Source   nginx 1.22.1, src/http/modules/ngx_http_limit_req_module.c; src/core/ngx_slab.c (how many 128-byte states fit).
         `delay` is of 1.15.7, the dry run of 1.17.1.
Omits    Limits of single locations: these hold for all that comes through this nginx. Keys that are empty or longer
         than 48 bytes; more than one worker reading the clock; the steps of that clock, which on Linux is
         CLOCK_MONOTONIC_COARSE (up to 4 ms behind at 250 Hz).
Checked  experiments/validation/nginx_limits.py, tests/properties/test_request_limits.py,
         tests/unit/test_nginx_limits.py, tests/real/test_nginx_limits.py
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Final

from pydantic import Field, NonNegativeInt, field_validator, model_validator

from models.limit_keys import KEY_BEHIND_PROXY, KEY_OF, LimitKey
from models.outcomes import RateLimited
from models.request import Request
from models.shared_zone import LEAST_ZONE_BYTES, chunks_in
from models.spec import Context, Rate, Size, Spec
from sim.quantities import RateValue

STATE_BYTES: Final = 128
"""What a key takes in a zone of a 64-bit nginx: 80 bytes and the key itself, in a chunk of 128."""
NEVER_MS: Final = -(10**15)
"""When a key was last counted that has only been looked up."""
KEPT_MS: Final = 60_000
"""A key is not tidied away before it has rested for so long."""


class LimitReqSpec(Spec):
    """A zone (limit_req_zone) and how it is used (limit_req)."""

    key: LimitKey = Field(
        description="Whose requests share a bucket: one per user, one per ip (behind the gateway that is the "
        "gateway's, unless real_ip), or one global."
    )
    rate: Rate = Field(description="Requests per second or per minute, whole: 10/s, 100/m, or as nginx has it, 10r/s.")
    burst: NonNegativeInt = Field(
        default=0, description="Requests above the rate that are not refused. Default 0 (nginx 1.22)."
    )
    delay: NonNegativeInt = Field(
        default=0, description="Requests above the rate that do not wait either. Default 0 (nginx 1.22)."
    )
    nodelay: bool = Field(default=False, description="None of the burst waits. Default: all of it does (nginx 1.22).")
    zone: Size = Field(
        default=10 << 20,
        ge=LEAST_ZONE_BYTES,
        description="Memory of the zone, at least 32K: 10M holds 81,375 keys. Default 10M (the example of nginx's "
        "documentation; nginx has none).",
    )

    @field_validator("rate", mode="before")
    @classmethod
    def _without_r(cls, rate: Any) -> Any:
        return rate.replace("r/", "/") if isinstance(rate, str) else rate

    @field_validator("rate")
    @classmethod
    def _as_nginx_parses_it(cls, rate: RateValue) -> RateValue:
        if rate.period_s not in (1.0, 60.0) or rate.count != int(rate.count) or rate.count < 1:
            raise ValueError(
                f"must be a whole number per second or per minute, as in nginx, got {rate.count:g} per "
                f"{rate.period_s:g} s. Write e.g. 30/m for one every two seconds."
            )
        return rate

    @model_validator(mode="after")
    def _one_way_to_wait(self) -> LimitReqSpec:
        if self.nodelay and self.delay:
            raise ValueError("must have delay or nodelay, not both. Remove one of them.")
        return self

    @property
    def thousandths_per_s(self) -> int:
        """The rate as nginx counts it: 100/m is 1666, not 1666.67."""
        return int(self.rate.count) * 1000 // int(self.rate.period_s)

    def build(self) -> LeakyZone:
        delay = self.burst if self.nodelay else self.delay
        return LeakyZone(self.thousandths_per_s, self.burst, delay, chunks_in(self.zone, STATE_BYTES))


class LimitsRequests(Spec):
    """The limit_req directives of an nginx."""

    limit_req: dict[str, LimitReqSpec] = Field(
        default_factory=dict,
        description="Zones that limit the rate of requests before they are passed on: all are asked, in this order, "
        "and the longest wait counts.",
    )
    limit_req_status: int = Field(
        default=503, ge=400, le=599, description="Status of what they refuse. Default 503 (nginx 1.22)."
    )
    limit_req_dry_run: bool = Field(
        default=False, description="Only count what would be refused or held. Default: off (nginx 1.22)."
    )


class _State:
    """What a key owes (`excess`, in thousandths of a request), and since when."""

    __slots__ = ("counted_at_ms", "excess")

    def __init__(self) -> None:
        self.excess = 0
        self.counted_at_ms = NEVER_MS


class LeakyZone:
    """One zone's books. Decides; never waits."""

    __slots__ = ("burst", "capacity", "delay", "rate", "states")

    def __init__(self, rate: int, burst: int, delay: int, capacity: int) -> None:
        self.rate = rate
        """In thousandths of a request per second."""
        self.burst = burst * 1000
        self.delay = delay * 1000
        self.capacity = capacity
        self.states: OrderedDict[int, _State] = OrderedDict()
        """By key, the one asked for least lately first."""

    def excess(self, key: int, now_ms: int) -> int:
        """What `key` will owe if this request counts. Looking is use: the key is now the latest."""
        state = self.states.get(key)
        if state is None:
            self._make_room(now_ms)
            self.states[key] = _State()
            return 0
        self.states.move_to_end(key)
        due = state.excess - self.rate * (now_ms - state.counted_at_ms) // 1000 + 1000
        return due if due > 0 else 0

    def count(self, key: int, excess: int, now_ms: int) -> int:
        """This request counts. Milliseconds that it must wait here."""
        state = self.states[key]
        state.excess = excess
        state.counted_at_ms = now_ms
        return (excess - self.delay) * 1000 // self.rate if excess > self.delay else 0

    def _make_room(self, now_ms: int) -> None:
        """Before a new key: up to two that owe nothing and have rested go, and one in any case where all is full."""
        states = self.states
        if len(states) >= self.capacity:
            states.popitem(last=False)
        for _ in range(2):
            if not states:
                return
            key = next(iter(states))
            state = states[key]
            rested_ms = now_ms - state.counted_at_ms
            if rested_ms < KEPT_MS or state.excess - self.rate * rested_ms // 1000 > 0:
                return
            del states[key]


class LeakyBuckets:
    """Several zones that all must let a request pass. Decides; never waits."""

    __slots__ = ("zones",)

    def __init__(self, zones: Sequence[LeakyZone]) -> None:
        self.zones = zones

    def ask(self, keys: Sequence[int], now_ms: int) -> tuple[int, int | None]:
        """The zone that decided, and for how many milliseconds it holds the request; None: it refuses.

        `keys`: the request's key in every zone. Only a request that no zone refuses counts, then in all of them.
        """
        excesses = []
        for number, zone in enumerate(self.zones):
            excess = zone.excess(keys[number], now_ms)
            if excess > zone.burst:
                return number, None
            excesses.append(excess)
        slowest, hold_ms = 0, 0
        for number in reversed(range(len(excesses))):  # the last one first, as in nginx: it wins a tie
            zone_ms = self.zones[number].count(keys[number], excesses[number], now_ms)
            if zone_ms > hold_ms:
                slowest, hold_ms = number, zone_ms
        return slowest, hold_ms


class RequestLimit:
    """Asks the zones at nginx's clock, reports, and refuses with `RateLimited`."""

    __slots__ = (
        "_buckets", "_env", "_granted", "_held", "_is_dry_run", "_key_of", "_keys", "_paths", "_refused", "_status",
    )  # fmt: skip

    def __init__(self, context: Context, spec: LimitsRequests) -> None:
        zones: Mapping[str, LimitReqSpec] = spec.limit_req
        count, tally = context.probe.count, context.probe.tally
        self._env = context.env
        self._paths = [context.at("limit_req").at(name).path for name in zones]
        self._keys = [zone.key for zone in zones.values()]
        self._key_of = [KEY_OF[key] for key in self._keys]
        self._buckets = LeakyBuckets([zone.build() for zone in zones.values()])
        self._status = spec.limit_req_status
        self._is_dry_run = spec.limit_req_dry_run
        prefix = "would_be_" if self._is_dry_run else ""
        self._granted = [count(f"{path}.granted") for path in self._paths]
        self._refused = [count(f"{path}.{prefix}refused") for path in self._paths]
        self._held = [tally(f"{path}.{prefix}held_s") for path in self._paths]

    @property
    def states_kept(self) -> list[int]:
        """How many keys each zone remembers."""
        return [len(zone.states) for zone in self._buckets.zones]

    def behind_proxy(self) -> RequestLimit:
        """The same limit, with the same zones, for requests that all come from one address."""
        other = copy(self)
        other._key_of = [KEY_BEHIND_PROXY[key] for key in self._keys]
        return other

    def forget(self) -> None:
        """Nginx was killed, and its shared memory with it."""
        for zone in self._buckets.zones:
            zone.states.clear()

    def admit(self, request: Request) -> float:
        """Seconds for which `request` is to be held. Raises `RateLimited`."""
        # To the nearest nanosecond first: 0.587 s times 1000 must not be 586 ms.
        now_ms = int(self._env.now * 1e9 + 0.5) // 1_000_000
        number, hold_ms = self._buckets.ask([key_of(request) for key_of in self._key_of], now_ms)
        if hold_ms is None:
            self._refused[number].add()
            if self._is_dry_run:
                return 0.0
            raise RateLimited(self._paths[number], self._status)
        for granted in self._granted:
            granted.total += 1
        if not hold_ms:
            return 0.0
        hold_s = hold_ms / 1000
        self._held[number].observe(hold_s)
        return 0.0 if self._is_dry_run else hold_s
