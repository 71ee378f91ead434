"""A load test as a script for k6.

Models   Open arrivals become an executor of arrival rates, closed users one of virtual users that pause between
         requests; both follow the scenario's shape and surges stage by stage. What is asked for is chosen by weight,
         its key by Zipf's law.
Units    k6's: durations with a unit, whole numbers of requests per timeUnit.
Source   k6 0.49 and later: executors, stages, thresholds, http.request; zipf by rejection inversion (Hoermann and
         Derflinger 1996, doi:10.1145/235025.235029).
Omits    What `Plan.omits` says.
Checked  tests/unit/test_export_k6.py (run by node), tests/properties/test_load_tests.py
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

from experiments.shapes.curve import Load, Stage, stages_of
from experiments.shapes.plan import Pause, Plan

UNITS_S: Final = (1, 10, 60, 600, 3600, 36_000, 360_000)
NEAR: Final = 1e-6
EXPECTED_ANSWER_S: Final = 1.0
"""How long answers take at most before more virtual users are made (assumed)."""
SLOWEST_ANSWER_S: Final = 10.0
"""How long they may take before k6 leaves requests out, where clients have all the patience (assumed)."""


def k6_script(plan: Plan) -> str:
    """The script."""
    imports = ["import http from 'k6/http';", *(["import { sleep } from 'k6';"] if plan.think is not None else [])]
    parts = [_head(plan), *imports, "", _constants(plan)]
    parts += [f"export const options = {_literal(options_of(plan))};", "", _routes(plan), "", _HELPERS.strip()]
    if plan.think is not None:
        parts += ["", _pauses(plan)]
    return "\n".join([*parts, "", _main(plan)]) + "\n"


def _head(plan: Plan) -> str:
    run = "k6 run -e BASE_URL=http://localhost:8080 load.js"
    lines = [f"The load of the scenario {plan.name}, for k6. Run it with:", f"  {run}", "", *plan.omits]
    if plan.is_random:
        lines.append("Requests come evenly spaced at the rate: the scenario's come at random.")
    assumed = [route.name for route in plan.routes if route.is_assumed]
    if assumed:
        lines.append(f"Keys of {', '.join(assumed)} are assumed: adjust them in ROUTES.")
    return "\n".join(f"// {' '.join(line.split()) if line[:1] != ' ' else line}".rstrip() for line in lines) + "\n"


def _constants(plan: Plan) -> str:
    header = "const USER_HEADER = __ENV.USER_HEADER || 'X-User-Id';"
    return f"const BASE_URL = __ENV.BASE_URL || 'http://localhost:8080';\n{header}\nconst USERS = {plan.users};\n"


def options_of(plan: Plan) -> dict[str, Any]:
    """k6's options: one scenario, which is open or closed."""
    load = plan.load
    executor = open_executor(load, plan.patience_s) if load.kind == "open" else closed_executor(load)
    return {"scenarios": {"load": executor}}


def open_executor(load: Load, patience_s: float | None) -> dict[str, Any]:
    """An executor of arrival rates."""
    unit_s = time_unit_s([level for _, level in load.points])
    start, stages = stages_of(load.points)
    first = max(1, round(load.peak * EXPECTED_ANSWER_S))
    most = max(first, round(load.peak * min(patience_s or SLOWEST_ANSWER_S, 60.0)), 10)
    users = {"timeUnit": duration_text(float(unit_s)), "preAllocatedVUs": first, "maxVUs": most}
    if all(stage.target == start for stage in stages):
        rate = round(start * unit_s)
        return {"executor": "constant-arrival-rate", "rate": rate, "duration": duration_text(load.ends_s), **users}
    told = [_stage(stage, round(stage.target * unit_s)) for stage in stages]
    return {"executor": "ramping-arrival-rate", "startRate": round(start * unit_s), **users, "stages": told}


def closed_executor(load: Load) -> dict[str, Any]:
    """An executor of virtual users. Who goes may finish the request under way."""
    start, stages = stages_of(load.points)
    if all(stage.target == start for stage in stages):
        return {"executor": "constant-vus", "vus": round(start), "duration": duration_text(load.ends_s)}
    told = [_stage(stage, round(stage.target)) for stage in stages]
    return {"executor": "ramping-vus", "startVUs": round(start), "stages": told, "gracefulRampDown": "30s"}


def _stage(stage: Stage, target: int) -> dict[str, Any]:
    return {"duration": duration_text(stage.lasts_s), "target": target}


def time_unit_s(levels: list[float]) -> int:
    """The shortest unit in which all rates are whole numbers, or nearly."""
    for unit_s in UNITS_S:
        if all(abs(level * unit_s - round(level * unit_s)) <= NEAR * level * unit_s for level in levels):
            return unit_s
    return UNITS_S[-1]


