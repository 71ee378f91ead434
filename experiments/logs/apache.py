"""Patterns of Apache's LogFormat and of Tomcat's AccessLogValve (`server.tomcat.accesslog.pattern` of Spring Boot).

Models   Address, user, time, request, status, size and duration. Any header, cookie or attribute can be the user or the
         address: `--field user='%{X-User}i'`. Apache stamps the begin of a request and Tomcat its end, unless the
         pattern says otherwise. %D is in microseconds, but up to Tomcat 10.0 in milliseconds: `tomcat9:PATTERN`.
Source   Apache 2.4 mod_log_config; Tomcat's AbstractAccessLogValve, 9.0 to 11.0.
Omits    Times in strftime and SimpleDateFormat that are neither ISO 8601 nor the common log format; %F and %^FB.
Checked  tests/unit/test_log_formats.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from experiments.errors import InputError, shown
from experiments.logs.fields import Use
from experiments.logs.pattern import PatternFormat, Variable, with_fields
from experiments.logs.stamps import CLF

NAMES: Final = ("apache", "tomcat")
_ALIASES: Final = {
    "common": '%h %l %u %t "%r" %s %b',
    "combined": '%h %l %u %t "%r" %s %b "%{Referer}i" "%{User-Agent}i"',
}
_FLAVOUR: Final = re.compile(r"(apache|tomcat)([0-9]+(?:\.[0-9]+)?)?:(.*)", re.DOTALL)
_PLACE: Final = re.compile(r"%%|%(?:!?[0-9]{3}(?:,[0-9]{3})*)?[<>]?(?:\{([^}]*)\})?(\^[A-Za-z]{2}|[A-Za-z])")
_ONLY_APACHE: Final = re.compile(r"%[<>]|%!?[0-9]|%O|%k|%L|%P|%f|%\{[^}]*\}[Ca]")
_WORD: Final = rb'[^\s"]+'
_STAMP: Final = rb"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ][0-9:.,]+(?: ?(?:Z|[+-][0-9:]+))?|" + CLF
_EPOCHS: Final = {"sec": "s", "msec": "ms", "usec": "us"}

_CODES: Final = {
    "a": (_WORD, Use("ip"), 0), "h": (_WORD, Use("ip"), 1), "u": (None, Use("user"), 0), "l": (_WORD, None, 0),
    "r": (None, Use("request"), 0), "m": (rb"[A-Z-]+", Use("method"), 0), "U": (rb'[^\s"?]*', Use("path"), 0),
    "s": (rb"[0-9]{3}|-", Use("status"), 0), "B": (rb"[0-9]+|-", Use("bytes"), 0), "b": (rb"[0-9]+|-", Use("bytes"), 1),
    "O": (rb"[0-9]+|-", Use("bytes"), 2), "S": (_WORD, None, 0), "q": (rb'[^\s"]*', None, 0), "X": (rb"[X+-]", None, 0),
    "H": (_WORD, None, 0), "v": (_WORD, None, 0), "V": (_WORD, None, 0), "p": (rb"[0-9-]+", None, 0),
    "F": (rb"[0-9-]+", None, 0),
}  # fmt: skip


def from_pattern(text: str, fields: Mapping[str, str]) -> PatternFormat:
    """The format of a pattern, perhaps after `apache:`, `tomcat:` or `tomcat9:`. Raises InputError."""
    match = _FLAVOUR.fullmatch(text)
    flavour, release, pattern = match.groups() if match else (None, None, text)
    pattern = _ALIASES.get(pattern, pattern)
    if flavour is None:
        flavour = "apache" if _ONLY_APACHE.search(pattern) else "tomcat"
    is_in_ms = flavour == "tomcat" and release is not None and float(release) < 10.1
    parts: list[str | Variable] = []
    at_end = flavour == "tomcat"
    end = 0
    for place in _PLACE.finditer(pattern):
        if place.start() > end:
            parts.append(pattern[end : place.start()])
        if place[0] == "%%":
            parts.append("%")
        else:
            parts.append(_variable(place[0], place[1], place[2], is_in_ms))
            at_end = _edge(place[1], place[2], at_end)
        end = place.end()
    if end < len(pattern):
        parts.append(pattern[end:])
    unit = "milliseconds" if is_in_ms else "microseconds"
    title = f"{flavour.capitalize()}{' ' + release if release else ''} pattern"
    title += f" (%D in {unit})" if "%D" in pattern else ""
    return PatternFormat(flavour, title, with_fields(_merged(parts), fields), at_end)


def _variable(text: str, argument: str | None, code: str, is_in_ms: bool) -> Variable:
    if code == "t":
        return _time(text, argument or "")
    if code == "D":
        return Variable(text, rb"-?[0-9]+|-", Use("response", "ms" if is_in_ms else "us"), 0)
    if code == "T":
        return _elapsed(text, argument)
    if argument is not None and code not in "aps":
        return Variable(text)  # headers, cookies, attributes
    return Variable(text, *_CODES.get(code, (None, None, 0)))


def _elapsed(text: str, argument: str | None) -> Variable:
    unit = {None: "s", "s": "s", "ms": "ms", "us": "us", "ns": "ns", "fracsec": "s"}.get(argument)
    if unit is None:
        raise InputError(f"--format: must have %T, or s, ms, us, ns or fracsec in its braces, got {shown(text)}.")
    return Variable(text, rb"-?[0-9.]+|-", Use("response", unit), 2 if unit == "s" else 1)


def _time(text: str, argument: str) -> Variable:
    kind = argument.removeprefix("begin").removeprefix("end").removeprefix(":")
    if not kind:
        return Variable(text, rb"\[" + CLF + rb"\]", Use("time"), 1)
    if kind in _EPOCHS:
        return Variable(text, rb"[0-9]+", Use("time", _EPOCHS[kind]), 0)
    if kind.endswith("_frac"):
        return Variable(text, rb"[0-9]+")
    return Variable(text, _STAMP, Use("time"), 2)


def _edge(argument: str | None, code: str, at_end: bool) -> bool:
    """Whether stamps are of the end of a request, where this one says so."""
    if code != "t" or argument is None:
        return at_end
    return argument.startswith("end") or (at_end and not argument.startswith("begin"))


def _merged(parts: list[str | Variable]) -> list[str | Variable]:
    """Texts that stand side by side are one."""
    merged: list[str | Variable] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return merged
