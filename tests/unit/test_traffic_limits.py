"""What limits would have refused: by hand, and the same as the simulated limiters refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from experiments import load_scenario
from experiments.errors import InputError
from experiments.logs.batch import batch_of
from experiments.logs.names import Names
from experiments.traffic.counts import SECOND_NS
from experiments.traffic.limit_words import GUIDE, limits_written
from experiments.traffic.limits import Limit, limits_of
from experiments.traffic.order import Ordered
from models.outcomes import RateLimited
from models.request import Request
from models.spec import Context
from models.token_bucket import Bucket4jGreedySpec, Bucket4jIntervallySpec
from models.window_limit import AnchoredWindowSpec, SlidingCounterSpec, SlidingLogSpec
from sim.environment import Environment
from sim.probe import NullProbe
from sim.streams import Streams


def ordered(at_s: list[float] | np.ndarray, ip: list[int] | np.ndarray, user: int = -1) -> Ordered:
    at_ns = (np.asarray(at_s) * SECOND_NS).round().astype(np.int64)
    rows = batch_of(np.arange(1, len(at_ns) + 1), at_ns, ip=np.asarray(ip), user=np.full(len(at_ns), user))
    return Ordered(rows, at_ns)


def judged(text: str, found: Ordered) -> Limit:
    (limit,) = limits_written([text])
    limit.judge(found)
    return limit


def test_ten_at_once_against_five_a_minute() -> None:
    limit = judged("ip 5/60s", ordered([100.0] * 10 + [111.9, 112.0], [7] * 12))
    assert (limit.asked, limit.refused) == (12, 6)  # a token every 12 s: the one at 111.9 is too early
    assert limit.first_ns == 100 * SECOND_NS


def test_every_key_has_a_bucket_of_its_own_and_all_together_one() -> None:
    found = ordered([1.0] * 12, [1] * 6 + [2] * 6)
    assert judged("ip 4/60s", found).by_key == {1: 2, 2: 2}
    assert judged("global 4/60s", found).refused == 8


def test_whose_a_request_is_must_be_known() -> None:
    limit = judged("user 1/60s", ordered([1, 2, 3], [1, 1, 1]))
    assert (limit.asked, limit.refused, limit.unknown) == (0, 0, 3)
    assert limit.as_dict(Names())["refused_share"] is None


def test_windows_begin_with_the_clock_or_with_the_first_request() -> None:
    found = ordered([58, 59, 61, 62, 63], [1] * 5)
    assert judged("ip 2/60s fixed_window", found).refused == 1
    assert judged("ip 2/60s anchored_window", found).refused == 3
    assert judged("ip 2/60s sliding_log", found).refused == 3


def test_nginx_counts_in_milliseconds_and_has_a_burst() -> None:
    found = ordered([10, 10, 10, 10, 10.5, 11.5], [1] * 6)
    assert judged("ip 1/s limit_req", found).refused == 4
    assert judged("ip 1/s limit_req burst=2", found).refused == 2


def test_spring_redis_counts_whole_seconds() -> None:
    found = ordered([10.1, 10.2, 10.9, 11.0], [1] * 4)
    (limit,) = limits_written(["ip 1/s spring_redis burst_capacity=1"])
    limit.judge(found)
    assert limit.refused == 2


KINDS: list[tuple[str, Callable[[], Any]]] = [
    ("ip 5/2s", lambda: Bucket4jGreedySpec(key="ip", refill="5/2s")),
    ("ip 5/2s bucket4j_intervally", lambda: Bucket4jIntervallySpec(key="ip", refill="5/2s")),
    ("ip 5/2s anchored_window", lambda: AnchoredWindowSpec(key="ip", limit="5/2s")),
    ("ip 5/2s sliding_log", lambda: SlidingLogSpec(key="ip", limit="5/2s")),
]


@pytest.mark.parametrize(("text", "spec"), KINDS, ids=[text for text, _ in KINDS])
def test_it_refuses_what_the_simulated_limiter_refuses(text: str, spec: Callable[[], Any]) -> None:
    rng = np.random.default_rng(6)
    at_s = np.sort(rng.integers(0, 300 * 2**20, 4000)) / 2**20  # instants that simulated time has exactly
    ip = rng.zipf(1.5, 4000) % 40
    env = Environment()
    limiter = spec().build(Context(env, Streams(1, 0), NullProbe(env), "limit"))
    refused = []

    def ask() -> Any:
        for number, (now_s, key) in enumerate(zip(at_s.tolist(), ip.tolist(), strict=True)):
            yield now_s - env.now
            try:
                limiter.take(Request(number, number, 0, 0, key, now_s))
            except RateLimited:
                refused.append(key)

    env.start(ask())
    env.run()
    assert len(refused) > 100
    assert judged(text, ordered(at_s, ip)).by_key == Counter(refused)


def test_a_sliding_counter_agrees_with_its_own_rule() -> None:
    at_s = np.sort(np.random.default_rng(8).uniform(0, 100, 500))
    rule = SlidingCounterSpec(key="ip", limit="3/2s").rule()
    refused = sum(not rule.admit(now_ns) for now_ns in (at_s * SECOND_NS).round().astype(np.int64).tolist())
    assert judged("ip 3/2s sliding_counter", ordered(at_s, [1] * 500)).refused == refused > 50


def test_the_worst_are_named_most_first() -> None:
    names = Names()
    for address in (b"10.0.0.1", b"10.0.0.2", b"10.0.0.3"):
        names.ips.index(address)
    limit = judged("ip 1/60s", ordered([1] * 9, [0, 1, 1, 1, 1, 2, 2, 2, 0]))
    found = limit.as_dict(names)
    assert found["worst"] == [
        {"name": "10.0.0.2", "refused": 3}, {"name": "10.0.0.3", "refused": 2}, {"name": "10.0.0.1", "refused": 1},
    ]  # fmt: skip
    assert (found["keys_refused"], found["refused_share"]) == (3, pytest.approx(6 / 9))


def test_the_limits_of_a_scenario_are_the_guides() -> None:
    found = limits_of(load_scenario("maltan/early").spec)
    names = ("per_user", "per_ip", "global")
    assert [limit.name for limit in found] == [f"gateway.rate_limits.{name}" for name in names]
    assert [limit.words for limit in found] == [limit.words for limit in limits_written(GUIDE)]
    assert limits_of(load_scenario("storm/retry-storm").spec) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must be 'user|ip|global RATE"),
        ("host 1/s", "must begin with one of user, ip, global, got 'host'. Keys: user, ip, global."),
        ("ips 1/s", "got 'ips'. Did you mean ip? (--limit 'ips 1/s')"),
        ("ip ten", "--limit: must be a rate such as 100/60s or 700/s, got ten."),
        ("ip 1/60x", "--limit: must be a rate such as 100/60s or 700/s, got 1/60x."),
        ("ip 1.5/s", "--limit: refill: must be a whole number of tokens"),
        ("ip 1/s leaky", "--limit: must be of a known kind, got 'leaky'. Kinds: bucket4j_greedy, "),
        ("ip 1/s limitreq", "got 'limitreq'. Did you mean limit_req? (--limit 'ip 1/s limitreq')"),
        ("ip 1/s sliding_log fixed_window", "one kind at most"),
        ("ip 1/s limit_req brust=2", "--limit: brust: must be a known key, got 'brust'. Did you mean burst?"),
        ("ip 1/s limit_req burst=x", "--limit: burst: must be a whole number, got 'x'"),
        ("ip 9000000/d sliding_log", "sliding_log: must have a limit of at most 2097152"),
        ("ip 1/h limit_req", "per second or per minute"),
        ("ip 1/m spring_redis", "a whole number a second"),
        ("ip 0/s spring_redis", "replenish_rate: "),
    ],
)
def test_what_is_no_limit_is_refused_in_a_line(text: str, complaint: str) -> None:
    with pytest.raises(InputError) as raised:
        limits_written([text])
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("IP 5/2s", "ip 5/2s"), ("ip 5 / 2s", "ip 5/2s"), ("ip 5/2s burst=9", "ip 5/2s bucket4j_greedy capacity=9"),
        ("user 5/s spring_redis burst=9", "user 5/s spring_redis burst_capacity=9"),
    ],
)  # fmt: skip
def test_what_people_write_for_the_same(text: str, other: str) -> None:
    assert limits_written([text])[0].words == limits_written([other])[0].words


@pytest.mark.parametrize("kind", ["bucket4j_greedy", "bucket4j_intervally", "sliding_log", "spring_redis"])
def test_of_very_many_keys_a_part_is_asked_about(kind: str) -> None:
    rng = np.random.default_rng(3)
    at_s, ip = np.sort(rng.uniform(0, 300, 60_000)), rng.integers(0, 4000, 60_000)
    text = f"ip 1/s {kind} burst=1" if kind == "spring_redis" else f"ip 8/300s {kind}"
    (exact,), (part,) = limits_written([text]), limits_written([text])
    part._most = 500
    for begin in range(0, 60_000, 5_000):
        found = ordered(at_s[begin : begin + 5_000], ip[begin : begin + 5_000])
        exact.judge(found)
        part.judge(found)
        assert part._books.size() <= 500
    whole, sample = exact.as_dict(Names()), part.as_dict(Names())
    assert (whole["one_in"], whole["asked"]) == (1, 60_000)
    assert sample["one_in"] > 1
    assert sample["asked"] * sample["one_in"] == pytest.approx(60_000, rel=0.15)
    assert sample["refused_share"] == pytest.approx(whole["refused_share"], rel=0.1)
    assert all(exact.by_key[key] == count for key, count in part.by_key.items()), "whole keys, with all of theirs"
