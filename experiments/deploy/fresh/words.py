"""Values of a scenario in the words of each program, and what all files have in common.

Models   A value that a program has no words for (half a millisecond where it counts whole ones) is None: it stays in
         assume.yaml.
Checked  tests/e2e/test_export_files.py
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import yaml

from experiments.deploy import postgresql_conf, redis_conf
from experiments.deploy.nginx import values as nginx_values
from experiments.deploy.prometheus import times as prometheus_times
from experiments.deploy.spring import values as spring_values
from experiments.scenario.load import Scenario
from experiments.scenario.paths import format_path, step_names
from sim.quantities import parse_duration, parse_size

SPRING_PORT = 8080
_WIDTH = 116
_SIZES = {"g": 1 << 30, "m": 1 << 20, "k": 1 << 10}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is written, and under which names."""

    scenario: Scenario
    project: str

    @property
    def document(self) -> Mapping[str, Any]:
        return self.scenario.document

    def section(self, name: str) -> Mapping[str, Any]:
        return self.document.get(name) or {}

    @property
    def machine(self) -> str:
        """Where import puts all containers."""
        return str(next(iter(self.section("machines"))))

    @property
    def gateway(self) -> str:
        """The gateway's container: a service may have its name."""
        taken = {name for part in ("services", "load_balancers", "caches", "databases") for name in self.section(part)}
        return next(name for name in ("gateway", "api-gateway", "edge-gateway", "the-gateway") if name not in taken)

    def port(self, service: str) -> int:
        """Where a service listens: its upstream's port, else Spring's."""
        for balancer in self.section("load_balancers").values():
            for upstream in (balancer.get("upstreams") or {}).values():
                if upstream.get("service") == service and upstream.get("port"):
                    return int(upstream["port"])
        return SPRING_PORT

    def source(self, *path: str) -> str:
        """What the scenario says of a value's source, in one line; empty where it says nothing."""
        entry = self.scenario.provenance_of(format_path(path))
        if entry is None:
            return ""
        words = " ".join(f"{entry.ref or ''} {entry.note or ''}".split())
        return f"{entry.source}{f' ({words})' if words else ''}"

    def steps(self, service: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Endpoint, name and step, those inside others included."""
        for endpoint, said in (self.section("services")[service].get("endpoints") or {}).items():
            steps = said.get("steps") or []
            for name, at in step_names(steps).items():
                step: Any = steps
                for key in at:
                    step = step[key]
                yield str(endpoint), name, step

    def classes(self, service: str) -> dict[str, list[str]]:
        """Which kinds of data a service keeps in which cache."""
        found: dict[str, list[str]] = {}
        for _, _, step in self.steps(service):
            if step.get("kind") in ("cache", "evict"):
                known = found.setdefault(str(step["cache"]), [])
                if step["data_class"] not in known:
                    known.append(str(step["data_class"]))
        return found


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML comes without types
    """Lists set in below their key, scripts as blocks of lines, what is said twice written twice."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value.strip() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dumped(value: Mapping[str, Any]) -> str:
    """YAML in the order given."""
    return str(yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def commented(lines: Iterable[str]) -> str:
    """Lines of a comment, the long ones broken."""
    broken = [part for line in lines for part in textwrap.wrap(line, _WIDTH, subsequent_indent="    ") or [""]]
    return "".join(f"# {line}".rstrip() + "\n" for line in broken)


def sources(plan: Plan, named: Mapping[str, Sequence[str]]) -> list[str]:
    """Where values come from, those of one source in one line."""
    by_source: dict[str, list[str]] = {}
    for name, path in named.items():
        by_source.setdefault(plan.source(*path), []).append(name)
    return [f"{', '.join(names)}: {said}" for said, names in by_source.items() if said]


def uniform(name: object) -> str:
    """As resilience4j's instances are matched with what they stand around."""
    return re.sub("[^0-9a-z]", "", str(name).lower())


def spelled(write: Callable[[object, str], str], value: object, before: str = "") -> str | None:
    """A value in a program's words; None where it has none for it."""
    try:
        return write(value, before)
    except (ValueError, OverflowError, TypeError):
        return None


def spring_time(value: object) -> str | None:
    return spelled(spring_values.write_duration, value)


def nginx_time(value: object) -> str | None:
    return spelled(nginx_values.write_duration, value)


def nginx_seconds(value: object) -> str | None:
    return spelled(lambda one, before: nginx_values.write_duration(one, before, 1000), value)


def postgres_time(value: object) -> str | None:
    return spelled(lambda one, _: postgresql_conf.write_time("1s", one), value)


def prometheus_time(value: object) -> str | None:
    def write(one: object, before: str) -> str:
        return prometheus_times.write_time(before, Fraction(repr(parse_duration(one))))

    return spelled(write, value)


def redis_size(value: object) -> str | None:
    return spelled(lambda one, _: redis_conf.write_memory("1mb", one), value)


def milliseconds(value: object) -> int | None:
    """Whole milliseconds, as HikariCP counts."""
    exact = _exact(value)
    return None if exact is None or (exact * 1000).denominator != 1 else int(exact * 1000)


def whole_seconds(value: object) -> int | None:
    exact = _exact(value)
    return None if exact is None or exact.denominator != 1 else int(exact)


def docker_time(value: object) -> str | None:
    exact = _exact(value)
    for unit, parts in (("s", 1), ("ms", 1000), ("us", 10**6)):
        if exact is not None and (exact * parts).denominator == 1:
            return f"{int(exact * parts)}{unit}"
    return None


def docker_size(value: object) -> str | None:
    return _size(value, "b", str.upper)


def java_size(value: object) -> str | None:
    return _size(value, "", str.lower)


def _size(value: object, plain: str, letter: Callable[[str], str]) -> str | None:
    count = parse_size(value)
    for unit, size in _SIZES.items():
        if count and count % size == 0:
            return f"{count // size}{letter(unit)}"
    return f"{count}{plain}" if count else None


def _exact(value: object) -> Fraction | None:
    try:
        return Fraction(repr(parse_duration(value)))
    except (ValueError, OverflowError, TypeError):
        return None


def kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """What has something to say."""
    return {key: value for key, value in values.items() if value is not None and value != {}}
