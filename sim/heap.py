# cython: boundscheck=False, wraparound=False
"""The heap that the schedule and the processors keep.

Models   A binary heap of entries: tuples (float, int, ...) of which no two begin with the same numbers. So they come
         out in one order only, whoever keeps the heap: interpreted it is the standard library's, compiled the
         functions below, which then know what they compare.
Source   heapq of the standard library: sift up from the end; to remove, sift down to a leaf and up again.
Checked  tests/unit/test_heap.py
"""

from __future__ import annotations

from typing import Any, TypeVar

_Entry = TypeVar("_Entry", bound=tuple[Any, ...])


def heappush(queue: list[_Entry], entry: _Entry) -> None:
    queue.append(entry)
    _rise(queue, len(queue) - 1)


def heappop(queue: list[_Entry]) -> _Entry:
    last = queue.pop()
    size = len(queue)
    if not size:
        return last
    first = queue[0]
    place, child = 0, 1
    while child < size:
        if child + 1 < size and _is_before(queue[child + 1], queue[child]):
            child += 1
        queue[place] = queue[child]
        place = child
        child = 2 * place + 1
    queue[place] = last
    _rise(queue, place)
    return first


def _rise(queue: list[_Entry], place: int) -> None:
    entry = queue[place]
    while place:
        above = (place - 1) >> 1
        if not _is_before(entry, queue[above]):
            break
        queue[place] = queue[above]
        place = above
    queue[place] = entry


def _is_before(first: _Entry, second: _Entry) -> bool:
    one, other = first[0], second[0]
    if one != other:
        return bool(one < other)
    rank, other_rank = first[1], second[1]
    if rank != other_rank:
        return bool(rank < other_rank)
    return bool(first[2] < second[2])


if __file__.endswith(".py"):  # interpreted
    from heapq import heappop, heappush  # type: ignore[assignment]  # noqa: F401
