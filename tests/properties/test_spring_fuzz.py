"""Whatever stands in a Spring file, reading it ends in a result or in an error with its file: never anything else."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from experiments.deploy.fact import Fact
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.deploy.spring import SpringReading, read_spring
from sim.quantities import parse_duration

VALID = b"""# caf\xc3\xa9 \xf0\x9f\x8d\xb0
spring:
  profiles.active: ${P:prod}
  config.import: optional:file:./more.properties
  datasource:
    url: jdbc:postgresql://db:5432/x   # \xc3\xbcber
    hikari: {maximum-pool-size: "${POOL:10}", connection-timeout: 30000}
  redis: {host: redis, timeout: 2s}
  cache: {cache-names: [a, b], redis.time-to-live: PT10M}
  cloud.gateway:
    default-filters:
      - Retry=3,BAD_GATEWAY
      - name: RequestRateLimiter
        args: {redis-rate-limiter.replenishRate: 10, redis-rate-limiter.burstCapacity: 20, key-resolver: "#{@ip}"}
    routes:
      - {id: a, uri: "http://a:80", predicates: ["Path=/a/**"], filters: [CircuitBreaker=x]}
---
spring.config.activate.on-profile: prod & !test
server: {tomcat.threads.max: 50, shutdown: graceful}
resilience4j:
  circuitbreaker:
    configs.default: {sliding-window-size: 20}
    instances.x: {base-config: default, wait-duration-in-open-state: 5s, record-exceptions: [java.io.IOException]}
"""
PIECES = [
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b"\t", b"${", b"}", b"${a:${b}}", b"#{", b"---\n", b"- ",
    b": ", b"[", b"]", b"{", b"'", b'"', b"&a ", b"*a", b"<<: *a\n", b"!!python/object/apply:os.system ['x']",
    b"9" * 400, b"1e999", b"-1", b"null", b"~", b"!", b"&", b"(",
    b"../../etc/passwd", b"spring.config.import: application.yml\n",
    b"base-config: x", b"\xe2\x80\xa8", b"? a\n", b"a: |\n  x\n", b"\xf0\x9f\x98\x80", b"[0]", b"[[", b".", b"..",
]  # fmt: skip
edits = st.lists(
    st.tuples(st.integers(0, len(VALID)), st.integers(0, 30), st.sampled_from(PIECES) | st.binary(max_size=12)),
    max_size=6,
)


def edited(changes: list[tuple[int, int, bytes]]) -> bytes:
    data = VALID
    for at, size, piece in changes:
        data = data[:at] + piece + data[at + size :]
    return data


def check(files: dict[str, bytes]) -> tuple[SpringReading | None, Ledger]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        ledger = Ledger()
        reading = read_spring(
            Folder(folder), ledger, name="api", locations=["."], environment={"P": "prod"}, hosts=["a", "db"]
        )
        texts = {} if reading is None else {file: Folder(folder).read(file).text for file in readable(reading, ledger)}
    for place, said in ledger.problems:
        assert place.line >= 1 and said
        assert place.file in files or place.file.startswith(("environment", "application", ".."))
    if reading is not None:
        for fact in [*reading.facts, *(fact for one in reading.guards.values() for fact in one.facts)]:
            if fact.place is not None and fact.write is not None:
                written = texts[fact.place.file][fact.place.start : fact.place.end]
                assert fact.write(fact.value) == written, fact.path
    return reading, ledger


def readable(reading: SpringReading, ledger: Ledger) -> list[str]:
    broken = {place.file for place, said in ledger.problems if said.startswith("cannot be read")}
    return [file for file in reading.files if file not in broken]


def test_what_is_valid_is_read_whole() -> None:
    reading, ledger = check({"application.yml": VALID})
    assert reading is not None and reading.is_gateway
    assert [said for _, said in ledger.problems] == [
        "record_exceptions: the gateway's breakers take all failures here."
    ]
    assert not list(ledger.unmodelled()) or {str(one.key[-1]) for one in ledger.unmodelled()} <= {
        "shutdown", "max", "url", "maximum-pool-size", "connection-timeout",
    }  # fmt: skip


@settings(max_examples=150)
@given(edits)
def test_yaml(changes: list[tuple[int, int, bytes]]) -> None:
    check({"application.yml": edited(changes), "more.properties": b"a=1\n"})


properties = st.lists(
    st.sampled_from(
        [
            b"spring.datasource.url=jdbc:postgresql://db/x\n", b"spring.datasource.hikari.maximum-pool-size=10\n",
            b"spring.datasource.hikari.maximum_pool_size = ${A:${B:3}}\n", b"a=${a}\n", b"#---\n", b"\\\n", b"\\u12",
            b"server.tomcat.threads.max:5\r\n", b"spring.config.import=application.properties\n", b"=x\n", b"k",
            b"[0]=1\n",
            b"spring.cloud.gateway.routes[0].uri=http://a\n", b"spring.cloud.gateway.routes[1].uri=http://b\n", b"\xff",
            b"spring.cloud.gateway.routes[0].filters[0]=Retry=a,b,c,d,e,f,g,h,i\n", b"spring.profiles.active=x,y\n",
            b"spring.config.activate.on-profile=((\n", b"resilience4j.retry.instances.x.max-attempts=\\\n 7\n", b"\x00",
            b"resilience4j.retry.instances.x.base-config=x\n", b"a.caches.b.ttl=5s\n", b"spring.redis.host=r\n",
        ]
    )
    | st.binary(max_size=20),
    max_size=14,
).map(b"".join)  # fmt: skip


@settings(max_examples=150)
@given(properties)
@example(b"spring.redis.host=r\na.caches.b.ttl=5s\n")
def test_properties(data: bytes) -> None:
    check({"application.properties": data})


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_binary(data: bytes) -> None:
    check({"application.yml": data, "application.properties": data})


HOSTILE = {
    "deep flow": b"a: " + b"[" * 100_000,
    "deep blocks": b"".join(b" " * depth + b"a:\n" for depth in range(2000)),
    "aliases": b"a0: &a0 [x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12)
    ),
    "itself": b"a: &a [*a]\n",
    "placeholders": b"".join(b"a%d: ${a%d}${a%d}${a%d}\n" % (n, n + 1, n + 1, n + 1) for n in range(40)),
    "nested placeholder": b"server.port: " + b"${a:" * 20_000 + b"}" * 20_000 + b"\n",
    "many keys": b"".join(b"k%d: 1\n" % number for number in range(19_000)),
    "many routes": b"spring.cloud.gateway.routes:\n" + b"- {id: a, uri: 'http://a', filters: [Retry=3]}\n" * 300,
    "profiles": b"spring.config.activate.on-profile: " + b"(" * 900 + b"\n",
    "long": b"a: " + b"x" * 3_000_000 + b"\n",
    "huge index": b"spring.cloud.gateway.routes[999999999]: x\n",
    "utf-16": "server.port: 80\n".encode("utf-16"),
    "latin-1": "a: é\n".encode("latin-1"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end(name: str) -> None:
    reading, ledger = check({"application.yml": HOSTILE[name]})
    assert reading is not None or ledger.problems
    if name == "utf-16":
        assert reading is not None and reading.port == 80
    if name == "latin-1":
        assert "0xe9" in str(ledger.problems)


SERVICE = b"""server: {tomcat.threads.max: "50", shutdown: graceful}
spring:
  datasource: {url: "jdbc:postgresql://db/x", hikari: {maximumPoolSize: "${POOL:10}", connection-timeout: 30000}}
  redis: {host: r, timeout: PT2S}
  cache: {cache-names: a, redis.time-to-live: 10m}
