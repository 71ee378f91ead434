"""Standbys: what reaches them when, what a read there sees, and what becomes of it when they fall behind or die."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from experiments.validation.databases import Stand
from experiments.validation.sql_client import ROWS, Client
from models.database.replication import Replay
from sim.bins import quantile_s
from sim.errors import SimulationError

REPLAY = "databases.standby.replay"


def stand(standby: dict[str, Any] | None = None, replay_cpu: str = "1ms", **primary: Any) -> Stand:
    save = {"cpu": "1ms", "table": "rows", "writes": True, "replay_cpu": replay_cpu}
    queries = {**ROWS["queries"], "save": save}
    return Stand({**ROWS, "queries": queries, **primary}, {"replication_delay": "5ms", **(standby or {})})


def stale(bench: Stand) -> int:
    return bench.total(f"{REPLAY}.stale_reads")


def read(bench: Stand, at_s: float, user: int = 0) -> None:
    Client(bench, bench.standby, user).send(at_s, "find")


def test_a_read_is_stale_until_the_newest_write_of_its_row_is_replayed() -> None:
    bench = stand()
    writer = Client(bench, bench.database)
    writer.send(1.0, "save")  # committed at 1.001, replayed at 1.007
    bench.env.run(until=1.0)
    for at_s, seen in ((1.0005, 0), (1.002, 1), (1.0069, 2), (1.0071, 2)):
        read(bench, at_s)
        bench.env.run(until=at_s + 0.0001)
        assert stale(bench) == seen, at_s
    assert bench.total(f"{REPLAY}.tracked_reads") == 4
    assert bench.probe.tallies[f"{REPLAY}.lag_s"].largest == pytest.approx(0.006, abs=1e-8)


def test_an_older_write_that_is_replayed_does_not_make_a_row_fresh() -> None:
    bench = stand()
    Client(bench, bench.database).send(1.0, "save", 0.004, "save")  # committed 1.001 and 1.006; replayed 1.007, 1.012
    read(bench, 1.0075)
    read(bench, 1.0125)
    bench.env.run()
    assert stale(bench) == 1


def test_other_rows_do_not_matter() -> None:
    bench = stand()
    Client(bench, bench.database, user=1).send(1.0, "save")
    read(bench, 1.003, user=2)
    bench.env.run()
    assert stale(bench) == 0


def test_a_transaction_is_replicated_when_it_commits() -> None:
    bench = stand()
    Client(bench, bench.database).send(1.0, "save", 0.5, "save", in_transaction=True)  # committed at 1.502
    read(bench, 1.3)
    read(bench, 1.503)
    bench.env.run()
    assert stale(bench) == 1
    assert bench.total(f"{REPLAY}.replayed_writes") == 2
    assert bench.probe.tallies[f"{REPLAY}.lag_s"].count == 1
    assert bench.probe.tallies[f"{REPLAY}.lag_s"].largest == pytest.approx(0.007, abs=1e-8)


def test_what_was_rolled_back_is_not_replicated() -> None:
    bench = stand(statement_timeout="100ms")
    client = Client(bench, bench.database)
    client.send(1.0, "save", "slow", in_transaction=True)
    bench.env.run()
    assert client.log[0][0] == "statement_timeout"
    assert bench.total(f"{REPLAY}.replayed_writes") == 0


def test_commits_arrive_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawn delay does not let a commit overtake an earlier one."""
    order: list[int] = []
    apply = Replay._apply

    def noting(self: Replay, commit: Any) -> None:
        order.append(commit.rows[0][1])
        apply(self, commit)

    monkeypatch.setattr(Replay, "_apply", noting)
    bench = stand({"replication_delay": {"kind": "exponential", "mean": "20ms"}}, replay_cpu="0s")
    for number in range(200):
        Client(bench, bench.database, user=number).send(1.0 + number * 0.001, "save")
    bench.env.run()
    assert order == list(range(200))


def test_added_lag_comes_and_goes() -> None:
    bench = stand()
    replay = bench.standby
    replay.add_lag(2.0)
    Client(bench, bench.database).send(1.0, "save")
    bench.env.run(until=1.5)
    replay.add_lag(3.0)
    bench.env.run(until=4.0)
    assert bench.total(f"{REPLAY}.replayed_writes") == 0
    replay.add_lag(-5.0)
    bench.env.run(until=4.01)
    assert bench.total(f"{REPLAY}.replayed_writes") == 1, "what is due is replayed at once"
    with pytest.raises(SimulationError, match="not a standby"):
        bench.database.add_lag(1.0)


def test_a_standby_that_dies_catches_up() -> None:
    bench = stand(replay_cpu="10ms")
    for number in range(5):
        Client(bench, bench.database, user=number).send(1.0 + number * 0.001, "save")
    bench.env.run(until=1.02)  # in the middle of a replay
    bench.standby_host.die()
    bench.env.run(until=5.0)
    assert bench.total(f"{REPLAY}.replayed_writes") == 1
    assert bench.standby.epoch == 1
    bench.standby_host.is_up = True
    bench.env.start(bench.standby.recover())
    bench.env.run()
    assert bench.total(f"{REPLAY}.replayed_writes") == 5
    assert bench.env.now == pytest.approx(5.04, abs=1e-6)


