"""Row locks keep their promises under any order of writing, waiting, giving up and dying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.validation.databases import Stand
from experiments.validation.sql_client import Held
from models.outcomes import CallFailure, ClientGone
from models.request import Request
from sim.environment import Activity

MS = 2.0**-10


@dataclass
class Writer:
    """A transaction: when it begins, the rows it writes in order with a pause after each, when it is interrupted."""

    at: int
    rows: list[int]
    pause: int
    interrupted_at: int | None


writers = st.builds(
    Writer,
    at=st.integers(0, 30),
    rows=st.lists(st.integers(0, 2), min_size=1, max_size=3),
    pause=st.integers(0, 8),
    interrupted_at=st.none() | st.integers(0, 60),
)


@settings(max_examples=200)
@given(
    st.lists(writers, max_size=7), st.sampled_from([0, 4, 40]), st.sampled_from([8, 1000]),
    st.sampled_from([None, 20]), st.sampled_from([0, 12]),
)  # fmt: skip
def test_a_row_has_one_writer_and_nobody_waits_for_a_free_one(
    worlds: list[Writer], lock_timeout: int, deadlock_timeout: int, dies_at: int | None, statement_timeout: int
) -> None:
    bench = Stand({
        "tables": {"rows": {}}, "queries": {"save": {"cpu": f"{MS}s", "table": "rows", "writes": True}},
        "lock_timeout": f"{lock_timeout * MS}s", "deadlock_timeout": f"{deadlock_timeout * MS}s",
        "statement_timeout": f"{statement_timeout * MS}s",
    })  # fmt: skip
    env, database = bench.env, bench.database
    ended: dict[int, str] = {}
    lights: dict[int, Any] = {}

    def work(number: int, writer: Writer) -> Activity:
        lights[number] = env.active
        held = Held()
        held.epoch = database.epoch
        database.begin(held, False)
        try:
            for row in writer.rows:
                yield from database.execute(Request(number, number, 0, row, 0, env.now), "save", 0, held)
                yield writer.pause * MS
            yield from database.commit(Request(number, number, 0, 0, 0, env.now), held)
            ended[number] = "done"
        except CallFailure as failure:
            ended[number] = failure.reason
            database.roll_back(held)

    def at(when: int, act: Any) -> None:
        def acting() -> Activity:
            act()
            return
            yield

        env.start(acting(), delay=when * MS)

    def leave(number: int) -> None:
        if number in lights:
            env.throw(lights[number], ClientGone("client"))

    for number, writer in enumerate(worlds):
        env.start(work(number, writer), delay=writer.at * MS)
        if writer.interrupted_at is not None:
            at(writer.interrupted_at, lambda number=number: leave(number))
    if dies_at is not None:
        at(dies_at, bench.host.die)
        at(dies_at, lambda: setattr(bench.host, "is_up", True))

    while env.agenda:
        env.step()
        for row, lock in database._locks._held.items():
            assert lock.row == row
            assert lock in lock.holder.locks
            assert lock.holder.waits_for is not lock
            for waiter in lock.queue:
                assert waiter.is_waiting and waiter.transaction.waits_for is lock
                assert waiter.transaction is not lock.holder
    expected = {n for n, writer in enumerate(worlds) if writer.interrupted_at is None or n in lights}
    assert expected <= set(ended), "everybody comes to an end: circles are found"
    assert not database._locks._held, "nothing stays locked"
    if lock_timeout == 0 and statement_timeout == 0 and dies_at is None:
        assert set(ended.values()) <= {"done", "deadlock", "client_gone"}


@settings(max_examples=100)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=10), st.integers(1, 9))
def test_waiters_have_the_row_in_the_order_in_which_they_came(gaps: list[int], keep: int) -> None:
    bench = Stand({"tables": {"rows": {}}, "queries": {"save": {"cpu": "0s", "table": "rows", "writes": True}}})
    order: list[int] = []

    def work(number: int) -> Activity:
        held = Held()
        bench.database.begin(held, False)
        yield from bench.database.execute(Request(number, number, 0, 0, 0, 0.0), "save", 0, held)
        order.append(number)
        yield keep * MS
        yield from bench.database.commit(Request(number, number, 0, 0, 0, 0.0), held)

    came = 0
    for number, gap in enumerate(gaps):
        came += gap
        bench.env.start(work(number), delay=came * MS)
    bench.env.run()
    assert order == list(range(len(gaps)))
