"""Durations, sizes and rates: what is accepted, what is refused, and what the refusal advises."""

import math

import pytest

from sim.quantities import (
    RateValue,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("3s", 3.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("7us", 7e-6),
        ("100ns", 1e-7),
        ("1m30s", 90.0),
        ("1m 30s", 90.0),
        ("1d12h", 129600.0),
        ("1s500ms", 1.5),
        ("0.1s", 0.1),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("1e3s", 1000.0),
        ("2.5E-3s", 0.0025),
        ("5 s", 5.0),
        (" 5s ", 5.0),
        ("0", 0.0),
        ("0s", 0.0),
        (0, 0.0),
        (0.0, 0.0),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


def test_a_duration_is_the_nearest_float_to_what_is_written():
    assert parse_duration("333ms") == 0.333  # 333 * 1e-3 is 0.333 + 1 ulp
    assert parse_duration("0.1s200ms") == 0.3  # 0.1 + 0.2 is 0.30000000000000004
    assert parse_duration("1.1m") == 66.0


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (5, "got 5. Write 5s for seconds."),
        (5.5, "got 5.5. Write 5.5s for seconds."),
        (1e14, "Write 100000000000000s for seconds."),
        ("5", "got 5. Write 5s for seconds."),
        ("5sec", "Write 5s."),
        ("3 minutes", "Write 3m."),
        ("5S", "Write 5s."),
        ("5MS", "Write 5ms."),
        ("5µs", "Write 5us."),
        ("1s1m", "Write each unit once, the larger first"),
        ("1s500s", "Write each unit once"),
        ("1e999s", "Write a shorter one."),
        ("1m30", "Write a number and a unit"),
        ("5MB", "Write a number and a unit"),
        ("-3s", "Write a number and a unit"),
        ("+3s", "Write a number and a unit"),
        ("1,5s", "Write a number and a unit"),
        ("", "got ''"),
        ("s", "Write a number and a unit"),
        ("5\n", "got '5\\n'"),
        ("٣s", "Write a number and a unit"),
        ("３s", "Write a number and a unit"),
        ("inf", "Write a number and a unit"),
        ("nan", "Write a number and a unit"),
        ("1e9999s", "Write a number and a unit"),
        ("1_000s", "Write a number and a unit"),
        (math.nan, "got nan"),
        (math.inf, "got inf"),
        (-5, "got -5"),
        (True, "got True"),
        (None, "got null"),
        ([1], "got a list"),
        pytest.param(10**5000, "got a very large number", id="huge"),
        ("1" * 100_000, "..."),
        ("9" * 79 + "x", "..."),
    ],
)
def test_refused_durations_say_what_to_write(value, advice):
    with pytest.raises(ValueError, match="must be a duration with a unit such as 250ms, 3s or 5m, got ") as refusal:
        parse_duration(value)
    assert advice in str(refusal.value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1.5, "1.5s"),
        (90, "90s"),
        (120, "2m"),
        (5400, "90m"),
        (7200, "2h"),
        (172800.0, "2d"),
        (0.00025, "250us"),
        (1.5e-7, "150ns"),
        (0.0333, "33.3ms"),
        (1 / 3, "333.3333333333333ms"),
        (5e-324, "5e-315ns"),
        (1.7e308, "1.7e308s"),
    ],
)
def test_durations_are_written_shortly_and_exactly(seconds, text):
    assert format_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_what_is_no_duration_is_not_written(seconds):
    with pytest.raises(ValueError, match="must be a duration of 0 s or more"):
        format_duration(seconds)


@pytest.mark.parametrize(
    ("text", "size_bytes", "written"),
    [
        ("512M", 512 * 2**20, "512M"),
        ("512Mi", 512 * 2**20, "512M"),
        ("4G", 4 * 2**30, "4G"),
        ("4 Gi", 4 * 2**30, "4G"),
        ("1.5G", 3 * 2**29, "1536M"),
        ("64K", 65536, "64K"),
        ("1T", 2**40, "1T"),
        ("1000B", 1000, "1000B"),
        ("0", 0, "0B"),
        (0, 0, "0B"),
        ("1e3K", 1024000, "1000K"),
    ],
)
def test_sizes(text, size_bytes, written):
    assert parse_size(text) == size_bytes
    assert type(parse_size(text)) is int
    assert format_size(size_bytes) == written
    assert parse_size(written) == size_bytes


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (1024, "got 1024. Write 1024B for bytes."),
        ("1024", "Write 1024B for bytes."),
        ("512MB", "got 512MB. Write 512M, which is binary, as in Docker."),
        ("512KB", "Write 512K, which is binary"),
        ("512m", "Write 512M, which is binary"),
        ("2GiB", "Write 2G, which is binary"),
        ("0.1K", "Write a whole number of bytes."),
        ("1e300G", "Write a smaller one."),
        ("-1M", "Write a number and a unit"),
        ("1X", "Write a number and a unit"),
        (-1, "got -1"),
        (math.nan, "got nan"),
        (math.inf, "got inf"),
        (True, "got True"),
        (None, "got null"),
        ("٣M", "Write a number and a unit"),
        ("9" * 1000 + "M", "..."),
    ],
)
def test_refused_sizes_say_what_to_write(value, advice):
    with pytest.raises(ValueError, match="must be a size with a binary unit such as 512M or 4G, got ") as refusal:
        parse_size(value)
    assert advice in str(refusal.value)


def test_a_negative_size_is_not_written():
    with pytest.raises(ValueError, match="must be a size of 0 bytes or more"):
        format_size(-1)


@pytest.mark.parametrize(
    ("text", "count", "period_s", "written"),
    [
        ("100/60s", 100, 60, "100/m"),
        ("700/s", 700, 1, "700/s"),
        ("5/m", 5, 60, "5/m"),
        ("1/250ms", 1, 0.25, "1/250ms"),
        ("0.5/s", 0.5, 1, "0.5/s"),
        ("100 / 1m30s", 100, 90, "100/90s"),
        ("1e6/d", 1e6, 86400, "1000000/d"),
        ("0/s", 0, 1, "0/s"),
        (0, 0, 1, "0/s"),
    ],
)
def test_rates(text, count, period_s, written):
    rate = parse_rate(text)
    assert (rate.count, rate.period_s) == (count, period_s)
    assert rate.per_second == count / period_s
    assert format_rate(rate) == written
    assert parse_rate(written) == rate
    assert parse_rate(rate) is rate


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (5, "got 5. Write 5/s for a rate per second."),
        ("5", "Write a count, a slash and a period: 100/60s."),
        ("100/0s", "Write a longer period."),
        ("1e308/1ns", "Write a longer period."),
        ("1e999/s", "Write a count"),
        ("100/s/s", "Write a count"),
        ("100/60", "Write a count"),
        ("-1/s", "Write a count"),
        ("/s", "Write a count"),
        ("٣/s", "Write a count"),
        (math.nan, "got nan"),
        (-1, "got -1"),
        (False, "got False"),
        (None, "got null"),
        ("1/" + "9" * 1000, "..."),
    ],
)
def test_refused_rates_say_what_to_write(value, advice):
    with pytest.raises(ValueError, match="must be a rate such as 100/60s or 700/s, got ") as refusal:
        parse_rate(value)
    assert advice in str(refusal.value)


def test_rates_of_the_same_speed_are_not_the_same():
    assert parse_rate("100/60s") != parse_rate("5/3s")
    assert RateValue(5, 3).per_second == RateValue(100, 60).per_second
