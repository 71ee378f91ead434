"""Which format a log is in: told from its first lines, or stated.

Models   What begins a file tells most formats: a magic number, a bracket, the names of columns. Of the others, the one
         that most of the first lines fit. Stated is a format by its name, or by writing it down: a string with `$` is
         nginx's, one with `%` Apache's or Tomcat's, a file is an nginx.conf.
Checked  tests/unit/test_log_reading.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from experiments.errors import InputError, shown
from experiments.logs import (
    apache,
    combined,
    counts,
    har,
    jmeter,
    json_lines,
    k6,
    locust,
    nginx,
    parquet,
    stamps_only,
    table,
    windtunnel,
)  # fmt: skip
from experiments.logs.fields import STAMP_UNITS
from experiments.logs.lines import LineFormat
from experiments.logs.notes import Format, printable
from experiments.logs.source import HEAD, LONGEST_LINE, Source
from experiments.logs.wrapped import Wrapped, unwrapped

MOST_LINES: Final = 1000
SAID: Final = "as stated"
_SEEN: Final = "told from its first lines"

Lines = Sequence[bytes]
Fields = Mapping[str, str]

NAMES: Final = (
    combined.NAME, "common", json_lines.NAME, table.NAME, parquet.NAME, har.NAME, k6.CSV_NAME, k6.JSON_NAME,
    jmeter.CSV_NAME, jmeter.XML_NAME, locust.NAME, stamps_only.NAME, counts.NAME, windtunnel.NAME,
)  # fmt: skip


def detected(source: Source, fields: Fields, at_end: bool | None) -> tuple[Format, str]:
    """The format of a file and why it is that. Raises InputError where it is none that is known."""
    head = source.head()
    lines = first_lines(head)
    if not head:
        return combined.Combined(), "nothing to tell it from"
    found = _by_begin(source, head, lines, fields, at_end)
    if found is None and (outer := unwrapped(lines)) is not None:
        title, inside = outer
        inner = _by_lines(inside, fields, at_end)
        found = Wrapped(title, inner) if isinstance(inner, LineFormat) else None
    found = found or _by_lines(lines, fields, at_end)
    if found is None:
        many = f"{len(lines)} line{'s' * (len(lines) != 1)} of " if len(head) < HEAD else ""
        raise InputError(
            f"{source.named}: must be a log in a format that is known, got {many}something else: "
            f"line 1: {printable(lines[0])}. Say its format with --format."
        )
    if isinstance(found, LineFormat):
        found.look(lines)
    return found, _SEEN


def first_lines(head: bytes) -> list[bytes]:
    """The first lines of a file; the last one that is there may be cut, and is left out then."""
    lines = head.split(b"\n", MOST_LINES)
    if len(lines) > 1 and (len(head) >= HEAD or not lines[-1] or len(lines) > MOST_LINES):
        lines.pop()
    return [line.removesuffix(b"\r")[:LONGEST_LINE] for line in lines]


def _by_begin(source: Source, head: bytes, lines: Lines, fields: Fields, at_end: bool | None) -> Format | None:
    """A format that is told by the first bytes of a file."""
    begin = head[:4096].lstrip()
    if head.startswith(parquet.MAGIC):
        return parquet.Parquet(source, fields, at_end)
    if begin.startswith((b"<?xml", b"<testResults")):
        jmeter.refuse_other_xml(head)
        return jmeter.JmeterXml(at_end)
    if har.Har().fits(begin):
        return har.Har()
    if begin.startswith(b"{"):
        return k6.from_json(lines)
    return k6.from_lines(lines) or jmeter.from_lines(lines, at_end) or locust.from_lines(lines)


def _by_lines(lines: Lines, fields: Fields, at_end: bool | None) -> Format | None:
    """The format that most of the lines fit."""
    makers: tuple[Callable[[], Format | None], ...] = (
        combined.Combined,
        lambda: _json(lines, fields, at_end),
        counts.Counts,
        stamps_only.Stamps,
        lambda: None if fields else windtunnel.from_lines(lines),
        lambda: table.from_lines(lines, fields, at_end) if table.header_of(lines) else None,
    )
    best: Format | None = None
    most, why = 0, None
    for make in makers:
        try:
            found = make()
        except InputError as error:
            why = why or error
            continue
        fitting = 0 if found is None else _fitting(found, lines)
        if found is not None and fitting > most:
            best, most = found, fitting
    if best is None and why is not None and (fields or any(map(json_lines.object_of, lines))):
        raise why
    return best


def _fitting(found: Format, lines: Lines) -> int:
    if isinstance(found, table.CsvTable) and not found.fits(next(line for line in lines if line.strip())):
        return 0
    return sum(map(found.fits, lines))


def stated(name: str, source: Source, fields: Fields, at_end: bool | None) -> tuple[Format, str]:
    """The format that was asked for. Raises InputError where there is none of that name."""
    lines = first_lines(source.head())
    found = _stated(name, source, lines, fields, at_end)
    outer = unwrapped(lines)
    if isinstance(found, LineFormat):
        if outer is not None and _fitting(found, outer[1]) >= max(1, _fitting(found, lines)):
            found = Wrapped(outer[0], found)
        found.look(lines)
    return found, SAID


def _stated(name: str, source: Source, lines: Lines, fields: Fields, at_end: bool | None) -> Format:
    plain, _, rest = name.partition(":")
    if name in ("combined", "common"):
        return combined.Combined()
    if plain == stamps_only.NAME and rest in ("", *STAMP_UNITS):
        return stamps_only.Stamps(rest)
    makers: dict[str, Callable[[], Format | None]] = {
        json_lines.NAME: lambda: _json(_inside(lines), fields, at_end),
        table.NAME: lambda: table.from_lines(_inside(lines), fields, at_end),
        parquet.NAME: lambda: parquet.Parquet(source, fields, at_end),
        har.NAME: har.Har,
        k6.CSV_NAME: lambda: k6.from_lines(lines),
        k6.JSON_NAME: lambda: k6.from_json(lines),
        jmeter.CSV_NAME: lambda: jmeter.from_lines(lines, at_end, is_stated=True),
        jmeter.XML_NAME: lambda: jmeter.JmeterXml(at_end),
        locust.NAME: lambda: locust.from_lines(lines),
        counts.NAME: counts.Counts,
        windtunnel.NAME: lambda: windtunnel.from_lines(lines),
    }
    if name in makers:
        found = makers[name]()
        if found is None:
            first = printable(lines[0]) if lines else "nothing"
            raise InputError(f"{source.named}: must be {name} as --format says, got {first} in line 1.")
        return found
    return _written_down(name, lines, fields)


def _json(lines: Lines, fields: Fields, at_end: bool | None) -> Format | None:
    """JSON lines; None where no line is an object, of which no field could be said."""
    is_json = not any(lines) or any(map(json_lines.object_of, lines))
    return json_lines.from_lines(lines, fields, at_end) if is_json else None


def _inside(lines: Lines) -> Lines:
    outer = unwrapped(lines)
    return lines if outer is None else outer[1]


def _written_down(text: str, lines: Lines, fields: Fields) -> Format:
    """A format that somebody wrote down, or a file that holds it."""
    kind = text.partition(":")[0]
    if kind == nginx.NAME and "$" in text:
        return nginx.from_pattern(text.removeprefix("nginx:"), fields)
    if kind.startswith(apache.NAMES):
        return apache.from_pattern(text, fields)
    if "$" in text:
        return nginx.from_pattern(text, fields)
    if "%" in text:
        return apache.from_pattern(text, fields)
    if "." in kind or "/" in kind:
        return nginx.from_conf(text, fields, _inside(lines))
    close = get_close_matches(text, NAMES, 1)
    step = (
        f"Did you mean {close[0]}?"
        if close
        else f"There are {', '.join(NAMES)}, a log_format in quotes, or nginx.conf."
    )
    raise InputError(f"--format: must be a known format, got {shown(text)}. {step}")
