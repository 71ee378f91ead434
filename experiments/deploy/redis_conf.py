"""redis.conf and the options of `redis-server`: what Redis may keep, and what goes when it is full.

Models   maxmemory, maxmemory-policy and maxmemory-samples; the last line of a name counts, the command line wins over
         the file. Files named by include are read in place.
Units    1k is 1000 bytes, 1kb is 1024, as in redis.conf.
Source   Redis 7.0: config.c, util.c (memtoull), sds.c (sdssplitargs)
Omits    Persistence, replication, cluster, client eviction, threads for input and output.
Checked  tests/unit/test_deploy_stores.py
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger, Part, Setting
from experiments.deploy.source import Folder
from experiments.errors import InputError
from sim.quantities import format_size, parse_size

FROM = "Redis 7.0"
POLICIES = (
    "noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random",
    "volatile-ttl",
)  # fmt: skip
MOST_INCLUDES = 50
NO_WRITE = "Variables or quotes are put in here: change it where they are set."
SERVERS = ("redis-server", "valkey-server", "keydb-server", "redis-stack-server")

_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 10**6, "mb": 1 << 20, "g": 10**9, "gb": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,18})([A-Za-z]{0,2})")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[^\s"\']\S*')

_IN_LINE = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+")

_REACH = "where it listens and who may connect"
_TALK = "what it writes into its log and shows to its operators"
_FILES = "where it keeps its files"
HARMLESS = {
    **dict.fromkeys(("bind", "port", "protected-mode", "unixsocket", "unixsocketperm", "bind-source-addr"), _REACH),
    **dict.fromkeys(("requirepass", "masterauth", "masteruser", "user", "aclfile", "acllog-max-len"), _REACH),
    **dict.fromkeys(("rename-command", "enable-debug-command", "enable-module-command"), _REACH),
    **dict.fromkeys(("loglevel", "logfile", "syslog-enabled", "syslog-ident", "syslog-facility"), _TALK),
    **dict.fromkeys(("slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold"), _TALK),
    **dict.fromkeys(("always-show-logo", "set-proc-title", "proc-title-template", "crash-log-enabled"), _TALK),
    **dict.fromkeys(("dir", "dbfilename", "appendfilename", "appenddirname", "pidfile"), _FILES),
    **dict.fromkeys(("daemonize", "supervised", "databases", "tcp-keepalive"), "no effect on a request"),
}
_HARMLESS_WHEN = {
    "appendonly": ("no", "nothing is written to the append-only file"),
    "timeout": ("0", "connections that are idle stay open"),
    "save": ("", "no snapshots are written"),
    "activerehashing": ("yes", f"the default of {FROM}"),
    "lazyfree-lazy-eviction": ("no", f"the default of {FROM}"),
    "lazyfree-lazy-expire": ("no", f"the default of {FROM}"),
    "io-threads": ("1", f"the default of {FROM}"),
    "cluster-enabled": ("no", f"the default of {FROM}"),
    "hz": ("10", f"the default of {FROM}"),
    "active-expire-effort": ("1", f"the default of {FROM}"),
}
_MODELLED = ("maxmemory", "maxmemory-policy", "maxmemory-samples")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command or a file, and where it stands."""

    text: str
    place: Place
    parts: tuple[Part, ...] = ()
    """Where its parts stand, where it is put together from several."""

    def place_of(self, start: int, end: int) -> Place | None:
        """Where some of its characters stand as they are; None where that cannot be told."""
        return self._said.place_of(start, end)

    def between(self, start: int, end: int) -> Word:
        """A word inside of it."""
        place = self.place_of(start, end)
        return Word(self.text[start:end], place or self.place, () if place else self._said.between(start, end))

    @property
    def is_exact(self) -> bool:
        """Whether its place is that of its text, and nothing else."""
        return self.place.end - self.place.start == len(self.text)

    @property
    def _said(self) -> Setting:
        return Setting((), self.text, self.text if self.is_exact else "", self.place, self.parts)


def word_of(setting: Setting) -> Word:
    """A setting as a word of a command."""
    value = str(setting.value)
    return Word(value, setting.place, () if setting.text == value else setting.between(0, len(value)))


@dataclass(slots=True)
class _Line:
    name: str
    words: list[Word]
    setting: Setting


@dataclass(slots=True)
class _Reader:
    ledger: Ledger
    folder: Folder | None = None
    lines: list[_Line] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def take(self, name: Word, words: list[Word]) -> None:
        texts = [word.text for word in words]
        place = words[0].place if len(words) == 1 else name.place
        key = name.text.lower()
        setting = Setting((key,), texts[0] if len(texts) == 1 else texts, " ".join(texts), place)
        self.ledger.read(setting)
        self.lines.append(_Line(key, words, setting))


def read_redis(
    name: str, ledger: Ledger, *, folder: Folder | None = None, file: str | None = None, command: Sequence[Word] = ()
) -> list[Fact]:
    """What a redis.conf and the words after `redis-server` say of the cache `name`. Raises InputError for the file."""
    reader = _Reader(ledger, folder)
    if folder is not None and file is not None:
        _read_file(reader, file)
    _read_command(reader, command)
    return list(_facts(("caches", name), reader))


def config_file_of(command: Sequence[Word]) -> str | None:
    """The file that a command such as `redis-server /etc/redis/redis.conf --port 1` names."""
    first = next((word.text for word in command), "-")
    return None if first.startswith("-") else first


def options_of(command: Sequence[Word]) -> list[Word]:
    """What stands behind the server's name, in a line of sh -c as well; all of it where it begins with an option or a
    file, which the image's own start script hands on."""
    words = [inner for word in command for inner in words_within(word)]
    names = [posixpath.basename(word.text) for word in words]
    at = next((number for number, name in enumerate(names) if name in SERVERS), None)
    if at is not None:
        return words[at + 1 :]
    is_handed_on = bool(words) and (words[0].text.startswith("-") or words[0].text.endswith(".conf"))
    return words if is_handed_on else []


