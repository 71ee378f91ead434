# cython: boundscheck=False, wraparound=False
"""The heap that the schedule keeps, and those of the processors.

Models   What is due, the earliest first, of one instant what has the least number. No two entries have one number, so
         they come out in one order only, whoever keeps the heap. Interpreted, it is the standard library's on tuples,
         compiled the arrays below, of which no object has to be made for an entry.
         Processors have smaller ones of the same kind (`new_heap`): interpreted, plain lists for `heappush` and
         `heappop`. Other heaps are lists of tuples (float, int, object) either way.
Source   heapq of the standard library: sift up from the end; to remove, sift down to a leaf and up again.
Checked  tests/unit/test_heap.py
"""

from __future__ import annotations

from array import array
from heapq import heappop as heap_pop
from heapq import heappush as heap_push
from heapq import heappushpop
from math import inf
from typing import Any, TypeVar

__all__ = ["INTERPRETED", "Agenda", "TupleAgenda", "heappop", "heappush", "heappushpop", "new_heap", "things"]

INTERPRETED = __file__.endswith(".py")
_ROOM = 64
_Entry = TypeVar("_Entry", bound=tuple[Any, ...])


class Agenda:
    """The heap of the schedule, in arrays."""

    __slots__ = ("_number", "_places", "_room", "_what", "_when", "first", "number", "size", "when")

    def __init__(self) -> None:
        self.size = 0
        self.first = inf
        """When what comes first is due."""
        self.when = 0.0
        self.number = 0
        """When what was last taken or looked at is due, and its number."""
        self._room = _ROOM
        self._places = array("q", range(_ROOM))
        """A permutation: places in the arrays below, the first `size` of them as a heap, then those that are free."""
        self._when = array("d", bytes(8 * _ROOM))
        self._number = array("q", bytes(8 * _ROOM))
        self._what: list[Any] = [None] * _ROOM

    def __len__(self) -> int:
        return self.size

    def push(self, when: float, number: int, what: Any) -> None:
        if self.size == self._room:
            self._grow()
        at = self.size
        place = self._places[at]
        self._when[place] = when
        self._number[place] = number
        self._what[place] = what
        self.size = at + 1
        if when < self.first:
            self.first = when
        self._rise(at, place)

    def look(self) -> Any:
        """What comes first, which stays."""
        place = self._places[0]
        self.when = self._when[place]
        self.number = self._number[place]
        return self._what[place]

    def take(self) -> Any:
        """What comes first, which is not due any more. There must be something."""
        first = self._places[0]
        self.when = self._when[first]
        self.number = self._number[first]
        what = self._what[first]
        self._what[first] = None
        self.size = size = self.size - 1
        last = self._places[size]
        self._places[size] = first
        at, child = 0, 1
        while child < size:
            place = self._places[child]
            if child + 1 < size and self._is_before(self._places[child + 1], place):
                child += 1
                place = self._places[child]
            self._places[at] = place
            at = child
            child = 2 * at + 1
        if size:
            self._rise(at, last)
            self.first = self._when[self._places[0]]
        else:
            self.first = inf
        return what

    def clear(self) -> None:
        for at in range(self.size):
            self._what[self._places[at]] = None
        self.size = 0
        self.first = inf

    def things(self) -> list[Any]:
        """What is in it, as the heap has it."""
        return [self._what[place] for place in self._places[: self.size]]

    def _rise(self, at: int, place: int) -> None:
        """Put `place` where it belongs: at `at`, or above."""
        while at:
            above = (at - 1) >> 1
            if not self._is_before(place, self._places[above]):
                break
            self._places[at] = self._places[above]
            at = above
        self._places[at] = place

    def _is_before(self, first: int, second: int) -> bool:
        one, other = self._when[first], self._when[second]
        if one != other:
            return one < other
        return self._number[first] < self._number[second]

    def _grow(self) -> None:
        room = self._room
        self._places = array("q", self._places) + array("q", range(room, 2 * room))
        self._when = array("d", self._when) + array("d", bytes(8 * room))
        self._number = array("q", self._number) + array("q", bytes(8 * room))
        self._what.extend([None] * room)
        self._room = 2 * room


class TupleAgenda(list[tuple[float, int, Any]]):
    """The same as tuples, for the interpreter: what is fast there uses heapq on it."""

    __slots__ = ("number", "when")

    @property
    def size(self) -> int:
        return len(self)

    def push(self, when: float, number: int, what: Any) -> None:
        heap_push(self, (when, number, what))

    def look(self) -> Any:
        self.when, self.number, what = self[0]
        return what

    def take(self) -> Any:
        self.when, self.number, what = heap_pop(self)
        return what


def heappush(queue: list[_Entry], entry: _Entry) -> None:
    queue.append(entry)
    _sift(queue, len(queue) - 1)


def heappop(queue: list[_Entry]) -> _Entry:
    last = queue.pop()
    size = len(queue)
    if not size:
        return last
    first = queue[0]
    place, child = 0, 1
    while child < size:
        if child + 1 < size and _precedes(queue[child + 1], queue[child]):
            child += 1
        queue[place] = queue[child]
        place = child
        child = 2 * place + 1
    queue[place] = last
    _sift(queue, place)
    return first


def _sift(queue: list[_Entry], place: int) -> None:
    entry = queue[place]
    while place:
        above = (place - 1) >> 1
        if not _precedes(entry, queue[above]):
            break
        queue[place] = queue[above]
        place = above
    queue[place] = entry


def _precedes(first: _Entry, second: _Entry) -> bool:
    one, other = first[0], second[0]
    if one != other:
        return bool(one < other)
    number, other_number = first[1], second[1]
    return bool(number < other_number)


def new_heap() -> Any:
    """A heap for entries (float, int, object): a list of them as tuples where it is interpreted, else an `Agenda`."""
    return [] if INTERPRETED else Agenda()


def things(heap: Any) -> list[Any]:
    """What is in such a heap."""
    return [what for _, _, what in heap] if INTERPRETED else heap.things()


if INTERPRETED:
    heappush, heappop = heap_push, heap_pop  # type: ignore[assignment]
