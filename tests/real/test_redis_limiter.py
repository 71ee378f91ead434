"""Limiters that are scripts beside a real Redis: one seeded trace, one script, decision by decision."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from models.token_bucket import RedisBucketRule
from models.window_limit import AnchoredWindow, FixedWindow, SlidingCounter, SlidingLog

FIDELITY = "1.1"

SERVER = shutil.which("redis-server")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(SERVER is None, reason="redis-server is not installed (Debian: apt install redis-server)"),
]

SCRIPT = """
-- A token bucket that counts whole seconds, as FIDELITY 1.1 describes it. The clock is an argument.
local rate, burst, second, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local lifetime = math.floor(2 * burst / rate)
local held = tonumber(redis.call('GET', KEYS[1]) or burst)
local seen = tonumber(redis.call('GET', KEYS[2]) or 0)
if second > seen then
  held = held + (second - seen) * rate
end
if held > burst then
  held = burst
end
local passes = 0
if held >= cost then
  held = held - cost
  passes = 1
end
if lifetime > 0 then
  redis.call('SET', KEYS[1], held, 'EX', lifetime)
  redis.call('SET', KEYS[2], second, 'EX', lifetime)
end
return {passes, held}
"""

Reply = int | str | list[int] | None


class ReplyError(Exception):
    """Redis answered with an error."""


class Connection:
    """Just enough of the Redis protocol: arrays of bulk strings out, any reply in; many commands at once."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._lines = self._socket.makefile("rb")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, *commands: tuple[object, ...]) -> None:
        packed = bytearray()
        for command in commands:
            packed += b"*%d\r\n" % len(command)
            for part in command:
                text = str(part).encode()
                packed += b"$%d\r\n%s\r\n" % (len(text), text)
        self._socket.sendall(packed)

    def reply(self) -> Reply:
        line = self._lines.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self._lines.read(length + 2)[:-2].decode()
        if kind == b"*":
            return [int(str(self.reply())) for _ in range(int(rest))]
        assert kind == b"+", line
        return rest.decode()

    def ask(self, *command: object) -> Reply:
        self.send(command)
        return self.reply()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A Redis of our own on a free loopback port, which keeps nothing on disk."""
    assert SERVER is not None
    folder: Path = tmp_path_factory.mktemp("redis")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen([SERVER, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        connection = connect(port, process)
        yield connection
        connection.close()
    finally:
        process.terminate()
        process.wait(timeout=10)


def connect(port: int, process: subprocess.Popen[bytes]) -> Connection:
    for _ in range(200):
        assert process.poll() is None, "redis-server ended at once"
        try:
            connection = Connection(port)
        except ConnectionRefusedError:
            time.sleep(0.05)
            continue
        if connection.ask("PING") == "PONG":
            return connection
    raise AssertionError("redis-server does not listen")


def evaluate(digest: object, key: str, limit: tuple[int, int, int], second: int) -> tuple[object, ...]:
    rate, burst, cost = limit
    return ("EVALSHA", digest, 2, f"{{{key}}}.tokens", f"{{{key}}}.timestamp", rate, burst, second, cost)


def trace(seed: int, is_set_back: bool) -> list[tuple[str, int]]:
    """Bursts, pauses and now and then a clock that is set back: (key, second)."""
    random = Random(seed)
    second, visits = 1_700_000_000, []
    for _ in range(400):
        step = random.choices([0, 1, random.randint(2, 90)], [0.8, 0.15, 0.05])[0]
        if is_set_back and random.random() < 0.03:
            step = -random.randint(1, 30)
        second += step
        visits.append((random.choice("abc"), second))
    return visits


LIMITS = [(10, 20, 1), (3, 1, 1), (2, 1, 1), (5, 5, 1), (1, 60, 60), (5, 0, 1), (5, 5, 6), (100, 200, 1), (7, 50, 3)]
"""Rate, burst, cost: those of the measured vectors, the guide's, and one that divides by nothing."""


@pytest.mark.parametrize("is_set_back", [False, True], ids=["clock runs", "clock set back"])
@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: "rate {} burst {} cost {}".format(*limit))
def test_decides_like_the_rule(redis: Connection, limit: tuple[int, int, int], is_set_back: bool) -> None:
    """FIDELITY 1.1: allowed and remaining agree for every request of the trace."""
    redis.ask("FLUSHALL")
    digest = redis.ask("SCRIPT", "LOAD", SCRIPT)
    visits = trace(sum(limit), is_set_back)
    # One write for all: the whole trace takes Redis some milliseconds, so that no key lives to see its expiry.
    redis.send(*(evaluate(digest, key, limit, second) for key, second in visits))
    answers = [redis.reply() for _ in visits]
    rules = {key: RedisBucketRule(*limit) for key in "abc"}
    decided = [[int(is_allowed), left] for is_allowed, left in (rules[key].check(second) for key, second in visits)]
    assert answers == decided


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: "rate {} burst {} cost {}".format(*limit))
def test_keys_live_as_long_as_the_rule_says(redis: Connection, limit: tuple[int, int, int]) -> None:
    """FIDELITY 1.1: the TTL of both keys; where it is 0 nothing is stored."""
    redis.ask("FLUSHALL")
    digest = redis.ask("SCRIPT", "LOAD", SCRIPT)
    keys = ("{a}.tokens", "{a}.timestamp")
    redis.send(evaluate(digest, "a", limit, 1000), *(("TTL", key) for key in keys))
    redis.reply()
    lifetimes = [redis.reply() for _ in keys]
    assert lifetimes == [RedisBucketRule(*limit).ttl_s or -2] * 2