def words_within(word: Word) -> Iterator[Word]:
    """The words of a line that is one word of a command, each with its place; the word itself where it is no line."""
    if not re.search(r"\s", word.text):
        yield word
        return
    for match in _IN_LINE.finditer(word.text):
        bare = re.sub(r"\"([^\"]*)\"|'([^']*)'", lambda m: m[1] or m[2] or "", match[0])
        begin = match[0].find(bare)
        if begin < 0:
            yield Word(bare, word.place)
        else:
            yield word.between(match.start() + begin, match.start() + begin + len(bare))


def _read_file(reader: _Reader, file: str) -> None:
    assert reader.folder is not None
    text = reader.folder.read(file).text
    reader.files.append(file)
    start = 0
    for number, line in enumerate(text.split("\n"), 1):
        words = list(_words(line, file, number, start))
        start += len(line) + 1
        if not words or words[0].text.startswith("#"):
            continue
        if words[0].text.lower() == "include" and len(words) == 2:
            _include(reader, words[1], file)
        elif len(words) < 2:
            reader.ledger.problem(words[0].place, f"{words[0].text}: must have a value. Redis would not start.")
        else:
            reader.take(words[0], words[1:])


def _words(line: str, file: str, number: int, start: int) -> Iterator[Word]:
    for match in _WORD.finditer(line):
        begin, end, text = match.start(), match.end(), match[0]
        if text[0] in "\"'" and len(text) > 1:
            begin, end, text = begin + 1, end - 1, text[1:-1]
        yield Word(text, Place(file, number, start + begin, start + end))


def _include(reader: _Reader, named: Word, file: str) -> None:
    assert reader.folder is not None
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(file), named.text.lstrip("/")))
    beside = posixpath.join(posixpath.dirname(file), posixpath.basename(named.text))
    for candidate in (inside, beside):
        if candidate in reader.folder and candidate not in reader.files and len(reader.files) < MOST_INCLUDES:
            try:
                _read_file(reader, candidate)
            except InputError as error:
                reader.ledger.problem(named.place, f"cannot include {named.text}: {error.lines[0]}")
            return
    reader.ledger.problem(named.place, f"the included {named.text} is not in the folder, or is being read already.")


def _read_command(reader: _Reader, command: Sequence[Word]) -> None:
    """`--name value ...`: everything up to the next option belongs to it."""
    name: Word | None = None
    values: list[Word] = []
    for word in [*command, None]:
        if word is None or (word.text.startswith("--") and len(word.text) > 2):
            if name is not None and values:
                reader.take(Word(name.text[2:], name.place), values)
            elif name is not None:
                reader.ledger.problem(name.place, f"{name.text}: must have a value.")
            name, values = word, []
        elif name is not None:
            values.append(word)


def _facts(at: tuple[str, ...], reader: _Reader) -> Iterator[Fact]:
    last = {line.name: line for line in reader.lines}
    for line in reader.lines:
        if last[line.name] is not line and line.name != "save":
            reader.ledger.harmless(line.setting, "said again further down, which counts")
            continue
        if line.name in _MODELLED:
            fact = _modelled(at, line, reader.ledger)
            if fact is not None:
                reader.ledger.models(line.setting)
                yield fact
        elif line.name in HARMLESS:
            reader.ledger.harmless(line.setting, HARMLESS[line.name])
        elif line.name in _HARMLESS_WHEN and line.words[0].text.lower() == _HARMLESS_WHEN[line.name][0]:
            reader.ledger.harmless(line.setting, _HARMLESS_WHEN[line.name][1])


def _modelled(at: tuple[str, ...], line: _Line, ledger: Ledger) -> Fact | None:
    word = line.words[0]
    path = (*at, line.name.replace("-", "_"))

    def fact(value: object, write: Callable[[object], str]) -> Fact:
        note = "" if word.is_exact else NO_WRITE
        return Fact(path, value, "file", word.place, note, write if word.is_exact else None)

    try:
        if len(line.words) > 1:  # a comment behind it is words to Redis
            raise ValueError("must have one value")
        if line.name == "maxmemory":
            return fact(format_size(memory(word.text)), partial(write_memory, word.text))
        if line.name == "maxmemory-policy":
            if word.text.lower() not in POLICIES:
                raise ValueError(f"must be one of {', '.join(POLICIES)}")
            return fact(word.text.lower(), _write_policy)
        if not re.fullmatch("[0-9]{1,9}", word.text) or int(word.text) < 1:
            raise ValueError("must be a whole number above 0")
        return fact(int(word.text), _write_whole)
    except ValueError as error:
        ledger.problem(word.place, f"{line.name}: {error}, got '{line.setting.text[:60]}'. Redis would not start.")
        return None


def memory(text: str) -> int:
    """Bytes of a size as redis.conf writes it. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError("must be a size such as 256mb")
    return int(match[1]) * _UNITS[match[2].lower()]


def write_memory(before: str, value: object) -> str:
    """A size in the unit that stood there, if it is whole in it, else in the next that fits. Raises ValueError."""
    count = parse_size(value)
    match = _SIZE.fullmatch(before)
    unit = match[2] if match else "mb"
    for candidate in (unit, "gb", "mb", "kb", ""):
        if candidate and count % _UNITS[candidate.lower()] == 0:
            return f"{count // _UNITS[candidate.lower()]}{candidate}"
    return str(count)


def _write_policy(value: object) -> str:
    if value not in POLICIES:
        raise ValueError(f"must be one of {', '.join(POLICIES)}")
    return str(value)


def _write_whole(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return str(value)
