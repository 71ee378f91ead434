"""Which route of a scenario a request of a log is for.

Models   A path goes to the route that `--map` says, else to the one that the OpenAPI file says, else to the one whose
         template and method fit. A log that names routes instead of paths is taken at its word. What fits nothing goes
         to one of the mix, always the same for the same path, or to the route that was named for it, or is dropped.
         Requests without a path (files of stamps or counts) fit nothing; the mix then decides for each by chance.
Checked  tests/unit/test_replay_routes.py, tests/properties/test_replay.py
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal

from experiments.errors import InputError, shown
from experiments.logs import path_of
from experiments.scenario.document import read_document
from experiments.scenario.paths import did_you_mean
from models.system import SystemSpec

_RULE: Final = re.compile(r"(?:([A-Z]{3,16}) +)?(/.*)", re.DOTALL)
_PLACE: Final = re.compile(r"\{[^{}/]*\}")
NO_ROUTE: Final = -1


@dataclass(frozen=True)
class Rule:
    """A pattern of paths and the route it means. `{id}` is one part of a path, `*` any text."""

    method: str
    """Empty: any."""
    pattern: re.Pattern[str]
    route: int
    """NO_ROUTE: what fits this is treated like what fits nothing."""

    def fits(self, method: str, path: str) -> bool:
        """Whether it is for this path. A log that tells no methods fits whatever the method."""
        return (not self.method or not method or self.method == method) and self.pattern.fullmatch(path) is not None


def read_rules(texts: Sequence[str], routes: Sequence[str]) -> list[Rule]:
    """Rules of `--map`: `PATTERN=ROUTE`, or a YAML file of such lines (`PATTERN: ROUTE`). Raises InputError."""
    rules = []
    for text in texts:
        if text.endswith((".yaml", ".yml", ".json")) and "=" not in text:
            document = read_document(Path(text))
            for pattern, route in document.value.items():
                rules.append(_rule(pattern, route, routes, document.origin((pattern,))))
        else:
            pattern, equals, route = text.rpartition("=")
            if not equals:
                raise InputError(f"--map: must be PATTERN=ROUTE or a YAML file, got {shown(text)}.")
            rules.append(_rule(pattern, route, routes, f"--map {text}"))
    return rules


def _rule(pattern: str, route: object, routes: Sequence[str], origin: str) -> Rule:
    match = _RULE.fullmatch(pattern)
    if match is None:
        raise InputError(
            f"--map: must have a pattern that begins with / or a method, got {shown(pattern)}. "
            f"Write e.g. /api/places/*. ({origin})"
        )
    number = NO_ROUTE if route is None else route_number("--map", route, routes, f" ({origin})")
    return Rule(match[1] or "", pattern_of(match[2]), number)


def route_number(option: str, route: object, routes: Sequence[str], where: str = "") -> int:
    """The number of a route by its name. Raises InputError."""
    if route not in routes:
        step = did_you_mean(str(route), list(routes), "routes")
        raise InputError(f"{option}: must name a route of the scenario, got {shown(route)}. {step}{where}")
    return list(routes).index(str(route))


def pattern_of(template: str) -> re.Pattern[str]:
    """The paths that a template means."""
    template = path_of(template) if not template.endswith("*") else template
    parts = re.split(r"(\*+|\{[^{}/]*\})", template)
    return re.compile("".join(_part(part) for part in parts), re.DOTALL)


def _part(part: str) -> str:
    if part.startswith("*"):
        return ".*"
    return "[^/]+" if part.startswith("{") and part.endswith("}") else re.escape(part)


def fixed_text(template: str) -> int:
    """How much of a template stands for itself: the one with more is asked first."""
    return len(_PLACE.sub("", template).replace("*", ""))


def method_of(spec: SystemSpec, route: str) -> str:
    """The method of the endpoint that a route leads to."""
    target = spec.routes[route]
    return spec.services[target.service].endpoints[target.endpoint].method


def template_rules(spec: SystemSpec) -> list[Rule]:
    """Rules of the routes' own templates: the one with more fixed text is asked first."""
    rules = []
    for number, (name, route) in enumerate(spec.routes.items()):
        if route.path:
            rules.append((-fixed_text(route.path), number, Rule(method_of(spec, name), pattern_of(route.path), number)))
    return [rule for _, _, rule in sorted(rules, key=lambda entry: entry[:2])]


Other = int | Literal["mix", "drop"]
"""What becomes of requests that fit nothing: a route's number, one of the mix by the path's hash, or nothing."""


class Router:
    """Finds the route of a method and path, and says which way it was found."""

    MAPPED, MATCHED, ASSIGNED, NAMED, BY_OPENAPI, CAUGHT, DROPPED, DRAWN = range(8)
    WAYS: Final = ("mapped", "matched", "assigned", "named", "by_openapi", "caught", "dropped", "drawn")

    def __init__(
        self, spec: SystemSpec, rules: Sequence[Rule], openapi: Sequence[Rule] = (), other: Other = "mix"
    ) -> None:
        self.users_per_ip = spec.traffic.users_per_ip
        """Of users whose address a log does not tell."""
        self._rules = list(rules)
        self._openapi = list(openapi)
        self._templates = template_rules(spec)
        self._names = {name: number for number, name in enumerate(spec.routes)}
        self._other = other
        self._bounds: list[float] = []
        total = 0.0
        for route in spec.routes:
            total += spec.traffic.mix.get(route, 0.0)
            self._bounds.append(total)

    def route(self, method: str, path: str) -> tuple[int, int]:
        """The number of the route and which of WAYS led there; NO_ROUTE where the request is dropped."""
        if not method and path in self._names:
            return self._names[path], self.NAMED
        for rule in self._rules:
            if rule.fits(method, path):
                return self._unmatched(path) if rule.route == NO_ROUTE else (rule.route, self.MAPPED)
        asked = "GET" if method == "HEAD" else method
        for rule in self._openapi:
            if rule.fits(asked, path):
                return rule.route, self.BY_OPENAPI
        for rule in self._templates:
            if rule.fits(asked, path):
                return rule.route, self.MATCHED
        return self._unmatched(path)

    def without_path(self) -> tuple[int, int]:
        """The same for a request that a log does not say the path of. NO_ROUTE and DRAWN: the mix decides by chance."""
        return (NO_ROUTE, self.DRAWN) if self._other == "mix" else self._unmatched("")

    def _unmatched(self, path: str) -> tuple[int, int]:
        if self._other == "mix":
            return self._by_hash(path), self.ASSIGNED
        return (NO_ROUTE, self.DROPPED) if self._other == "drop" else (self._other, self.CAUGHT)

    def _by_hash(self, path: str) -> int:
        digest = blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        aim = int.from_bytes(digest, "little") / 2**64 * self._bounds[-1]
        return next(number for number, bound in enumerate(self._bounds) if aim < bound)
