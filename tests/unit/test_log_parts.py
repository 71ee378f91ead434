"""The parts of reading logs: stamps, names, fields, sources, what is what."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from experiments.errors import InputError
from experiments.logs import Names, path_of
from experiments.logs.batch import NS, batch_of, joined
from experiments.logs.fields import (
    NO_INSTANT,
    Fields,
    Use,
    all_tries_of,
    instant_of,
    resolution_of,
    seconds_of,
    tries_of,
)
from experiments.logs.guessing import guessed, snake
from experiments.logs.names import Table, coarse
from experiments.logs.notes import Notes
from experiments.logs.source import LONGEST_LINE, Source
from experiments.logs.stamps import clf_ns, epoch_ns, iso_ns

EPOCH = 1445742685

# stamps


@pytest.mark.parametrize(
    ("stamp", "epoch"),
    [
        ("25/Oct/2015:04:11:25 +0100", EPOCH),
        ("25/Oct/2015:03:11:25 +0000", EPOCH),
        ("24/Oct/2015:23:41:25 -0330", EPOCH),
        ("29/Feb/2016:00:00:00 +0000", 1456704000),
        ("31/Dec/2016:23:59:60 +0000", 1483228799),
        ("31/Dec/1969:23:59:59 +0000", -1),
        ("29/Feb/2015:00:00:00 +0000", None),
        ("31/Apr/2015:00:00:00 +0000", None),
        ("00/Jan/2015:00:00:00 +0000", None),
        ("01/Foo/2015:00:00:00 +0000", None),
        ("01/Jan/0000:00:00:00 +0000", None),
        ("31/Dec/1899:23:59:59 +0000", None),
        ("01/Jan/2200:00:00:00 +0000", None),
        ("01/Jan/2015:24:00:00 +0000", None),
        ("01/Jan/2015:00:60:00 +0000", None),
        ("01/Jan/2015:00:00:61 +0000", None),
        ("01/Jan/2015:00:00:00 +0060", None),
        ("01/Jan/2015:00:00:00", None),
    ],
)
def test_stamps_of_the_common_log_format(stamp: str, epoch: int | None) -> None:
    assert clf_ns(stamp.encode()) == (None if epoch is None else epoch * NS)


@pytest.mark.parametrize(
    ("stamp", "ns"),
    [
        ("2015-10-25T04:11:25+01:00", EPOCH * NS),
        ("2015-10-25 03:11:25", EPOCH * NS),
        ("2015-10-25T03:11:25Z", EPOCH * NS),
        ("2015-10-25T03:11Z", (EPOCH - 25) * NS),
        ("2015-10-25T03:11:25.6805900", EPOCH * NS + 680_590_000),
        ("2015-10-25 03:11:25,123 -0000", EPOCH * NS + 123_000_000),
        ("2015-10-24T23:41:25.000000001-0330", EPOCH * NS + 1),
        ("2015-10-25T03:11:25.1234567899Z", EPOCH * NS + 123_456_789),
        ("2016-12-31T23:59:60.5Z", 1483228799 * NS + 999_999_999),
        ("2015-13-01T00:00:00Z", None),
        ("2015-02-29T00:00:00Z", None),
        ("2015-10-25", None),
        ("2015-10-25T03:11:25+25:00", None),
    ],
)
def test_stamps_of_iso_8601(stamp: str, ns: int | None) -> None:
    assert iso_ns(stamp.encode()) == ns


@pytest.mark.parametrize(
    ("value", "unit", "ns"),
    [
        ("1445742685", "s", EPOCH * NS), ("1445742685.123", "s", EPOCH * NS + 123_000_000),
        ("1445742685123", "ms", EPOCH * NS + 123_000_000), ("1445742685123.5", "ms", EPOCH * NS + 123_500_000),
        ("0.0000000005", "s", 1), ("12.3456789012345", "s", 12_345_678_901), ("7258118400", "s", None),
        ("-1", "s", None), ("1e3", "s", None), ("", "s", None), ("9" * 19, "s", None),
    ],
)  # fmt: skip
def test_stamps_that_are_numbers(value: str, unit: str, ns: int | None) -> None:
    assert epoch_ns(value.encode(), unit) == ns


@pytest.mark.parametrize(
    "value",
    [EPOCH, float(EPOCH), str(EPOCH), EPOCH * 1000, EPOCH * 10**6, EPOCH * 10**9, f"{EPOCH}.000", b"1445742685",
     "2015-10-25T03:11:25Z", "2015/10/25 03:11:25", "[25/Oct/2015:04:11:25 +0100]", " 25/Oct/2015:04:11:25 +0100 "],
)  # fmt: skip
def test_an_instant_is_recognised_in_any_form(value: object) -> None:
    assert instant_of(value) == EPOCH * NS


@pytest.mark.parametrize(
    "value", [None, True, "", "-", "yesterday", "-5", "nan", float("nan"), float("inf"), 10**400, {}]
)
def test_what_is_no_instant(value: object) -> None:
    assert instant_of(value) == NO_INSTANT


@pytest.mark.parametrize(
    ("stamps", "resolution"),
    [
        ([NS, 2 * NS], NS), ([NS, 2 * NS + 1000_000], 1_000_000), ([5000], 1000), ([100], 100), ([7], 1), ([], NS),
        ([60 * NS * n for n in range(5)], 60 * NS), ([60 * NS], NS), ([NO_INSTANT], NS),
    ],
)  # fmt: skip
def test_how_exact_stamps_are(stamps: list[int], resolution: int) -> None:
    assert resolution_of(np.array(stamps, np.int64)) == resolution


# names


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a/b", "/a/b"), ("/a/b/", "/a/b"), ("/", "/"), ("/a?b=/c", "/a"), ("/a#b", "/a"),
        ("http://host:80/a?b", "/a"),
        ("https://host", "/"), ("*", "*"), ("/a?u=http://x/y", "/a"), ("//a", "//a"),
    ],
)  # fmt: skip
def test_paths_of_targets(target: str, path: str) -> None:
    assert path_of(target) == path


def test_targets_are_numbered_as_they_come_whichever_way_they_are_told() -> None:
    names = Names()
    assert names.request(b"GET /a?x HTTP/1.1") == names.request(b"GET /a") == names.target(b"GET", b"/a/") == 0
    assert names.target(b"", b"/a") == 1
    assert names.named("get-place") == 2
    assert names.targets == [("GET", "/a"), ("", "/a"), ("", "get-place")]
    for wrong in (b"-", b"", b"\x16\x03", b"get / HTTP/1.1", b"GET /a b HTTP/1.1", b'GET /" HTTP/1.1', b"GET"):
        assert names.request(wrong) == -1
    assert names.target(b"GET", b"/a b") == names.target(b"g", b"/a") == names.target(b"GET", b"") == -1


def test_memory_for_names_is_bounded_and_equal_names_stay_equal() -> None:
    table = Table(most=3)
    numbers = [table.index(b"u%d" % number) for number in range(1000)]
    assert numbers[:3] == [0, 1, 2]
    assert len(table) == 3
    assert len(set(numbers)) == 1000
    assert min(numbers[3:]) >= 3
    assert max(numbers) < 1 << 41
    assert [table.index(b"u%d" % number) for number in range(1000)] == numbers
    assert table.hashed == 2 * 997
    assert table.text(1) == "u1"
    assert table.text(numbers[3]).startswith("#")
    assert table.index(b"-") == table.index(b"") == -1


def test_targets_beyond_their_bound_become_templates_and_then_one() -> None:
    names = Names(most_targets=2)
    for path in (b"/a", b"/b", b"/c/1", b"/c/2"):
        names.target(b"GET", path)
    assert names.targets == [("GET", "/a"), ("GET", "/b"), ("GET", "/c/{id}")]
    for number in range(10_000):
        words = "".join(chr(97 + int(digit)) for digit in str(number))
        assert names.target(b"GET", f"/w/{words}".encode()) >= 0
    assert len(names.targets) <= 2 + (1 << 12) + 1
    assert names.targets[-1] == ("", "/{more}")
    assert names.merged == 2 + 10_000
    assert coarse("/api/v1/places/77/photos") == "/api/{id}/places/{id}/photos"


# fields


@pytest.mark.parametrize(
    ("value", "unit", "seconds"),
    [
        ("0.250", "s", 0.25), ("250", "ms", 0.25), (250, "ms", 0.25), (2.5e5, "us", 0.25), ("1e-05", "s", 1e-5),
        ("-0.001", "s", None), ("-", "s", None), ("", "s", None), (None, "s", None), ("1e99", "s", None),
        (float("nan"), "s", None), ("0x10", "s", None), ("9" * 18, "s", None),
    ],
)  # fmt: skip
def test_durations(value: object, unit: str, seconds: float | None) -> None:
    assert seconds_of(value, unit) == pytest.approx(np.nan if seconds is None else seconds, nan_ok=True)


@pytest.mark.parametrize(
    ("value", "seconds", "tries"),
    [
        ("0.100", 0.1, 1), ("0.1, 0.02 : 0.3", 0.42, 3), ("-, 0.5", 0.5, 2), ("-", None, 0), ("", None, 0),
        ("-, -", None, 2),
        ("10.0.0.1:80, unix:/a.sock : b", None, 3),
    ],
)  # fmt: skip
def test_lists_of_tries(value: str, seconds: float | None, tries: int) -> None:
    assert all_tries_of(value, "s") == pytest.approx(seconds or np.nan, nan_ok=True)
    assert tries_of(value) == tries


def test_a_row_is_bad_without_its_instant_or_its_target_and_the_rest_is_unknown() -> None:
    uses = [Use("time"), Use("request"), Use("response", "ms"), Use("status"), Use("cache"), Use("bytes"), None]
    columns = [
        ["1445742685", "1445742684", "never", "1445742686"],
        ["GET /a HTTP/1.1", "POST /b HTTP/1.1", "GET /a HTTP/1.1", "?"],
        ["500", "-3", "1", "1"], [200, "Non HTTP response code", 200, 200], ["STALE", "BYPASS", "", ""],
        ["12", "-", "", ""], [],
    ]  # fmt: skip
    notes = Notes(Names())
    batch, bad = Fields(uses, at_end=True).batch(notes, np.array([1, 2, 3, 4]), columns)
    assert bad.tolist() == [2, 3]
    assert batch.line.tolist() == [1, 2]
    assert batch.at_ns.tolist() == [EPOCH * NS - NS // 2, (EPOCH - 1) * NS]
    assert batch.status.tolist() == [200, 0]
    assert batch.response_s[0] == 0.5
    assert np.isnan(batch.response_s[1])
    assert batch.cache.tolist() == [1, -1]
    assert batch.bytes.tolist() == [12, -1]
    assert notes.names.targets == [("GET", "/a"), ("POST", "/b")]
    assert (notes.requests, notes.went_back) == (2, 1)


def test_stamps_of_the_begin_are_arrivals() -> None:
    batch, _ = Fields([Use("time", "s"), Use("response", "s")], at_end=False).batch(
        Notes(Names()), np.array([1]), [["5"], ["2"]]
    )
    assert batch.at_ns.tolist() == [5 * NS]


def test_what_goes_back_is_counted_over_batches() -> None:
    notes = Notes(Names())
    for stamps in ([5, 3, 4, 5, 6], [2, 7, 6], []):
        notes.stamped(np.array(stamps, np.int64))
    assert (notes.requests, notes.went_back) == (8, 4)


def test_batches_have_parts_and_are_joined() -> None:
    batch = batch_of(np.arange(3), np.arange(3) * 10, user=[1, 2, 3])
    assert (len(batch), batch.part(slice(1, None)).user.tolist(), batch.ip.tolist()) == (3, [2, 3], [-1] * 3)
    assert joined([batch, batch.part(np.array([0]))]).at_ns.tolist() == [0, 10, 20, 0]


# what is what


@pytest.mark.parametrize(
    ("name", "plain"),
    [("responseTimeMs", "response_time_ms"), ("@timestamp", "@timestamp"), ("StartUTC", "start_utc"),
     ("http.request.method", "http.request.method"), ("Client IP", "client_ip"), ("URL", "url")],
)  # fmt: skip
def test_names_in_snake_case(name: str, plain: str) -> None:
    assert snake(name) == plain


def test_a_name_is_believed_only_if_its_values_are_of_that_kind() -> None:
    guess = guessed({"time": ["2023-01-01T00:00:00Z"], "request": ["abc"], "status": ["ok"], "latency_us": [1500]}, {})
    assert guess.uses == {"time": Use("time"), "latency_us": Use("response", "us")}
    assert guess.at_end


def test_the_better_name_is_taken_and_what_is_said_goes_before() -> None:
    samples = {
        "t": [1],
        "timestamp": ["2023-01-01T00:00:00Z"],
        "url": ["/b"],
        "request": ["GET /a HTTP/1.1"],
        "sid": ["x"],
    }
    assert set(guessed(samples, {}).uses) == {"timestamp", "request"}
    said = guessed(samples, {"user": "sid", "path": "url", "time": "t:ms"})
    assert said.uses == {"sid": Use("user"), "url": Use("path"), "t": Use("time", "ms")}


def test_begins_are_known_by_their_names_or_said() -> None:
    assert not guessed({"start_time": [EPOCH]}, {}).at_end
    assert guessed({"start_time": [EPOCH]}, {}, at_end=True).at_end


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"user": "nobody"}, "--field user: must be one of time, x\\ty, got 'nobody'"),
        ({"who": "time"}, "--field: must be one of time, request,"),
        ({"user": ""}, "--field user: must be the name of a field"),
    ],
)
def test_wrong_fields_are_refused(fields: dict[str, str], part: str) -> None:
    with pytest.raises(InputError) as caught:
        guessed({"time": [EPOCH], "x\ty": [1]}, fields)
    assert part in caught.value.lines[0]


# sources


def content(path: Path) -> bytes:
    return b"".join(Source(str(path)).stream())


def tar_of(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


DATA = b"".join(b"line %d\n" % number for number in range(200_000))


@pytest.mark.parametrize(
    "packed",
    [
        DATA, gzip.compress(DATA, 1), bz2.compress(DATA), pa.Codec("zstd").compress(DATA, asbytes=True),
        gzip.compress(DATA[:77], 1) + gzip.compress(DATA[77:], 1),
        pa.Codec("zstd").compress(DATA[:77], asbytes=True) + pa.Codec("zstd").compress(DATA[77:], asbytes=True),
        gzip.compress(gzip.compress(DATA, 1), 1), b"\xef\xbb\xbf" + DATA, DATA.decode().encode("utf-16"),
        bz2.compress(tar_of(("../../a", DATA[:700_000]), ("b", DATA[700_000:]))), tar_of(("a", DATA)),
    ],
    ids=["plain", "gzip", "bzip2", "zstd", "gzips", "zstds", "twice", "bom", "utf-16", "tbz2", "tar"],
)  # fmt: skip
def test_packed_files_are_known_by_their_first_bytes(packed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(packed)
    assert content(path) == DATA
    source = Source(str(path))
    assert DATA.startswith(source.head())
    assert b"".join(source.stream()) == DATA
    assert source.consumed == source.size == len(packed)


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lambda data: pa.Codec("zstd").compress(data, asbytes=True)]
)
def test_files_that_end_early_are_refused(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "a"
    packed = pack(DATA)
    for data in (packed[:-20], packed[: len(packed) // 2], packed[:-1]):
        path.write_bytes(data)
        with pytest.raises(InputError, match="a: must be readable to its end, got: ") as caught:
            content(path)
        assert caught.value.lines[0].isprintable()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_damaged_files_are_refused(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "a"
    packed = pack(DATA)
    path.write_bytes(packed[:2000] + b"????????" + packed[2008:])
    with pytest.raises(InputError, match="a: must be readable to its end, got: "):
        content(path)


@pytest.mark.parametrize("name", ["nowhere.log", ".", "a\0b"])
def test_what_cannot_be_opened_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="must be"):
        content(Path(name))


def test_blocks_hold_whole_lines_and_no_endless_ones(tmp_path: Path) -> None:
    path = tmp_path / "a"
    longest = b"y" * LONGEST_LINE
    texts = [b"a", b"x" * 3_000_000, b"", b"x" * (LONGEST_LINE + 1), longest, b"b\r", b"x" * 5_000_000]
    path.write_bytes(b"\n".join(texts))
    blocks = list(Source(str(path)).blocks(10))
    assert [line for block in blocks for line in block.lines()] == [b"a", b"", b"", b"", longest, b"b", b""]
    assert set().union(*(block.too_long for block in blocks)) == {11, 13, 16}
    assert [block.first for block in blocks] == [10, *np.cumsum([len(block) for block in blocks])[:-1] + 10]
    assert all(block.line(number) == line for block in blocks for number, line in enumerate(block.lines()))
