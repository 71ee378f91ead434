"""A load test as a file for Locust.

Models   Closed users become Locust's users, who pause between requests; a LoadTestShape brings them stage by stage.
         Open arrivals are approximated, for Locust's users wait for their answers: as many users as it takes, each with
         one request in PACE_S on average, at random or evenly, whatever the answers take.
Units    Seconds.
Source   Locust 2: HttpUser, LoadTestShape (its documentation's stages: `duration` from the start of the test, `users`,
         `spawn_rate`).
Omits    What `Plan.omits` says. A step takes a second: users come at a rate.
Checked  tests/unit/test_export_locust.py, tests/properties/test_load_tests.py
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from experiments.shapes.curve import Point
from experiments.shapes.plan import Pause, Plan

PACE_S: Final = 10.0
"""Longer than answers take, so that the rate holds (assumed)."""


def locust_file(plan: Plan) -> str:
    """The file."""
    is_open = plan.load.kind == "open"
    factor = PACE_S if is_open else 1.0
    points = [(at_s, level * factor) for at_s, level in plan.load.points]
    helpers = _HELPERS.strip()
    if is_open:
        gap = "random.expovariate(1 / mean_s)" if plan.is_random else "mean_s"
        helpers += _PACED.rstrip().replace("GAP", gap)
    parts = [_head(plan), _IMPORTS.strip(), "", _constants(plan, is_open), "", helpers, "", ""]
    parts += [_user(plan, is_open), "", "", _shape(points)]
    return "\n".join(parts) + "\n"


def _head(plan: Plan) -> str:
    lines = [f"The load of the scenario {plan.name}, for Locust. Run it with:"]
    lines += ["  BASE_URL=http://localhost:8080 locust -f locustfile.py --headless", "", *plan.omits]
    if plan.load.kind == "open":
        lines.append(
            f"Locust's users wait for answers: each asks once in {PACE_S:g} s, so the rate holds while answers"
        )
        lines.append("take less than that. k6 keeps a rate whatever happens.")
    assumed = [route.name for route in plan.routes if route.is_assumed]
    if assumed:
        lines.append(f"Keys of {', '.join(assumed)} are assumed: adjust them in ROUTES.")
    return "\n".join(f"# {line if line[:1] == ' ' else ' '.join(line.split())}".rstrip() for line in lines) + "\n"


def _constants(plan: Plan, is_open: bool) -> str:
    rows = [
        (route.name, route.weight, route.method, route.path, route.keys, route.popularity) for route in plan.routes
    ]  # fmt: skip
    lines = ["# Name, weight, method, path, keys, exponent of Zipf's law. {} in a path is a key.", "ROUTES = ["]
    lines += [f"    {row!r}," for row in rows]
    lines += ["]", f"USERS = {plan.users}", f"PATIENCE_S = {plan.patience_s!r}"]
    lines.append('USER_HEADER = os.environ.get("USER_HEADER", "X-User-Id")')
    if is_open:
        lines.append(f"PACE_S = {PACE_S!r}")
    if plan.think is not None:
        lines.append(_pause("THINK", plan.think))
    if plan.away is not None:
        lines += [_pause("AWAY", plan.away), f"SESSION_ENDS = {plan.ends_share!r}"]
    return "\n".join(lines)


def _pause(name: str, pause: Pause) -> str:
    return f"{name} = (\n    {list(pause.shares)!r},\n    {list(pause.values_s)!r},\n)"


def _user(plan: Plan, is_open: bool) -> str:
    if is_open:
        wait = "    wait_time = paced(PACE_S)"
    elif plan.away is not None:
        wait = (
            "    def wait_time(self):\n"
            "        return quantile(AWAY if random.random() < SESSION_ENDS else THINK, random.random())"
        )
    else:
        wait = "    def wait_time(self):\n        return quantile(THINK, random.random())"
    whose = "random.randint(1, USERS)" if is_open else "self.number"
    first = "self.wait_time()"  # everybody begins by thinking
    if is_open:  # as who has been there for long
        first = "random.expovariate(1 / PACE_S)" if plan.is_random else "random.random() * PACE_S"
    return _USER.strip("\n").replace("WAIT", wait).replace("WHOSE", whose).replace("FIRST", first)


def stages_of_users(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Locust's stages: until `duration` from the start there are to be `users`, who come or go at `spawn_rate`.

    `begin` stands where the load jumps to a level and goes on from there.
    """
    stages: list[dict[str, Any]] = []
    before = 0
    for (from_s, first), (to_s, last) in pairwise(points):
        if to_s == from_s:
            continue
        begin, users = round(first), round(last)
        stage: dict[str, Any] = {"duration": to_s, "users": users, "spawn_rate": 1}
        if begin == users != before:
            stage["spawn_rate"] = abs(users - before)  # a step: all within a second
        elif begin != users:
            stage["spawn_rate"] = abs(users - begin) / (to_s - from_s)
            if begin != before:
                stage["begin"] = begin
        stages.append(stage)
        before = users
    return stages


