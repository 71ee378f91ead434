"""Prometheus' configuration and rule files as alerts of a scenario; Alertmanager's as what is not modelled.

Models   Alert rules whose expression a run has a figure for (experiments/deploy/prometheus/expressions.py), with `for`,
         the range, and the evaluation interval of the group or of prometheus.yml.
Source   Prometheus 3: config.go, rulefmt.go; Alertmanager 0.28
Omits    Recording rules, scraping itself, grouping and repeats of notifications.
Checked  tests/unit/test_deploy_prometheus.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.prometheus.expressions import Watched, watched
from experiments.deploy.prometheus.times import seconds, write_time
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Folder, Text
from experiments.deploy.yaml_marks import documents_of
from experiments.errors import InputError
from sim.quantities import format_duration, parse_duration

FROM = "Prometheus 3: 1m"
MOST_VALUES = 50_000
_TELLING = ("labels", "annotations")
_SCRAPING = (
    "rule_files",
    "alerting",
    "scrape_configs",
    "remote_write",
    "remote_read",
    "storage",
    "tracing",
    "scrape_config_files",
)


@dataclass(slots=True)
class _Value:
    """One value of a file: where it stands, and whether somebody has taken it."""

    key: tuple[str, ...]
    node: ScalarNode
    setting: Setting
    is_done: bool = False


@dataclass(slots=True)
class _Reader:
    text: Text
    ledger: Ledger
    values: dict[tuple[str, ...], _Value] = field(default_factory=dict)

    def get(self, *key: str) -> _Value | None:
        return self.values.get(key)

    def models(self, *values: _Value | None) -> None:
        for value in values:
            if value is not None and not value.is_done:
                value.is_done = True
                self.ledger.models(value.setting)

    def harmless(self, value: _Value, why: str) -> None:
        if not value.is_done:
            value.is_done = True
            self.ledger.harmless(value.setting, why)


def kind_of_file(text: Text) -> str:
    """`rules`, `prometheus` or `alertmanager` for a YAML file that is one by its keys; else empty."""
    try:
        documents = documents_of(text)
    except InputError:
        return ""
    top = _top(documents[0]) if documents else None
    if not isinstance(top, MappingNode):
        return ""
    keys = {key.value for key, _ in top.value if isinstance(key, ScalarNode)}
    if "scrape_configs" in keys or ("rule_files" in keys and "global" in keys):
        return "prometheus"
    if "route" in keys and "receivers" in keys:
        return "alertmanager"
    groups = next((v for k, v in top.value if isinstance(k, ScalarNode) and k.value == "groups"), None)
    if isinstance(groups, SequenceNode) and all(isinstance(one, MappingNode) for one in groups.value):
        inner = {k.value for one in groups.value for k, _ in one.value if isinstance(k, ScalarNode)}
        return "rules" if "rules" in inner else ""
    return ""


def _top(node: Node | None) -> Node | None:
    """A file's content; of a PrometheusRule of the Prometheus Operator its spec, which is a rule file."""
    if not isinstance(node, MappingNode):
        return node
    inner = {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}
    kind, spec = inner.get("kind"), inner.get("spec")
    is_rule = isinstance(kind, ScalarNode) and kind.value == "PrometheusRule" and isinstance(spec, MappingNode)
    return spec if is_rule else node


def read_monitoring(folder: Folder, files: Sequence[tuple[str, str]], ledger: Ledger) -> list[Fact]:
    """The alerts that the files (name and kind) make. Files that cannot be read are problems."""
    readers: list[tuple[str, _Reader]] = []
    for name, kind in files:
        try:
            text = folder.read(name)
            readers.append((kind, _read(text, ledger)))
        except InputError as error:
            ledger.problem(Place(name, 1, 0, 0), error.lines[0])
    every = window = None
    for kind, reader in readers:
        if kind == "prometheus":
            every, window = _intervals(reader, every, window)
        elif kind == "alertmanager":
            _alertmanager(reader)
    seen: dict[str, Place] = {}
    facts: list[Fact] = []
    for kind, reader in readers:
        if kind == "rules":
            for group in _numbers(reader, ("groups",)):
                facts += _group(reader, group, every, window, seen)
    return facts


