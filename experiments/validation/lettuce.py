"""Lettuce 6 as Spring Boot sets it up: what callers see of a Redis that is away."""

from __future__ import annotations

from experiments.validation.check import Component, expect, expect_near
from experiments.validation.limits import passes
from experiments.validation.redis_stand import Host, Stand
from models.cache import RedisClientSpec
from models.link import Link, LinkSpec, Trouble
from models.outcomes import CacheUnavailable
from models.spec import Context
from models.token_bucket import SpringRedisSpec
from sim.probe import NullProbe
from sim.streams import Streams

LETTUCE = Component(
    "Lettuce",
    version="6 (b0bcdd8)",
    source="lettuce: core/RedisURI.java, core/protocol/ConnectionWatchdog.java, core/protocol/DefaultEndpoint.java, "
    "core/resource/ExponentialDelay.java, core/SocketOptions.java",
    section="1.1",
)


@LETTUCE.check("command timeout is 60 s", "a command without an answer fails after it")
def a_minute() -> None:
    expect(RedisClientSpec().command_timeout, 60.0)
    stand = Stand()
    stand.host.die(stand.redis)
    result = stand.do("lookup", 1)
    stand.env.run()
    expect((type(result.error), result.error.status, result.ended_s), (CacheUnavailable, 500, 60.0))
    expect((stand.total("timed_out"), stand.client.queued), (1, 0))


@LETTUCE.check("while reconnecting (exponential to 30 s)", "attempts 1, 2, 4, ... ms apart, then every 30 s")
def attempts() -> None:
    stand = Stand()
    stand.env.run(until=100.0)
    stand.host.die(stand.redis)
    expected, when = [], 100.0
    for pause_s in [0.001 * 2**n for n in range(15)] + [30.0] * 3:
        when += pause_s
        expected.append(when)
    found = [stand.client.next_attempt_s(after + 1e-9) for after in [100.0, *expected[:-1]]]
    expect(found, expected)
    expect_near(expected[14] - 100.0, 32.767, 1e-9, "the last one before every 30 s")


@LETTUCE.check("commands are queued while reconnecting, not rejected", "sent in order once it is connected again")
def queued() -> None:
    stand = Stand({"command_cpu": "1ms"})
    stand.env.run(until=10.0)
    stand.host.die(stand.redis)
    early = [stand.do("store", key) for key in range(3)]
    stand.env.run(until=13.0)
    expect(stand.client.queued, 3)
    stand.host.come_up(stand.redis)
    late = stand.do("lookup", 1)  # Redis is up, but nobody has tried yet
    stand.env.run(until=20.0)
    # lost at 10 s: attempts at 10 s + (2 ** n - 1) ms, so 14.095 is the first after 13 s
    expect_near(early[0].ended_s, 14.096, 1e-9)
    ended_s = [result.ended_s for result in (*early, late)]
    expect(ended_s, sorted(ended_s))
    expect((late.value is not None, late.request.cache), (True, "hit"))


@LETTUCE.check("at least once: commands in flight are sent again", "their effect is there once, or again")
def sent_again() -> None:
    stand = Stand({"command_cpu": "1s", "round_trip": "500ms"})
    under_way = [stand.do("store", key) for key in range(3)]
    stand.env.run(until=1.0)  # one is being worked on, two wait for the thread
    on_its_way = stand.do("store", 3)
    stand.env.run(until=1.25)
    stand.host.die(stand.redis)
    stand.env.run(until=1.26)
    expect(stand.host.inside, {}, "nobody is in a container that has died")
    stand.host.come_up(stand.redis)
    stand.env.run(until=30.0)
    # lost at 1.25 s: an attempt succeeds 15 ms later
    for result, number in zip([*under_way, on_its_way], range(1, 5), strict=True):
        expect(result.error, None)
        expect_near(result.ended_s, 1.265 + 0.5 + number, 1e-9)
    station = stand.probe.kept["redis.command_thread"]
    expect((station.busy, station.waiting, stand.redis.space.count), (0, 0, 4))


@LETTUCE.check("refused first connect ⇒ immediate failure", "a process that starts meanwhile waits for nothing")
def first_connection() -> None:
    stand = Stand()
    stand.env.run(until=5.0)
    stand.host.die(stand.redis)
    owner = Host(stand.env)
    client = stand.redis.client("shop-2", owner)
    owner.die()
    owner.is_up = True
    result = stand.do("lookup", 1, client)
    stand.env.run(until=6.0)
    expect((type(result.error), result.ended_s), (CacheUnavailable, 5.0))
    stand.host.come_up(stand.redis)
    result = stand.do("lookup", 1, client)
    stand.env.run(until=7.0)
    expect((result.error, result.ended_s), (None, 6.0), "connects with its first command")


@LETTUCE.check("a limiter on a dead Redis fails open", "after the command time limit, or at once where refused")
def limiter_waits_first() -> None:
    for was_connected, opens_at_s in ((True, 0.25), (False, 0.0)):
        stand = Stand({"client": {"command_timeout": "250ms"}})
        owner = Host(stand.env)
        scripts = stand.redis.scripts("gateway", owner)
        stand.host.die(stand.redis)
        if not was_connected:
            owner.die()
        context = Context(stand.env, Streams(1, 0), NullProbe(stand.env), "limit")
        limiter = SpringRedisSpec(key="user", replenish_rate=1, burst_capacity=1, cache="redis").build(context, scripts)
        expect(passes(stand.env, limiter, [0.0] * 3), [1, 1, 1])
        # one after the other: `passes` asks again when it has its answer
        expect(stand.env.now, 3 * opens_at_s)