def test_a_standby_that_refuses_connections_keeps_its_stream(play: Callable[..., Any]) -> None:
    container = {"machine": "vm"}
    steps = [{"kind": "db", "pool": "main", "query": "save"}]
    running = play(
        {
            "machines": {"vm": {"cores": 4, "memory": "4G"}},
            "services": {
                "shop": {
                    **container, "pools": {"main": {"database": "primary"}}, "endpoints": {"put": {"steps": steps}}
                }
            },
            "databases": {
                "primary": {**container, "tables": {"rows": {}}, "synchronous_standby": "standby",
                            "queries": {"save": {"cpu": "1ms", "writes": True, "table": "rows"}}},
                "standby": {**container, "standby_of": "primary", "replication_delay": "100ms"},
            },
            "routes": {"put": {"service": "shop", "endpoint": "put"}},
            "traffic": {"mix": {"put": 1}},
            "faults": {"closed": {"kind": "refuse", "target": "databases.standby", "at": "1s", "lasts": "5s"}},
        },
        [0.95, 2.0],
    )  # fmt: skip
    running.until(10.0)
    assert [round(row["latency_s"], 3) for row in running.end()] == [0.101, 0.101]
    assert not running.system.databases["standby"]._replay._backlog


def test_lags_that_are_taken_back_leave_no_rest() -> None:
    bench = stand()
    replay = bench.standby
    for lag_s in (0.1, 0.2, 0.3, -0.2, -0.1, -0.3):
        replay.add_lag(lag_s)
    assert replay._replay.added_lag_s == 0.0


@pytest.mark.parametrize("mode", ["on", "remote_apply"])
def test_commits_wait_for_a_synchronous_standby_that_is_down(mode: str) -> None:
    bench = stand(synchronous_standby="standby", synchronous_commit=mode)
    bench.standby_host.die()
    writer, next_one = Client(bench, bench.database), Client(bench, bench.database)
    writer.send(1.0, "save")
    next_one.send(2.0, "save")
    bench.env.run(until=60.0)
    assert writer.log == next_one.log == [], "the second one waits for the row, too"
    bench.standby_host.is_up = True
    bench.env.start(bench.standby.recover())
    bench.env.run(until=120.0)
    assert [what for what, _ in writer.log + next_one.log] == ["done", "done"]


@pytest.mark.parametrize(("mode", "ends_s"), [("on", 3.0), ("remote_apply", 3.001)])
def test_a_commit_waits_no_longer_than_the_lag_lasts(mode: str, ends_s: float) -> None:
    bench = stand(synchronous_standby="standby", synchronous_commit=mode)
    bench.standby.add_lag(9.0)
    writer = Client(bench, bench.database)
    writer.send(1.0, "save")
    bench.env.run(until=2.0)
    bench.standby.add_lag(1.0)  # and more of it while the commit is on its way
    bench.env.run(until=3.0)
    bench.standby.add_lag(-10.0)
    bench.env.run()
    assert writer.log == [("done", pytest.approx(ends_s, abs=1e-8))]


def test_with_remote_apply_no_read_is_stale() -> None:
    bench = stand(synchronous_standby="standby", synchronous_commit="remote_apply")

    def rounds() -> Any:
        writer, reader = Client(bench, bench.database), Client(bench, bench.standby)
        for _ in range(20):
            yield from bench.database.execute(writer.request, "save", 0, writer.connection)
            yield from bench.standby.execute(reader.request, "find", 0, reader.connection)

    bench.env.start(rounds())
    bench.env.run()
    assert (bench.total(f"{REPLAY}.tracked_reads"), stale(bench)) == (20, 0)


def test_a_request_brings_the_same_demand_to_both() -> None:
    spec = {"queries": {"find": {"cpu": {"kind": "exponential", "mean": "10ms"}}}}
    bench = Stand(spec, {})
    first, second = Client(bench, bench.database, user=5), Client(bench, bench.standby, user=5)
    first.send(1.0, "find")
    second.send(2.0, "find")
    bench.env.run()
    assert first.log[0][1] - 1.0 == pytest.approx(second.log[0][1] - 2.0, abs=1e-9)


def test_quantiles_of_the_lag() -> None:
    bench = stand({"replication_delay": {"kind": "exponential", "mean": "20ms"}}, replay_cpu="0s")
    for number in range(1000):
        Client(bench, bench.database, user=number).send(1.0 + number * 0.5, "save")
    bench.env.run()
    bins = [bench.total(f"{REPLAY}.lag_bins.{number}") for number in range(120)]
    p50_s, p99_s = quantile_s(bins, 0.5), quantile_s(bins, 0.99)
    assert p50_s == pytest.approx(0.02 * 0.6931, rel=0.15)
    assert p99_s == pytest.approx(0.02 * 4.605, rel=0.25)
    assert quantile_s([0] * 120, 0.5) is None