def duration_text(seconds: float) -> str:
    """As k6 writes durations: no exponents."""
    text = format(Decimal(repr(seconds)).normalize(), "f")
    return f"{text}s"


def _literal(value: Any, indent: int = 0) -> str:
    """JSON as people write it in a script: one line where it is short, keys without quotes."""
    if isinstance(value, dict):
        items = [f"{key}: {_literal(each, indent + 2)}" for key, each in value.items()]
        flat = "{ " + ", ".join(items) + " }"
        opening, closing = "{", "}"
    elif isinstance(value, list):
        items = [_literal(each, indent + 2) for each in value]
        flat = "[" + ", ".join(items) + "]"
        opening, closing = "[", "]"
    else:
        return json.dumps(value) if not isinstance(value, str) else quoted(value)
    if len(flat) + indent <= 100 and "\n" not in flat:
        return flat
    inner = ",\n".join(" " * (indent + 2) + item for item in items)
    return f"{opening}\n{inner},\n{' ' * indent}{closing}"


def quoted(text: str) -> str:
    """A JavaScript string; whatever a name holds, it ends no string and no script."""
    plain = json.dumps(text)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{plain}'"


def _routes(plan: Plan) -> str:
    rows = [
        {"name": route.name, "weight": route.weight, "method": route.method, "path": route.path, "keys": route.keys,
         "popularity": route.popularity}
        for route in plan.routes
    ]  # fmt: skip
    return "// What is asked for: {} in a path is a key, chosen by Zipf's law with this exponent.\n" + (
        f"const ROUTES = {_literal(rows)};"
    )


def _pauses(plan: Plan) -> str:
    assert plan.think is not None
    parts = ["// Pauses in seconds as quantiles; between them they run straight.", _pause("THINK", plan.think)]
    if plan.away is not None:
        parts += [_pause("AWAY", plan.away), f"const SESSION_ENDS = {plan.ends_share!r};"]
    return "\n".join([*parts, "", _QUANTILE.strip()])


def _pause(name: str, pause: Pause) -> str:
    value = {"shares": list(pause.shares), "values": list(pause.values_s)}
    return f"const {name} = {_literal(value)};"


def _main(plan: Plan) -> str:
    closed = plan.think is not None
    user = "__VU" if closed else "1 + Math.floor(Math.random() * USERS)"
    limit = "" if plan.patience_s is None else f", timeout: '{duration_text(plan.patience_s)}'"
    if plan.away is not None:
        pause = ["  sleep(quantile(Math.random() < SESSION_ENDS ? AWAY : THINK, Math.random()));"]
    else:
        pause = ["  sleep(quantile(THINK, Math.random()));"] if closed else []
    lines = [
        "export default function () {",
        *pause,  # everybody begins by thinking, as in the simulation
        "  const route = chosen();",
        "  const path = route.path.split('{}').join(String(zipf(route.keys, route.popularity)));",
        f"  const headers = {{ [USER_HEADER]: String({user}), 'Content-Type': 'application/json' }};",
        "  const body = ['POST', 'PUT', 'PATCH'].includes(route.method) ? '{}' : null;",
        "  const tags = { name: route.name };",
        f"  http.request(route.method, BASE_URL + path, body, {{ headers, tags{limit} }});",
    ]
    return "\n".join([*lines, "}"])


_HELPERS: Final = """
const TOTAL = ROUTES.reduce((sum, route) => sum + route.weight, 0);

function chosen() {
  let left = Math.random() * TOTAL;
  for (const route of ROUTES) {
    left -= route.weight;
    if (left < 0) return route;
  }
  return ROUTES[ROUTES.length - 1];
}

// A key from 1 to n, that of rank r in proportion to 1 / r ** s: rejection inversion.
function zipf(n, s) {
  if (n <= 1) return 1;
  const area = (x) => (Math.abs(s - 1) < 1e-9 ? Math.log(x) : (x ** (1 - s) - 1) / (1 - s));
  const back = (y) => (Math.abs(s - 1) < 1e-9 ? Math.exp(y) : (1 + y * (1 - s)) ** (1 / (1 - s)));
  const low = area(1.5) - 1;
  const high = area(n + 0.5);
  for (;;) {
    const y = low + Math.random() * (high - low);
    const key = Math.min(n, Math.max(1, Math.round(back(y))));
    if (y >= area(key + 0.5) - key ** -s) return key;
  }
}
"""

_QUANTILE: Final = """
function quantile(pause, share) {
  let at = 1;
  while (pause.shares[at] < share) at += 1;
  const part = (share - pause.shares[at - 1]) / (pause.shares[at] - pause.shares[at - 1]);
  return pause.values[at - 1] + part * (pause.values[at] - pause.values[at - 1]);
}
"""