def _read(text: Text, ledger: Ledger) -> _Reader:
    reader = _Reader(text, ledger)
    documents = documents_of(text)
    top = _top(documents[0]) if documents else None
    for more in documents[1:] if top is not None else ():
        place = Place(text.file, more.start_mark.line + 1 if more is not None else 1, 0, 0)
        ledger.problem(place, "only the first document of the file is read. Give each a file of its own.")
    pending: list[tuple[tuple[str, ...], Node]] = [((), top)] if top is not None else []
    while pending:
        key, node = pending.pop()
        if len(reader.values) + len(pending) > MOST_VALUES:
            raise InputError(f"{text.file}: must have at most {MOST_VALUES} values, aliases included. Split the file.")
        if isinstance(node, MappingNode):
            pending += [((*key, str(k.value)), v) for k, v in reversed(node.value) if isinstance(k, ScalarNode)]
        elif isinstance(node, SequenceNode):
            pending += [((*key, str(number)), one) for number, one in reversed(list(enumerate(node.value)))]
        elif isinstance(node, ScalarNode):
            begin, end = node.start_mark.index, node.end_mark.index
            if node.style in ("'", '"'):
                begin, end = begin + 1, end - 1
            place = Place(text.file, node.start_mark.line + 1, begin, end)
            setting = Setting(key, node.value, text.text[begin:end], place)
            ledger.read(setting)
            reader.values[key] = _Value(key, node, setting)
    return reader


def _intervals(
    reader: _Reader, every: _Value | None, window: _Value | None
) -> tuple[_Value | None, _Value | None]:  # fmt: skip
    for value in reader.values.values():
        if value.key == ("global", "evaluation_interval"):
            every = value
        elif value.key == ("global", "scrape_interval"):
            window = value
        elif value.key[0] == "global":
            reader.harmless(value, "how Prometheus scrapes and labels what it sees")
        elif value.key[0] in _SCRAPING:
            reader.harmless(value, "what is watched and who is told: the rules see what is simulated, exactly")
    for one in (every, window):
        if one is not None and not one.is_done:
            reader.models(one)
    return every, window


def _alertmanager(reader: _Reader) -> None:
    """All of it stays unmodelled but for what only says whom to tell, and how it reads."""
    for value in reader.values.values():
        if value.key[0] in ("receivers", "templates", "global"):
            reader.harmless(value, "whom Alertmanager tells, and in which words")


def _numbers(reader: _Reader, key: tuple[str, ...]) -> list[tuple[str, ...]]:
    size = len(key)
    found = dict.fromkeys(one[: size + 1] for one in reader.values if one[:size] == key and len(one) > size)
    return list(found)


def _group(
    reader: _Reader, group: tuple[str, ...], every: _Value | None, window: _Value | None, seen: dict[str, Place]
) -> Iterator[Fact]:
    own = reader.get(*group, "interval")
    for key in ("name", "limit", "query_offset", "partial_response_strategy"):
        value = reader.get(*group, key)
        if value is not None:
            reader.harmless(value, "a name, or a bound of Prometheus' own")
    for rule in _numbers(reader, (*group, "rules")):
        for value in reader.values.values():
            if value.key[: len(rule)] == rule and len(value.key) > len(rule) and value.key[len(rule)] in _TELLING:
                reader.harmless(value, "what an alert says when it fires")
        name, expression = reader.get(*rule, "alert"), reader.get(*rule, "expr")
        if name is None:
            record = reader.get(*rule, "record")
            if record is not None:
                reader.ledger.problem(record.setting.place, f"the recording rule {record.node.value} is not modelled.")
            continue
        if expression is None:
            reader.ledger.problem(
                name.setting.place, f"the alert {name.node.value} has no expr. Prometheus would not start."
            )
            continue
        yield from _alert(reader, rule, name, expression, own or every, window, seen)


