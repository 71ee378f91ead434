"""Broken, hostile and merely odd files: import ends with a result or an error in words, and never reads outside."""

from __future__ import annotations

import os
import tempfile
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.cli import main
from experiments.deploy.assemble import assemble
from experiments.deploy.reading import read_deployment
from experiments.errors import InputError

DEPLOY = Path(str(resources.files("experiments").joinpath("scenarios", "maltan", "deploy", "growth")))
COMPOSE = (DEPLOY / "docker-compose.yml").read_bytes()
RULES = (DEPLOY / "rules.yml").read_bytes()


def read(files: dict[str, bytes]) -> None:
    """Read a folder of these files: either it works or it says why not."""
    with tempfile.TemporaryDirectory() as name:
        for file, data in files.items():
            (Path(name) / file).write_bytes(data)
        try:
            deployment = read_deployment([name])
            assemble(deployment)
        except InputError as error:
            lines = error.lines
        else:
            lines = ("fine",)
    assert lines and all(line.isprintable() for line in lines)


def mutated(data: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, put in cuts:
        at %= max(1, len(data))
        data = data[:at] + put + data[at + length :]
    return data


PIECES = st.one_of(
    st.sampled_from([b"\t", b"\r\n", b"\0", b"&a", b"*a", b"<<: *a\n", b"${", b"${A:-", b"}", b"- ", b": ", b"'", b'"',
                     b"|\n",
                     b"!!python/object:os.system x", b"\xff\xfe", b"\xef\xbb\xbf", b"1" * 500, b"no", b"-1", b"1e999",
                     "é".encode()]),
    st.binary(max_size=6),
)  # fmt: skip
CUTS = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 40), PIECES), min_size=1, max_size=6)


@settings(max_examples=40)
@given(CUTS)
def test_mutated_compose_files(cuts: list[tuple[int, int, bytes]]) -> None:
    read({"docker-compose.yml": mutated(COMPOSE, cuts)})


@settings(max_examples=30)
@given(CUTS, st.sampled_from(["rules.yml", "redis.conf", "postgresql.conf"]))
def test_mutated_companions(cuts: list[tuple[int, int, bytes]], file: str) -> None:
    compose = (
        b"services:\n  shop: {image: shop, depends_on: [cache, base]}\n"
        b"  cache: {image: 'redis:7', command: redis-server /r/redis.conf, volumes: ['./redis.conf:/r/redis.conf']}\n"
        b"  base: {image: 'postgres:15', volumes: ['./postgresql.conf:/p/postgresql.conf']}\n"
    )
    texts = {
        "rules.yml": RULES,
        "redis.conf": b"maxmemory 100mb\nmaxmemory-policy allkeys-lru\nsave 900 1\ninclude other.conf\n",
        "postgresql.conf": b"max_connections = 50 # so many\nstatement_timeout = '30s'\ninclude 'other.conf'\n",
    }
    texts[file] = mutated(texts[file], cuts)
    read({"docker-compose.yml": compose, **texts})


def bomb(depth: int, width: int) -> bytes:
    lines = ["services:", "  a: {image: x}", "x0: &x0 [lol]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0", b"\xff\xff", b"services: &s {a: *s}", b"services: [1]", b"services: {a: 1}", b"[" * 1_000_000,
        b"a: " + b"{b: " * 100_000, bomb(12, 10), b"services:\n  a: {image: x, deploy: {replicas: 99999999999999999}}",
        b"services:\n  a: {image: x, mem_limit: 1e400, cpus: .inf}", b"services:\n\ta: {image: x}",
        b"services:\r\n  a:\r\n    image: x\r\n", "services:\n  a: {image: x}\n".encode("utf-16"),
        "services:\n  café: {image: 'ñ'}\n".encode("latin-1"), b"services:\n  a: {image: x, extends: a}",
        b"services:\n  a: {image: x, depends_on: [b]}\n  b: {image: y, depends_on: [a]}\n",
        b"services:\n  gateway: {image: g}\n", b"services:\n  a: {image: x, scale: 0}",
        b"services:\n  a: {image: x, volumes: ['/etc:/etc', '../../../etc/passwd:/r/redis.conf', {type: bind}]}",
    ],
)  # fmt: skip
def test_what_files_can_be(data: bytes) -> None:
    read({"docker-compose.yml": data})


def test_a_million_services_are_too_many_to_read_but_not_to_refuse() -> None:
    read({"docker-compose.yml": b"services:\n" + b"".join(b"  s%d: {image: x}\n" % n for n in range(150_000))})


def test_links_that_leave_the_folder_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.conf"
    secret.write_text("maxmemory 77mb\n")
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text(
        "services:\n  a: {image: x, depends_on: [r]}\n  r:\n    image: redis\n    command: redis-server /r/redis.conf\n"
        "    volumes: ['./redis.conf:/r/redis.conf', '../secret.conf:/r/other.conf']\n"
    )
    os.symlink(secret, folder / "redis.conf")
    deployment = read_deployment([folder])
    assembled = assemble(deployment)
    assert assembled.document["caches"]["r"]["maxmemory"] == "0B"
    assert any("redis.conf" in what for _, what in deployment.ledger.problems)


WORDS = (
    "--assume", "-o", "--profile", "--env-file", "--all", "--json", "--set", "--against", "--base", "--yes",
    "--services", "", ".", "..", "/dev/null", "\0", "a=b", "maltan/early", "services.x=1", "é", "x" * 300,
)  # fmt: skip
ARGUMENTS = st.lists(st.sampled_from(WORDS), max_size=5)


@settings(max_examples=60)
@given(st.sampled_from([["import"], ["explain"], ["export", "patch"], ["new"]]), ARGUMENTS)
def test_commands_answer_whatever_is_asked(command: list[str], arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        before = Path.cwd()
        os.chdir(name)
        try:
            assert main([*command, *arguments]) in (0, 2)
        finally:
            os.chdir(before)