@LETTUCE.check("a client that leaves takes its command out of the queue", "exactly, at once")
def leaving() -> None:
    stand = Stand()
    stand.host.die(stand.redis)
    result = stand.do("store", 1)
    stand.env.run(until=1.0)
    stand.env.throw(result.light, CacheUnavailable("gone"))
    stand.env.run(until=1.5)
    expect((stand.client.queued, result.ended_s), (0, 1.0))
    stand.host.come_up(stand.redis)
    stand.env.run()
    expect(stand.redis.space.count, 0)


@LETTUCE.check("a slow Redis: callers give up, Redis carries the command out", "the answer comes too late")
def slow() -> None:
    stand = Stand({"command_cpu": "250ms", "client": {"command_timeout": "400ms"}})
    results = [stand.do("store", key) for key in range(3)]
    stand.env.run(until=30.0)
    expect([(result.error is None, result.ended_s) for result in results], [(True, 0.25), (False, 0.4), (False, 0.4)])
    expect((stand.redis.space.count, stand.count("stores")), (3, 3))


@LETTUCE.check("a Redis that hangs", "whoever asks gives up after the command time limit, also who is served")
def hanging() -> None:
    stand = Stand({"command_cpu": "10s", "client": {"command_timeout": "1s"}})
    results = [stand.do("lookup", 1) for _ in range(3)]
    stand.env.run(until=30.0)
    expect([(type(result.error), result.ended_s) for result in results], [(CacheUnavailable, 1.0)] * 3)
    stand.env.run(until=31.0)
    result = stand.do("lookup", 1)
    stand.env.run(until=33.0)
    expect((type(result.error), result.ended_s, stand.total("timed_out")), (CacheUnavailable, 32.0, 4))


def _across_a_cut_link(stand: Stand) -> tuple[Host, Link, Trouble]:
    """Who asks across a link, the link, and what cuts it."""
    wire = Link(Context(stand.env, Streams(1, 0), NullProbe(stand.env), "wire"), LinkSpec(between=["shop", "redis"]))
    stand.redis.links = {Host.path: wire}
    return Host(stand.env), wire, Trouble(is_cut=True)


@LETTUCE.check("connect timeout is 10 s", "an attempt that nothing answers takes it, and the pauses double between")
def unanswered_attempts() -> None:
    expect(RedisClientSpec().connect_timeout, 10.0)
    for heals_at_s, back_at_s in ((102.5, 103.001), (105.0, 107.001), (109.0, 110.003), (130.0, 130.015)):
        stand = Stand()
        owner, wire, cut = _across_a_cut_link(stand)
        client = stand.redis.client("shop-2", owner)
        stand.env.run(until=100.0)
        stand.host.die(stand.redis)  # the attempt after 1 ms is the first that meets the cut
        wire.suffer(cut)
        stand.host.come_up(stand.redis)
        result = stand.do("lookup", 1, client)
        stand.env.run(until=heals_at_s)
        expect((client.is_connected, client.queued), (False, 1))
        wire.recover(cut)
        stand.env.run(until=200.0)
        # SYNs 0, 1, 3 and 7 s after an attempt has begun; attempts at 100.001, 110.003, 120.007 and 130.015 s
        expect_near(result.ended_s, back_at_s, 1e-9)


@LETTUCE.check("the first connection of a process across a partition", "10 s a caller, one after the other")
def first_connection_unanswered() -> None:
    stand = Stand()
    owner, wire, cut = _across_a_cut_link(stand)
    owner.die()
    stand.host.die(stand.redis)
    client = stand.redis.client("shop-2", owner)
    stand.host.come_up(stand.redis)
    wire.suffer(cut)
    owner.is_up = True
    results = [stand.do("lookup", 1, client) for _ in range(3)]
    stand.env.run(until=25.0)
    wire.recover(cut)
    stand.env.run(until=100.0)
    found = [(result.error is None, result.ended_s) for result in results]
    expect(found, [(False, 10.0), (False, 20.0), (True, 27.0)], "SYNs of the third at 20, 21, 23 and 27 s")


@LETTUCE.check("a Redis that dies behind a partition", "is missed by the first command that gets through afterwards")
def death_unheard_of() -> None:
    stand = Stand()
    owner, wire, cut = _across_a_cut_link(stand)
    client = stand.redis.client("shop-2", owner)
    stand.env.run(until=1.0)
    wire.suffer(cut)
    stand.host.die(stand.redis)
    stand.host.come_up(stand.redis)
    stand.env.run(until=2.0)
    expect(client.is_connected, True)
    wire.recover(cut)
    result = stand.do("lookup", 1, client)
    stand.env.run(until=10.0)
    expect_near(result.ended_s, 2.001, 1e-9, "reset, and connected again after 1 ms")
