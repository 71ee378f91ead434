"""Files that stand inside a ConfigMap, read where they stand: same lines, same offsets, so a patch finds them.

Models   A block of text (|), or a value of one line, becomes a file of the folder whose text before it is blank. Its
         places are those of the manifest.
Omits    Folded and escaped texts, and binaryData: they are named.
Checked  tests/unit/test_deploy_kubernetes.py
"""

from __future__ import annotations

import re
from collections.abc import Collection

from experiments.deploy.kubernetes.objects import Key, Object
from experiments.deploy.place import INSIDE
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Folder, Text

MOST_CHARACTERS = 16_000_000
"""Of all such files together, what is blank before them included."""


class Embedded:
    """The files inside ConfigMaps that containers see."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._characters = 0
        self._names: dict[tuple[str, Key], str | None] = {}
        self.settings: dict[str, Setting] = {}
        """What each of the files stands in."""

    def file(self, config: Object, key: Key) -> str | None:
        """The name under which a ConfigMap's value can be read as a file; None where it cannot, which is said."""
        setting = config.settings[key]
        known = (f"{setting.place.file}:{setting.place.start}", key)
        if known not in self._names:
            self._names[known] = self._file(config, key, setting)
        return self._names[known]

    def _file(self, config: Object, key: Key, setting: Setting) -> str | None:
        text = self._folder.read(setting.place.file)
        found = _literal(text.text, setting) if key in config.literal else _line(text.text, setting)
        if found is None:
            what = f"{config.spoken}: {key[-1]} is not read: only a block of text ({key[-1]}: |) is. Write it so."
            config.ledger.problem(setting.place, what)
            return None
        self._characters += len(found)
        if self._characters > MOST_CHARACTERS:
            config.ledger.problem(setting.place, f"{config.spoken}: {key[-1]} is not read: there is too much of it.")
            return None
        if str(key[-1]).endswith((".yml", ".yaml")):
            found = _with_documents(found)
        home = config.name if config.namespace == "default" else f"{config.namespace}.{config.name}"
        name = f"{setting.place.file}{INSIDE}{home}/{key[-1]}"
        self._folder.embed(Text(name, found, text.newline, text.encoding))
        self.settings[name] = setting
        return name

    def settle(self, read: Collection[str], ledger: Ledger) -> None:
        """Values that have been read as files have nothing else to say."""
        for name, setting in self.settings.items():
            if name in read:
                ledger.harmless(setting, "a file that a container sees: read as what it is")


def _literal(text: str, setting: Setting) -> str | None:
    begin = text.find("\n", setting.place.start) + 1
    end = setting.place.end
    if not 0 < begin <= end:
        return None
    lines = text[begin:end].splitlines(keepends=True)
    if lines and not lines[-1].endswith(("\n", "\r")) and not lines[-1].strip():
        end -= len(lines.pop())
    filled = [line for line in lines if line.strip()]
    indent = min((len(line) - len(line.lstrip(" ")) for line in filled), default=0)
    said = "\n".join(line.rstrip("\r\n")[indent:] for line in lines).strip("\n ")
    if said != str(setting.value).strip("\n "):
        return None
    return _blank(text[:begin]) + text[begin:end]


def _line(text: str, setting: Setting) -> str | None:
    if setting.text != setting.value or "\n" in setting.text:
        return None
    return _blank(text[: setting.place.start]) + setting.text


def _blank(text: str) -> str:
    return re.sub(r"[^\r\n]", " ", text)


def _with_documents(text: str) -> str:
    """Lines that part documents must begin a line; as many characters as before."""
    return re.sub(r"(?m)^( +)(---|\.\.\.)(?=[ \t]*\r?$)", r"\2\1", text)