def _shape(points: list[Point]) -> str:
    lines = ["class Load(LoadTestShape):", '    """Users over time."""', "", "    stages = ["]
    lines += [f"        {stage!r}," for stage in stages_of_users(points)]
    return "\n".join([*lines, "    ]", "", _TICK.strip("\n")])


_IMPORTS: Final = """
import bisect
import itertools
import math
import os
import random
import time

from locust import HttpUser, LoadTestShape, task
"""

_HELPERS: Final = """
NUMBERS = itertools.count(1)


def zipf(keys, exponent):
    \"\"\"A key from 1 up, that of rank r in proportion to 1 / r ** exponent: rejection inversion.\"\"\"
    if keys <= 1:
        return 1
    is_log = abs(exponent - 1) < 1e-9

    def area(x):
        return math.log(x) if is_log else (x ** (1 - exponent) - 1) / (1 - exponent)

    def back(y):
        return math.exp(y) if is_log else (1 + y * (1 - exponent)) ** (1 / (1 - exponent))

    low, high = area(1.5) - 1, area(keys + 0.5)
    while True:
        y = low + random.random() * (high - low)
        key = min(keys, max(1, round(back(y))))
        if y >= area(key + 0.5) - key**-exponent:
            return key


def quantile(pause, share):
    \"\"\"A pause in seconds from a table of quantiles.\"\"\"
    shares, values = pause
    at = max(1, bisect.bisect_left(shares, share))
    part = (share - shares[at - 1]) / (shares[at] - shares[at - 1])
    return values[at - 1] + part * (values[at] - values[at - 1])
"""

_PACED: Final = """


def paced(mean_s):
    \"\"\"Pauses with which a user asks once in so many seconds on average, whatever the answers take.\"\"\"

    def wait_time(self):
        self.next_at_s += GAP
        return max(0.0, self.next_at_s - time.time())

    return wait_time
"""

_USER: Final = '''
class Visitor(HttpUser):
    """Somebody who asks for one thing after the other."""

    host = os.environ.get("BASE_URL", "http://localhost:8080")
WAIT

    def on_start(self):
        self.number = next(NUMBERS)
        time.sleep(FIRST)
        self.next_at_s = time.time()

    @task
    def ask(self):
        name, _, method, path, keys, exponent = random.choices(ROUTES, weights=[route[1] for route in ROUTES])[0]
        url = path.replace("{}", str(zipf(keys, exponent)))
        body = {} if method in ("POST", "PUT", "PATCH") else None
        headers = {USER_HEADER: str(WHOSE)}
        self.client.request(method, url, name=name, json=body, headers=headers, timeout=PATIENCE_S)
'''

_TICK: Final = '''
    def tick(self):
        """Users that there are to be, and at which rate they come or go; None: the test is over."""
        now_s = self.get_run_time()
        begins_s = 0
        for stage in self.stages:
            if now_s < stage["duration"]:
                if "begin" in stage and now_s < begins_s + 1:
                    return stage["begin"], max(1, stage["begin"])
                return stage["users"], stage["spawn_rate"]
            begins_s = stage["duration"]
        return None
'''
