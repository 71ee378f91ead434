"""Replay: an access log becomes the traffic of a scenario.

Models   Who asks, when and for which path come from the log; what a path means comes from the scenario. A path goes to
         the route that `--map` says, else to the one whose template and method fit, else to one of the mix, always
         the same for the same path. A path is also the key that caches are asked for.
         Logs have whole seconds: line n of the log comes at the fraction mix64(n) of its second, so that requests of
         a second are spread evenly at random, the same in every run. Lines out of order are put in order.
         Load above 1 adds copies of the log with users of their own, each moved in time (round the end of the log) by
         a part of its span; a part of a copy, or of the log itself below 1, keeps each line with that probability.
Units    Seconds.
Source   mix64: the finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195).
Omits    Dependence of requests on earlier answers: a replay is open, nobody waits before asking again.
Checked  tests/unit/test_access_log.py, tests/properties/test_access_log.py, tests/e2e/test_replay_cli.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from experiments.access_log import AccessLog, path_of
from experiments.errors import InputError, shown
from experiments.scenario.document import read_document
from experiments.scenario.paths import did_you_mean
from experiments.trace import Trace
from models.system import SystemSpec
from sim.streams import DURATION_STEP_S

if TYPE_CHECKING:
    from experiments.scenario import Scenario

LARGEST: Final = 50_000_000
"""Requests. What is beyond does not fit in the memory of a small machine."""

_METHODS: Final = "GET|HEAD|PUT|DELETE|POST|PATCH|OPTIONS"
_RULE: Final = re.compile(rf"(?:({_METHODS}) +)?(/.*)")
_STEPS_IN_A_SECOND: Final = round(1 / DURATION_STEP_S)


@dataclass(frozen=True)
class Rule:
    """A pattern of paths and the route it means. `{id}` is one part of a path, `*` any text."""

    method: str
    """Empty: any."""
    pattern: re.Pattern[str]
    route: int

    def fits(self, method: str, path: str) -> bool:
        return (not self.method or self.method == method) and self.pattern.fullmatch(path) is not None


@dataclass(frozen=True)
class Replayed:
    """What became of the lines of a log."""

    log: str
    lines: int
    bad: int
    bad_shown: list[str]
    requests: int
    """Lines that are requests: lines = requests + bad."""
    went_back: int
    mapped: int
    """Requests whose route was said by --map."""
    matched: int
    """Requests that fit a route's template."""
    assigned: int
    """Requests that fit nothing, so that their path chose among the mix."""
    users: int
    ips: int
    paths: int
    span_s: float
    load: float
    speed: float
    replayed: int
    """Requests in the trace, after scaling the load."""

    def as_dict(self) -> dict[str, object]:
        return dict(self.__dict__)


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
    if route not in routes:
        step = did_you_mean(str(route), list(routes), "routes")
        raise InputError(f"--map: must name a route of the scenario, got {shown(route)}. {step} ({origin})")
    return Rule(match[1] or "", _pattern(match[2]), list(routes).index(str(route)))


def _pattern(template: str) -> re.Pattern[str]:
    template = path_of(template) if not template.endswith("*") else template
    parts = re.split(r"(\*+|\{[^{}/]*\})", template)
    return re.compile("".join(_part(part) for part in parts), re.DOTALL)


def _part(part: str) -> str:
    if part.startswith("*"):
        return ".*"
    return "[^/]+" if part.startswith("{") and part.endswith("}") else re.escape(part)


def template_rules(spec: SystemSpec) -> list[Rule]:
    """Rules of the routes' own templates: the one with more fixed text is asked first."""
    rules = []
    for number, route in enumerate(spec.routes.values()):
        if route.path:
            method = spec.services[route.service].endpoints[route.endpoint].method
            fixed = len(re.sub(r"\{[^{}/]*\}|\*", "", route.path))
            rules.append((-fixed, number, Rule(method, _pattern(route.path), number)))
    return [rule for _, _, rule in sorted(rules, key=lambda entry: entry[:2])]


class Router:
    """Finds the route of a method and path, and says which way it was found."""

    MAPPED, MATCHED, ASSIGNED = range(3)

    def __init__(self, spec: SystemSpec, rules: Sequence[Rule]) -> None:
        self._rules = list(rules)
        self._templates = template_rules(spec)
        self._bounds: list[float] = []
        total = 0.0
        for route in spec.routes:
            total += spec.traffic.mix.get(route, 0.0)
            self._bounds.append(total)

    def route(self, method: str, path: str) -> tuple[int, int]:
        """The number of the route, and MAPPED, MATCHED or ASSIGNED."""
        for rule in self._rules:
            if rule.fits(method, path):
                return rule.route, self.MAPPED
        asked = "GET" if method == "HEAD" else method
        for rule in self._templates:
            if rule.fits(asked, path):
                return rule.route, self.MATCHED
        return self._by_hash(path), self.ASSIGNED

    def _by_hash(self, path: str) -> int:
        digest = blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        aim = int.from_bytes(digest, "little") / 2**64 * self._bounds[-1]
        return next(number for number, bound in enumerate(self._bounds) if aim < bound)


