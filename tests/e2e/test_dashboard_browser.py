"""The dashboard in a real Chromium: a slider moved by keyboard, the number it leads to, the address, the picture."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from experiments import load_scenario
from experiments.dashboard import wording
from experiments.dashboard.figures import mean
from experiments.dashboard.knobs import knobs_of
from experiments.dashboard.running import Runs, Size

pytestmark = pytest.mark.browser

PATIENCE_S = 120.0
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
SCENARIO = """
description: One service on one machine.
duration: 20s
warm_up: 2s
replications: 2
machines:
  vm: {cores: 1, memory: 1G}
services:
  api:
    machine: vm
    endpoints:
      get:
        steps: [{kind: cpu, demand: {kind: exponential, mean: 10ms}}]
routes:
  get: {service: api, endpoint: get}
traffic:
  users: {population: 40, think_time: {kind: exponential, mean: 1s}}
  mix: {get: 1}
objectives:
  fast: {path: /latency_ms/all/p95, at_most: 100}
"""


@pytest.fixture
def scenario_file(tmp_path: Path) -> Path:
    file = tmp_path / "one.yaml"
    file.write_text(SCENARIO)
    return file


@pytest.fixture(params=["app.py", "experiments/dashboard/main.py"])
def address(request: pytest.FixtureRequest, project: Path, scenario_file: Path, tmp_path: Path) -> Iterator[str]:
    """Where a dashboard of its own is served; nothing of it is left afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "streamlit", "run", request.param, f"--server.port={port}", "--server.headless=true",
        "--server.address=127.0.0.1", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false", "--",
        str(scenario_file),
    ]  # fmt: skip
    log = tmp_path / "server.log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            command, cwd=project, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
    try:
        wait_until(lambda: is_healthy(port), f"the server answers: {log}")
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"waited {PATIENCE_S:.0f} s until {what}"
        time.sleep(0.1)


@pytest.fixture
def page(chromium: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(1000 * PATIENCE_S)
        yield page
        browser.close()


def test_a_slider_moved_by_keyboard_leads_to_the_number_that_the_run_finds(
    page: Any, address: str, scenario_file: Path, tmp_path: Path
) -> None:
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    baseline, what_if, choice = expected(scenario_file)

    page.goto(address)
    page.wait_for_selector('[data-kpi="p95"] [data-side="baseline"]')
    assert page.text_content('[data-kpi="p95"] [data-side="baseline"]') == baseline
    users = page.get_by_role("slider", name="Users at once")
    users.focus()
    users.press("ArrowRight")
    page.wait_for_selector('[data-kpi="p95"] [data-side="what-if"]')
    wait_until(lambda: page.text_content('[data-kpi="p95"] [data-side="what-if"]') == what_if, f"p95 is {what_if}")
    assert page.text_content('[data-kpi="p95"] [data-side="baseline"]') == baseline
    wait_until(lambda: f"traffic.users.population={choice}" in page.url, "the address holds the setting")

    page.wait_for_selector(".js-plotly-plot .scatterlayer")
    picture = tmp_path / "dashboard.png"
    page.screenshot(path=str(picture))
    assert is_a_picture(picture)
    page.set_viewport_size({"width": 420, "height": 900})
    page.wait_for_selector('[data-kpi="p95"]')
    wait_until(lambda: page.evaluate("document.documentElement.scrollWidth") <= 420, "it fits on a telephone")
    assert not troubles


def expected(scenario_file: Path) -> tuple[str, str, str]:
    """p95 of the baseline, p95 with the next larger number of users, and that number."""
    scenario = load_scenario(scenario_file)
    knob = next(knob for knob in knobs_of(scenario.spec) if knob.field == "population")
    choice = knob.options[knob.options.index(knob.value) + 1]
    runs, size = Runs(), Size(2, 20.0)
    before = runs.get(scenario, size, None, lambda share, text: None)
    changed = scenario.with_settings(knob.settings(choice))
    after = runs.get(changed, size, before.warm_up_s, lambda share, text: None)
    texts = [wording.milliseconds(mean(each, "/latency_ms/all/p95")) for each in (before, after)]
    assert texts[0] != texts[1]
    return texts[0], texts[1], choice


def is_a_picture(file: Path) -> bool:
    """Not one colour: a page has a ground, text and bars."""
    with Image.open(file) as image:
        colours = image.convert("RGB").getcolors(maxcolors=1 << 24) or []
    most = max(count for count, _ in colours)
    return len(colours) > 100 and most < 0.9 * sum(count for count, _ in colours)
