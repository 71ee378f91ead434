"""The real PostgreSQL beside the model: connections, time limits, plans, and a streaming standby."""

from __future__ import annotations

import os
import pwd
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.validation.databases import Stand
from experiments.validation.postgresql import deadlock
from experiments.validation.sql_client import ROWS, Client
from models.connection_pool import HikariSpec
from models.connection_pool.settings import CUSTOM_PLANS
from models.database import Postgres, PostgresSpec
from models.outcomes import ConnectionRefused, DatabaseRefused
from models.spec import Context
from sim.environment import Environment, Light
from sim.probe import NullProbe
from sim.streams import Streams

MAX_CONNECTIONS, RESERVED = 12, 3


def newest_binaries() -> Path | None:
    """Where Debian keeps the newest server, or wherever the path leads."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).parent if elsewhere else None


def user_to_run_as() -> str | None:
    """PostgreSQL refuses to run as root: somebody else has to."""
    if os.geteuid() != 0:
        return ""
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return None
    return "postgres" if shutil.which("runuser") else None


BINARIES, USER = newest_binaries(), user_to_run_as()

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(BINARIES is None, reason="PostgreSQL is not installed"),
    pytest.mark.skipif(USER is None, reason="PostgreSQL does not run as root, and there is no user postgres to run it"),
]


class RealServer:
    """A PostgreSQL of our own, on a loopback port, with nothing in it."""

    def __init__(self, folder: Path, primary: RealServer | None = None) -> None:
        self.folder = folder
        self._data = folder / ("data" if primary is None else "standby")
        self._log = folder / f"{self._data.name}.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        if primary is None:
            self._call("initdb", "--no-sync", "--auth=trust", "--username=postgres", f"--pgdata={self._data}")
        else:
            source = ("-h127.0.0.1", f"-p{primary.port}", "-Upostgres", "--checkpoint=fast", "--no-sync")
            self._call("pg_basebackup", *source, "--write-recovery-conf", f"--pgdata={self._data}")
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off",
            "max_connections": MAX_CONNECTIONS, "superuser_reserved_connections": RESERVED, "shared_buffers": "16MB",
        }  # fmt: skip
        self._options = " ".join(f"-c {name}={value}" for name, value in options.items())
        self.start()
        if primary is None:
            self._call("psql", "-h127.0.0.1", f"-p{self.port}", "-Upostgres", "-c", "CREATE ROLE app LOGIN", "postgres")

    @staticmethod
    def _call(program: str, *arguments: str) -> None:
        assert BINARIES is not None
        command = [str(BINARIES / program), *arguments]
        if USER:
            command = ["runuser", "-u", USER, "--", *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/tmp", check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def start(self) -> None:
        self._control("start", f"--log={self._log}", f"--options={self._options}")

    def stop(self) -> None:
        """At once, as if killed: connections are cut."""
        self._control("stop", "--mode=immediate")

    def _control(self, *arguments: str) -> None:
        # pg_ctl's server inherits its output: a pipe would never be read to its end.
        assert BINARIES is not None
        command = [str(BINARIES / "pg_ctl"), "--wait", f"--pgdata={self._data}", *arguments]
        if USER:
            command = ["runuser", "-u", USER, "--", *command]
        subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, cwd="/tmp", check=True
        )

    def open(self, user: str) -> socket.socket | str:
        """An open connection, or the server's reason for refusing it (protocol 3.0, no TLS)."""
        try:
            link = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        except ConnectionRefusedError:
            return "nobody listens"
        body = struct.pack("!i", 196608) + f"user\0{user}\0database\0postgres\0\0".encode()
        link.sendall(struct.pack("!i", len(body) + 4) + body)
        while True:
            kind, payload = read_message(link)
            if kind == b"Z":
                return link
            if kind == b"E":
                link.close()
                fields = {field[:1]: field[1:] for field in payload.split(b"\0") if field}
                return fields[b"M"].decode()


