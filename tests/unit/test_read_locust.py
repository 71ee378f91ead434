"""Stages of Locust as the traffic of a scenario, written as in Locust's own documentation."""

from __future__ import annotations

import pytest

from experiments.errors import InputError
from experiments.shapes.read_locust import Waiting, read_locust

STAGES = """
from locust import HttpUser, LoadTestShape, TaskSet, constant, task

class WebsiteUser(HttpUser):
    wait_time = constant(0.5)

class StagesShape(LoadTestShape):
    stages = [
        {"duration": 60, "users": 10, "spawn_rate": 10},
        {"duration": 100, "users": 50, "spawn_rate": 10},
        {"duration": 180, "users": 100, "spawn_rate": 0.5},
        {"duration": 220, "users": 30, "spawn_rate": 100},
    ]

    def tick(self):
        pass
"""

STEPS = """
import locust
from locust import between
STEP = 30

class StepLoadShape(locust.LoadTestShape):
    step_time = STEP
    step_load = 10
    spawn_rate = 10
    time_limit = STEP * 3 + 5

class U(locust.HttpUser):
    wait_time = between(1, 2.5)
"""


def test_users_come_at_their_spawn_rate_and_then_stay() -> None:
    load, waiting = read_locust(STAGES, "locustfile.py")
    assert load.kind == "closed"
    # 10 users at 10/s are there at once (a second or less); 40 at 10/s take 4 s; 50 at 0.5/s would take 100 s of 80
    assert load.points == ((0, 10), (60, 10), (64, 50), (100, 50), (180, 90), (180, 30), (220, 30))
    assert waiting == Waiting(0.5, 0.5)


def test_steps_are_stages() -> None:
    load, waiting = read_locust(STEPS, "locustfile.py")
    assert load.points == ((0, 10), (30, 10), (30, 20), (60, 20), (60, 30), (90, 30), (90, 40), (95, 40))
    assert waiting == Waiting(1, 2.5)


@pytest.mark.parametrize(("wait", "rate"), [("constant_pacing(4)", 2.5), ("constant_throughput(0.5)", 5.0)])
def test_users_that_keep_a_pace_are_open_arrivals(wait: str, rate: float) -> None:
    text = f"""
class U(HttpUser):
    wait_time = {wait}
class S(LoadTestShape):
    stages = [{{"duration": 60, "users": 10, "spawn_rate": 10}}]
"""
    load, _ = read_locust(text, "l.py")
    assert (load.kind, load.points) == ("open", ((0, rate), (60, rate)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("def f(:", "l.py: must be a Python file, got: "),
        ("x = 1", "must have a class that is a LoadTestShape, got none"),
        ("class S(LoadTestShape):\n  def tick(self): return 1, 1", "must have stages that are a plain list, got none."),
        ("class S(LoadTestShape):\n  stages = make()", "cannot be read. (line 1)"),
        ("class S(LoadTestShape):\n  stages = [3]", "l.py: S.stages[0]: must be a mapping"),
        ("class S(LoadTestShape):\n  stages = [{'duration': 'x', 'users': 1}]", "stages[0].duration: must be a number"),
        ("class S(LoadTestShape):\n  stages = [{'duration': 5, 'users': 1}, {'duration': 4, 'users': 1}]",
         "stages[1].duration: must be after the stage before, got 4 after 5."),
        ("class S(LoadTestShape):\n  step_time=0\n  step_load=1\n  spawn_rate=1\n  time_limit=9", "have a step_time"),
        ("\0", "must be a Python file"),
        ("(" * 5000, "must be a Python file"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(InputError) as raised:
        read_locust(text, "l.py")
    assert complaint in str(raised.value)


def test_nothing_in_the_file_is_run(tmp_path: pytest.TempPathFactory) -> None:
    marker = f"{tmp_path}/ran"
    text = f"""
open({marker!r}, 'w').close()
class S(LoadTestShape):
    stages = [{{"duration": [open({marker!r}, 'w'), 60][1], "users": 10, "spawn_rate": 10}}]
"""
    with pytest.raises(InputError):
        read_locust(text, "l.py")
    from pathlib import Path

    assert not Path(marker).exists()
