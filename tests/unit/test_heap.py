"""sim/heap.py: the heap that is compiled hands entries out as the standard library's does."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import heap


@pytest.fixture(scope="module")
def functions() -> dict[str, Any]:
    """The functions as they are compiled: the interpreter's own do not take their place."""
    source = Path(heap.__file__).parent / "heap.py"
    namespace: dict[str, Any] = {"__name__": "heap", "__file__": "heap.so"}
    exec(compile(source.read_text(), "heap.py", "exec"), namespace)
    return namespace


def test_interpreted_it_is_the_standard_library_s(functions: dict[str, Any]) -> None:
    if heap.__file__.endswith(".py"):
        assert (heap.heappush, heap.heappop) == (heapq.heappush, heapq.heappop)
    assert functions["heappush"] is not heapq.heappush


steps = st.lists(st.none() | st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.integers(0, 2)), max_size=60)


@settings(max_examples=200)
@given(steps)
def test_entries_come_out_in_the_same_order(functions: dict[str, Any], steps: list[tuple[float, int] | None]) -> None:
    """None takes one out. Entries differ in their number, if in nothing else."""
    ours: list[Any] = []
    theirs: list[Any] = []
    for number, step in enumerate(steps):
        if step is not None:
            entry = (*step, number, object())
            functions["heappush"](ours, entry)
            heapq.heappush(theirs, entry)
        elif theirs:
            assert functions["heappop"](ours) is heapq.heappop(theirs)
    assert sorted(ours) == sorted(theirs)
    while theirs:
        assert functions["heappop"](ours) is heapq.heappop(theirs)
