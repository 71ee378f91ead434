"""Options of java, in variables and on command lines: how large the heap is, which collector, what ends the process.

Models   -Xmx, -Xms and their long names, MaxRAMPercentage, UseSerialGC, UseG1GC, ExitOnOutOfMemoryError. The last one
         holds, in the order in which the JVM reads them: JAVA_TOOL_OPTIONS, JDK_JAVA_OPTIONS, the command line (with
         JAVA_OPTS, which start scripts put first on it), _JAVA_OPTIONS.
Source   OpenJDK 17: arguments.cpp, java(1)
Omits    Metaspace, code cache and direct buffers, which are part of base_memory: they are named. -Xss reserves
         addresses and takes no memory. InitialRAMPercentage, ActiveProcessorCount, other collectors, agents: listed as
         not modelled.
Checked  tests/unit/test_deploy_jvm_options.py
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.redis_conf import NO_WRITE, Word, word_of, words_within
from experiments.deploy.setting import Ledger, Setting
from sim.quantities import format_size, parse_size

BEFORE, AFTER = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_OPTS"), ("_JAVA_OPTIONS",)
LAUNCHER_STOPS = ("-jar", "-m", "--module")
_WITH_VALUE = ("-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules", "--add-opens",
               "--add-exports", "--add-reads")  # fmt: skip
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,15})([kKmMgGtT]?)")
_PERCENT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{0,6})?")
_WORD = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+")
_COLLECTORS = {"UseSerialGC": "serial", "UseG1GC": "g1"}
_COLLECTOR_FLAG = re.compile(r"-XX:\+(Use[A-Za-z0-9]+GC)")
_SIZES = (("-Xmx", "max_heap"), ("-XX:MaxHeapSize=", "max_heap"), ("-Xms", "initial_heap"),
          ("-XX:InitialHeapSize=", "initial_heap"))  # fmt: skip
_STACKS = ("-Xss", "-XX:ThreadStackSize=")
_BESIDE = ("-XX:MaxMetaspaceSize=", "-XX:ReservedCodeCacheSize=", "-XX:MaxDirectMemorySize=")
"""What lives beside the heap."""
_QUIET = ("-D", "-ea", "-enableassertions", "-verbose", "-Xlog", "-XshowSettings", "-showversion", "-server", "-Xshare",
          "-XX:+HeapDumpOnOutOfMemoryError", "-XX:HeapDumpPath=", "-XX:ErrorFile=", "-XX:+PrintFlagsFinal",
          "-XX:+PrintGC", "-XX:+UnlockExperimentalVMOptions", "-XX:+UnlockDiagnosticVMOptions",
          "-XX:+UseContainerSupport", "-Djava.security.egd", "--add-")  # fmt: skip


@dataclass(slots=True)
class _Option:
    """An option that is in force, with the text that another value replaces."""

    value: object
    setting: Setting
    part: Word | None
    """The part of it that says the value; None where it does not stand there as it is."""
    write: Callable[[object, str], str]


@dataclass(slots=True)
class _Reader:
    name: str
    ledger: Ledger
    found: dict[str, _Option] = field(default_factory=dict)
    collectors: dict[str, Setting] = field(default_factory=dict)

    def take(self, word: Word) -> None:
        """One option; a later one of the same name holds."""
        text = word.text
        setting = Setting((self.name, "java", text.partition("=")[0][:60]), text, text, word.place)
        self.ledger.read(setting)
        for start, path in _SIZES:
            if text.startswith(start):
                self._size(path, setting, word, len(start))
                return
        if text.startswith("-XX:MaxRAMPercentage="):
            self._percentage(setting, word)
        elif (match := _COLLECTOR_FLAG.fullmatch(text)) is not None:
            self.collectors[match[1]] = setting
            if match[1] in _COLLECTORS:
                self._hold("collector", _COLLECTORS[match[1]], setting, _part(word, 5), _write_collector)
        elif re.fullmatch(r"-XX:[-+]ExitOnOutOfMemoryError", text):
            self._hold("exit_on_out_of_memory", text[4] == "+", setting, _part(word, 4, 5), _write_sign)
        elif text.startswith(_STACKS):
            self.ledger.harmless(
                setting, "reserves addresses: of these a thread takes what it touches, jvm.thread_stack"
            )
        elif text.startswith(_BESIDE):
            what = "bounds a part of base_memory, which is measured or assumed as a whole: not modelled"
            self.ledger.problem(word.place, f"{self.name}: {text[:60]} {what}.")
        elif text.startswith(_QUIET):
            self.ledger.harmless(setting, "a property of the program, or what java says and writes down")

    def _size(self, path: str, setting: Setting, word: Word, start: int) -> None:
        match = _SIZE.fullmatch(word.text[start:])
        if match is None or int(match[1]) == 0:
            what = f"{self.name}: {word.text[:60]} is no size such as -Xmx512m. The JVM would not start."
            self.ledger.problem(word.place, what)
            return
        value = format_size(int(match[1]) * _UNITS[match[2].lower()])
        self._hold(path, value, setting, _part(word, start), _write_size)

    def _percentage(self, setting: Setting, word: Word) -> None:
        text = word.text.partition("=")[2]
        if not _PERCENT.fullmatch(text) or not 0 < float(text) <= 100:
            what = f"{self.name}: {word.text[:60]} must be above 0 and at most 100. The JVM would not start."
            self.ledger.problem(word.place, what)
            return
        part = _part(word, len(word.text) - len(text))
        self._hold("max_ram_percentage", float(text), setting, part, _write_percentage)

    def _hold(
        self, path: str, value: object, setting: Setting, part: Word | None, write: Callable[[object, str], str]
    ) -> None:
        before = self.found.get(path)
        if before is not None:
            self.ledger.harmless(before.setting, f"a later one holds: {setting.text[:60]}")
        self.found[path] = _Option(value, setting, part, write)


def read_jvm(
    name: str, ledger: Ledger, environment: Mapping[str, Setting | str], command: Sequence[Word], place: Place
) -> list[Fact]:
    """What the options of a container's java say, below the container: `jvm.max_heap`."""
    reader = _Reader(name, ledger)
    for variable in BEFORE:
        _variable(reader, environment.get(variable), place)
    for word in _launched(reader, command):
        reader.take(word)
    for variable in AFTER:
        _variable(reader, environment.get(variable), place)
    _check(reader)
    return list(_facts(reader))


