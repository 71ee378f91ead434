"""The stages of a LoadTestShape of Locust, as the traffic of a scenario. The file is parsed, never run.

Models   A class with `stages` (a list of `duration` from the start of the test, `users` and `spawn_rate`), or with the
         step_time, step_load, spawn_rate and time_limit of Locust's StepLoadShape. A rise that takes a second or less
         is a step. Users whose wait_time is constant_pacing or constant_throughput are open arrivals, for their rate
         does not depend on the answers; between and constant are think times.
Source   Locust 2: LoadTestShape and its documented examples, wait_time.
Omits    Shapes that compute their ticks; user classes by stage; what is asked for.
Checked  tests/unit/test_read_locust.py, tests/properties/test_load_tests.py
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from experiments.errors import InputError, shown
from experiments.shapes.curve import Load, Point, simplified

LONGEST_S: Final = 3.2e7
MOST: Final = 1e9
MOST_STEPS: Final = 10_000
DEEPEST: Final = 20
AT_ONCE_S: Final = 1.0
PACING: Final = ("constant_pacing", "paced")
"""Locust's own, and that of what is exported."""
_MISSING: Final = object()


@dataclass(frozen=True)
class Waiting:
    """What users do between requests: pause between two bounds, or keep a pace."""

    low_s: float
    high_s: float
    per_s: float | None = None
    """Requests a second of one user, whatever the answers take; then there is no pause."""


def read_locust(text: str, name: str) -> tuple[Load, Waiting | None]:
    """The load, and how users wait where that is told plainly. Raises InputError."""
    tree = _parsed(text, name)
    values = dict(_assigned(tree.body, {}))
    shapes = [each for each in ast.walk(tree) if isinstance(each, ast.ClassDef) and _is_shape(each)]
    if not shapes:
        raise InputError(f"{name}: must have a class that is a LoadTestShape, got none. Is it a Locust file?")
    points = _points(shapes[0], values, f"{name}: {shapes[0].name}")
    waiting = _waiting(tree, values)
    if waiting is not None and waiting.per_s is not None:
        per_s = waiting.per_s
        return Load("open", tuple((at_s, users * per_s) for at_s, users in points)), waiting
    return Load("closed", tuple(points)), waiting


