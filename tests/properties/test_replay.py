"""Whatever stands in a log and however it is replayed: counts add up, order holds, nothing ends in a traceback."""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InputError
from experiments.logs import path_of, read_logs, read_window
from experiments.replay import Replayed, Router, read_rules, replay_trace, told
from experiments.replay.learning import learn
from experiments.replay.routes import Rule, pattern_of
from experiments.replay.written import learn_from, text_of
from experiments.scenario import load_scenario
from experiments.spool import Sorter
from experiments.trace import Trace

sys.path.insert(0, str(Path(__file__).parent))
from log_samples import SAMPLES

SYSTEM = load_scenario("maltan/early").spec
ROUTES = list(SYSTEM.routes)
GOOD = b'10.0.0.%d - %s [25/Oct/2015:04:11:%02d +0100] "%s /%s/%d HTTP/1.1" 200 5\n'

good_lines = st.builds(
    lambda ip, user, second, method, path, place: GOOD % (ip, user, second, method, path, place),
    st.integers(1, 9), st.sampled_from([b"-", b"ann", b"bob"]), st.integers(0, 59),
    st.sampled_from([b"GET", b"PUT", b"DELETE"]), st.sampled_from([b"api/places", b"x", b"*", b"{a}"]),
    st.integers(1, 20),
)  # fmt: skip
damaged_lines = st.builds(
    lambda text, at, junk: text[: at % len(text)] + junk + text[at % len(text) :],
    good_lines, st.integers(0, 200), st.binary(min_size=1, max_size=5),
)  # fmt: skip
any_lines = st.lists(st.one_of(good_lines, good_lines, damaged_lines, st.binary(max_size=300)), max_size=20)
edges = st.one_of(
    st.none(), st.integers(0, 70).map(lambda seconds: f"+{seconds}s"),
    st.integers(0, 59).map(lambda second: f"2015-10-25T04:11:{second:02}+01:00"),
)  # fmt: skip
maps = st.lists(st.sampled_from(["/x/*=get-photo", "GET /x/{id}=get-place", "/*/3=list-popular", "/api/*/7=get-place"]))
others = st.sampled_from(["mix", "drop", 3])