def replay_trace(
    log: AccessLog, spec: SystemSpec, rules: Sequence[Rule] = (), load: float = 1.0, speed: float = 1.0
) -> tuple[Trace, Replayed]:  # fmt: skip
    """The trace of a log for a system. `speed` is only reported: the scenario's traffic scales time."""
    if len(log) * load > LARGEST:
        raise InputError(f"--load: must give at most {LARGEST} requests, got {len(log) * load:.0f}. Lower it.")
    router = Router(spec, rules)
    found = [router.route(method, path) for method, path in log.targets]
    routes = np.array([route for route, _ in found], dtype=np.int64)[log.target]
    ways = np.bincount(np.array([way for _, way in found], dtype=np.int64)[log.target], minlength=3)
    keys = _keys(log)
    span_s = int(log.second.max() - log.second.min()) + 1
    t_s = (log.second - log.second.min()) + uniform(log.line, "second")
    copies = [_copy(log, t_s, routes, keys, span_s, number, load) for number in range(max(1, int(np.ceil(load))))]
    columns = [np.concatenate(column) for column in zip(*copies, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    t_s, routes, users, ips, keys = (column[order] for column in columns)
    if not len(t_s):
        raise InputError(f"--load: must leave at least one request, got {load:g}. Raise it.")
    mapped, matched, assigned = (int(count) for count in ways)
    summary = Replayed(
        log=log.name, lines=log.lines, bad=log.bad, bad_shown=log.bad_shown, requests=len(log), went_back=log.went_back,
        mapped=mapped, matched=matched, assigned=assigned, users=int(log.user.max()) + 1, ips=int(log.ip.max()) + 1,
        paths=len(log.targets), span_s=float(span_s), load=load, speed=speed, replayed=len(t_s),
    )  # fmt: skip
    return Trace(t_s, routes, users, ips, keys), summary


def _copy(
    log: AccessLog, t_s: np.ndarray, routes: np.ndarray, keys: np.ndarray, span_s: int, number: int, load: float
) -> tuple[np.ndarray, ...]:  # fmt: skip
    """Copy `number` of the log (0: the log itself): its times, routes, users, addresses and keys."""
    if number:
        moved = float(uniform(np.array([number]), "copy")[0]) * span_s
        t_s = (t_s + np.rint(moved / DURATION_STEP_S) * DURATION_STEP_S) % span_s
    users = log.user + number * (int(log.user.max()) + 1)
    ips = log.ip + number * (int(log.ip.max()) + 1)
    columns = (t_s, routes, users, ips, keys)
    part = load - number
    if part >= 1:
        return columns
    kept = uniform(log.line, f"kept {number}") < part
    return tuple(column[kept] for column in columns)


def _keys(log: AccessLog) -> npt.NDArray[np.int64]:
    """One key a path, whatever the method: reading and changing a thing are about the same key."""
    numbers: dict[str, int] = {}
    by_target = [numbers.setdefault(path, len(numbers)) for _, path in log.targets]
    return np.array(by_target, dtype=np.int64)[log.target]


def uniform(numbers: npt.NDArray[np.int64], purpose: str) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1) that look drawn and belong to `numbers`: multiples of 2**-30."""
    salt = int.from_bytes(blake2b(purpose.encode(), digest_size=8).digest(), "little")
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(34)).astype(np.float64) / _STEPS_IN_A_SECOND


def told(replayed: Replayed) -> list[str]:
    """What became of the log, for people."""
    name = "standard input" if replayed.log == "-" else replayed.log
    ways = f"{replayed.mapped} by --map, {replayed.matched} by template, {replayed.assigned} by hash into the mix"
    lines = [
        f"{name}: {replayed.lines} lines = {replayed.requests} requests + {replayed.bad} bad; {replayed.users} users, "
        f"{replayed.ips} addresses, {replayed.paths} paths over {replayed.span_s:.0f} s.",
        f"Routes: {ways}." + ("" if replayed.load == 1 else f" Load {replayed.load:g}: {replayed.replayed} requests."),
    ]
    if replayed.went_back:
        lines.append(f"{replayed.went_back} lines stood after later ones and were put in order.")
    return lines + [f"Bad {text}" for text in replayed.bad_shown]


def with_recorded_traffic(scenario: Scenario, log: str, speed: float) -> Scenario:
    """The scenario with a recorded log in place of its own traffic. Raises InputError."""
    for text in scenario.settings:
        for kind in ("users", "open", "trace"):
            if re.match(rf"traffic\.{kind}[.=]", text):
                raise InputError(
                    f"traffic.{kind}: must not be set in a replay, whose traffic is the log. Remove it. (--set {text})"
                )
    trace = json.dumps({"file": log, "speed": speed}, ensure_ascii=False)
    return scenario.with_settings(["traffic.users=null", "traffic.open=null", f"traffic.trace={trace}"])