def test_a_full_redis_answers_with_an_error(redis: Connection) -> None:
    """FIDELITY 1.1: maxmemory exceeded with noeviction: the script fails; the gateway, and the model, then allow."""
    redis.ask("FLUSHALL")
    digest = redis.ask("SCRIPT", "LOAD", SCRIPT)
    redis.ask("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(ReplyError, match="OOM"):
            redis.ask(*evaluate(digest, "a", (5, 5, 1), 1000))
    finally:
        redis.ask("CONFIG", "SET", "maxmemory", 0)


MS = 1_000_000
LIMIT, PERIOD_MS = 5, 400

FIXED = """
-- One count per period of the clock; the period is part of the key.
local limit, period, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local key = KEYS[1] .. ':' .. math.floor(now / period)
if tonumber(redis.call('GET', key) or 0) >= limit then return {0} end
redis.call('INCR', key)
redis.call('PEXPIRE', key, 600000)
return {1}
"""

LOG = """
-- The instants of what passed, as a sorted set.
local limit, period, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - period)
if redis.call('ZCARD', KEYS[1]) >= limit then return {0} end
local serial = redis.call('INCR', KEYS[1] .. ':serial')
redis.call('ZADD', KEYS[1], now, serial)
redis.call('PEXPIRE', KEYS[1], 600000)
return {1}
"""

COUNTER = """
-- This period's count, and the last one's by the share of it that is less than a period ago. Whole milliseconds.
local limit, period, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local number = math.floor(now / period)
local this, last = KEYS[1] .. ':' .. number, KEYS[1] .. ':' .. (number - 1)
local left = period - (now - number * period)
local weighed = tonumber(redis.call('GET', last) or 0) * left + tonumber(redis.call('GET', this) or 0) * period
if weighed >= limit * period then return {0} end
redis.call('INCR', this)
redis.call('PEXPIRE', this, 600000)
return {1}
"""


def instants(seed: int) -> list[tuple[str, int]]:
    """Bursts and pauses of some users: (key, millisecond)."""
    random = Random(seed)
    now_ms, visits = 1_700_000_000_000, []
    for _ in range(600):
        now_ms += random.choices([0, 1, random.randint(2, 60), random.randint(60, 1500)], [0.4, 0.2, 0.35, 0.05])[0]
        visits.append((random.choice("abc"), now_ms))
    return visits


@pytest.mark.parametrize(
    ("script", "window"), [(FIXED, FixedWindow), (LOG, SlidingLog), (COUNTER, SlidingCounter)],
    ids=["fixed window", "sliding log", "sliding counter"],
)  # fmt: skip
def test_windows_decide_like_their_scripts(
    redis: Connection, script: str, window: type[FixedWindow | SlidingLog | SlidingCounter]
) -> None:
    """FIDELITY 1.3: the clock is an argument, so that every decision can be compared."""
    redis.ask("FLUSHALL")
    digest = redis.ask("SCRIPT", "LOAD", script)
    visits = instants(3)
    redis.send(*(("EVALSHA", digest, 1, key, LIMIT, PERIOD_MS, now_ms) for key, now_ms in visits))
    answers = [redis.reply() for _ in visits]
    windows = {key: window(LIMIT, PERIOD_MS * MS) for key in "abc"}
    decided = [[int(windows[key].admit(now_ms * MS))] for key, now_ms in visits]
    assert answers == decided
    assert 100 < decided.count([1]) < 500


ANCHORED = """
-- INCR, and EXPIRE with the first; Redis' own clock ends the window. Says when it ran, in microseconds.
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
local now = redis.call('TIME')
return {count <= tonumber(ARGV[1]) and 1 or 0, now[1] * 1000000 + now[2]}
"""
ANCHORED_MS = 415
"""Between two multiples of the pauses, so that hardly any request comes when a window ends."""
NEAR_US = 3000
"""So near the end of a window the two clocks (the script's and that of keys, in whole ms) may not agree."""


def test_an_anchored_window_is_incr_and_expire(redis: Connection) -> None:
    """FIDELITY 1.3: the model is given the instants at which Redis ran the script."""
    digest = redis.ask("SCRIPT", "LOAD", ANCHORED)
    random = Random(4)
    for attempt in range(10):
        window, decided, answers, is_clear = AnchoredWindow(LIMIT, ANCHORED_MS * MS), [], [], True
        for _ in range(60):
            reply = redis.ask("EVALSHA", digest, 1, f"attempt-{attempt}", LIMIT, ANCHORED_MS)
            assert isinstance(reply, list)
            passes, now_us = reply
            from_end_us = now_us - window.ends_at_ns // 1000
            is_clear = is_clear and abs(from_end_us) > NEAR_US
            answers.append(passes)
            decided.append(int(window.admit(now_us * 1000)))
            time.sleep(random.choice([0.0, 0.0, 0.03, 0.06]))
        if is_clear:
            break
    assert is_clear, "every attempt met the end of a window within some milliseconds"
    assert answers == decided
    assert 10 < sum(answers) < 50