def properties_of(environment: Mapping[str, Setting | str]) -> list[str]:
    """Words `-Dname=value` that java takes from variables: to a Spring application they are settings like any other."""
    found = []
    for variable in (*BEFORE, *AFTER):
        value = environment.get(variable)
        text = str(value.value if isinstance(value, Setting) else value or "")
        found += [word.strip("\"'") for word in _WORD.findall(text) if word.startswith("-D")]
    return found


def _variable(reader: _Reader, value: Setting | str | None, place: Place) -> None:
    if value is None:
        return
    setting = value if isinstance(value, Setting) else Setting((), value, "", place)
    for word in words_within(word_of(setting)):
        if word.text.startswith("-"):
            reader.take(word)


def _launched(reader: _Reader, command: Sequence[Word]) -> Iterator[Word]:
    """The options of the java that a command starts; what stands behind the program is the program's."""
    words: list[Word] = []
    for word in command:
        words += words_within(word)
    java = next((n for n, word in enumerate(words) if posixpath.basename(word.text) == "java"), None)
    is_after, skip = False, False
    for word in words[0 if java is None else java + 1 :]:
        text = word.text
        if skip:
            skip = False
        elif is_after:
            if java is not None and text.startswith(("-Xm", "-XX:")):
                what = f"{reader.name}: {text[:60]} stands behind the program: java only hands it on."
                reader.ledger.problem(word.place, what)
        elif text in _WITH_VALUE:
            skip = True
        elif java is not None and (text in LAUNCHER_STOPS or not text.startswith(("-", "$"))):
            is_after = True
        elif text.startswith("-X") or (java is not None and text.startswith("-")):
            yield word


def _check(reader: _Reader) -> None:
    """What the JVM would not start with."""
    if len(reader.collectors) > 1:
        last = list(reader.collectors.values())[-1]
        what = f"{reader.name}: {' and '.join(reader.collectors)}: two collectors. The JVM would not start."
        reader.ledger.problem(last.place, what)
    first, most = reader.found.get("initial_heap"), reader.found.get("max_heap")
    if first is not None and most is not None and parse_size(first.value) > parse_size(most.value):
        what = f"{reader.name}: {first.setting.text} is above {most.setting.text}. The JVM would not start."
        reader.ledger.problem(first.setting.place, what)
        del reader.found["initial_heap"]


def _facts(reader: _Reader) -> Iterator[Fact]:
    for path, option in reader.found.items():
        reader.ledger.models(option.setting)
        if option.part is None:
            yield Fact(("jvm", path), option.value, "file", option.setting.place, NO_WRITE, None)
        else:
            back = _writer(option.write, option.part.text)
            yield Fact(("jvm", path), option.value, "file", option.part.place, "", back)


def _writer(write: Callable[[object, str], str], before: str) -> Callable[[object], str]:
    return lambda value: write(value, before)


def _part(word: Word, start: int, end: int | None = None) -> Word | None:
    """Some of a word's characters, where it can be told where they stand."""
    end = len(word.text) if end is None else end
    place = word.place_of(start, end)
    return Word(word.text[start:end], place) if place is not None else None


def _write_size(value: object, before: str) -> str:
    count = parse_size(value)
    match = _SIZE.fullmatch(before)
    for unit in (match[2] if match is not None else "", "g", "m", "k"):
        if unit and count % _UNITS[unit.lower()] == 0:
            return f"{count // _UNITS[unit.lower()]}{unit}"
    return str(count)


def _write_percentage(value: object, _before: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
        raise ValueError("must be above 0 and at most 100")
    return f"{float(value):.6f}".rstrip("0") + ("0" if float(value) == int(value) else "")


def _write_collector(value: object, _before: str) -> str:
    name = next((name for name, kind in _COLLECTORS.items() if kind == value), None)
    if name is None:
        raise ValueError("must be serial or g1")
    return name


def _write_sign(value: object, _before: str) -> str:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return "+" if value else "-"