def read_message(link: socket.socket) -> tuple[bytes, bytes]:
    header = read_exactly(link, 5)
    (length,) = struct.unpack("!i", header[1:])
    return header[:1], read_exactly(link, length - 4)


def read_exactly(link: socket.socket, number: int) -> bytes:
    data = b""
    while len(data) < number:
        more = link.recv(number - len(data))
        if not more:
            raise EOFError("the server has cut the connection")
        data += more
    return data


def ask(link: socket.socket, statement: str) -> list[str] | str:
    """Values of the first column, or the SQLSTATE of the error (simple query protocol)."""
    link.sendall(query(statement))
    return answer_of(link)


def query(statement: str) -> bytes:
    body = statement.encode() + b"\0"
    return b"Q" + struct.pack("!i", len(body) + 4) + body


def answer_of(link: socket.socket) -> list[str] | str:
    rows: list[str] = []
    state = ""
    while True:
        kind, payload = read_message(link)
        if kind == b"D":
            (length,) = struct.unpack("!i", payload[2:6])
            rows.append(payload[6 : 6 + length].decode())
        elif kind == b"E":
            state = {field[:1]: field[1:] for field in payload.split(b"\0") if field}[b"C"].decode()
        elif kind == b"Z":
            return state or rows


def is_cut(link: socket.socket) -> bool:
    """Whether a query on the connection fails."""
    try:
        link.sendall(query("SELECT 1"))
        while read_message(link)[0] != b"Z":
            """Read on to the end of the answer."""
    except (OSError, EOFError):
        return True
    return False


@pytest.fixture(scope="module")
def real() -> Iterator[RealServer]:
    folder = Path(tempfile.mkdtemp(prefix="windtunnel-postgres-"))
    try:
        if USER:
            shutil.chown(folder, USER, USER)
        server = RealServer(folder)
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Host:
    path = "databases.primary"

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.is_up = True

    def run(self, demand_s: float) -> None:
        self._env.wake(self._env.park(self), 0.0, demand_s)

    def withdraw(self, light: Light) -> None:
        """The heap entry is stale as soon as the process is woken otherwise."""

    def use_memory(self, delta_bytes: int) -> None:
        """There is enough."""

    def enter(self) -> Light:
        assert self._env.active is not None
        return self._env.active

    def leave(self, light: Light) -> None:
        """Nobody is told when this container dies."""


class Model:
    """The same server, simulated."""

    def __init__(self) -> None:
        self.env = Environment()
        self.context = Context(self.env, Streams(1, 0), NullProbe(self.env), "")
        self.host = Host(self.env)
        spec = PostgresSpec(max_connections=MAX_CONNECTIONS, reserved_connections=RESERVED)
        self.database: Postgres = spec.build(self.context.at("databases.primary"), self.host)

    def open(self) -> int | str:
        """The epoch of an open connection, or the reason why there is none."""
        answers: list[int | str] = []

        def work() -> Any:
            try:
                answers.append((yield from self.database.connect()))
            except (DatabaseRefused, ConnectionRefused) as refusal:
                answers.append(refusal.reason)

        self.env.start(work())
        self.env.run()
        return answers[0]


def until(attempt: Callable[[], socket.socket | str]) -> socket.socket:
    """Try until it is let in: a server notices a little later that a client has gone."""
    for _ in range(1200):
        answer = attempt()
        if isinstance(answer, socket.socket):
            return answer
        time.sleep(0.05)
    raise AssertionError(answer)


