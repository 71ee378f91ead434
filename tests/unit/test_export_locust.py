"""Files for Locust: they compile, and with a stand-in for Locust their users and stages are the scenario's."""

from __future__ import annotations

import random
import sys
from collections import Counter
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from experiments import load_scenario
from experiments.shapes.curve import Load
from experiments.shapes.locust import PACE_S, locust_file, stages_of_users
from experiments.shapes.plan import plan_of
from experiments.shapes.read_locust import read_locust


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of Locust as a file imports."""
    module = ModuleType("locust")
    module.HttpUser = type("HttpUser", (), {})  # type: ignore[attr-defined]
    module.LoadTestShape = type("LoadTestShape", (), {})  # type: ignore[attr-defined]
    module.task = lambda function: function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "locust", module)
    monkeypatch.setenv("BASE_URL", "http://there")
    monkeypatch.delenv("USER_HEADER", raising=False)


def loaded(name: str) -> dict[str, Any]:
    """The names of a file, with a clock of its own."""
    text = locust_file(plan_of(load_scenario(name), None))
    space: dict[str, Any] = {}
    exec(compile(text, "locustfile.py", "exec"), space)
    space["time"] = SimpleNamespace(time=lambda: 0.0)
    return space


class Client:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, method: str, url: str, **more: Any) -> None:
        self.asked.append((method, url, more))


def test_closed_users_ask_for_the_mix_and_think(stand_in: None) -> None:
    space = loaded("maltan/early")
    random.seed(3)
    visitor = space["Visitor"]()
    visitor.client = Client()
    slept: list[float] = []
    space["time"].sleep = slept.append
    visitor.on_start()
    assert len(slept) == 1  # everybody begins by thinking
    assert slept[0] > 0
    for _ in range(20_000):
        visitor.ask()
    mix = load_scenario("maltan/early").spec.traffic.mix
    asked = Counter(more["name"] for _, _, more in visitor.client.asked)
    for route, weight in mix.items():
        expected = 20_000 * weight / sum(mix.values())
        assert abs(asked[route] - expected) < 5 * expected**0.5, route
    for method, url, more in visitor.client.asked:
        assert url.startswith("/api/")
        assert "{" not in url
        assert more["headers"] == {"X-User-Id": "1"}
        assert more["timeout"] == 30.0
        assert (more["json"] is None) == (method == "GET")
    pauses = [visitor.wait_time() for _ in range(20_000)]
    assert sum(pauses) / len(pauses) == pytest.approx(0.95 * 2 + 0.05 * 10, rel=0.05)
    assert visitor.host == "http://there"


def test_keys_follow_zipfs_law(stand_in: None) -> None:
    zipf = loaded("maltan/early")["zipf"]
    random.seed(4)
    for exponent in (0.0, 0.7, 1.0, 2.5):
        keys = Counter(zipf(30, exponent) for _ in range(20_000))
        weights = [rank**-exponent for rank in range(1, 31)]
        for rank in (1, 2, 7, 30):
            expected = 20_000 * weights[rank - 1] / sum(weights)
            assert abs(keys[rank] - expected) < 5 * expected**0.5 + 1, (exponent, rank)
    assert zipf(1, 1.0) == 1


def test_open_arrivals_are_users_that_keep_a_pace(stand_in: None) -> None:
    space = loaded("storm/retry-storm")
    random.seed(5)
    first: list[float] = []
    space["time"].sleep = first.append
    space["time"].time = lambda: 1000.0
    for _ in range(2000):
        space["Visitor"]().on_start()
    assert sum(first) / 2000 == pytest.approx(PACE_S, rel=0.05)  # as the time to the next of arrivals at random
    assert sum(one < PACE_S for one in first) / 2000 == pytest.approx(1 - 1 / 2.718, rel=0.05)
    visitor = space["Visitor"]()
    visitor.on_start()
    ends = []
    for _ in range(5000):  # every answer takes 2 s: the pace holds nevertheless
        space["time"].time = lambda: (ends[-1] if ends else 1000.0) + 2.0
        ends.append(space["time"].time() + visitor.wait_time())
    assert (ends[-1] - 1000.0) / 5000 == pytest.approx(PACE_S, rel=0.05)
    shape = space["Load"]()
    ticks = {}
    for now_s in (0, 20, 39.9, 40, 69, 70, 169, 170, 500):
        shape.get_run_time = lambda now_s=now_s: now_s
        ticks[now_s] = shape.tick()
    assert [ticks[now_s] and ticks[now_s][0] for now_s in ticks] == [680, 680, 680, 1360, 1360, 680, 680, None, None]


def test_a_jump_that_goes_on_from_there_begins_at_once(stand_in: None) -> None:
    stages = stages_of_users([(0.0, 5.0), (60.0, 5.0), (60.0, 20.0), (100.0, 40.0)])
    assert stages == [
        {"duration": 60.0, "users": 5, "spawn_rate": 5},
        {"duration": 100.0, "users": 40, "spawn_rate": 0.5, "begin": 20},
    ]


@pytest.mark.parametrize(
    "points",
    [
        ((0, 10), (60, 10)),
        ((0, 0), (60, 12), (90, 12), (90, 3), (300, 0)),
        ((0, 5), (60, 5), (60, 20), (100, 40), (100, 1), (130, 1)),
        ((0, 7), (30, 1)),
    ],
)
def test_stages_are_read_as_they_were_written(points: tuple[tuple[float, float], ...]) -> None:
    text = f"class Load(LoadTestShape):\n    stages = {stages_of_users(list(points))!r}\n"
    load, _ = read_locust(text, "l.py")
    assert load == Load("closed", tuple((float(at_s), float(level)) for at_s, level in points))