def _parsed(text: str, name: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        message = str(error.msg)
        raise InputError(f"{name}: must be a Python file, got: {message}. (line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise InputError(f"{name}: must be a Python file, got: {str(error) or 'too deeply nested'}.") from None


def _is_shape(each: ast.ClassDef) -> bool:
    names = [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in each.bases]
    return any(name.endswith("LoadTestShape") for name in names)


def _assigned(body: list[ast.stmt], known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and their plain values; later ones may use earlier ones."""
    known = dict(known)
    for statement in body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            continue
        found = _plain(value, known, 0)
        if isinstance(target, ast.Name) and found is not _MISSING:
            known[target.id] = found
            yield target.id, found


def _plain(node: ast.expr, known: dict[str, Any], depth: int) -> Any:
    """The value of a literal, of a name of one, or of a sum or product of numbers; _MISSING where it is none."""
    if depth > DEEPEST:
        return _MISSING
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id, _MISSING)
    if isinstance(node, ast.List | ast.Tuple):
        items = [_plain(item, known, depth + 1) for item in node.elts]
        return _MISSING if _MISSING in items else items
    if isinstance(node, ast.Dict):
        pairs = [(_plain(key, known, depth + 1) if key else _MISSING, _plain(value, known, depth + 1))
                 for key, value in zip(node.keys, node.values, strict=True)]  # fmt: skip
        return {key: value for key, value in pairs if isinstance(key, str) and value is not _MISSING}
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        return _computed(node, known, depth)
    return _MISSING


def _computed(node: ast.BinOp | ast.UnaryOp, known: dict[str, Any], depth: int) -> Any:
    sides = [node.operand] if isinstance(node, ast.UnaryOp) else [node.left, node.right]
    values = [_plain(side, known, depth + 1) for side in sides]
    if not all(isinstance(value, int | float) and abs(value) <= MOST for value in values):
        return _MISSING
    if isinstance(node, ast.UnaryOp):
        return -values[0] if isinstance(node.op, ast.USub) else values[0]
    left, right = values
    if isinstance(node.op, ast.Div):
        return left / right if right else _MISSING
    operations = {ast.Add: left + right, ast.Sub: left - right, ast.Mult: left * right}
    return operations.get(type(node.op), _MISSING)


def _points(shape: ast.ClassDef, known: dict[str, Any], at: str) -> list[Point]:
    values = dict(_assigned(shape.body, known))
    if isinstance(values.get("stages"), list):
        return _through(values["stages"], at)
    names = ("step_time", "step_load", "spawn_rate", "time_limit")
    if all(isinstance(values.get(name), int | float) for name in names):
        step_s, step_users, rate, ends_s = (_number(values[name], f"{at}.{name}") for name in names)
        return _stairs(step_s, step_users, rate, ends_s, at)
    raise InputError(
        f"{at}: must have stages that are a plain list, got none. Write them out: a shape that computes its ticks "
        f"cannot be read. (line {shape.lineno})"
    )


def _through(stages: list[Any], at: str) -> list[Point]:
    points: list[Point] = [(0.0, 0.0)]
    for number, stage in enumerate(stages):
        where = f"{at}.stages[{number}]"
        if not isinstance(stage, dict):
            raise InputError(f"{where}: must be a mapping with duration, users and spawn_rate, got {shown(stage)}.")
        from_s, before = points[-1]
        to_s, users = (_number(stage.get(key), f"{where}.{key}") for key in ("duration", "users"))
        rate = _number(stage.get("spawn_rate", users or 1), f"{where}.spawn_rate")
        if to_s < from_s or to_s > LONGEST_S:
            raise InputError(f"{where}.duration: must be after the stage before, got {to_s:g} after {from_s:g}.")
        if "begin" in stage:
            before = _number(stage["begin"], f"{where}.begin")
            points.append((from_s, before))
        rise_s = abs(users - before) / rate if rate else to_s - from_s
        if rise_s <= AT_ONCE_S and "begin" not in stage and to_s - from_s > AT_ONCE_S:
            points.append((from_s, users))
        elif rise_s < 0.999 * (to_s - from_s):
            points.append((from_s + rise_s, users))
        elif rise_s > 1.001 * (to_s - from_s):
            users = before + (users - before) * (to_s - from_s) / rise_s  # the next stage comes first
        points.append((to_s, users))
    if points[1][0] == 0.0:
        points = points[1:]
    return simplified(points)


def _stairs(step_s: float, step_users: float, rate: float, ends_s: float, at: str) -> list[Point]:
    if not 0 < step_s <= LONGEST_S or not 0 < ends_s <= LONGEST_S or ends_s / step_s > MOST_STEPS:
        raise InputError(f"{at}: must have a step_time and a time_limit of some seconds, got {step_s:g}, {ends_s:g}.")
    steps = int(-(-ends_s // step_s))
    stages = [
        {"duration": min((number + 1) * step_s, ends_s), "users": (number + 1) * step_users, "spawn_rate": rate}
        for number in range(steps)
    ]
    return _through(stages, at)


def _waiting(tree: ast.Module, known: dict[str, Any]) -> Waiting | None:
    """The wait_time of the first class that has a plain one."""
    for each in ast.walk(tree):
        if not isinstance(each, ast.Assign) or not isinstance(each.value, ast.Call):
            continue
        if not any(isinstance(target, ast.Name) and target.id == "wait_time" for target in each.targets):
            continue
        name = (
            each.value.func.attr if isinstance(each.value.func, ast.Attribute) else getattr(each.value.func, "id", "")
        )
        given = [_plain(argument, known, 0) for argument in each.value.args]
        if not given or not all(isinstance(value, int | float) and 0 <= value <= MOST for value in given):
            continue
        first, last = float(given[0]), float(given[-1])
        if name in ("constant", "between") and first <= last:
            return Waiting(first, last)
        if name in (*PACING, "constant_throughput") and first > 0:
            return Waiting(0.0, 0.0, first if name == "constant_throughput" else 1 / first)
    return None


def _number(value: Any, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        raise InputError(
            f"{at}: must be a number from 0 to {MOST:.0f}, got {'none' if value is None else shown(value)}."
        )
    return float(value)