def replayed(
    data: bytes, rules: list[str], other: Any, begin: Any, end: Any, load: float
) -> tuple[Trace, Replayed] | None:
    """The whole trace and its counts; None where it was refused, in one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        path.write_bytes(data)
        try:
            window = read_window(begin, end)
            router = Router(SYSTEM, read_rules(rules, ROUTES), other=other)
            spooled, summary = replay_trace(read_logs([str(path)], window=window), router, load=load)
        except InputError as error:
            refused = error
        else:
            names = ("t_s", "endpoint", "user", "ip", "key")
            blocks = list(spooled.blocks())
            spooled.close()
            return Trace(*(np.concatenate([getattr(block, name) for block in blocks]) for name in names)), summary
    assert len(refused.lines) == 1
    assert refused.lines[0].isprintable()
    return None


@settings(max_examples=120)
@given(any_lines, maps, others, edges, edges, st.sampled_from([1.0, 0.5, 2.5]))
def test_counts_always_add_up(
    lines: list[bytes], rules: list[str], other: Any, begin: Any, end: Any, load: float
) -> None:
    found = replayed(b"".join(lines), rules, other, begin, end, load)
    if found is None:
        return
    trace, counts = found
    assert counts.lines == counts.kept + counts.dropped_by_window + counts.dropped_unmatched + counts.bad
    assert counts.lines == counts.requests + counts.bad
    ways = (
        counts.mapped,
        counts.by_openapi,
        counts.matched,
        counts.named,
        counts.assigned,
        counts.caught,
        counts.drawn,
    )
    assert counts.kept == sum(ways)
    assert len(trace) == counts.replayed
    assert int(load) * counts.kept <= counts.replayed <= -int(-load // 1) * counts.kept
    assert bool((np.diff(trace.t_s) >= 0).all())
    assert 0 <= trace.t_s[0] <= trace.t_s[-1] < counts.span_s
    assert trace.endpoint is not None
    assert bool((trace.endpoint >= 0).all()) == (counts.drawn == 0)
    assert all(line.isprintable() for line in told(counts))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_is_replayed(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    path = tmp_path / "log"
    path.write_bytes(sample.data)
    trace, counts = replay_trace(read_logs([str(path)], **sample.options), Router(SYSTEM, []))
    with closing(trace):
        instants = np.concatenate([block.t_s for block in trace.blocks()])
    assert len(instants) == counts.kept == counts.requests == sample.requests
    assert bool((np.diff(instants) >= 0).all())
    assert 0 <= instants[0] <= instants[-1] < counts.span_s


@settings(max_examples=60)
@given(st.lists(good_lines, min_size=1, max_size=60))
def test_a_replay_keeps_what_the_log_says(lines: list[bytes]) -> None:
    found = replayed(b"".join(lines), [], "mix", None, None, 1.0)
    assert found is not None
    trace, counts = found
    assert counts.kept == counts.requests == len(lines)
    seconds = sorted(int(line.partition(b":04:11:")[2][:2]) for line in lines)
    assert np.floor(trace.t_s).astype(int).tolist() == [second - seconds[0] for second in seconds]


@settings(max_examples=40)
@given(st.lists(good_lines, min_size=2, max_size=60), st.integers(0, 59))
def test_two_windows_side_by_side_are_the_whole(lines: list[bytes], at: int) -> None:
    edge = f"2015-10-25T04:11:{at:02}+01:00"
    parts = [replayed(b"".join(lines), [], "mix", *window, 1.0) for window in ((None, edge), (edge, None))]
    assert sum(part[1].kept for part in parts if part is not None) == len(lines)


parts = st.one_of(
    st.sampled_from(["api", "new", "{x}", "a*", "", "1", "22", "deadbeef01", "123e4567-e89b-12d3-a456-426614174000"]),
    st.integers(0, 60).map(lambda number: f"w{number}"), st.text("ab/.:#\u00e9\U0001f600' \"\\", max_size=4),
)  # fmt: skip
paths = st.lists(parts, min_size=1, max_size=5).map(lambda each: "/" + "/".join(each))
targets = st.dictionaries(st.tuples(st.sampled_from(["", "GET", "PUT"]), paths), st.integers(0, 9), max_size=120)


@settings(max_examples=100)
@given(targets)
def test_every_path_is_first_met_by_the_template_it_was_counted_in(counted: dict[tuple[str, str], int]) -> None:
    entries = [((method, path_of(path)), requests) for (method, path), requests in counted.items()]
    merged: dict[tuple[str, str], int] = {}
    for target, requests in entries:
        merged[target] = merged.get(target, 0) + requests
    found = learn(merged.items())
    assert sum(each.requests for each in found) == sum(merged.values())
    rules = [Rule(each.method, pattern_of(each.path), number) for number, each in enumerate(found)]
    requests = [0] * len(found)
    for (method, path), count in merged.items():
        if count:
            first = next(rule for rule in rules if rule.method == method and rule.pattern.fullmatch(path))
            requests[first.route] += count
    assert requests == [each.requests for each in found]


@settings(max_examples=100)
@given(any_lines)
def test_what_is_learnt_is_read_back(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        path.write_bytes(b"".join(lines))
        try:
            learned = learn_from(read_logs([str(path)]), "a.log", SYSTEM)
        except InputError:
            return
        assert learned.lines == learned.bad + learned.without_path + learned.left_out_requests + sum(
            template.requests for template in learned.templates
        )
        if not learned.templates:
            return
        routes = Path(folder) / "routes.yaml"
        routes.write_text(text_of(learned), encoding="utf-8")
        assert [rule.method for rule in read_rules([str(routes)], ROUTES)] == [
            each.method for each in learned.templates
        ]


@settings(max_examples=100)
@given(st.lists(st.integers(-5, 5), max_size=200), st.integers(1, 60), st.integers(1, 70))
def test_sorting_on_disk_is_sorting(at: list[int], run: int, piece: int) -> None:
    kind = np.dtype([("at", np.int64), ("line", np.int64)])
    rows = np.array(list(zip(at, range(len(at)), strict=True)), kind)
    with tempfile.TemporaryDirectory() as folder:
        sorter = Sorter(Path(folder) / "runs", kind, "at", run)
        for first in range(0, len(rows), piece):
            sorter.add(rows[first : first + piece])
        merged = [tuple(row) for block in sorter.in_order() for row in block.tolist()]
    assert merged == sorted(zip(at, range(len(at)), strict=True))
