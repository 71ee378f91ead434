"""The cache beside a real Redis: expiry at controlled instants, refused writes, who is evicted, memory of an entry."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from experiments.validation.redis import wrongly_evicted
from experiments.validation.redis_stand import Stand
from models.cache import EMPTY_BYTES, RedisSpec
from models.outcomes import CacheFull

FIDELITY = "5"
SERVER = shutil.which("redis-server")

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(SERVER is None, reason="redis-server is not installed (Debian: apt install redis-server)"),
]

Reply = int | str | None


class ReplyError(Exception):
    """Redis answered with an error."""


class Connection:
    """Just enough of the Redis protocol for flat replies; many commands at once."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._lines = self._socket.makefile("rb")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def _reply(self) -> Reply | ReplyError:
        line = self._lines.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self._lines.read(length + 2)[:-2].decode()
        assert kind == b"+", line
        return rest.decode()

    def ask_all(self, commands: Sequence[tuple[object, ...]]) -> list[Any]:
        """The replies of many commands, errors among them as values."""
        replies: list[Any] = []
        for start in range(0, len(commands), 1000):
            packed = bytearray()
            block = commands[start : start + 1000]
            for command in block:
                packed += b"*%d\r\n" % len(command)
                for part in command:
                    text = str(part).encode()
                    packed += b"$%d\r\n%s\r\n" % (len(text), text)
            self._socket.sendall(packed)
            replies += [self._reply() for _ in block]
        return replies

    def ask(self, *command: object) -> Any:
        reply = self.ask_all([command])[0]
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def info(self, section: str, name: str) -> int:
        for line in self.ask("INFO", section).splitlines():
            if line.startswith(f"{name}:"):
                return int(line.partition(":")[2])
        raise AssertionError(f"INFO {section} has no {name}")


