"""A log made by hand, and what is said of it: every number as reckoned on paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from experiments.logs import read_logs
from experiments.traffic.limit_words import limits_written
from experiments.traffic.measure import Measured, iso, measure
from experiments.traffic.page import page
from experiments.traffic.report import render

LINE = (
    '{ip} - {user} [{day:02d}/Oct/2025:{hour:02d}:{minute:02d}:{second:02d} +0000] "{request} HTTP/1.1" {status} 10\n'
)


def line(second: float, request: str = "GET /a", ip: str = "10.0.0.1", user: str = "-", status: int = 200) -> str:
    minutes, seconds = divmod(int(second), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return LINE.format(ip=ip, user=user, day=1 + days, hour=hour, minute=minute, second=seconds, request=request,
                       status=status)  # fmt: skip


def measured(tmp_path: Path, lines: list[str], limits: tuple[str, ...] = (), gap_s: float = 1800.0) -> Measured:
    file = tmp_path / "access.log"
    file.write_text("".join(lines))
    return measure(read_logs([str(file)]), [str(file)], limits_written(limits), gap_s)


@pytest.fixture
def small(tmp_path: Path) -> dict[str, Any]:
    """Two users behind one address, one alone: 20 requests in a minute, and 4 of them five minutes later."""
    lines = [line(3 * n, f"GET /api/places/{n % 4}", user="ann" if n % 2 else "bob") for n in range(20)]
    lines += [line(360 + n, "POST /api/posts", "10.0.0.2", "eve", 201 if n else 503) for n in range(4)]
    lines.insert(5, "no request at all\n")
    return measured(tmp_path, lines, ("ip 10/60s", "user 1000/60s"), gap_s=60).document


def test_what_is_counted(small: dict[str, Any]) -> None:
    assert (small["lines"], small["requests"], small["bad"], small["late"]) == (25, 24, 1, 0)
    assert (small["begins"], small["ends"]) == ("2025-10-01T00:00:00Z", "2025-10-01T00:06:03Z")
    assert small["span_s"] == 363
    assert small["rate"]["mean_per_s"] == pytest.approx(24 / 363)
    assert sum(small["rate"]["series"]["requests"]) == 24


def test_peaks_are_the_fullest_windows(small: dict[str, Any]) -> None:
    peaks = {peak["window_s"]: peak for peak in small["rate"]["peaks"]}
    assert list(peaks) == [1, 10, 60]
    assert (peaks[60]["requests"], peaks[60]["at"]) == (20, "2025-10-01T00:00:00Z")
    assert (peaks[10]["requests"], peaks[10]["at"]) == (4, "2025-10-01T00:00:00Z")
    assert peaks[60]["to_mean"] == pytest.approx(20 / 60 * 363 / 24)


def test_endpoints_and_their_answers(small: dict[str, Any]) -> None:
    assert small["status"] == {"200": 20, "201": 3, "503": 1}
    places, posts = small["endpoints"]
    assert (places["endpoint"], places["requests"], places["errors_5xx"]) == ("GET /api/places/{id}", 20, 0)
    assert (posts["endpoint"], posts["share"], posts["errors_5xx"]) == ("POST /api/posts", 4 / 24, 1)
    assert places["response_s"] is None


def test_who_asked_and_in_which_sessions(small: dict[str, Any]) -> None:
    who = small["who"]
    assert (who["users"], who["ips"]) == (3, 2)
    assert (who["users_per_ip"]["mean"], who["users_per_ip"]["max"]) == (1.5, 2)
    sessions = small["sessions"]
    assert (sessions["sessions"], sessions["visitors"]) == (3, 3)
    assert sessions["requests_per_session"]["mean"] == 8
    assert sessions["think_s"]["count"] == 9 + 9 + 3
    assert sessions["think_s"]["p50_s"] == 6
    assert sessions["think_s"]["p10_s"] == 1


def test_the_limit_would_have_refused_some(small: dict[str, Any]) -> None:
    per_ip, per_user = small["limits"]
    # 10 at once and one every 6 s: 20 requests, one every 3 s, lose one of two once the ten are used up
    assert 0 < per_ip["refused"] < 4
    assert per_ip["worst"] == [{"name": "10.0.0.1", "refused": per_ip["refused"]}]
    assert per_user["refused"] == 0


def test_it_is_plain_json(small: dict[str, Any]) -> None:
    assert json.loads(json.dumps(small, allow_nan=False)) == small


def test_the_report_says_it_in_any_width(small: dict[str, Any]) -> None:
    for width in (40, 80, 120):
        console = Console(width=width, color_system=None, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        render(small, console)
        text = console.export_text()
        assert "24 requests + 1 bad" in " ".join(text.split())
        assert "10 a minute per IP address" in " ".join(text.split())
        assert all(len(row) <= width for row in text.splitlines())


def test_the_page_needs_no_network_and_escapes_what_strangers_wrote(tmp_path: Path) -> None:
    hostile = "GET /<script>alert(1)</script>"
    lines = [line(n, hostile if n % 2 else f"GET /x{n}y{n}", ip=f"10.0.0.{n % 9}") for n in range(200)]
    text = page(measured(tmp_path, lines, ("ip 5/60s",)).document)
    body = text.split("<body>")[1]
    assert "<script>alert(1)" not in text
    assert "src=" not in body.replace("src=%22", "")[:200]
    assert "cdn." not in text.split("</style>")[0]
    assert body.count("plotly-graph-div") >= 3


def test_hours_are_means_of_whole_hours(tmp_path: Path) -> None:
    """Three days; from 06:00 to 07:00 sixty requests an hour, else six. The log begins within an hour."""
    lines = [
        line(1200 + 86_400 * day + 3600 * hour + n * (60 if hour == 6 else 600))
        for day in range(3)
        for hour in range(24)
        for n in range(60 if hour == 6 else 6)
        if not (day == 0 and hour == 0)
    ]
    rate = measured(tmp_path, lines).document["rate"]
    hours = rate["by_hour_per_s"]
    assert hours[12] == pytest.approx(6 / 3600)
    assert hours[6] == pytest.approx((40 + 2) / 3600)  # it was moved by twenty minutes
    assert hours[7] == pytest.approx((20 + 4) / 3600)
    assert rate["by_hour_of_week_per_s"] is None


def test_monday_is_the_first_day_of_the_week(tmp_path: Path) -> None:
    """15 days from Wednesday, 1 October 2025; requests at Mondays from 09:00 to 10:00 only, but the first and last."""
    lines = [line(0)]
    lines += [line(86_400 * day + 9 * 3600 + n) for day in (5, 12) for n in range(100)]
    lines += [line(86_400 * 15)]
    week = measured(tmp_path, lines).document["rate"]["by_hour_of_week_per_s"]
    assert [hour for hour, rate in enumerate(week) if rate] == [9]
    assert week[9] == pytest.approx(100 / 3600)


@pytest.mark.parametrize(("offset_s", "hour"), [(9 * 3600, 15), (-7 * 3600, 23), (0, 6), (5 * 3600 + 1800, 11)])
def test_hours_are_those_of_the_clock_that_is_asked_for(tmp_path: Path, offset_s: int, hour: int) -> None:
    """Requests from 06:00 to 07:00 UTC on three days; where clocks are half an hour off, they fall into two hours."""
    file = tmp_path / "access.log"
    mornings = [line(86_400 * day + 6 * 3600 + n) for day in range(3) for n in range(0, 3600, 30)]
    file.write_text("".join([line(0), *mornings, line(86_400 * 3)]))
    rate = measure(read_logs([str(file)]), [str(file)], [], 1800.0, offset_s).document["rate"]
    busy = {number: value * 3600 for number, value in enumerate(rate["by_hour_per_s"]) if value and value > 0.001}
    assert busy == pytest.approx({hour: 120} if offset_s % 3600 == 0 else {hour: 60, hour + 1: 60})
    assert rate["clock"] == {32_400: "UTC+09:00", -25_200: "UTC-07:00", 0: "UTC", 19_800: "UTC+05:30"}[offset_s]


def test_one_request_is_enough_to_say_something(tmp_path: Path) -> None:
    document = measured(tmp_path, [line(0)], ("ip 1/s",)).document
    assert (document["requests"], document["span_s"], document["rate"]["mean_per_s"]) == (1, 1, 1)
    render(document, Console(file=open("/dev/null", "w")))  # noqa: SIM115
    assert page(document)


def test_instants_are_written_for_people_and_programs() -> None:
    assert iso(0) == "1970-01-01T00:00:00Z"
    assert iso(-1_500_000_000) == "1969-12-31T23:59:58.500Z"
    assert iso(None) is None
