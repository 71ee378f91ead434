"""Scripts for k6: node accepts them, and run against a stand-in they ask for what the scenario says."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments import load_scenario
from experiments.errors import InputError
from experiments.shapes.curve import Load
from experiments.shapes.k6 import closed_executor, duration_text, k6_script, open_executor, quoted, time_unit_s
from experiments.shapes.plan import plan_of
from experiments.shapes.read_k6 import read_k6

HTTP = """
const asked = [];
export default { request: (...all) => { asked.push(all); }, asked };
"""
K6 = """
export const slept = [];
export function sleep(seconds) { slept.push(seconds); }
"""
RUN = """
import http from 'k6/http';
import { slept } from 'k6';
globalThis.__ENV = { BASE_URL: 'http://there' };
globalThis.__VU = 7;
const script = await import('./load.mjs');
for (let turn = 0; turn < TURNS; turn += 1) script.default();
console.log(JSON.stringify({ options: script.options, asked: http.asked, slept }));
"""


def played(folder: Path, node: str, script: str, turns: int) -> dict[str, Any]:
    """What a script asks for in so many iterations."""
    module = folder / "node_modules" / "k6"
    module.mkdir(parents=True)
    (module / "package.json").write_text('{"type": "module", "exports": {".": "./k6.js", "./http": "./http.js"}}')
    (module / "k6.js").write_text(K6)
    (module / "http.js").write_text(HTTP)
    (folder / "load.mjs").write_text(script)
    (folder / "run.mjs").write_text(RUN.replace("TURNS", str(turns)))
    subprocess.run([node, "--check", "load.mjs"], cwd=folder, check=True)
    said = subprocess.run([node, "run.mjs"], cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(said.stdout)


def test_closed_users_ask_for_the_mix_and_think(tmp_path: Path, find_binary: Callable[..., str]) -> None:
    scenario = load_scenario("maltan/early")
    turns = 20_000
    found = played(tmp_path, find_binary("node"), k6_script(plan_of(scenario, None)), turns)
    executor = found["options"]["scenarios"]["load"]
    assert executor == {"executor": "constant-vus", "vus": 50, "duration": "720s"}
    mix, total = scenario.spec.traffic.mix, sum(scenario.spec.traffic.mix.values())
    asked = Counter(params["tags"]["name"] for _, _, _, params in found["asked"])
    for route, weight in mix.items():
        expected = turns * weight / total
        assert abs(asked[route] - expected) < 5 * expected**0.5, route
    for method, url, body, params in found["asked"]:
        assert url.startswith("http://there/api/")
        assert "{" not in url
        assert params["headers"]["X-User-Id"] == "7"
        assert params["timeout"] == "30s"
        assert (body is None) == (method == "GET")
    # thinks 2 s on average, after one request of 20 it is away for 10 s
    assert sum(found["slept"]) / turns == pytest.approx(0.95 * 2 + 0.05 * 10, rel=0.05)


def test_keys_follow_their_popularity(tmp_path: Path, find_binary: Callable[..., str]) -> None:
    scenario = load_scenario("maltan/early")
    plan = plan_of(scenario, None)
    (route,) = [each for each in plan.routes if each.name == "get-place"]
    assert route.popularity > 0
    found = played(tmp_path, find_binary("node"), k6_script(plan), 30_000)
    keys = Counter(int(url.rpartition("/")[2]) for _, url, _, p in found["asked"] if p["tags"]["name"] == "get-place")
    assert min(keys) >= 1
    assert max(keys) <= route.keys
    total = sum(keys.values())
    weights = [rank**-route.popularity for rank in range(1, route.keys + 1)]
    for rank in (1, 2, 3, 10):
        expected = total * weights[rank - 1] / sum(weights)
        assert abs(keys[rank] - expected) < 5 * expected**0.5 + 1, rank
    few = sum(count for key, count in keys.items() if key <= 50)
    assert few == pytest.approx(total * sum(weights[:50]) / sum(weights), rel=0.05)


def test_open_arrivals_follow_the_surge_and_do_not_sleep(tmp_path: Path, find_binary: Callable[..., str]) -> None:
    script = k6_script(plan_of(load_scenario("storm/retry-storm"), None))
    found = played(tmp_path, find_binary("node"), script, 2000)
    executor = found["options"]["scenarios"]["load"]
    assert executor["executor"] == "ramping-arrival-rate"
    assert [(stage["duration"], stage["target"]) for stage in executor["stages"]] == [
        ("40s", 68), ("0s", 136), ("30s", 136), ("0s", 68), ("100s", 68),
    ]  # fmt: skip
    assert found["slept"] == []
    users = {int(params["headers"]["X-User-Id"]) for _, _, _, params in found["asked"]}
    assert min(users) >= 1
    assert max(users) <= 300
    assert len(users) > 250


def test_names_end_no_string_and_no_comment(tmp_path: Path, find_binary: Callable[..., str]) -> None:
    texts = ["it's", 'a"b', "\\", "</script>", "\n", "\u2028", "${x}", "`", "é", "*/"]
    code = f"console.log(JSON.stringify([{', '.join(map(quoted, texts))}]))"
    told = subprocess.run([find_binary("node"), "-e", code], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == texts


@pytest.mark.parametrize(
    ("levels", "unit_s"), [([1, 700], 1), ([0.5, 3], 10), ([1 / 60], 60), ([0.35, 1 / 3], 60), ([1 / 3600, 2], 3600)]
)
def test_rates_are_whole_numbers_of_a_time_unit(levels: list[float], unit_s: int) -> None:
    assert time_unit_s(levels) == unit_s


def test_a_load_that_changes_too_often_is_refused_instead_of_cut() -> None:
    shape = "traffic.shape={kind: bursty, factor: 3, calm: 5ms, burst: 5ms}"
    settings = ["traffic.users=null", "traffic.open={rate: 5/s, users: 10}", shape]
    with pytest.raises(InputError, match=r"traffic.shape: must change at most 50000 times in 3600 s"):
        plan_of(load_scenario("maltan/early", settings), 3600.0)


def test_durations_have_no_exponents() -> None:
    assert [duration_text(seconds) for seconds in (0.0, 1e-7, 90.0, 1e7, 0.1)] == [
        "0s", "0.0000001s", "90s", "10000000s", "0.1s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "points",
    [
        ((0, 10), (60, 10)),
        ((0, 0), (60, 10), (90, 10), (90, 2.5), (300, 0)),
        ((0, 0.125), (3600, 7)),
        ((0, 3), (10.5, 3), (10.5, 9), (11, 9)),
    ],
)
def test_stages_are_read_as_they_were_written(points: tuple[tuple[float, float], ...]) -> None:
    load = Load("open", points)
    text = json.dumps({"scenarios": {"load": open_executor(load, None)}})
    assert read_k6(text, "a.json")[0] == load
    closed = Load("closed", tuple((at_s, float(round(level))) for at_s, level in points))
    text = json.dumps({"scenarios": {"load": closed_executor(closed)}})
    found = read_k6(text, "a.json")[0]
    assert found.kind == "closed"
    assert (found.ends_s, found.peak) == (closed.ends_s, closed.peak)
