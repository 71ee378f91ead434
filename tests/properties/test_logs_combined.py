"""Combined lines: taken apart by the block or one by one, what is read is the same."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from experiments.logs.combined import Combined
from experiments.logs.names import Names
from experiments.logs.source import Block
from experiments.logs.splitting import Splitter

COLUMNS = ("number", "at_ns", "target", "user", "ip", "status", "size")

addresses = st.sampled_from(
    [b"10.0.0.1", b"::1", b"2001:db8::7%eth0", b"host.example.com", b"a", b'q"x', b"b\\x", b"-"]
)
users = st.sampled_from([b"-", b"ann", b"ann lee", b"ann@b.c", b"[x]", b"\xc3\xa9", b"a\tb", b""])
stamps = st.builds(
    lambda day, month, year, hour, minute, second, zone: (
        b"%02d/%s/%04d:%02d:%02d:%02d %s" % (day, month, year, hour, minute, second, zone)
    ),
    st.integers(0, 32), st.sampled_from([b"Jan", b"Feb", b"Dec", b"Foo", b"jan"]),
    st.sampled_from([1899, 1969, 1970, 2015, 2016, 2199, 2200, 9999, 0]), st.integers(0, 25), st.integers(0, 61),
    st.integers(0, 62), st.sampled_from([b"+0000", b"-0330", b"+1400", b"+2460", b"-9999", b"0000", b"+000", b" +000"]),
)  # fmt: skip
requests = st.sampled_from([
    b"GET / HTTP/1.1", b"GET /a?b=c HTTP/1.0", b"POST /a HTTP/2.0", b"GET /a HTTP/3", b"GET /a HTTP/3.0", b"GET /a",
    b"PURGE /x HTTP/1.1", b"get / HTTP/1.1", b"GE / HTTP/1.1", b"GET  / HTTP/1.1", b"GET /a b HTTP/1.1", b"-", b"",
    b"GET /a\\x22b HTTP/1.1", b'GET /a" HTTP/1.1', b"\\x16\\x03", b"GET http://h/x HTTP/1.1", b"GET * HTTP/1.1",
    b"GET /\xff HTTP/1.1", b"GET /a HTTP/1.1 HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /\x0b HTTP/1.1", b"GET / HTTP/9.9",
])  # fmt: skip
numbers = st.sampled_from([b"200", b"404", b"099", b"20", b"2000", b"OK", b"-", b"5", b"0", b"123456789012", b"1" * 13,
                           b"9" * 18, b"9" * 19, b"5junk", b"5\t", b""])  # fmt: skip
tails = st.sampled_from([
    b"", b' "-" "curl"', b' "a\\"b" "c"', b"\r", b' "-" "x"\r', b" ", b' "-" "\x00"', b"\t", b"\r\r",
    b' "[x] GET" "y" rt=1',
])  # fmt: skip
lines = st.builds(
    lambda address, user, stamp, request, status, size, tail: (
        b'%s - %s [%s] "%s" %s %s%s' % (address, user, stamp, request, status, size, tail)
    ),
    addresses, users, stamps, requests, numbers, numbers, tails,
)  # fmt: skip
GOOD = b'10.0.0.1 - - [25/Oct/2015:04:11:%02d +0100] "GET /a/%d HTTP/1.1" 200 12 "-" "curl"'
good = st.builds(lambda second, path: GOOD % (second, path), st.integers(0, 60), st.integers(0, 9))
nearly = st.builds(
    lambda line, at, junk, cut: line[: at % len(line)] + junk + line[at % len(line) + cut :],
    good, st.integers(0, 200), st.one_of(st.binary(max_size=2), st.sampled_from([b" ", b'"', b"[", b"]", b"\\", b"-"])),
    st.integers(0, 2),
)  # fmt: skip
blocks = st.lists(st.one_of(good, lines, nearly, st.binary(max_size=80)), min_size=1, max_size=30)


def block_of(texts: list[bytes]) -> Block:
    data = b"".join(text.replace(b"\n", b"") + b"\n" for text in texts)
    return Block(data, np.flatnonzero(np.frombuffer(data, np.uint8) == 10), 1)


@settings(max_examples=300)
@given(blocks)
@example([b"", GOOD % (1, 1), b""])
@example([b"x"])
def test_both_ways_read_the_same(texts: list[bytes]) -> None:
    block = block_of(texts)
    fast_names, strict_names = Names(), Names()
    split = Splitter().split(block, fast_names)
    rows, _ = Combined().strictly(block, range(len(block)), strict_names)
    strict = {row[0]: row for row in rows.T.tolist()}
    assert set(split.number.tolist()) <= set(strict)
    for row in zip(*(getattr(split, name).tolist() for name in COLUMNS), strict=True):
        number, at_ns, target, user, ip, status, size = row
        known = strict[number]
        assert (at_ns, status, size) == (known[1], known[5], known[6])
        assert fast_names.targets[target] == strict_names.targets[known[2]]
        assert text_of(fast_names.users, user) == text_of(strict_names.users, known[3])
        assert text_of(fast_names.ips, ip) == text_of(strict_names.ips, known[4])


def text_of(table: object, number: int) -> str | None:
    return None if number < 0 else table.text(number)  # type: ignore[attr-defined]


@settings(max_examples=50)
@given(st.lists(good, min_size=1, max_size=40))
def test_usual_lines_are_taken_by_the_block(texts: list[bytes]) -> None:
    block = block_of(texts)
    assert len(Splitter().split(block, Names()).number) == len(texts)
