"""nginx as a load balancer: checks of its servers, further tries, connections, workers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from experiments.validation.check import expect
from experiments.validation.nginx_stand import RELEASE, Stand, peers
from experiments.validation.nginx_upstream import NGINX_UPSTREAM
from models.outcomes import CallFailure
from models.proxy import LoadBalancerSpec, Proxy
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity
from sim.probe import NullProbe
from sim.streams import Streams

__all__ = ["NGINX_UPSTREAM", "crowd"]
check = NGINX_UPSTREAM.check


# what is learnt of a server that fails


@check(
    "the count clears only on success of a request sent more than fail_timeout after the last check",
    "at 10.9 s it does not, at 11.0 it does",
)
def clears() -> None:
    for sent_s, is_clear in ((10.9, True), (11.0, False)):
        rule = peers([1, 1], max_fails=2)
        rule.free(rule.pick(0.0, 0b10) or 0, True, 0.5)
        rule.free(rule.pick(sent_s, 0b10) or 0, False, sent_s)
        expect(rule.peers[0].fails > 0, is_clear, f"sent at {sent_s}")


@check(
    "then one probe per fail_timeout", "probes that hang: one each 6 s (5 s, counted in whole seconds)",
    agreement="within 0.5 s: somebody asks every 0.1 s",
)  # fmt: skip
def probes() -> None:
    stand = Stand({"u1": "close", "u2": 0.0}, read_timeout="20s", fail_timeout="5s")
    stand.get()
    stand.backends["u1"].mode = 50.0
    for tenth in range(1, 200):
        stand.env.run(until=tenth / 10)
        stand.send()
    late_s = [when - 6 * number for number, when in enumerate(stand.backends["u1"].asked)]
    expect((len(late_s), all(0 <= late < 0.5 for late in late_s)), (4, True), f"probes at {late_s}")


@check("weight climbing by 1 per selection", "4, halved by a failure of 2 allowed: 2, 3, 4, 4")
def climbs() -> None:
    rule = peers([4, 4], max_fails=2)
    rule.free(rule.pick(0.0) or 0, True, 0.0)
    seen = []
    for _ in range(4):
        seen.append(rule.peers[0].effective)
        rule.free(rule.pick(0.0) or 0, False, 0.0)
    expect(seen, [2, 3, 4, 4])


@check("all down", "502 at once, nobody is tried (no quick recovery since 1.11.5)")
def all_down() -> None:
    stand = Stand({"u1": "close", "u2": "close"})
    expect(stand.get(), 502)
    for backend in stand.backends.values():
        backend.mode = 0.0
    expect((stand.get(), stand.env.now, stand.tries()), (502, 0.0, [1, 1]))


@check("without zone all counters are per worker process", "a second worker makes the first one's experience again")
def per_worker() -> None:
    for zone, tries in ((False, 2), (True, 1)):
        stand = Stand({"u1": "close", "u2": 0.0}, zone=zone)
        expect([stand.get() for _ in range(4)], [200] * 4)
        stand.other_worker()
        expect([stand.get() for _ in range(4)], [200] * 4)
        expect(stand.tries()[0], tries, f"zone {zone}")
    for zone, statuses in ((False, [200] * 4), (True, [200] * 2 + [502] * 2)):
        stand = Stand({"u1": 1.0, "u2": 1.0}, zone=zone, max_conns=1)
        results = [stand.send() for _ in range(2)]
        stand.other_worker()
        results += [stand.send() for _ in range(2)]
        stand.env.run()
        expect([result.status for result in results], statuses, f"max_conns, zone {zone}")


@check("backup servers", "they stand in while all others are left out or full, and no longer")
def backup() -> None:
    stand = Stand({"u1": "close", "u2": 0.0, "u3": 0.0}, backup=[3], next_upstream_tries=0)
    stand.backends["u2"].mode = "close"
    expect(([stand.get() for _ in range(4)], stand.tries()), ([200] * 4, [1, 1, 4]))
    stand.backends["u1"].mode = 0.0
    expect([stand.at(11.0) for _ in range(2)], [200] * 2)
    expect(stand.tries(), [3, 2, 4], "u2 is probed and fails, u1 is back: none for u3")
    stand = Stand({"u1": 1.0, "u2": 1.0}, backup=[2], max_conns=1)
    expect((stand.together(3), stand.tries()), ([200, 200, 502], [1, 1]))


@check("a server marked down", "gets nothing; under hash its keys go elsewhere and all others stay")
def down() -> None:
    stand = Stand({"u1": 0.0, "u2": 0.0, "u3": 0.0}, down=[2])
    expect(([stand.get() for _ in range(4)], stand.tries()), ([200] * 4, [2, 0, 2]))
    hashed: dict[str, Any] = {"balancing": "hash", "hash_key": "user"}
    all_up = Stand({"u1": 0.0, "u2": 0.0, "u3": 0.0}, **hashed)
    one_down = Stand({"u1": 0.0, "u2": 0.0, "u3": 0.0}, **hashed, down=[2])
    for _ in range(60):
        all_up.get()
        one_down.get()
    gained = [after - before for before, after in zip(all_up.tries(), one_down.tries(), strict=True)]
    expect((one_down.tries()[1], min(gained[0], gained[2]) >= 0, sum(gained)), (0, True, 0))


# further tries


@check("http_5xx only if listed and another try remains", "the last 5xx is passed through, uncounted")
def last_answer() -> None:
    for status in (500, 502, 503, 504):
        stand = Stand({"u1": f"http_{status}", "u2": 0.0}, next_upstream=[f"http_{status}"], next_upstream_tries=1)
        expect(sorted(stand.get() for _ in range(4)), [200, 200, status, status])
        expect(stand.tries(), [2, 2], "nobody is left out")


@check("http_403, http_404, http_429 listed", "another is asked; only 429 is a failure of the server")
def client_errors() -> None:
    for status, tries in ((403, 3), (404, 3), (429, 1)):
        stand = Stand({"u1": f"http_{status}", "u2": 0.0}, next_upstream=[f"http_{status}"])
        expect([stand.get() for _ in range(5)], [200] * 5)
        expect(stand.tries(), [tries, 5], str(status))


@check("POST/LOCK/PATCH retried only if nothing was sent", "unless non_idempotent is listed")
def non_idempotent() -> None:
    stand = Stand({"u1": 0.0, "u2": 0.0})
    stand.backends["u1"].host.is_up = False
    expect(stand.get(idempotent=False), 200, "refused: nothing was sent")
    stand = Stand({"u1": "close", "u2": 0.0}, next_upstream=["error", "non_idempotent"])
    expect(stand.get(idempotent=False), 200)


NGINX_UPSTREAM.leaves_out(
    "errors after headers have been sent never count and never retry; the body is cut",
    "answers come whole: nothing can go wrong between headers and body",
)
NGINX_UPSTREAM.leaves_out("bad header (invalid_header)", "no service here sends a header that nginx cannot read")


# connections that are kept


@check("upstream keepalive: off before 1.29.7, from then on 32 idle per worker", "what is reused need not be connected")
def kept_by_release() -> None:
    for release, took_s in ((RELEASE, 3.0), ((1, 29, 6), 3.0), ((1, 29, 7), 1.0), ((1, 31, 5), 1.0)):
        stand = Stand({"u1": 0.0}, release=release, connect_time="1s")
        for _ in range(3):
            stand.get()
        expect(stand.env.now, took_s, ".".join(map(str, release)))
    stand = Stand({"u1": 1.0}, release=(1, 29, 7))
    stand.together(40)
    expect(stand.worker.free, 510 - 32, "of 40 connections 32 are kept")


@check("upstream keepalive: 60 s, 1000 requests, 1 h", "closed after so long idle, so many requests, so long open")
def kept_how_long() -> None:
    for idle_s, ends_s in ((59.9, 62.9), (60.0, 64.0)):
        stand = Stand({"u1": 1.0}, connect_time="1s", keepalive=1)
        stand.get()
        stand.at(2.0 + idle_s)
        expect(round(stand.env.now, 9), ends_s, f"idle for {idle_s} s")
    stand = Stand({"u1": 0.0}, connect_time="1s", keepalive=1)
    for _ in range(1001):
        stand.get()
    expect(stand.env.now, 2.0, "1001 requests")
    stand = Stand({"u1": 59.0}, connect_time="1s", keepalive=1)
    for _ in range(62):  # the 62nd begins when the connection is 3,600 s old, and over an hour when it ends
        stand.get()
    expect(stand.env.now, 62 * 59.0 + 1.0, "62 requests of 59 s")
    stand.get()
    expect(stand.env.now, 63 * 59.0 + 2.0, "the 63rd connects anew")


@check("error on a kept connection: one try more", "a single server is asked again, over a new connection")
def free_try() -> None:
    for keepalive, tries, status in ((0, 2, 502), (1, 3, 502)):
        stand = Stand({"u1": 0.0}, keepalive=keepalive)
        stand.get()
        stand.backends["u1"].mode = "close"
        expect((stand.get(), stand.tries()), (status, [tries]), f"keepalive {keepalive}")
    stand = Stand({"u1": 0.0}, keepalive=1)
    stand.get()
    stand.backends["u1"].mode = "close"
    expect((stand.get(idempotent=False), stand.tries()), (502, [2]), "not a POST: it was sent")


@check("a server that dies closes what was kept", "nginx sees it at once and connects anew")
def kept_and_dead() -> None:
    stand = Stand({"u1": 0.0}, connect_time="1s", keepalive=4)
    stand.get()
    stand.backends["u1"].host.deaths.total += 1
    expect((stand.get(), stand.env.now, stand.worker.free), (200, 2.0, 509))


# worker processes


def crowd(number: int, worker_connections: int, workers: int = 1) -> tuple[list[int], list[float]]:
    """Statuses of requests that come each 1 ms to an nginx before a server that takes 1 s, and how long each took."""
    stand = Stand({"u1": 1.0})
    env, backend = stand.env, stand.backends["u1"]
    document = {
        "machine": "vm", "cpu": "0s", "workers": workers, "worker_connections": worker_connections,
        "upstreams": {"u": {"service": "s", "connect_time": "0s"}},
    }  # fmt: skip
    spec = LoadBalancerSpec.model_validate(document)
    host: Any = SimpleNamespace(is_up=True, speed=1.0, run=lambda s: s, enter=lambda: None, leave=lambda _: None)
    proxy = Proxy(Context(env, Streams(1, 0), NullProbe(env), "nginx"), spec, host, {"s": [backend]})
    statuses = [0] * number
    took_s = [0.0] * number

    def client(ordinal: int) -> Activity:
        began_at_s = env.now
        try:
            yield from proxy.handle(Request(ordinal, ordinal, 0, ordinal, ordinal, env.now), Visit("s", "e"))
            statuses[ordinal] = 200
        except CallFailure as failure:
            statuses[ordinal] = failure.status
        took_s[ordinal] = round(env.now - began_at_s, 9)

    for ordinal in range(number):
        env.start(client(ordinal), ordinal / 1000)
    env.run()
    return statuses, took_s


@check("worker_connections counts both sides", "12, less 2 of its own: 5 proxied requests, who comes then is closed")
def both_sides() -> None:
    expect(crowd(8, 12), ([200] * 5 + [502] * 3, [1.0] * 5 + [0.0] * 3))


@check("worker_connections: one left", "it goes to a client, and there is none for the server: 500")
def one_left() -> None:
    expect(crowd(8, 11), ([200] * 4 + [500] * 4, [1.0] * 4 + [0.0] * 4))


@check("worker_connections per worker", "two workers, over which chance spreads the connections, have twice as many")
def each_worker() -> None:
    expect(crowd(60, 12, workers=2)[0].count(200), 10)


NGINX_UPSTREAM.leaves_out(
    "backlog 511 (capped by somaxconn)",
    "a worker accepts at once; a backlog fills only while its thread is stuck for longer than 511 arrivals take",
)
