"""The stages of a k6 script or options file, as the traffic of a scenario. The script is read, never run.

Models   Executors of virtual users (constant-vus, ramping-vus, and the stages or duration of the options themselves)
         are closed users, those of arrival rates are open arrivals. Several at once add up, each from its startTime;
         before that and between them there is no load. A stage of no duration is a jump. An iteration is a request.
Source   k6 0.49 to 2.3: options, executors and their defaults (startVUs and vus 1, startRate 0, timeUnit 1s, startTime
         0s); durations as Go writes them, days too, or milliseconds as numbers or texts.
Omits    Executors of iterations, whose load depends on the answers, and externally-controlled; what the script asks
         for; maxVUs, beyond which k6 leaves iterations out, which is said; iterations that gracefulStop lets end.
Checked  tests/unit/test_read_k6.py, tests/properties/test_load_tests.py
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from experiments.errors import InputError, shown
from experiments.shapes.curve import Load, Point, points_of, summed
from experiments.shapes.curve import Stage as CurveStage
from experiments.shapes.literals import Literals, Unread

LONGEST_S: Final = 3.2e7
MOST: Final = 1e9
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d)")
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SLEEP: Final = re.compile(r"\bsleep\(\s*([0-9.]+)\s*\)")
_ANY_SLEEP: Final = re.compile(r"\bsleep\(")
_CALL: Final = re.compile(r"\bhttp\.(?:get|post|put|del|patch|head|options|request|asyncRequest|batch)\s*\(")
_MS: Final = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_OTHERS: Final = {
    "externally-controlled": "What it does is said while it runs.",
    "shared-iterations": "How long its load lasts depends on the answers.",
    "per-vu-iterations": "How long its load lasts depends on the answers.",
}

Kind = Literal["open", "closed"]


def is_k6(text: str) -> bool:
    """Whether a JSON file holds options rather than results."""
    options = _options(Literals(text))
    return isinstance(options, dict) and bool({"stages", "scenarios", "vus"} & options.keys())


def read_k6(text: str, name: str) -> tuple[Load, float | None]:
    """The load, and the pause in seconds where the script has one that is a plain number. Raises InputError."""
    options = _options(Literals(text))
    if not isinstance(options, dict):
        raise InputError(f"{name}: must have options that are an object, got {_said(options)}. Is it a k6 script?")
    curves = list(_curves(options, name))
    if not curves:
        raise InputError(f"{name}: must have stages, scenarios or vus in its options, got none. Is it a k6 script?")
    kinds = {kind for kind, _ in curves}
    if len(kinds) > 1:
        raise InputError(f"{name}: must have arrival rates or virtual users, got both. Split it into two files.")
    is_alone = len(curves) == 1 and not curves[0][1][0][0]
    points = curves[0][1] if is_alone else summed([points for _, points in curves])
    return Load(next(iter(kinds)), tuple(points)), _pause(text)


def notes_of(text: str) -> list[str]:
    """What of a script that can be read is not in its load."""
    options = _options(Literals(text))
    scenarios = options.get("scenarios") if isinstance(options, dict) else None
    found = []
    calls = len(_CALL.findall(text))
    if calls > 1:
        found.append(f"An iteration is taken as one request; the script has {calls} calls: multiply if need be.")
    most = [
        users for each in (scenarios.values() if isinstance(scenarios, dict) else ()) if isinstance(each, dict)
        and "arrival-rate" in str(each.get("executor"))
        and isinstance(users := each.get("maxVUs", each.get("preAllocatedVUs")), int)
    ]  # fmt: skip
    if most:
        said = f"k6 runs at most {sum(most)} iterations at once and leaves out the others"
        found.append(f"{said}; here all of them come.")
    return found


def _options(literals: Literals) -> Any:
    found = literals.assigned("options")
    return literals.whole() if found is None else found


def _pause(text: str) -> float | None:
    """The sum of the plain sleeps; 0 where there is none, None where one is no plain number."""
    plain = [float(match) for match in _SLEEP.findall(text) if match.count(".") <= 1 and match != "."]
    return sum(plain) if len(plain) == len(_ANY_SLEEP.findall(text)) else None


def _curves(options: Mapping[str, Any], name: str) -> Any:
    scenarios = options.get("scenarios")
    if scenarios is not None:
        if not isinstance(scenarios, dict):
            raise InputError(f"{name}: scenarios: must be an object, got {_said(scenarios)}.")
        for key, each in scenarios.items():
            at = f"{name}: scenarios.{shown(key)[1:-1]}"
            if not isinstance(each, dict):
                raise InputError(f"{at}: must be an object, got {_said(each)}.")
            yield _executor(each, at)
    elif options.get("stages") is not None:
        start = _number(options.get("vus", 1), f"{name}: vus")
        yield "closed", points_of(start, _stages(options["stages"], f"{name}: stages", 1.0))
    elif options.get("iterations") is not None:
        yield _executor({"executor": "shared-iterations"}, name)
    elif options.get("vus") is not None or options.get("duration") is not None:
        vus = _number(options.get("vus", 1), f"{name}: vus")
        yield "closed", points_of(vus, [CurveStage(_duration(options.get("duration"), f"{name}: duration"), vus)])


def _executor(each: Mapping[str, Any], at: str) -> tuple[Kind, list[Point]]:
    executor = each.get("executor")
    begins_s = _duration(each.get("startTime", "0s"), f"{at}.startTime")
    if executor == "constant-vus":
        vus = _number(each.get("vus", 1), f"{at}.vus")
        return "closed", _moved(
            points_of(vus, [CurveStage(_duration(each.get("duration"), f"{at}.duration"), vus)]), begins_s
        )
    if executor == "ramping-vus":
        start = _number(each.get("startVUs", 1), f"{at}.startVUs")
        return "closed", _moved(points_of(start, _stages(each.get("stages"), f"{at}.stages", 1.0)), begins_s)
    if executor in ("constant-arrival-rate", "ramping-arrival-rate"):
        per = _duration(each.get("timeUnit", "1s"), f"{at}.timeUnit")
        if not per:
            raise InputError(f"{at}.timeUnit: must be more than 0, got 0. Write e.g. '1s'.")
        if executor == "constant-arrival-rate":
            rate = _number(each.get("rate"), f"{at}.rate") / per
            stages = [CurveStage(_duration(each.get("duration"), f"{at}.duration"), rate)]
            return "open", _moved(points_of(rate, stages), begins_s)
        start = _number(each.get("startRate", 0), f"{at}.startRate") / per
        return "open", _moved(points_of(start, _stages(each.get("stages"), f"{at}.stages", per)), begins_s)
    raise InputError(
        f"{at}.executor: must be constant-vus, ramping-vus, constant-arrival-rate or ramping-arrival-rate, got "
        f"{_said(executor)}. {_OTHERS.get(str(executor), 'k6 has no other that can be read.')}"
    )


def _stages(stages: Any, at: str, per: float) -> list[CurveStage]:
    if not isinstance(stages, list) or not stages:
        raise InputError(f"{at}: must be a list of stages, got {_said(stages)}.")
    found = []
    for number, stage in enumerate(stages):
        if not isinstance(stage, dict):
            raise InputError(f"{at}[{number}]: must be an object, got {_said(stage)}.")
        lasts_s = _duration(stage.get("duration"), f"{at}[{number}].duration")
        found.append(CurveStage(lasts_s, _number(stage.get("target"), f"{at}[{number}].target") / per))
    return found


def _moved(points: list[Point], by_s: float) -> list[Point]:
    return [(at_s + by_s, level) for at_s, level in points]


def _number(value: Any, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        raise InputError(f"{at}: must be a number from 0 to {MOST:.0f}, got {_said(value)}.")
    return float(value)


def _duration(value: Any, at: str) -> float:
    """Seconds of `1m30s`, or of a number of milliseconds."""
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000
    elif isinstance(value, str) and len(value) < 100:
        parts = _PART.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value.strip():
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        elif _MS.fullmatch(value.strip()):
            seconds = float(value) / 1000
    if not 0 <= seconds <= LONGEST_S:
        raise InputError(f"{at}: must be a duration such as '1m30s', got {_said(value)}.")
    return seconds


def _said(value: Any) -> str:
    if isinstance(value, Unread):
        return f"something that is no plain value: {shown(value.text)} (line {value.line})"
    return "none" if value is None else shown(value)
