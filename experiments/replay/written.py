"""Templates as a file that people edit and `--map` reads back: `GET /api/places/{id}: get-place`, numbers as comments.

Models   A template is given the route that the scenario's own templates have for its most frequent path; without one,
         or without a scenario, `null`, which is to be replaced by a route's name. Lines are asked from the top.
Checked  tests/unit/test_replay_learning.py, tests/e2e/test_replay_cli.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from experiments.logs import Reading
from experiments.replay.learning import Template, learn
from experiments.replay.routes import NO_ROUTE, Router
from models.system import SystemSpec

MOST_WRITTEN: Final = 1000
"""Templates. With more nobody edits the file, and what is rare is better left to the rule for what fits nothing."""

LONGEST: Final = 500
"""Signs of a template as it is written. Longer ones are no keys in YAML, nor of use to anybody."""

_PLAIN: Final = re.compile(r"(?:[A-Z]+ )?/[\w/{}.~%+=@$-]*", re.ASCII)
_WORD: Final = re.compile(r"(?!(?:null|true|false|yes|no|on|off)$)[a-z][a-z0-9_-]*", re.ASCII)


@dataclass(frozen=True)
class Learned:
    """What was learnt from a log."""

    log: str
    format: str
    lines: int
    bad: int
    without_path: int
    """Requests whose path is not known, or none."""
    templates: list[Template]
    left_out: int
    """Templates that were too rare, or too long, to be written, ..."""
    left_out_requests: int
    """... and their requests."""
    routes: list[str | None]
    """Of each template."""

    @property
    def requests(self) -> int:
        return self.lines - self.bad

    def as_dict(self) -> dict[str, Any]:
        entries = [
            {"pattern": each.pattern, "route": route, "requests": each.requests, "paths": each.paths}
            for each, route in zip(self.templates, self.routes, strict=True)
        ]
        return {**self.__dict__, "templates": entries, "requests": self.requests, "routes": None}


def learn_from(reading: Reading, log: str, spec: SystemSpec | None) -> Learned:
    """Read a log and learn its templates; with a scenario's system, which of its routes they are."""
    counts = np.zeros(1, np.int64)
    without = 0
    for batch in reading.batches():
        known = batch.target[batch.target >= 0]
        without += len(batch) - len(known)
        counted = np.bincount(known, minlength=len(counts))
        counted[: len(counts)] += counts
        counts = counted
    targets = list(zip(reading.names.targets, counts.tolist(), strict=False))
    found = learn(targets)
    without += sum(count for (_, path), count in targets if not path.startswith("/"))
    kept = _most_frequent(found)
    return Learned(
        log=log, format=reading.format, lines=reading.lines, bad=reading.bad, without_path=without, templates=kept,
        left_out=len(found) - len(kept),
        left_out_requests=sum(each.requests for each in found) - sum(each.requests for each in kept),
        routes=[None] * len(kept) if spec is None else _routes(spec, kept),
    )  # fmt: skip


def _most_frequent(templates: list[Template]) -> list[Template]:
    """Those that are written, still in the order in which they are asked."""
    short = [each for each in templates if len(_key(each)) <= LONGEST]
    if len(short) <= MOST_WRITTEN:
        return short
    least = sorted((each.requests for each in short), reverse=True)[MOST_WRITTEN - 1]
    return [each for each in short if each.requests >= least][:MOST_WRITTEN]


def _routes(spec: SystemSpec, templates: Sequence[Template]) -> list[str | None]:
    """The route of each template's most frequent path; None where it fits none."""
    router, names = Router(spec, [], other="drop"), list(spec.routes)
    routes = [router.route(each.method, each.example)[0] for each in templates]
    return [None if route == NO_ROUTE else names[route] for route in routes]


def _key(template: Template) -> str:
    pattern = template.pattern
    return pattern if _PLAIN.fullmatch(pattern) else json.dumps(pattern)


def _value(route: str | None) -> str:
    return "null" if route is None else route if _WORD.fullmatch(route) else json.dumps(route)


def text_of(learned: Learned) -> str:
    """The file."""
    lines = [
        "# Which paths mean which route. Replace null by the name of a route, then: windtunnel replay --map THIS-FILE",
        "# {id}, {slug} or any name in braces is one part of a path, * any text. The first line that fits is the one.",
        "# null: no route, as what fits no line.",
        f"# Learnt from {_one_line(learned.log)}: {learned.lines} lines = {_sum(learned)} with a path below + "
        f"{learned.left_out_requests} in {learned.left_out} rarer templates + {learned.without_path} without a path + "
        f"{learned.bad} bad.",
    ]
    entries = []
    for template, route in zip(learned.templates, learned.routes, strict=True):
        entries.append((f"{_key(template)}: {_value(route)}", template))
    width = min(80, max((len(entry) for entry, _ in entries), default=0))
    whole = max(1, learned.requests)
    for entry, template in entries:
        paths = f", {template.paths} paths" if template.paths > 1 else ""
        lines.append(f"{entry:<{width}}  # {template.requests} requests{paths}, {template.requests / whole:.2%}")
    return "\n".join(lines) + "\n"


def _sum(learned: Learned) -> int:
    return sum(template.requests for template in learned.templates)


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:200]
