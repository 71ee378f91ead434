"""nginx's own access-log formats: a `log_format` string, or the nginx.conf that holds it.

Models   Variables of a request (time, method and path, status, sizes, $request_time) and of the servers behind it,
         whose times, addresses and states are lists with one entry a try, `0.1, 0.2 : 0.3`. Any other variable can be
         the user or the address: `--field user=http_x_user`. The escapes default, json and none.
Source   ngx_http_log_module, ngx_http_upstream_module. Lines are written when a request has ended.
Omits    Files that an nginx.conf includes; $upstream_header_time.
Checked  tests/unit/test_log_formats.py, tests/real/test_nginx_logs.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from experiments.errors import InputError, shown
from experiments.logs.fields import Use
from experiments.logs.lines import LineFormat
from experiments.logs.pattern import PatternFormat, Variable, with_fields
from experiments.logs.stamps import CLF

NAME: Final = "nginx"
_LARGEST_CONF: Final = 4 << 20

_TRIES: Final = rb"(?:-|[0-9.]+)?(?:(?:, | : )(?:-|[0-9.]+))*"
_SERVERS: Final = rb'(?:[^\s,"]+)?(?:(?:, | : )[^\s,"]+)*'
_WORD: Final = rb'[^\s"]*'
_ADDRESSES: Final = rb'(?:[^\s,"]+)?(?:, ?[^\s,"]+)*'

_VARIABLES: Final = {
    "msec": (rb"[0-9]+\.[0-9]+", Use("time", "s"), 0),
    "time_iso8601": (rb"[0-9T:Z+-]+", Use("time"), 1),
    "time_local": (CLF, Use("time"), 2),
    "request": (None, Use("request"), 0),
    "request_method": (rb"[A-Z]*", Use("method"), 0),
    "request_uri": (_WORD, Use("path"), 0),
    "uri": (None, Use("path"), 1),
    "document_uri": (None, Use("path"), 2),
    "remote_user": (None, Use("user"), 0),
    "remote_addr": (_WORD, Use("ip"), 0),
    "realip_remote_addr": (_WORD, Use("ip"), 1),
    "http_x_real_ip": (_WORD, Use("ip"), 2),
    "http_x_forwarded_for": (_ADDRESSES, Use("ip"), 3),
    "status": (rb"[0-9]{3}", Use("status"), 0),
    "body_bytes_sent": (rb"[0-9]+|-", Use("bytes"), 0),
    "bytes_sent": (rb"[0-9]+|-", Use("bytes"), 1),
    "request_time": (rb"-?[0-9.]*", Use("response", "s"), 0),
    "upstream_response_time": (_TRIES, Use("upstream", "s"), 0),
    "upstream_connect_time": (_TRIES, Use("connect", "s"), 0),
    "upstream_header_time": (_TRIES, None, 0),
    "upstream_addr": (_SERVERS, Use("tries"), 0),
    "upstream_status": (_TRIES, Use("tries"), 1),
    "upstream_cache_status": (rb"[A-Z]+|-?", Use("cache"), 0),
    "host": (rb'[^\s/"]*', None, 0),
    "proxy_add_x_forwarded_for": (_ADDRESSES, None, 0),
}  # fmt: skip
_PLACE: Final = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_TOKEN: Final = re.compile(
    r"""#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([;{}])|([^\s;{}"'#]+)|\s+|["']""", re.DOTALL
)


def from_pattern(pattern: str, fields: Mapping[str, str], escape: str = "default", title: str = "") -> PatternFormat:
    """The format of a `log_format` string. Raises InputError."""
    parts: list[str | Variable] = []
    end = 0
    for match in _PLACE.finditer(pattern):
        if match.start() > end:
            parts.append(pattern[end : match.start()])
        name = match[1] or match[2]
        parts.append(Variable(f"${name}", *_VARIABLES.get(name, (None, None, 0))))
        end = match.end()
    if end < len(pattern):
        parts.append(pattern[end:])
    unescaped = _from_json if escape == "json" else None
    _join_arguments(parts, b"" if escape in ("json", "none") else b"-")
    return PatternFormat(NAME, title or "nginx log format", with_fields(parts, fields), True, unescaped)


def _join_arguments(parts: list[str | Variable], absent: bytes) -> None:
    """`$is_args$args` is a question mark and something, or what nginx writes for a variable that is not there."""
    for number in range(len(parts) - 1, 0, -1):
        names = [part.name if isinstance(part, Variable) else "" for part in parts[number - 1 : number + 1]]
        if names[0] == "$is_args" and names[1] in ("$args", "$query_string"):
            holds = rb'\?[^\s"]*|' + absent
            parts[number - 1 : number + 1] = [Variable("".join(names), holds)]


def from_conf(path: str, fields: Mapping[str, str], lines: Sequence[bytes]) -> LineFormat:
    """The format in an nginx.conf that most of the lines fit; `nginx.conf:main` is the one called main."""
    name, colon, wanted = path.rpartition(":")
    if not colon or _is_file(path):
        name, wanted = path, ""
    found = {}
    unusable = None
    for key, escape, pattern in log_formats(_text(name)):
        if not wanted or key == wanted:
            title = f"nginx log format {key!r} of {Path(name).name}"
            try:
                found[key] = from_pattern(pattern, fields, escape, title)
            except InputError as error:  # it lacks the time or a field: another one may be meant
                unusable = unusable or error
    if unusable is not None and not found:
        raise unusable
    if not found:
        what = f"log_format {wanted}" if wanted else "a log_format"
        raise InputError(f"{name}: must hold {what}, got none. Give the format itself, in quotes.")
    return max(found.values(), key=lambda each: sum(map(each.fits, lines)))


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _text(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            data = file.read(_LARGEST_CONF + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{shown(name, 200)[1:-1]}: must be a readable nginx.conf, got: {reason.lower()}.") from None
    if len(data) > _LARGEST_CONF:
        raise InputError(f"{name}: must be at most {_LARGEST_CONF >> 20} MB, got more. Is it an nginx.conf?")
    return data.decode("utf-8", "replace")


def log_formats(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, escape and string of the `log_format` directives of a configuration."""
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        quoted, plain = match[1] if match[1] is not None else match[2], match[4]
        if match[3]:
            if match[3] == ";" and len(words) > 2 and words[0] == "log_format":
                escape = "default"
                strings = words[2:]
                if strings[0].startswith("escape="):
                    escape = strings.pop(0).removeprefix("escape=")
                yield words[1], escape, "".join(strings)
            words = []
        elif quoted is not None:
            words.append(re.sub(r"\\([\"'\\])", r"\1", quoted))
        elif plain is not None:
            words.append(plain)


def _from_json(raw: bytes) -> bytes:
    if b"\\" not in raw:
        return raw
    try:
        return str(json.loads(b'"' + raw + b'"')).encode("utf-8", "backslashreplace")
    except ValueError:
        return raw
