"""redis.conf, postgresql.conf and their servers' options: read with places, written back in their own spelling."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from experiments.deploy.assemble import assemble
from experiments.deploy.fact import Fact
from experiments.deploy.patch import make_patch
from experiments.deploy.place import Place
from experiments.deploy.postgresql_conf import read_postgres, words_of, write_time
from experiments.deploy.reading import read_deployment
from experiments.deploy.redis_conf import Word, memory, read_redis, word_of, write_memory
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Folder


def words(text: str) -> list[Word]:
    found, at = [], 0
    for part in text.split():
        at = text.index(part, at)
        found.append(Word(part, Place("compose.yml", 1, at, at + len(part))))
        at += len(part)
    return found


def by_name(facts: list[Fact]) -> dict[str, Fact]:
    return {fact.path[-1]: fact for fact in facts}


REDIS = (
    'maxmemory 100mb\n# maxmemory 1gb\nmaxmemory-policy "allkeys-lru"\nappendonly yes\ntimeout 0\nbind *\n'
    "MAXMEMORY-SAMPLES 7\n"
)


def test_redis_conf(tmp_path: Path) -> None:
    (tmp_path / "redis.conf").write_text(REDIS)
    ledger = Ledger()
    facts = by_name(read_redis("cache", ledger, folder=Folder(tmp_path), file="redis.conf"))
    assert {name: fact.value for name, fact in facts.items()} == {
        "maxmemory": "100M", "maxmemory_policy": "allkeys-lru", "maxmemory_samples": 7,
    }  # fmt: skip
    place = facts["maxmemory_policy"].place
    assert place is not None and place.line == 3 and REDIS[place.start : place.end] == "allkeys-lru"
    assert [one.key for one in ledger.unmodelled()] == [("appendonly",)]
    assert not ledger.problems


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "redis.conf").write_text(REDIS)
    command = words("redis-server /etc/redis.conf --maxmemory 1gb --maxmemory-policy volatile-ttl --save 900 1")
    ledger = Ledger()
    facts = by_name(read_redis("cache", ledger, folder=Folder(tmp_path), file="redis.conf", command=command))
    assert facts["maxmemory"].value == "1G" and facts["maxmemory_policy"].value == "volatile-ttl"
    assert facts["maxmemory"].place is not None and facts["maxmemory"].place.file == "compose.yml"
    assert {one.key[0] for one in ledger.unmodelled()} == {"appendonly", "save"}


def test_includes_are_read_where_they_stand_and_missing_ones_told(tmp_path: Path) -> None:
    (tmp_path / "redis.conf").write_text("include more.conf\ninclude gone.conf\ninclude redis.conf\nmaxmemory 5mb\n")
    (tmp_path / "more.conf").write_text("maxmemory 4mb\nmaxmemory-policy allkeys-lfu\n")
    ledger = Ledger()
    facts = by_name(read_redis("cache", ledger, folder=Folder(tmp_path), file="redis.conf"))
    assert facts["maxmemory"].value == "5M" and facts["maxmemory_policy"].value == "allkeys-lfu"
    assert [place.line for place, _ in ledger.problems] == [2, 3]


@pytest.mark.parametrize(
    ("text", "count"), [("100", 100), ("1k", 1000), ("1kb", 1024), ("3GB", 3 << 30), ("2m", 2_000_000)]
)
def test_sizes_of_redis(text: str, count: int) -> None:
    assert memory(text) == count
    assert memory(write_memory(text, f"{count}B")) == count


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("100mb", "200M", "200mb"), ("100mb", "2G", "2048mb"), ("1gb", "512M", "512mb"), ("1024", "2K", "2kb"),
        ("1k", "1000B", "1k"),
    ],
)  # fmt: skip
def test_sizes_keep_their_spelling(before: str, value: str, after: str) -> None:
    assert write_memory(before, value) == after


def test_what_redis_would_refuse_is_a_problem() -> None:
    ledger = Ledger()
    facts = read_redis(
        "cache", ledger, command=words("redis-server --maxmemory lots --maxmemory-policy lru --maxmemory-samples 0")
    )
    assert facts == [] and len(ledger.problems) == 3
    assert all("Redis would not start" in what for _, what in ledger.problems)


POSTGRES = (
    "max_connections = 50   # so many\nstatement_timeout '30s'\nlock_timeout=100\nshared_buffers = 128MB\n"
    "wal_level = replica\n"
    "deadlock_timeout = 2min\nlog_statement = 'all'\nmax_connections = 60\nnonsense\n"
)


def test_postgresql_conf(tmp_path: Path) -> None:
    (tmp_path / "p.conf").write_text(POSTGRES)
    ledger = Ledger()
    facts = by_name(read_postgres("base", ledger, folder=Folder(tmp_path), file="p.conf"))
    assert {name: fact.value for name, fact in facts.items()} == {
        "max_connections": 60, "statement_timeout": "30s", "lock_timeout": "100ms", "deadlock_timeout": "2m",
    }  # fmt: skip
    assert [one.key for one in ledger.unmodelled()] == [("shared_buffers",)]
    assert [place.line for place, _ in ledger.problems] == [9]
    write = facts["deadlock_timeout"].write
    assert write is not None and write("3m") == "3min" and write("90s") == "90s"


def test_options_of_postgres() -> None:
    text = (
        "postgres -c max_connections=70 --superuser-reserved-connections=5 -c idle_in_transaction_session_timeout=10s"
    )
    facts = by_name(read_postgres("base", Ledger(), command=words(text)))
    assert facts["max_connections"].value == 70 and facts["reserved_connections"].value == 5
    place = facts["max_connections"].place
    assert place is not None and text[place.start : place.end] == "70"
    assert facts["idle_in_transaction_session_timeout"].value == "10s"


def test_commits_wait_for_a_standby_that_is_there() -> None:
    command = words("postgres -c synchronous_standby_names=FIRST_1 -c synchronous_commit=remote_apply")
    ledger = Ledger()
    facts = by_name(read_postgres("base", ledger, command=command, standbys=["copy"]))
    assert set(facts) == {"synchronous_commit"} and len(ledger.problems) == 1
    facts = by_name(
        read_postgres("base", Ledger(), command=words("postgres -c synchronous_standby_names=copy"), standbys=["copy"])
    )
    assert facts["synchronous_standby"].value == "copy"


def test_a_script_that_starts_postgres_is_looked_into() -> None:
    text = "entrypoint:\n  - |\n    sleep 1\n    exec postgres -c max_connections=80\n"
    begin = text.index("|")
    value = "sleep 1\nexec postgres -c max_connections=80\n"
    script = word_of(Setting(("entrypoint", 0), value, text[begin:], Place("c.yml", 2, begin, len(text))))
    facts = by_name(read_postgres("base", Ledger(), command=list(words_of([script]))))
    place = facts["max_connections"].place
    assert place is not None and place.line == 4 and text[place.start : place.end] == "80"


STARTED = (
    ("redis:7", "redis-server --maxmemory 100mb --save ''", "redis-server --maxmemory 200mb --save ''"),
    ("redis:7", "--maxmemory 100mb", "--maxmemory 200mb"),
    ("redis:7", "docker-entrypoint.sh redis-server --maxmemory 100mb", "redis-server --maxmemory 200mb"),
    ("redis:7", "sh -c \"sleep 1; exec redis-server --maxmemory 100mb\"", "redis-server --maxmemory 200mb\""),
    ("redis:7", "[sh, -c, \"redis-server --maxmemory '100mb'\"]", "--maxmemory '200mb'"),
    ("valkey/valkey", "[valkey-server, --maxmemory, 100mb]", "--maxmemory, 200mb]"),
    ("redis:7", "redis-server --maxmemory ${MEM:-100mb}", "${MEM:-200mb}"),
    ("redis:7", "redis-server --maxmemory ${SET}", None), ("redis:7", "redis-server --maxmemory ${SET}mb", ""),
    ("redis:7", "redis-cli --maxmemory 5mb", ""),
    ("postgres", "postgres -c max_connections=80", "-c max_connections=90"),
    ("postgres", "-c 'max_connections=80'", "-c 'max_connections=90'"),
    ("postgres", "bash -c \"exec postgres -c max_connections=${N:-80}\"", "max_connections=${N:-90}\""),
    ("postgres", "postgres -c max_connections=${N:-8}0", ""),
    ("mysql:8", "mysqld --max_connections=80 --innodb-buffer-pool-size=1G", "--max_connections=90 --innodb"),
    ("mariadb", "[--max-connections, '80']", "[--max-connections, '90']"),
)  # fmt: skip


@pytest.mark.parametrize(("image", "command", "after"), STARTED)
def test_what_a_command_says_is_changed_where_it_stands(
    image: str, command: str, after: str | None, tmp_path: Path
) -> None:
    """`after`: part of the changed file; nothing: it cannot be changed in place; None: it is changed in .env."""
    before = f"services:\n  shop: {{image: a/shop}}\n  store:\n    image: {image}\n    command: {command}\n"
    (tmp_path / "compose.yaml").write_text(before)
    (tmp_path / ".env").write_text("SET=100mb\n" if command.endswith("}") else "SET=100\n")
    section, name, value = ("databases", "max_connections", 90) if "80" in command or ":-8}" in command else (
        "caches", "maxmemory", "200M")  # fmt: skip
    deployment = read_deployment([tmp_path])
    assembled = assemble(deployment)
    target = copy.deepcopy(assembled.document)
    target[section]["store"][name] = value
    patch = make_patch(deployment.folder, assembled, target)
    changed = {file: data.decode() for file, data in patch.applied(deployment.folder).items()}
    if after == "":
        assert not changed and len(patch.by_hand) == 1
    elif after is None:
        assert changed == {".env": "SET=200mb\n"}
    else:
        assert list(changed) == ["compose.yaml"] and after in changed["compose.yaml"]
        (tmp_path / "compose.yaml").write_text(changed["compose.yaml"])
        assert assemble(read_deployment([tmp_path])).document[section]["store"][name] == value
    assert "is missing here" not in str(deployment.ledger.problems)


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [("30s", "1m", "60s"), ("100", "2s", "2000"), ("5min", "30s", "30s"), ("0", "1ms", "1")],
)
def test_times_keep_their_spelling(before: str, value: str, after: str) -> None:
    assert write_time(before, value) == after


def test_mysql_says_what_is_taken_over_and_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services:\n  shop: {image: a/shop, depends_on: [base]}\n"
        "  base: {image: 'mysql:8', command: [mysqld, --max-connections=0, --wait-timeout=60]}\n"
    )
    deployment = read_deployment([tmp_path])
    base = assemble(deployment).document["databases"]["base"]
    assert (base["max_connections"], base["reserved_connections"]) == (151, 0)
    said = [what for _, what in deployment.ledger.problems]
    assert said[0].startswith("base: --max-connections must be 1 to") and "are not modelled" in said[1]
    assert [one.key for one in deployment.ledger.unmodelled()] == [
        ("base", "max_connections"),
        ("base", "wait_timeout"),
    ]


@pytest.mark.parametrize(
    "line", ["maxmemory 100mb # few", "maxmemory 1.5gb", "maxmemory -1", "maxmemory-samples 0", "maxmemory-policy lru"]
)
def test_what_redis_refuses(line: str, tmp_path: Path) -> None:
    (tmp_path / "redis.conf").write_text(f"{line}\n")
    ledger = Ledger()
    assert not read_redis("cache", ledger, folder=Folder(tmp_path), file="redis.conf")
    assert "Redis would not start" in str(ledger.problems) and len(ledger.unmodelled()) == 1
