"""What is written is read back as it was, and nothing but a ValueError meets whoever writes nonsense."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.quantities import (
    RateValue,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)

ROUND_TRIPS = settings(max_examples=200, deadline=None, derandomize=True)
DURATIONS = st.floats(0, allow_nan=False, allow_infinity=False)
ANYTHING = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"\A[0-9]{0,4}(\.[0-9]{0,3})?[a-zA-Z/ ]{0,3}[0-9]{0,3}[a-zA-Z]{0,2}\Z"),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.binary(max_size=4),
)


@ROUND_TRIPS
@given(DURATIONS)
def test_durations_survive_being_written(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@ROUND_TRIPS
@given(st.integers(0, 10**7), st.sampled_from([1e-9, 1e-6, 1e-3, 1.0, 60.0, 3600.0, 86400.0]))
def test_round_durations_survive_being_written(count, unit):
    assert parse_duration(format_duration(count * unit)) == count * unit


@ROUND_TRIPS
@given(st.integers(0, 2**63 - 1))
def test_sizes_survive_being_written(size_bytes):
    assert parse_size(format_size(size_bytes)) == size_bytes


@ROUND_TRIPS
@given(st.floats(0, 1e15), st.floats(1e-9, 1e15))
def test_rates_survive_being_written(count, period_s):
    rate = RateValue(count, period_s)
    assert parse_rate(format_rate(rate)) == rate


@ROUND_TRIPS
@given(ANYTHING)
def test_nonsense_is_refused_and_sense_is_finite(value):
    for parse in (parse_duration, parse_size, lambda text: parse_rate(text).per_second):
        message, parsed = "must be a ", 0.0
        try:
            parsed = parse(value)
        except ValueError as refusal:
            message = str(refusal)
        assert message.startswith("must be a ")
        assert message.isprintable()
        assert 0 <= parsed < math.inf
