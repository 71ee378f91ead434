"""Whatever a log holds: what is counted adds up, order and cut do not matter, and nothing ends in a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from experiments.errors import InputError
from experiments.logs import read_logs
from experiments.logs.batch import batch_of
from experiments.shapes.fitted import fitted_section
from experiments.traffic.counts import WIDTHS_NS, Counts
from experiments.traffic.histogram import Histogram
from experiments.traffic.limit_words import limits_written
from experiments.traffic.measure import measure
from experiments.traffic.order import Sorter
from experiments.traffic.page import page
from experiments.traffic.report import render

LIMITS = ("ip 2/60s", "user 1/s limit_req", "global 5/10s sliding_log", "ip 3/m fixed_window")

whole = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

instants = st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=60)


@settings(max_examples=100)
@given(instants, st.sampled_from([1, 1000, 10**9]), st.sampled_from([50, 1000, 100_000_000]), st.integers(1, 7))
def test_bins_lose_nothing(at: list[int], resolution_ns: int, most: int, part: int) -> None:
    most = max(most, 2**63 // WIDTHS_NS[-1] + 2) if most < 100_000 else 200_000
    counts = Counts(resolution_ns, most)
    for first in range(0, len(at), part):
        counts.add(np.array(at[first : first + part], np.int64))
    assert counts.total == len(at)
    for width_ns in WIDTHS_NS:
        if width_ns % counts.width_ns == 0:
            found, begins_ns = counts.per(width_ns)
            assert found.sum() == len(at)
            assert found[0] > 0 < found[-1]
            assert found[0] == sum(begins_ns <= one < begins_ns + width_ns for one in at)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 1000), max_size=80), st.integers(1, 20), st.integers(1, 10))
def test_sorting_gives_every_row_once_or_counts_it_late(at: list[int], held: int, part: int) -> None:
    line, at_ns = np.arange(len(at)), np.array(at, np.int64)
    batches = [batch_of(line[k : k + part], at_ns[k : k + part], resolution_ns=1) for k in range(0, len(at), part)]
    sorter = Sorter(held)
    given_out = [found for found in sorter.ordered(batches) if len(found.instant_ns)]
    order = [int(one) for found in given_out for one in found.instant_ns]
    lines = [int(one) for found in given_out for one in found.rows.line]
    assert order == sorted(order)
    assert len(lines) + sorter.late == len(at)
    assert len(set(lines)) == len(lines)
    assert all(at[number] == one for number, one in zip(lines, order, strict=True))


@settings(max_examples=100)
@given(st.lists(st.floats(0, 1e9) | st.just(0.0), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_lie_between_the_ends_and_near_the_exact_one(values: list[float], q: float) -> None:
    found = Histogram()
    found.add(np.array(values))
    ranked = sorted(values)
    exact = ranked[max(0, int(np.ceil(q * len(values))) - 1)]
    told = found.quantile(q)
    assert told is not None
    assert ranked[0] <= told <= ranked[-1]
    if exact > 1e-6 and exact < 1e7:
        assert told == pytest.approx(exact, rel=0.0101)


def lines() -> st.SearchStrategy[bytes]:
    """Lines of an access log, some of them broken in ways that lines are."""
    stamp = st.builds(
        "{:02d}/{}/{:04d}:{:02d}:{:02d}:{:02d} {}".format,
        st.integers(0, 32), st.sampled_from(["Jan", "Feb", "Oct", "Xyz"]), st.integers(1969, 2100), st.integers(0, 24),
        st.integers(0, 60), st.integers(0, 61), st.sampled_from(["+0000", "-1200", "+1400", "+9999"]),
    )  # fmt: skip
    good = st.builds(
        '{} - {} [{}] "{} {} HTTP/1.1" {} {}'.format,
        st.sampled_from(["1.2.3.4", "::1", "fe80::1%eth0", "h\u00f6st", "-"]),
        st.sampled_from(["-", "ann", "b\u00f6b"]),
        stamp, st.sampled_from(["GET", "POST", "get", ""]),
        st.sampled_from(["/", "/a/1", "/a/2/x", "/\\x00", "http://h/p?q=1", "*", "/<b>"]),
        st.integers(0, 99999), st.sampled_from(["-", "10", "-5"]),
    )  # fmt: skip
    return good.map(str.encode) | st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b""))


@whole
@given(st.lists(lines(), max_size=40))
def test_any_log_gives_figures_that_add_up_or_a_line_that_says_why_not(tmp_path: Path, written: list[bytes]) -> None:
    file = tmp_path / "access.log"
    file.write_bytes(b"\n".join(written))
    try:
        found = measure(read_logs([str(file)], format="combined"), [str(file)], limits_written(LIMITS), 1800.0)
    except InputError as error:
        assert all(line.isprintable() for line in error.lines)  # noqa: PT017
        return
    document: dict[str, Any] = json.loads(json.dumps(found.document, allow_nan=False))
    requests = document["requests"]
    assert document["lines"] == requests + document["bad"]
    assert sum(document["rate"]["series"]["requests"]) == requests
    assert sum(document["status"].values()) == requests
    assert sum(each["requests"] for each in document["endpoints"]) == requests
    for limit in document["limits"]:
        assert limit["asked"] + limit["unknown"] + document["late"] == requests
        assert 0 <= limit["refused"] <= limit["asked"]
    if document["sessions"]:
        sessions = document["sessions"]
        followed = sessions["sessions"] + sessions["think_s"]["count"]
        assert followed == requests - document["late"] - sessions["unknown_requests"]
    render(document, Console(file=open("/dev/null", "w"), width=60))  # noqa: SIM115
    assert page(document).endswith("</html>")
    for kind in ("diurnal", "weekly", "bursty"):
        try:
            fitted_section(kind, found, None).text()  # type: ignore[arg-type]
        except InputError as error:
            assert all(line.isprintable() for line in error.lines)  # noqa: PT017
