"""postgresql.conf and the options of `postgres`: who may connect, and when the server gives up.

Models   Connections and those reserved, time limits of statements, locks and idle transactions, what commits wait for.
         The last line of a name counts, `-c name=value` wins over the file; include, include_if_exists, include_dir.
Units    A bare number is in the parameter's own unit (milliseconds for all times here).
Source   PostgreSQL 15: guc.c, guc-file.l
Omits    Memory, planner, WAL, checkpoints, vacuum: what they do to a query is in its measured times.
Checked  tests/unit/test_deploy_stores.py
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.redis_conf import NO_WRITE, Word, words_within
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Folder
from experiments.errors import InputError
from sim.quantities import format_duration, parse_duration

FROM = "PostgreSQL 15"
MOST_FILES = 50

_LINE = re.compile(
    r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_$.]*)\s*=?\s*(?P<value>'(?:[^'\\\n]|''|\\.)*'|[^\s#'=][^\s#]*)?\s*(?P<rest>#.*)?"
)
_NUMBER = re.compile(r"([+-]?[0-9]{1,15}(?:\.[0-9]{0,9})?)\s*([A-Za-z]*)")
_TIMES = {
    "us": Fraction(1, 10**6), "ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600),
    "d": Fraction(86_400),
}  # fmt: skip

_COUNTS = {"max_connections": "max_connections", "superuser_reserved_connections": "reserved_connections"}
_LIMITS = ("statement_timeout", "lock_timeout", "deadlock_timeout", "idle_in_transaction_session_timeout")

_TALK = "what it writes into its log"
_REACH = "where it listens and who may connect"
_COPIES = "that a standby can follow: what it costs is in the measured times"
_WORDS = "language and formats of what it answers"
HARMLESS = {
    **dict.fromkeys(("listen_addresses", "port", "unix_socket_directories", "hba_file", "ident_file"), _REACH),
    **dict.fromkeys(("password_encryption", "ssl_cert_file", "ssl_key_file", "ssl_ca_file"), _REACH),
    **dict.fromkeys(("data_directory", "config_file", "cluster_name", "external_pid_file"), "names and folders"),
    **dict.fromkeys(("wal_level", "max_wal_senders", "max_replication_slots", "wal_keep_size", "hot_standby"), _COPIES),
    **dict.fromkeys(("primary_conninfo", "primary_slot_name", "wal_sender_timeout", "wal_receiver_timeout"), _COPIES),
    **dict.fromkeys(("datestyle", "timezone", "lc_messages", "lc_monetary", "lc_numeric", "lc_time"), _WORDS),
    **dict.fromkeys(("default_text_search_config", "client_encoding", "intervalstyle"), _WORDS),
    **dict.fromkeys(("dynamic_shared_memory_type", "stats_temp_directory"), "how it is set up inside"),
}


@dataclass(slots=True)
class _Said:
    word: Word
    setting: Setting


@dataclass(slots=True)
class _Reader:
    ledger: Ledger
    folder: Folder | None = None
    said: list[tuple[str, _Said]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def take(self, name: str, word: Word) -> None:
        setting = Setting((name,), word.text, word.text, word.place)
        self.ledger.read(setting)
        self.said.append((name.lower().replace("-", "_"), _Said(word, setting)))


def read_postgres(
    name: str, ledger: Ledger, *, folder: Folder | None = None, file: str | None = None,
    command: Sequence[Word] = (), standbys: Sequence[str] = (),
) -> list[Fact]:  # fmt: skip
    """What a postgresql.conf and the words after `postgres` say of the database `name`.

    `standbys`: databases of the scenario that follow it. Raises InputError where the file cannot be read.
    """
    reader = _Reader(ledger, folder)
    if folder is not None and file is not None:
        _read_file(reader, file)
    _read_command(reader, command)
    return list(_facts(("databases", name), reader, standbys))


def config_file_of(command: Sequence[Word]) -> str | None:
    """The file that `-c config_file=...` or `--config-file=...` names."""
    for name, word in _options(command):
        if name == "config_file":
            return word.text
    return None


def _read_file(reader: _Reader, file: str) -> None:
    assert reader.folder is not None
    text = reader.folder.read(file).text
    reader.files.append(file)
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        begin, start = start, start + len(line) + 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match is None or match["value"] is None:
            place = Place(file, number, begin, begin + len(line.rstrip()))
            what = f"must be `name = value`, got '{line.strip()[:40]}'. PostgreSQL would not start."
            reader.ledger.problem(place, what)
            continue
        low, high = match.span("value")
        value = match["value"]
        if value.startswith("'"):
            low, high, value = low + 1, high - 1, value[1:-1].replace("''", "'")
        word = Word(value, Place(file, number, begin + low, begin + high))
        if match["name"].lower() in ("include", "include_if_exists", "include_dir"):
            _include(reader, match["name"].lower(), word, file)
        else:
            reader.take(match["name"], word)


def _include(reader: _Reader, kind: str, word: Word, file: str) -> None:
    assert reader.folder is not None
    named = posixpath.normpath(posixpath.join(posixpath.dirname(file), word.text.lstrip("/")))
    if kind == "include_dir":
        wanted = sorted(f for f in reader.folder.files() if posixpath.dirname(f) == named and f.endswith(".conf"))
    else:
        wanted = [named] if named in reader.folder else []
    if not wanted and kind == "include":
        reader.ledger.problem(word.place, f"the included {word.text} is not in the folder: it is missing here.")
    elif not wanted:
        reader.ledger.problem(word.place, f"{word.text}, which {kind} names, is not in the folder.")
    for one in wanted:
        if one in reader.files or len(reader.files) >= MOST_FILES:
            reader.ledger.problem(word.place, f"includes {one}, which is being read already.")
            continue
        try:
            _read_file(reader, one)
        except InputError as error:
            reader.ledger.problem(word.place, f"cannot include {one}: {error.lines[0]}")


def _read_command(reader: _Reader, command: Sequence[Word]) -> None:
    for name, word in _options(command):
        if name != "config_file":
            reader.take(name, word)


def _options(command: Sequence[Word]) -> Iterator[tuple[str, Word]]:
    """`-c name=value`, `--name=value`, `-N 100`."""
    words = iter(command)
    for word in words:
        text, cut = word.text, 0
        if text == "-c":
            following = next(words, None)
            if following is None:
                return
            word, text = following, following.text
        elif text.startswith(("-c", "--")):
            text, cut = text[2:], 2
        elif text == "-N":
            following = next(words, None)
            if following is not None:
                yield "max_connections", following
            continue
        else:
            continue
        name, sign, _ = text.partition("=")
        if sign and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
            yield name.lower().replace("-", "_"), word.between(cut + len(name) + 1, len(word.text))


def _facts(at: tuple[str, ...], reader: _Reader, standbys: Sequence[str]) -> Iterator[Fact]:
    last = dict(reader.said)
    for name, said in reader.said:
        if last[name] is not said:
            reader.ledger.harmless(said.setting, "said again later, which counts")
            continue
        if name in HARMLESS or name.startswith("log_"):
            reader.ledger.harmless(said.setting, HARMLESS.get(name, _TALK))
            continue
        try:
            fact = _modelled(at, name, said.word, standbys)
        except ValueError as error:
            reader.ledger.problem(said.word.place, f"{name}: {error}, got '{said.word.text[:40]}'.")
            continue
        if fact is not None:
            reader.ledger.models(said.setting)
            yield fact


def _modelled(at: tuple[str, ...], name: str, word: Word, standbys: Sequence[str]) -> Fact | None:
    def fact(field_name: str, value: object, write: Callable[[object], str] | None, note: str = "") -> Fact:
        if not word.is_exact:
            return Fact((*at, field_name), value, "file", word.place, f"{note} {NO_WRITE}".strip(), None)
        return Fact((*at, field_name), value, "file", word.place, note, write)

    if name in _COUNTS:
        if not re.fullmatch("[0-9]{1,6}", word.text):
            raise ValueError("must be a whole number. PostgreSQL would not start")
        return fact(_COUNTS[name], int(word.text), _write_whole)
    if name in _LIMITS:
        value = format_duration(float(seconds(word.text)))
        return fact(name, "0s" if parse_duration(value) == 0 else value, partial(write_time, word.text))
    if name == "synchronous_commit":
        said = word.text.lower()
        chosen = "on" if said in ("on", "true", "yes", "1") else said
        if chosen not in ("on", "remote_apply"):
            raise ValueError("only on and remote_apply are modelled; it is read as on")
        return fact(name, chosen, str)
    if name == "synchronous_standby_names":
        return _standby(fact, word, standbys)
    return None


def _standby(fact: Callable[..., Fact], word: Word, standbys: Sequence[str]) -> Fact | None:
    """The one standby that commits wait for, where it is one of this deployment."""
    if not word.text.strip():
        return fact("synchronous_standby", None, None, "nobody: commits do not wait")
    bare = re.sub(r"^\s*(?:FIRST|ANY)?\s*[0-9]*\s*\(|\)\s*$", "", word.text, flags=re.IGNORECASE)
    names = [part.strip().strip('"') for part in bare.split(",") if part.strip()]
    known = [standby for standby in standbys if names[:1] in (["*"], [standby], [standby.replace("-", "_")])]
    if not known:
        raise ValueError("must name a standby of this deployment. It is left out: commits do not wait")
    return fact("synchronous_standby", known[0], None, "By the name of the standby's service.")


def seconds(text: str, bare: str = "ms") -> Fraction:
    """A time; `bare`: the unit of a number without one. Raises ValueError."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None or (match[2] or bare) not in _TIMES:
        raise ValueError("must be a time such as 30s or 5min. PostgreSQL would not start")
    exact = Fraction(match[1]) * _TIMES[match[2] or bare]
    if exact < 0:
        raise ValueError("must not be negative")
    return exact


def write_time(before: str, value: object) -> str:
    """A time in the unit that stood there, if it is whole in it, else in the next smaller one. Raises ValueError."""
    exact = Fraction(repr(parse_duration(value)))
    match = _NUMBER.fullmatch(before.strip())
    unit = match[2] if match else "ms"
    count = exact / _TIMES[unit or "ms"]
    if count.denominator == 1:
        return f"{count.numerator}{unit}"
    for smaller in ("s", "ms"):
        count = exact / _TIMES[smaller]
        if count.denominator == 1 and unit:
            return f"{count.numerator}{smaller}"
    raise ValueError("must be whole milliseconds")


def _write_whole(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return str(value)


def words_of(command: Sequence[Word]) -> Iterator[Word]:
    """The words of a command, those of a script inside it included, with their places where they can be told."""
    for word in command:
        if "postgres" in word.text:
            yield from words_within(word)
        else:
            yield word