resilience4j.circuitbreaker:
  configs.default.slow-call-duration-threshold: 90s
  instances.x: {sliding-window-size: 20, failure-rate-threshold: 12.5}
"""
durations = st.builds(
    lambda count, unit: f"{count}{unit}", st.integers(1, 5000), st.sampled_from(["ms", "s", "m", "h"])
)
counts = st.integers(1, 10_000)


def meant(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {
            "threads": counts, "maximum_pool_size": counts, "sliding_window_size": counts,
            "minimum_number_of_calls": counts, "failure_rate_threshold": st.sampled_from([1, 33.3, 99.99, 100]),
            "graceful": st.booleans(),
            "connection_timeout": durations, "idle_timeout": durations, "command_timeout": durations, "ttl": durations,
            "slow_call_duration_threshold": durations, "wait_duration_in_open_state": durations,
        }
    )
)  # fmt: skip
def test_what_is_written_is_read_again(wanted: dict[str, object]) -> None:
    """What stood there is changed where it stood; what did not gets a line of its own."""

    def facts_of(data: bytes) -> list[Fact]:
        reading, ledger = check({"application.yml": data})
        assert reading is not None and not ledger.problems
        return [*reading.facts, *reading.guards["x"].facts]

    text = SERVICE.decode()
    facts = [fact for fact in facts_of(SERVICE) if fact.path[-1] in wanted and fact.write and fact.place]
    for fact in sorted(facts, key=lambda one: one.place.start if one.place else 0, reverse=True):
        assert fact.place is not None and fact.write is not None
        text = text[: fact.place.start] + fact.write(wanted[fact.path[-1]]) + text[fact.place.end :]
    again = {fact.path[-1]: fact for fact in facts_of(text.encode()) if fact.path[-1] in wanted}
    assert {name: meant(fact.value) for name, fact in again.items()} == {
        name: meant(one) for name, one in wanted.items()
    }