def connect(port: int, process: subprocess.Popen[bytes]) -> Connection:
    for _ in range(400):
        assert process.poll() is None, "redis-server ended at once"
        try:
            return Connection(port)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("redis-server does not listen")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A Redis of our own on a free loopback port, which keeps nothing on disk."""
    assert SERVER is not None
    folder: Path = tmp_path_factory.mktemp("redis")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    options = [
        "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder),
        "--enable-debug-command", "yes",
    ]  # fmt: skip
    process = subprocess.Popen([SERVER, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        connection = connect(port, process)
        yield connection
        connection.close()
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(autouse=True)
def _empty(redis: Connection) -> None:
    redis.ask("CONFIG", "SET", "maxmemory", 0)
    redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis.ask("CONFIG", "SET", "maxmemory-samples", 5)
    redis.ask("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    redis.ask("FLUSHALL")


def wait_until(redis: Connection, count: int) -> None:
    """Until so many keys are left, however long the machine takes for it."""
    for _ in range(3000):
        if redis.ask("DBSIZE") == count:
            return
        time.sleep(0.02)
    raise AssertionError(f"DBSIZE is {redis.ask('DBSIZE')}, not {count}")


def expired(stand: Stand) -> Stand:
    for key in range(5):
        stand.store(key, 0.0)
    stand.env.run(until=20.0)
    return stand


def test_expired_keys_are_counted_until_they_are_met(redis: Connection) -> None:
    """FIDELITY 5: without active expiry, then with it."""
    redis.ask("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    for key in range(5):
        redis.ask("SET", key, "x", "PX", 1)  # PEXPIRE reads the clock twice, and deletes at once if it moved between
    time.sleep(0.05)  # at least: the clock only goes forward
    real = [redis.ask("DBSIZE"), redis.ask("GET", 3), redis.ask("DBSIZE")]
    redis.ask("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    wait_until(redis, 0)
    stand = expired(Stand({"active_expiry": False}, {"ttl": "10s"}))
    modelled = [stand.redis.space.count, stand.ask("lookup", 3).value, stand.redis.space.count]
    assert modelled == real == [5, None, 4]
    active = expired(Stand(cls={"ttl": "10s"}))
    active.hit(9)
    assert active.redis.space.count == 0


def test_reading_does_not_prolong_and_storing_does(redis: Connection) -> None:
    """FIDELITY 5: the instant at which a key expires, in milliseconds since 1970."""
    redis.ask("SET", "a", "x", "PX", 3_600_000)
    first = redis.ask("PEXPIRETIME", "a")
    redis.ask("GET", "a")
    assert redis.ask("PEXPIRETIME", "a") == first
    time.sleep(0.005)
    redis.ask("SET", "a", "y", "PX", 3_600_000)
    assert redis.ask("PEXPIRETIME", "a") > first
    stand = Stand(cls={"ttl": "3600s"})
    shelf = stand.redis.data_class("hot").shelf
    ends = []
    for command in ("store", "lookup", "store"):
        stand.env.run(until=stand.env.now + 0.005)
        stand.ask(command, 1)
        entry = shelf.entries.get(1)
        assert entry is not None
        ends.append(entry.expires_at_s)
    assert ends[0] == ends[1] < ends[2]


def test_a_full_redis_refuses_writes_only(redis: Connection) -> None:
    """FIDELITY 5: noeviction. Reads and DEL work; a script that only reads does, one that writes does not."""
    redis.ask("SET", "a", "x")
    redis.ask("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(ReplyError, match="OOM"):
        redis.ask("SET", "b", "x")
    with pytest.raises(ReplyError, match="OOM"):
        redis.ask("EVAL", "return redis.call('SET', 'b', 'x')", 0)
    assert redis.ask("EVAL", "return redis.call('GET', 'a')", 0) == "x"
    assert (redis.ask("GET", "a"), redis.ask("DEL", "a")) == ("x", 1)
    stand = Stand({"maxmemory": f"{EMPTY_BYTES}B"})
    stand.store(1)
    assert isinstance(stand.ask("store", 2).error, CacheFull)
    assert (stand.hit(1), stand.ask("evict", 1).error) == (True, None)
    assert stand.ask("store", 2).error is None


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
def test_without_keys_that_expire_volatile_policies_refuse(redis: Connection, policy: str) -> None:
    redis.ask("SET", "a", "x")
    redis.ask("CONFIG", "SET", "maxmemory-policy", policy)
    redis.ask("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(ReplyError, match="OOM"):
        redis.ask("SET", "b", "x")
    stand = Stand({"maxmemory": f"{EMPTY_BYTES}B", "maxmemory_policy": policy}, {"ttl": None})
    stand.store(1)
    assert isinstance(stand.ask("store", 2).error, CacheFull)


def test_volatile_ttl_takes_what_ends_first(redis: Connection) -> None:
    """With as many samples as keys: the order is that of the ends, whatever was stored first."""
    order = [7, 2, 9, 0, 4, 6, 1, 8, 3, 5]
    commands: list[tuple[object, ...]] = [
        ("SET", key, "x" * 1000, "PX", 3_600_000 + 60_000 * rank) for rank, key in enumerate(order)
    ]
    redis.ask_all(commands)
    redis.ask("CONFIG", "SET", "maxmemory-samples", 64)
    redis.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
    gone: list[int] = []
    for _ in range(60):
        redis.ask("CONFIG", "SET", "maxmemory", redis.info("memory", "used_memory") - 500)
        redis.ask("GET", "nobody")  # the command before which memory is looked at
        here = redis.ask_all([("EXISTS", key) for key in order])
        gone += [key for key, is_here in zip(order, here, strict=True) if not is_here and key not in gone]
        if len(gone) >= 6:
            break
    assert len(gone) >= 6
    assert gone == order[: len(gone)]
    stand = Stand({"maxmemory": f"{EMPTY_BYTES + 10 * 1100}B", "maxmemory_policy": "volatile-ttl",
                   "maxmemory_samples": 64})  # fmt: skip
    for rank, key in enumerate(order):
        stand.store(key, float(rank))
    modelled = []
    for key in range(100, 107):
        stand.store(key)
        entries = stand.redis.data_class("hot").shelf.entries
        modelled += [key for key in order if entries.get(key) is None and key not in modelled]
    assert modelled[:6] == order[:6]


def really_wrongly_evicted(redis: Connection, samples: int) -> tuple[int, int]:
    """FIDELITY 5: 10,000 old keys, 10,000 read later, 6000 added in memory for 20,000. Those read that went, all."""
    redis.ask("CONFIG", "SET", "maxmemory", 0)
    redis.ask("FLUSHALL")
    redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    redis.ask("CONFIG", "SET", "maxmemory-samples", samples)
    value = "x" * 100
    redis.ask_all([("SET", f"k{key}", value) for key in range(20_000)])
    time.sleep(1.1)  # the LRU clock's resolution is one second: at least one of them between the groups
    redis.ask_all([("GET", f"k{key}") for key in range(10_000, 20_000)])
    time.sleep(1.1)
    redis.ask("CONFIG", "SET", "maxmemory", redis.info("memory", "used_memory"))
    redis.ask_all([("SET", f"k{key}", value) for key in range(20_000, 26_000)])
    here = redis.ask_all([("EXISTS", f"k{key}") for key in range(26_000)])
    return 10_000 - sum(here[10_000:20_000]), 26_000 - sum(here)


def test_lru_by_samples(redis: Connection) -> None:
    """One sample is chance: those read are evicted as often as others. Ten are nearly perfect."""
    chance, evicted = really_wrongly_evicted(redis, 1)
    # each of `evicted` picks one of 20,000 alike: those read that are left shrink by 1/20,000 each time
    assert chance == pytest.approx(10_000 * (1 - (1 - 1 / 20_000) ** evicted), rel=0.12)  # 6 sigma
    assert [wrongly_evicted(1, seed) for seed in (1, 2)] == pytest.approx([2592, 2592], rel=0.05)
    assert really_wrongly_evicted(redis, 10)[0] <= 5
    assert wrongly_evicted(10, 1) == 0


def test_an_empty_redis_and_an_entry_take_the_memory_that_is_assumed(redis: Connection) -> None:
    """FIDELITY 5: maxmemory counts the empty server and what an entry takes beside its value."""
    before = redis.info("memory", "used_memory")
    assert 0.5 < before / EMPTY_BYTES < 2  # builds differ, and so do buffers of clients
    redis.ask_all([("SET", f"places::{key}", "x" * 1000, "PX", 3_600_000) for key in range(16_384)])
    each = (redis.info("memory", "used_memory") - before) / 16_384
    spec = RedisSpec.model_validate({"command_cpu": "0s", "round_trip": "0s"})
    assert each - 1000 == pytest.approx(spec.entry_overhead, rel=0.6)  # 1000 bytes are rounded up to 1024 and more
