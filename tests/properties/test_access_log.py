"""Whatever stands in a log: nothing stops the reading, and every line is a request or bad."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.access_log import AccessLog, read_access_log
from experiments.errors import InputError
from experiments.replay import replay_trace
from experiments.scenario import load_scenario

SYSTEM = load_scenario("maltan/early").spec
GOOD = b'10.0.0.%d - %s [25/Oct/2015:04:11:%02d +0100] "%s /api/places/%d HTTP/1.1" 200 5\n'

good_lines = st.builds(
    lambda ip, user, second, method, place: GOOD % (ip, user, second, method, place),
    st.integers(1, 9), st.sampled_from([b"-", b"ann", b"bob"]), st.integers(0, 59),
    st.sampled_from([b"GET", b"PUT", b"DELETE"]), st.integers(1, 20),
)  # fmt: skip
damaged_lines = st.builds(
    lambda text, at, junk: text[: at % len(text)] + junk + text[at % len(text) :],
    good_lines, st.integers(0, 200), st.binary(min_size=1, max_size=5),
)  # fmt: skip
any_lines = st.lists(st.one_of(good_lines, damaged_lines, st.binary(max_size=300)), max_size=20)


def read(data: bytes) -> AccessLog | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        path.write_bytes(data)
        try:
            return read_access_log(str(path))
        except InputError as error:
            refused = error
    assert len(refused.lines) == 1
    assert refused.lines[0].isprintable()
    return None


@settings(max_examples=150, derandomize=True, deadline=None)
@given(any_lines)
def test_lines_are_requests_plus_bad(lines: list[bytes]) -> None:
    data = b"".join(lines)
    log = read(data)
    if log is None:
        return
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    assert log.lines == count == len(log) + log.bad
    assert len(log.bad_shown) == min(log.bad, 3)
    assert all(re.fullmatch(r"line \d+: .{1,90}", text) and text.isprintable() for text in log.bad_shown)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(good_lines, min_size=1, max_size=60), st.floats(0.3, 3.0))
def test_a_replay_keeps_what_the_log_says(lines: list[bytes], load: float) -> None:
    log = read(b"".join(lines))
    assert log is not None
    assert len(log) == len(lines)
    trace, replayed = replay_trace(log, SYSTEM)
    assert replayed.mapped + replayed.matched + replayed.assigned == replayed.requests == len(trace)
    assert bool((np.diff(trace.t_s) >= 0).all())
    seconds = np.sort(log.second - log.second.min())
    assert np.floor(trace.t_s).astype(int).tolist() == seconds.tolist()
    try:
        scaled, _ = replay_trace(log, SYSTEM, load=load)
    except InputError:
        return
    assert int(load) * len(lines) <= len(scaled) <= (int(load) + 1) * len(lines)
