"""Whatever stands in a log, in whatever format: nothing stops the reading, and every line is accounted for."""

from __future__ import annotations

import bz2
import gzip
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InputError
from experiments.logs import Batch, Reading, read_logs

sys.path.insert(0, str(Path(__file__).parent))
from log_samples import SAMPLES, Sample

JUNK = [
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\n\n", b'"', b"\\", b"{", b"[", b"}" * 70, b"[" * 3000,
    b"-5", b"-0.250", b"x" * 70_000, b"29/Feb/2015", b":60 +0100", b"+9999", b"NaN", b"9" * 30, b",", b";", b"1e999",
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"29/Feb/2016", b"\xc3", b"\xe2\x80\xa8", b"2001:db8::1", b"null", b"\x1f\x8b",
    b"BZh", b'encoding="x"', b"UTF-7",
]  # fmt: skip
edits = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.integers(0, 30), st.one_of(st.sampled_from(JUNK), st.binary(max_size=6))),
    max_size=4,
)
packs = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress,
         "zstd": lambda data: pa.Codec("zstd").compress(data, asbytes=True)}  # fmt: skip


def edited(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for at, cut, junk in changes:
        at %= len(data) + 1
        data = data[:at] + junk + data[at + cut :]
    return data


def read(data: bytes, **options: Any) -> tuple[Reading, list[Batch]] | None:
    """What was read; None where it was refused, in lines that can be printed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        path.write_bytes(data)
        try:
            reading = read_logs([str(path)], **options)
            return reading, list(reading.batches())
        except InputError as error:
            refused = error
    assert all(line.isprintable() and len(line) < 600 for line in refused.lines), refused.lines
    return None


def check(reading: Reading, batches: list[Batch]) -> None:
    assert reading.lines == reading.requests + reading.bad
    assert reading.requests == sum(map(len, batches)) > 0
    assert len(reading.bad_shown) == min(reading.bad, 3)
    assert all(text.isprintable() and len(text) < 200 for text in reading.bad_shown)
    for batch in batches:
        assert bool((np.diff(batch.line) > 0).all())
        assert batch.target.min() >= -1
        assert batch.target.max() < len(reading.names.targets)
        for table, numbers in ((reading.names.users, batch.user), (reading.names.ips, batch.ip)):
            assert -1 <= numbers.min() <= numbers.max() < len(table)
        assert bool((np.nan_to_num(batch.response_s) >= 0).all())
        assert bool((batch.status >= 0).all())


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("pack", packs)
def test_each_format_is_recognised_and_read_whole(name: str, pack: str) -> None:
    sample = SAMPLES[name]
    if name == "parquet" and pack != "plain":
        return
    found = read(packs[pack](sample.data), **sample.options)
    assert found is not None
    reading, batches = found
    check(reading, batches)
    assert (reading.requests, reading.bad) == (sample.requests, 0)
    if not sample.options:
        assert reading.format_name == {"docker": "combined"}.get(name, name)


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=60)
@given(edits)
def test_lines_are_requests_plus_bad(name: str, changes: list[tuple[int, int, bytes]]) -> None:
    sample = SAMPLES[name]
    data = edited(sample.data, changes)
    found = read(data, **sample.options)
    if found is None:
        return
    reading, batches = found
    check(reading, batches)
    if reading.format_name in LINED and data[:2] not in (b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b") and data[:3] != b"BZh":
        count = data.count(b"\n") + (not data.endswith(b"\n"))
        assert reading.lines + reading.headers == count


LINED = {name for name, sample in SAMPLES.items() if sample.has_lines}


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=25)
@given(edits, st.sampled_from(["gzip", "bzip2", "zstd"]))
def test_damaged_packing_is_said(name: str, changes: list[tuple[int, int, bytes]], pack: str) -> None:
    sample = SAMPLES[name]
    found = read(edited(packs[pack](sample.data), changes), **sample.options)
    if found is not None:
        check(*found)


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.options == {}])
@settings(max_examples=15)
@given(edits, st.sampled_from(sorted(SAMPLES)))
def test_a_format_that_is_stated_wrongly_is_refused_or_has_bad_lines(
    name: str, changes: list[tuple[int, int, bytes]], other: str
) -> None:
    stated = other if other in ("nginx", "tomcat", "docker") else name
    options = SAMPLES[other].options or {"format": other}
    if stated == "docker":
        options = {"format": "json"}
    found = read(edited(SAMPLES[name].data, changes), **options)
    if found is not None:
        check(*found)


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_noise_is_refused_or_accounted_for(data: bytes) -> None:
    found = read(data)
    if found is not None:
        check(*found)


def sample_of(name: str) -> Sample:
    return SAMPLES[name]


def test_a_bomb_is_read_in_pieces() -> None:
    """60 MB of one line, packed twice: passed over without being held."""
    import tracemalloc

    good = sample_of("combined").data
    packed = gzip.compress(good + bytes(60_000_000) + b"\n" + good, 1)
    tracemalloc.start()
    found = read(gzip.compress(packed))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    reading, _ = found
    assert (reading.requests, reading.bad) == (10, 1)
    assert reading.bad_shown == ["line 6: longer than 65536 bytes"]
    assert peak < 30_000_000
