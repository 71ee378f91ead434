"""Which named field of a log is what: told by its name, and believed only if its values are of that kind.

Models   Names that servers, proxies and people use, in snake_case or camelCase, with units as suffixes (`latency_ms`),
         alone or inside other fields (`request.method`). What somebody says goes before what is guessed.
Source   nginx (log_format in JSON), Caddy, Traefik, Elastic Common Schema, JMeter; and habit.
Checked  tests/unit/test_log_parts.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from experiments.errors import InputError, shown
from experiments.logs.fields import Use, all_tries_of, instant_of, raw_of, seconds_of
from experiments.logs.names import REQUEST, TARGET
from experiments.logs.notes import listed
from experiments.logs.pattern import use_of
from experiments.logs.stamps import NO_INSTANT

Samples = Mapping[str, Sequence[Any]]
"""Names of fields, each with the values it has in the first lines."""

_NAMES: Final = {
    "time": "start_time start_utc started started_date_time arrival arrival_time arrived_at received_at begin t_s msec "
    "time_iso8601 time_local timestamp @timestamp time_stamp ts date_time event_time request_timestamp start_local "
    "time date t",
    "request": "request request_line first_line requestline",
    "method": "http_request_method request_method http_method method verb",
    "path": "request_uri request_path url_path uri_path http_target uri path target url route endpoint resource "
    "http_url",
    "user": "user user_id remote_user username user_name client_username userid uid login customer_id account_id "
    "session session_id visitor",
    "ip": "client_ip remote_ip remote_addr clientip client_host client_addr source_ip ip ip_address remote_host "
    "x_forwarded_for http_x_forwarded_for client remote peer",
    "status": "http_response_status_code status status_code response_code downstream_status http_status code "
    "http_status_code response",
    "response": "request_time response_time duration latency elapsed event_duration time_taken took elapsed_time "
    "processing_time total_time request_duration response_duration rt total_duration",
    "upstream": "upstream_response_time upstream_time origin_duration backend_time upstream_duration "
    "upstream_service_time",
    "connect": "upstream_connect_time connect_time connect",
    "tries": "upstream_addr upstream_status",
    "cache": "upstream_cache_status cache_status cache x_cache",
    "bytes": "body_bytes_sent bytes_sent bytes size response_size downstream_content_size content_length body_bytes "
    "http_response_body_bytes response_bytes resp_size",
}  # fmt: skip
"""Names by role, the better ones first."""

_RANKS: Final = {
    name: (role, rank) for role, names in _NAMES.items() for rank, name in enumerate(names.split())
}  # fmt: skip
_BEGINS: Final = frozenset((
    "start_time", "start_utc", "start_local", "started", "started_date_time", "arrival", "arrival_time", "arrived_at",
    "received_at", "begin", "t_s",
))  # fmt: skip
_SUFFIX: Final = re.compile(r"(.+?)_?(?:in_)?(ms|millis|milliseconds|msec|us|micros|microseconds|ns|nanos|"
                            r"nanoseconds|s|sec|secs|seconds)")  # fmt: skip
_UNIT_OF: Final = {"m": "ms", "u": "us", "n": "ns", "s": "s"}
_DURATIONS: Final = ("response", "upstream", "connect")
_NESTED: Final = 100

OPEN: Final = frozenset({"fields", "stamp"})
"""What a format whose fields are guessed leaves open."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The fields that are used, and how."""

    uses: dict[str, Use]
    """By the field's name."""
    at_end: bool

    @property
    def has_time(self) -> bool:
        return any(use.role == "time" for use in self.uses.values())

    def describe(self) -> str:
        """In words."""
        names = ", ".join(f"{use.role} from {name}{_in_words(use)}" for name, use in self.uses.items())
        edge = f"; stamps are of the {'end' if self.at_end else 'begin'} of a request"
        return names + edge * any(use.role == "response" for use in self.uses.values())


def _in_words(use: Use) -> str:
    return f" in {use.unit or 's'}" if use.role in _DURATIONS or use.unit else ""


def guessed(samples: Samples, fields: Mapping[str, str], at_end: bool | None = None) -> Guess:
    """What is what. Raises InputError where somebody names a field that is not there."""
    uses: dict[str, Use] = {}
    for role, wanted in fields.items():
        use, name = use_of(role, wanted)
        if name not in samples:
            raise InputError(
                f"--field {role}: must be one of {listed(samples)}, got {shown(name)}. Write e.g. {role}=NAME."
            )
        uses[name] = use
    told = {use.role for use in uses.values()}
    told |= {"request"} if told & {"path", "method"} else set()
    best: dict[str, tuple[int, str, Use]] = {}
    for name, values in samples.items():
        use_and_rank = _told_by_name(name, samples)
        if use_and_rank is None or name in uses:
            continue
        use, rank = use_and_rank
        is_better = use.role not in best or rank < best[use.role][0]
        if use.role not in told and is_better and _is_of_kind(use, values):
            best[use.role] = (rank, name, use)
    if "request" in best or "request" in told:
        best.pop("method", None)
        best.pop("path", None)
    uses |= {name: use for _, name, use in best.values()}
    if at_end is None:
        at_end = not any(use.role == "time" and snake(name) in _BEGINS for name, use in uses.items())
    return Guess(uses, at_end)


def _told_by_name(name: str, samples: Samples) -> tuple[Use, int] | None:
    plain = snake(name)
    inner = plain.rpartition(".")[2]
    for text, penalty in ((plain.replace(".", "_"), 0), (inner, _NESTED)):
        if text in _RANKS:
            role, rank = _RANKS[text]
            return Use(role, _usual_unit(role, text, samples)), rank + penalty
        match = _SUFFIX.fullmatch(text)
        if match and match[1] in _RANKS and _RANKS[match[1]][0] in (*_DURATIONS, "time"):
            role, rank = _RANKS[match[1]]
            return Use(role, _UNIT_OF[match[2][0]]), rank + penalty
    return None


def _usual_unit(role: str, text: str, samples: Samples) -> str:
    """Units that names do not tell: Traefik and Elastic write nanoseconds."""
    is_in_ns = text == "event_duration" or ("OriginDuration" in samples and text in ("duration", "origin_duration"))
    return "ns" if is_in_ns else "s" if role in _DURATIONS or text == "t_s" else ""


def _is_of_kind(use: Use, values: Sequence[Any]) -> bool:
    """Whether at least half of what is there is of that kind."""
    there = [value for value in values if raw_of(value) not in (b"", b"-")]
    fitting = sum(_fits(use, value) for value in there)
    return bool(there) and 2 * fitting >= len(there)


def _fits(use: Use, value: Any) -> bool:
    raw = raw_of(value)
    if use.role == "time":
        return instant_of(value, use.unit) != NO_INSTANT
    if use.role == "request":
        return REQUEST.fullmatch(raw) is not None
    if use.role == "path":
        return TARGET.fullmatch(raw) is not None
    if use.role == "method":
        return raw.isalpha() and 3 <= len(raw) <= 16
    if use.role == "status":
        return len(raw) == 3 and b"100" <= raw <= b"599" and raw.isdigit()
    if use.role in _DURATIONS:
        seconds = seconds_of(raw, use.unit) if use.role == "response" else all_tries_of(raw, use.unit)
        return seconds == seconds
    return use.role != "bytes" or raw.isdigit()


def snake(name: str) -> str:
    """`responseTimeMs` as response_time_ms; dots and @ stay."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    return re.sub(r"[^a-z0-9.@]+", "_", text.lower()).strip("_")
