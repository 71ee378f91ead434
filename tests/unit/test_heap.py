"""sim/heap.py: the heaps that are compiled hand entries out as the standard library's does."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import heap


@pytest.fixture(scope="module")
def compiled() -> dict[str, Any]:
    """The module as it is compiled: the interpreter's own functions do not take the place of its."""
    source = Path(heap.__file__).parent / "heap.py"
    namespace: dict[str, Any] = {"__name__": "heap", "__file__": "heap.so"}
    exec(compile(source.read_text(), "heap.py", "exec"), namespace)
    return namespace


def test_interpreted_it_is_the_standard_library_s(compiled: dict[str, Any]) -> None:
    if heap.INTERPRETED:
        assert (heap.heappush, heap.heappop) == (heapq.heappush, heapq.heappop)
    assert not compiled["INTERPRETED"]
    assert compiled["heappush"] is not heapq.heappush


instants = st.sampled_from([0.0, 0.5, 1.0, 2.0])


@settings(max_examples=200)
@given(st.lists(st.none() | instants, max_size=60))
def test_tuples_come_out_in_the_same_order(compiled: dict[str, Any], steps: list[float | None]) -> None:
    """None takes one out. Entries differ in their number, if in nothing else."""
    ours: list[Any] = []
    theirs: list[Any] = []
    for number, step in enumerate(steps):
        if step is not None:
            entry = (step, number, object())
            compiled["heappush"](ours, entry)
            heapq.heappush(theirs, entry)
        elif theirs:
            assert compiled["heappop"](ours) is heapq.heappop(theirs)
    assert sorted(ours) == sorted(theirs)
    while theirs:
        assert compiled["heappop"](ours) is heapq.heappop(theirs)


steps = st.lists(st.none() | st.tuples(instants, st.booleans()), max_size=300)


@pytest.mark.parametrize("kind", ["arrays", "as loaded", "tuples"])
@settings(max_examples=100)
@given(steps)
def test_what_is_due_comes_up_in_order(
    compiled: dict[str, Any], kind: str, steps: list[tuple[float, bool] | None]
) -> None:
    """None takes what is first; otherwise something is entered, for a certain instant and maybe urgently. More is due
    than there is room for at first."""
    agenda = {"arrays": compiled["Agenda"], "as loaded": heap.Agenda, "tuples": heap.TupleAgenda}[kind]()
    due: list[Any] = [(float(number % 7), number + 1000, object()) for number in range(100)]
    for when, number, what in due:
        agenda.push(when, number, what)
    heapq.heapify(due)

    def first() -> Any:
        looked = agenda.look()
        assert (agenda.when, agenda.number) == due[0][:2]
        assert agenda.take() is looked
        return agenda.when, agenda.number, looked

    for number, step in enumerate(steps):
        if step is not None:
            when, is_urgent = step
            entry = (when, number - (1 << 52 if is_urgent else 0), object())
            heapq.heappush(due, entry)
            agenda.push(*entry)
        elif due:
            assert first() == due[0]
            heapq.heappop(due)
        assert len(agenda) == agenda.size == len(due)
    while due:
        assert first() == due[0]
        heapq.heappop(due)
    assert not agenda


def test_what_has_come_up_is_kept_no_longer(compiled: dict[str, Any]) -> None:
    for kind in (compiled["Agenda"], heap.Agenda, heap.TupleAgenda):
        agenda, what = kind(), [object()]
        for number in range(3):
            agenda.push(1.0, number, what)
        while agenda:
            assert agenda.take() is what
        assert getattr(agenda, "_what", []) == [None] * len(getattr(agenda, "_what", []))