def wait_until_nobody_is_left(real: RealServer) -> None:
    """A server notices a little later that a client has gone, and counts it until then."""
    link = opened(real)
    until_true(lambda: ask(link, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'") == ["0"])
    link.close()


def test_the_application_gets_what_is_not_reserved(real: RealServer) -> None:
    """Both admit 9 of 12, refuse the tenth, and admit another when one has gone; reserved ones are the superuser's."""
    model = Model()
    wait_until_nobody_is_left(real)
    real_answers = [real.open("app") for _ in range(MAX_CONNECTIONS)]
    model_answers = [model.open() for _ in range(MAX_CONNECTIONS)]
    links = [link for link in real_answers if isinstance(link, socket.socket)]
    assert [isinstance(answer, socket.socket) for answer in real_answers] == [
        isinstance(answer, int) for answer in model_answers
    ]
    assert len(links) == model.database.open_connections == MAX_CONNECTIONS - RESERVED == 9
    for real_answer, model_answer in zip(real_answers[9:], model_answers[9:], strict=True):
        assert isinstance(real_answer, str)
        assert "remaining connection slots are reserved" in real_answer
        assert model_answer == DatabaseRefused.reason

    superuser = real.open("postgres")
    assert isinstance(superuser, socket.socket), "the reserved ones are there, for somebody else"
    superuser.close()

    links.pop().close()
    links.append(until(lambda: real.open("app")))
    model.database.disconnect(0)
    assert model.open() == 0
    assert isinstance(real.open("app"), str)
    assert model.open() == DatabaseRefused.reason
    for link in links:
        link.close()


def test_a_server_that_dies_takes_its_connections_with_it(real: RealServer) -> None:
    """Both refuse while down; old connections are cut; after the restart all of them can be had again."""
    model = Model()
    links = [until(lambda: real.open("app")) for _ in range(9)]
    epochs = [model.open() for _ in range(9)]
    assert not any(is_cut(link) for link in links)
    assert set(epochs) == {model.database.epoch}

    real.stop()
    model.host.is_up = False
    model.database.reset()
    assert real.open("app") == "nobody listens"
    assert model.open() == ConnectionRefused.reason
    assert all(is_cut(link) for link in links)
    assert model.database.epoch not in epochs

    real.start()
    model.host.is_up = True
    fresh = [until(lambda: real.open("app")) for _ in range(9)]
    assert [model.open() for _ in range(9)] == [model.database.epoch] * 9
    assert isinstance(real.open("app"), str)
    assert model.open() == DatabaseRefused.reason
    for link in [*links, *fresh]:
        link.close()


def test_pools_that_do_not_fit(real: RealServer) -> None:
    """Two pools of 6 against 9: the second gets 3, in the model as from the server."""
    model = Model()
    pools = []
    for name in ("first", "second"):
        pools.append(HikariSpec(database="primary", maximum_pool_size=6).build(model.context.at(name), model.database))
        pools[-1].start_warm()
    wait_until_nobody_is_left(real)
    links: list[list[socket.socket]] = [[], []]
    for link in links:
        answers = [real.open("app") for _ in range(6)]
        link.extend(answer for answer in answers if isinstance(answer, socket.socket))
    assert [pool.total for pool in pools] == [len(pool) for pool in links] == [6, 3]
    for link in [*links[0], *links[1]]:
        link.close()


def opened(server: RealServer) -> socket.socket:
    link = until(lambda: server.open("postgres"))
    link.settimeout(20)
    return link


SAVE = "UPDATE rows SET value = value + 1 WHERE id = 1"
STATES = {
    "statement_timeout": "57014", "lock_timeout": "55P03", "deadlock": "40P01", "read_only_database": "25006",
}  # fmt: skip
"""What the model's reasons are called in SQL."""


@pytest.fixture(scope="module")
def pair(real: RealServer) -> Iterator[tuple[RealServer, RealServer]]:
    """A primary with a table of two rows, and its streaming standby."""
    link = opened(real)
    ask(link, "CREATE TABLE rows (id int PRIMARY KEY, value int)")
    ask(link, "INSERT INTO rows VALUES (1, 0), (2, 0)")
    link.close()
    standby = RealServer(real.folder, real)
    yield real, standby
    standby.stop()


def model(**primary: Any) -> tuple[Stand, Callable[..., list[str]]]:
    """The same pair, and what statements on a connection of their own come to."""
    stand = Stand({**ROWS, **primary}, {})

    def send(server: Any, *statements: str | float, in_transaction: bool = False) -> list[str]:
        client = Client(stand, server)
        client.send(stand.env.now, *statements, in_transaction=in_transaction)
        stand.env.run(until=stand.env.now + 60.0)
        return [what for what, _ in client.log]

    return stand, send


def test_writes_on_a_standby_fail_and_reads_do_not(pair: tuple[RealServer, RealServer]) -> None:
    _, standby = pair
    link = opened(standby)
    stand, send = model()
    for real_statement, statement in ((SAVE, "save"), ("SELECT value FROM rows WHERE id = 1", "find")):
        answer, modelled = ask(link, real_statement), send(stand.standby, statement)
        assert answer == STATES.get(modelled[0], answer)
        assert isinstance(answer, list) == (modelled == ["done"])
    link.close()


def test_reads_are_stale_until_the_write_is_replayed(pair: tuple[RealServer, RealServer]) -> None:
    """Replay paused and resumed, as lag that comes and goes in the model."""
    primary, standby = pair
    writer, reader = opened(primary), opened(standby)
    stand, send = model()
    stale = stand.probe.counts["databases.standby.replay.stale_reads"]

    def is_stale() -> bool:
        return ask(reader, "SELECT value FROM rows WHERE id = 1") != ask(writer, "SELECT value FROM rows WHERE id = 1")

    pause_replay(reader)
    stand.standby.add_lag(1000.0)
    assert ask(writer, SAVE) == [] and send(stand.database, "save") == ["done"]
    assert is_stale()
    assert send(stand.standby, "find") == ["done"] and stale.total == 1
    ask(reader, "SELECT pg_wal_replay_resume()")
    stand.standby.add_lag(-1000.0)
    until_true(lambda: not is_stale())
    stand.env.run(until=stand.env.now + 1.0)
    assert send(stand.standby, "find") == ["done"] and stale.total == 1
    writer.close()
    reader.close()


def test_with_remote_apply_no_read_is_stale(pair: tuple[RealServer, RealServer]) -> None:
    """A write waits for the standby's replay where it is told to, in the one as in the other."""
    primary, standby = pair
    writer, reader, watcher = opened(primary), opened(standby), opened(primary)
    reads = "SELECT value FROM rows WHERE id = 1"
    ask(watcher, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    ask(watcher, "ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
    ask(watcher, "SELECT pg_reload_conf()")
    until_true(lambda: ask(watcher, "SELECT sync_state FROM pg_stat_replication") == ["sync"])
    until_true(lambda: ask(writer, "SHOW synchronous_commit") == ["remote_apply"])
    pause_replay(reader)
    # The process that turns waiting on reads the new settings when it comes to it: until then writes return at once.
    until_true(lambda: not returns_at_once(writer, SAVE, watcher))
    ask(reader, "SELECT pg_wal_replay_resume()")
    assert answer_of(writer) == []
    for _ in range(100):
        assert ask(writer, SAVE) == [] and ask(reader, reads) == ask(writer, reads)

    stand, send = model(synchronous_standby="standby", synchronous_commit="remote_apply")
    stand.standby.add_lag(5.0)
    begun = stand.env.now
    pair_of = Client(stand, stand.database), Client(stand, stand.standby)
    pair_of[0].send(begun, "save")
    stand.env.run(until=begun + 60.0)
    ((done, at),) = pair_of[0].log
    assert done == "done" and at > begun + 5.0
    stand.standby.add_lag(-5.0)
    for _ in range(100):
        assert send(stand.database, "save") == send(stand.standby, "find") == ["done"]
    assert stand.total("databases.standby.replay.stale_reads") == 0
    ask(watcher, "ALTER SYSTEM RESET ALL")
    ask(watcher, "SELECT pg_reload_conf()")
    for link in (writer, reader, watcher):
        link.close()


def pause_replay(standby: socket.socket) -> None:
    ask(standby, "SELECT pg_wal_replay_pause()")
    until_true(lambda: ask(standby, "SELECT pg_get_wal_replay_pause_state()") == ["paused"])


def returns_at_once(link: socket.socket, statement: str, watcher: socket.socket) -> bool:
    """Send a statement; whether it is answered. If not, it has been seen to wait for the standby."""
    link.sendall(query(statement))
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    until_true(lambda: is_readable(link) or ask(watcher, waiting) == ["1"])
    if not is_readable(link):
        return False
    assert answer_of(link) == []
    return True


def is_readable(link: socket.socket) -> bool:
    return bool(select.select([link], [], [], 0)[0])


def test_time_limits_end_what_they_are_for(pair: tuple[RealServer, RealServer]) -> None:
    primary, _ = pair
    first, second = opened(primary), opened(primary)

    ask(first, "SET statement_timeout = '50ms'")
    assert ask(first, "SELECT pg_sleep(10)") == STATES["statement_timeout"]
    assert ask(first, "SELECT 1") == ["1"], "the connection survives"
    stand, send = model(statement_timeout="50ms")
    assert send(stand.database, "slow") == ["statement_timeout"]

    ask(first, "SET statement_timeout = 0")
    ask(first, "BEGIN")
    ask(first, SAVE)
    ask(second, "SET lock_timeout = '50ms'")
    assert ask(second, SAVE) == STATES["lock_timeout"]
    assert ask(second, "UPDATE rows SET value = 9 WHERE id = 2") == [], "another row"
    ask(first, "COMMIT")
    assert ask(second, SAVE) == []
    stand, send = model(lock_timeout="50ms")
    Client(stand, stand.database).send(0.0, "save", 5.0, in_transaction=True)
    stand.env.run(until=1.0)
    assert send(stand.database, "save") == ["lock_timeout"]
    assert send(stand.database, "save") == ["done"]

    ask(first, "SET idle_in_transaction_session_timeout = '50ms'")
    ask(first, "BEGIN")
    ask(first, SAVE)
    assert ask(second, "SET lock_timeout = 0") == []
    assert ask(second, SAVE) == [], "the row is free when the other has been thrown out"
    assert is_cut(first)
    stand, send = model(idle_in_transaction_session_timeout="50ms")
    assert send(stand.database, "save", 1.0, "find", in_transaction=True) == ["connection_lost"]
    first.close()
    second.close()


def test_a_deadlock_costs_one_of_two_its_transaction(pair: tuple[RealServer, RealServer]) -> None:
    primary, _ = pair
    links = [opened(primary), opened(primary)]
    answers: dict[int, list[str] | str] = {}
    for number, link in enumerate(links):
        ask(link, "SET deadlock_timeout = '100ms'")
        ask(link, "BEGIN")
        ask(link, f"UPDATE rows SET value = 0 WHERE id = {number + 1}")

    def cross(number: int) -> None:
        answers[number] = ask(links[number], f"UPDATE rows SET value = 0 WHERE id = {2 - number}")
        ask(links[number], "COMMIT")

    threads = [threading.Thread(target=cross, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(map(str, answers.values())) == sorted([STATES["deadlock"], "[]"])
    deadlock()  # the same in the model
    for link in links:
        link.close()


def test_a_prepared_query_is_planned_anew_five_times(pair: tuple[RealServer, RealServer]) -> None:
    """Then the server keeps a plan: what the model's plan_cpu rests on."""
    primary, _ = pair
    link = opened(primary)
    ask(link, "PREPARE find (int) AS SELECT value FROM rows WHERE id = $1")
    for _ in range(9):
        ask(link, "EXECUTE find (1)")
    assert ask(link, "SELECT custom_plans FROM pg_prepared_statements") == [str(CUSTOM_PLANS)]
    assert ask(link, "SELECT generic_plans FROM pg_prepared_statements") == [str(9 - CUSTOM_PLANS)]
    link.close()


def until_true(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to that")