def _alert(
    reader: _Reader, rule: tuple[str, ...], name: _Value, expression: _Value, every: _Value | None,
    window: _Value | None, seen: dict[str, Place],
) -> Iterator[Fact]:  # fmt: skip
    title = name.node.value
    found = watched(expression.node.value)
    if found is None:
        said = " ".join(expression.node.value.split())[:80]
        reader.ledger.problem(
            expression.setting.place, f"the alert {title} watches what a run has no figure for: {said}"
        )
        return
    if title in seen:
        reader.ledger.problem(
            name.setting.place, f"the alert {title} stands in {seen[title].file}:{seen[title].line}, too."
        )
        return
    seen[title] = name.setting.place
    reader.models(name, expression)
    at = ("alerts", title)
    place = expression.setting.place
    yield Fact((*at, "series"), found.series, "file", place, "What its expression looks at.", None)
    threshold = _inside(expression, found)
    write = partial(_write_threshold, found) if threshold is not None else None
    yield Fact((*at, "above"), found.above, "file", threshold or place, "", write)
    if found.window is not None:
        yield from _window((*at, "window"), found.window, expression)
    elif window is not None:
        note = "It looks at the last scrape: scrape_interval."
        yield from _setting(reader, (*at, "window"), window, note)
    else:
        yield Fact((*at, "window"), "1m", "default", None, f"{FROM} (scrape_interval)", None)
    hold = reader.get(*rule, "for")
    if hold is not None:
        yield from _setting(reader, (*at, "hold"), hold, "")
    else:
        yield Fact((*at, "hold"), "0s", "default", None, "Prometheus 3: without for it fires at once", None)
    if every is not None:
        yield from _setting(reader, (*at, "every"), every, "")
    else:
        yield Fact((*at, "every"), "1m", "default", None, f"{FROM} (evaluation_interval)", None)
    kept = reader.get(*rule, "keep_firing_for")
    if kept is not None:
        reader.ledger.problem(kept.setting.place, f"the alert {title}: keep_firing_for is not modelled.")


def _setting(reader: _Reader, path: tuple[str, ...], value: _Value, note: str) -> Iterator[Fact]:
    try:
        written = format_duration(float(seconds(value.node.value)))
    except ValueError as error:
        reader.ledger.problem(value.setting.place, f"{value.key[-1]}: {error}, got '{value.node.value[:40]}'.")
        return
    reader.models(value)
    yield Fact(path, written, "file", value.setting.place, note, _writer(value.node.value))


def _window(path: tuple[str, ...], text: str, expression: _Value) -> Iterator[Fact]:
    """The range that the expression looks back, once for each place where it stands: they change together."""
    written = format_duration(float(seconds(text)))
    place, raw = expression.setting.place, expression.setting.text
    for match in re.finditer(re.escape(f"[{text}]"), raw):
        line = place.line + raw.count("\n", 0, match.start())
        here = Place(place.file, line, place.start + match.start() + 1, place.start + match.end() - 1)
        yield Fact(path, written, "file", here, "The range it looks back.", _writer(text))
    if f"[{text}]" not in raw:
        yield Fact(path, written, "file", place, "The range it looks back.", None)


def _writer(before: str) -> Callable[[object], str]:
    return lambda value: write_time(before, Fraction(repr(parse_duration(value))))


def _inside(expression: _Value, found: Watched) -> Place | None:
    """Where the threshold stands in the file, at one end of the expression's text; None where it cannot be told."""
    low, high = found.threshold
    text, raw = expression.node.value[low:high], expression.setting.text
    stripped = raw.rstrip()
    index = len(stripped) - len(text) if low else raw.find(text)
    if index < 0 or raw[index : index + len(text)] != text:
        return None
    place = expression.setting.place
    line = place.line + raw.count("\n", 0, index)
    return Place(place.file, line, place.start + index, place.start + index + len(text))


def _write_threshold(found: Watched, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return found.written(float(value))
