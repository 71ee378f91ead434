"""MySQL and MariaDB: what of them a model of PostgreSQL can stand for.

Models   How many connections the server takes, from --max-connections behind `mysqld`, else MySQL's default.
Source   MySQL 8.0 reference manual: max_connections (151, and one more for an administrator)
Omits    Everything else is PostgreSQL's: connections cost a process and not a thread, commits, locks and time limits
         are PostgreSQL's, there is no buffer pool and no my.cnf. Copies that follow a source are databases of their
         own.
Checked  tests/unit/test_deploy_stores.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.redis_conf import NO_WRITE, Word, words_within
from experiments.deploy.setting import Ledger, Setting

FROM = "MySQL 8"
_OPTION = re.compile(r"--(?:loose-)?([A-Za-z][A-Za-z0-9_-]*)(?:=(.*))?", re.DOTALL)
_MOST = 100_000


def read_mysql(name: str, ledger: Ledger, command: Sequence[Word], place: Place) -> Iterator[Fact]:
    """What the words behind `mysqld` say of the database `name`; what is taken over and what is not is said."""
    at = ("databases", name)
    found: tuple[Setting, Word] | None = None
    for option, word in _options(command):
        setting = Setting((name, option), word.text, word.text, word.place)
        ledger.read(setting)
        if option != "max_connections":
            continue
        if not re.fullmatch("[0-9]{1,6}", word.text) or not 1 <= int(word.text) <= _MOST:
            what = f"{name}: --max-connections must be 1 to {_MOST}, got '{word.text[:40]}'."
            ledger.problem(word.place, what)
            continue
        if found is not None:
            ledger.harmless(found[0], "said again later, which counts")
        found = setting, word
    if found is not None:
        setting, word = found
        ledger.models(setting)
        write = _write if word.is_exact else None
        note = "" if write else NO_WRITE
        yield Fact((*at, "max_connections"), int(word.text), "file", word.place, note, write)
    yield Fact((*at, "max_connections"), 151, "default", None, f"{FROM}: max_connections", None)
    yield Fact((*at, "reserved_connections"), 0, "default", None, f"{FROM}: one is beside them", None)
    ledger.problem(
        place,
        f"{name}: MySQL is read as a PostgreSQL: its number of connections (--max-connections) and the container's "
        "limits are taken over; its threads, buffer pool, time limits, my.cnf and replication are not modelled.",
    )


def _options(command: Sequence[Word]) -> Iterator[tuple[str, Word]]:
    """`--name=value` and `--name value`, dashes and underscores alike."""
    words = [inner for word in command for inner in words_within(word)]
    for word, following in zip_longest(words, words[1:]):
        match = _OPTION.fullmatch(word.text)
        if match is None:
            continue
        name = match[1].lower().replace("-", "_")
        if match[2] is not None:
            yield name, word.between(match.start(2), match.end(2))
        elif following is not None and not following.text.startswith("-"):
            yield name, following


def _write(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise ValueError(f"must be 1 to {_MOST}")
    return str(value)
