"""Nginx's limit_req and limit_conn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import ValidationError

from experiments.validation.check import Component, expect, expect_failure
from experiments.validation.limits import context_of
from models.connection_limit import ConnectionLimit, LimitsConnections
from models.leaky_bucket import LeakyBuckets, LimitReqSpec, LimitsRequests, RequestLimit
from models.outcomes import ConcurrencyLimited, RateLimited
from models.request import Request
from sim.environment import Activity, Environment

LIMIT_REQ = Component(
    "nginx limit_req",
    version="1.22.1",
    source="nginx src/http/modules/ngx_http_limit_req_module.c",
    section="1.4",
)
LIMIT_CONN = Component(
    "nginx limit_conn",
    version="1.22.1",
    source="nginx src/http/modules/ngx_http_limit_conn_module.c",
    section="1.5",
)


def buckets(*zones: str) -> LeakyBuckets:
    """Zones as nginx writes them: `10r/s burst=5 nodelay`."""
    made = []
    for zone in zones:
        fields: dict[str, object] = {"key": "global"}
        for word in zone.split():
            name, _, value = word.partition("=")
            fields |= {name: int(value)} if value else ({"nodelay": True} if word == "nodelay" else {"rate": word})
        made.append(LimitReqSpec.model_validate(fields).build())
    return LeakyBuckets(made)


def answers(rule: LeakyBuckets, at_ms: Sequence[int]) -> list[int | None]:
    """For how long each request is held, in ms; None: it is refused."""
    keys = [0] * len(rule.zones)
    return [rule.ask(keys, now_ms)[1] for now_ms in at_ms]


@LIMIT_REQ.check("burst 5 nodelay", "6×200, 4×503")
def burst_without_delay() -> None:
    expect(answers(buckets("10r/s burst=5 nodelay"), [0] * 10), [0] * 6 + [None] * 4)


@LIMIT_REQ.check("burst 5", "200 at 0, .1, .2, .3, .4, .5 s; 4×503 at once")
def burst_with_delay() -> None:
    expect(answers(buckets("10r/s burst=5"), [0] * 10), [0, 100, 200, 300, 400, 500] + [None] * 4)


@LIMIT_REQ.check("burst 6 delay 3", "4 at once, then .1, .2, .3; 3×503")
def burst_with_delay_from_the_fourth() -> None:
    expect(answers(buckets("10r/s burst=6 delay=3"), [0] * 10), [0] * 4 + [100, 200, 300] + [None] * 3)


@LIMIT_REQ.check("burst 5 nodelay, ~47/s for 2.05 s", "26 accepted (6+20)")
def burst_and_rate_add_up() -> None:
    instants = [round(1000 * number / 47) for number in range(97)]
    found = answers(buckets("10r/s burst=5 nodelay"), instants)
    expect(sum(held == 0 for held in found), 26)


@LIMIT_REQ.check("100r/m (=1.666/s), no burst, at 0, .587, .62 s", "200, 503, 200")
def a_rate_per_minute_is_truncated() -> None:
    expect(answers(buckets("100r/m"), [0, 587, 620]), [0, None, 0])


@LIMIT_REQ.check("Zone rate is an integer in 1/1000 r/s", "r/m is n·1000/60 truncated; whole numbers only")
def rates_as_nginx_parses_them() -> None:
    for rate, thousandths in (("10r/s", 10_000), ("10/s", 10_000), ("100r/m", 1666), ("1r/m", 16), ("100/60s", 1666)):
        spec = LimitReqSpec.model_validate({"key": "ip", "rate": rate})
        expect(spec.thousandths_per_s, thousandths, rate)
    for rate in ("0.5r/s", "3/2s", "0r/s", "100r/h"):
        expect_failure(ValidationError, partial(LimitReqSpec.model_validate, {"key": "ip", "rate": rate}), rate)


@LIMIT_REQ.check("Defaults: burst 0, delay 0, status 503, dry_run off", "as nginx has them")
def defaults() -> None:
    zone = LimitReqSpec.model_validate({"key": "ip", "rate": "1r/s"})
    expect((zone.burst, zone.delay, zone.nodelay), (0, 0, False))
    expect((LimitsRequests().limit_req_status, LimitsRequests().limit_req_dry_run), (503, False))


@LIMIT_REQ.check("the first request of a key has excess 0", "and so has one that comes late enough")
def the_first_request_owes_nothing() -> None:
    expect(answers(buckets("10r/s"), [0, 99, 100, 200, 299]), [0, None, 0, 0, None])


@LIMIT_REQ.check("Reject iff excess > burst·1000, leaving state untouched", "refusals put nothing off")
def refusals_cost_nothing() -> None:
    expect(answers(buckets("1r/s burst=1 nodelay"), [0, 0, *range(10, 1000, 10), 1000]), [0, 0] + [None] * 99 + [0])


@LIMIT_REQ.check("Several zones: all checked, longest delay wins", "accounting only if none rejects")
def several_zones() -> None:
    expect(answers(buckets("10r/s burst=9", "4r/s burst=9"), [0, 0, 0]), [0, 250, 500], "longest delay")
    expect(answers(buckets("4r/s burst=9", "10r/s burst=9"), [0, 0, 0]), [0, 250, 500], "in either order")
    rule = buckets("1r/s burst=3 nodelay", "10r/s")
    expect(answers(rule, [0, 1, 2, 3, 100, 200, 300]), [0, None, None, None, 0, 0, 0], "what one refuses, none counts")
    expect(answers(buckets("10r/s", "1r/s burst=3 nodelay"), [0, 1, 100]), [0, None, 0], "in either order")


@LIMIT_REQ.check("Zone full ⇒ LRU entry dropped", "the key that has rested longest owes nothing any more")
def a_full_zone_drops_the_least_recent() -> None:
    zone = LimitReqSpec.model_validate({"key": "ip", "rate": "1r/m", "zone": "32K"}).build()
    expect(zone.capacity, 191, "keys in the smallest zone")
    rule = LeakyBuckets([zone])
    for key in range(192):
        rule.ask([key], key)
    expect(len(zone.states), 191)
    expect(rule.ask([1], 200)[1], None, "the second still owes")
    expect(rule.ask([0], 201)[1], 0, "the first was dropped")
    expect(rule.ask([2], 202)[1], 0, "and its return dropped the third, since the second had just asked")


@LIMIT_REQ.check("hold for (excess−delay)·1000/rate ms", "truncated to whole ms")
def holds_are_whole_milliseconds() -> None:
    expect(answers(buckets("3r/s burst=9"), [0, 0, 0, 1]), [0, 333, 666, 999])


@LIMIT_REQ.check("status code", "503 unless limit_req_status says otherwise")
def the_status_of_what_is_refused() -> None:
    for fields, status in (({}, 503), ({"limit_req_status": 429}, 429)):
        spec = LimitsRequests.model_validate({"limit_req": {"all": {"key": "global", "rate": "1r/s"}}, **fields})
        limit = RequestLimit(context_of(Environment()), spec)
        request = Request(0, 0, 0, 0, 0, 0.0)
        expect(limit.admit(request), 0.0)
        try:
            limit.admit(request)
            expect("passed", "refused")
        except RateLimited as refusal:
            expect(refusal.status, status)


LIMIT_REQ.leaves_out("Empty key ⇒ not limited", "every request here has a user and an address")
LIMIT_REQ.leaves_out("still full ⇒ status code", "happens only where several workers hold states at the same moment")
LIMIT_REQ.leaves_out("return answers before the limit applies", "no answer here is made by nginx itself")


@LIMIT_CONN.check("[M] limit 2, 5 parallel: 2 admitted, 3×503", "and as many again when those have ended")
def two_at_a_time() -> None:
    env = Environment()
    spec = LimitsConnections.model_validate({"limit_conn": {"each": {"key": "ip", "connections": 2}}})
    limit = ConnectionLimit(context_of(env), spec)
    seen: list[tuple[float, int]] = []

    def work(at_s: float) -> Activity:
        if at_s:
            yield at_s
        try:
            counted = limit.enter(Request(0, 0, 0, 0, 7, env.now))
        except ConcurrencyLimited as refusal:
            seen.append((at_s, refusal.status))
            return
        try:
            yield 1.0
        finally:
            limit.leave(counted)
        seen.append((at_s, 200))

    for at_s in [0.0] * 5 + [1.5] * 5:
        env.start(work(at_s))
    env.run()
    for at_s in (0.0, 1.5):
        expect(sorted(status for when, status in seen if when == at_s), [200, 200, 503, 503, 503], f"at {at_s} s")
    expect(limit.in_progress, [0], "afterwards")


@LIMIT_CONN.check("Reject (503) when count ≥ limit", "several zones: what one refuses counts in none")
def several_connection_zones() -> None:
    spec = LimitsConnections.model_validate(
        {
            "limit_conn": {
                "each": {"key": "ip", "connections": 3},
                "all": {"key": "global", "connections": 4},
            },
            "limit_conn_status": 429,
        }
    )
    limit = ConnectionLimit(context_of(Environment()), spec)
    counted = [limit.enter(Request(0, 0, 0, 0, ip, 0.0)) for ip in (1, 1, 1, 2)]
    for ip, zone in ((1, "each"), (2, "all")):
        try:
            limit.enter(Request(0, 0, 0, 0, ip, 0.0))
            expect("admitted", "refused")
        except ConcurrencyLimited as refusal:
            expect((refusal.path, refusal.status), (f"limit.limit_conn.{zone}", 429))
    expect(limit.in_progress, [4, 4])
    limit.leave(counted[0])
    expect(limit.in_progress, [3, 3])


LIMIT_CONN.leaves_out("not TCP connections; HTTP/2 streams count singly [K]", "clients' connections are not modelled")
