"""The report for the terminal: verdict first, every section that has something to say, and nothing wider than asked."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from typing import Any

import pytest
from rich.console import Console

from experiments.report import render
from experiments.result import put_together
from experiments.runner import Task, WarmUp, replicate, system_of
from experiments.scenario import load_scenario

SYSTEM: dict[str, Any] = {
    "description": "A small shop.",
    "machines": {"vm": {"cores": 1, "memory": "1G"}},
    "gateway": {
        "machine": "vm", "cpu": "1ms",
        "rate_limits": {"all": {"kind": "bucket4j_greedy", "key": "global", "refill": "30/1s"}},
    },
    "services": {
        "shop": {
            "machine": "vm",
            "limits": {"cpus": 0.8, "memory": "1G"},
            "base_memory": "100M",
            "endpoints": {
                "get": {
                    "steps": [
                        {"kind": "cpu", "demand": {"kind": "exponential", "mean": "10ms"}},
                        {"kind": "cache", "cache": "redis", "data_class": "items"},
                        {
                            "kind": "call", "service": "stock", "endpoint": "count", "fallback": [],
                            "time_limiter": {"limit": "5ms"},
                            "breaker": {"sliding_window_size": 10, "minimum_number_of_calls": 5},
                        },
                    ]
                }
            },
        },
        "stock": {
            "machine": "vm", "base_memory": "50M",
            "endpoints": {"count": {"steps": [{"kind": "delay", "duration": {"kind": "exponential", "mean": "6ms"}}]}},
        },
    },
    "caches": {
        "redis": {
            "machine": "vm", "command_cpu": "100us", "round_trip": "1ms",
            "classes": {"items": {"keys": 9, "popularity": 0, "value": "1K", "ttl": "1s"}},
        }
    },
    "routes": {"get": {"service": "shop", "endpoint": "get", "through": ["gateway"]}},
    "traffic": {"open": {"rate": "40/s"}, "mix": {"get": 1}, "client": {"patience": "200ms"}},
    "objectives": {
        "quick": {"path": "/latency_ms/all/mean", "at_most": 1000},
        "perfect": {"path": "/success_rate", "at_least": 0.999},
    },
    "alerts": {
        "busy": {"series": "cpu_share", "above": 0.1, "window": "5s", "hold": "0s", "every": "1s"},
        "never": {"series": "memory_share", "above": 0.9, "every": "1s"},
    },
    "not_modelled": ["The weather."],
}  # fmt: skip


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("report") / "shop.json"
    path.write_text(json.dumps(SYSTEM))
    scenario = load_scenario(path)
    spec = scenario.spec
    tasks = [Task(spec.model_dump_json(), None, 1, number, 20.0, 0.0, 1.0) for number in range(2)]
    done = [replicate(task) for task in tasks]
    warm_up = WarmUp(0.0, "given")
    return put_together(scenario, spec, done, system_of(spec).limits, 1, warm_up, 1.0).document


def shown(document: dict[str, Any], width: int = 120) -> str:
    text = io.StringIO()
    render(document, Console(file=text, width=width, color_system=None))
    return text.getvalue()


def test_what_was_found_is_said(document: dict[str, Any]) -> None:
    text = shown(document)
    assert "A small shop." in text
    for name in ("quick", "perfect", "busy", "never", "rate limited", "The weather.", document["digest"]):
        assert name in text, name
    assert f"{document['requests']['arrived']:.0f}" in text.replace(",", "")
    assert text.index("VERDICT") < text.index("WHAT BREAKS FIRST") < text.index("REQUESTS") < text.index("AUDIT")


def test_sections_that_have_nothing_to_say_are_left_out(document: dict[str, Any]) -> None:
    text = shown(document)
    assert "CACHES" in text and "ALERTS" in text and "CIRCUIT BREAKERS" in text
    bare = {**document, "caches": {}, "alerts": [], "breakers": {}, "notes": [], "not_modelled": []}
    text = shown(bare)
    assert not any(heading in text for heading in ("CACHES", "ALERTS", "CIRCUIT BREAKERS", "NOT MODELLED", "EVENTS"))


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["met", "met"], "every objective is met"),
        (["met", "breached"], "1 of 2 objectives breached"),
        (["undecided", "met"], "undecided on 1 of 2 objectives"),
        (["undecided", "breached"], "breached"),
    ],
)
def test_the_verdict_is_the_worst_one(document: dict[str, Any], verdicts: list[str], said: str) -> None:
    changed = deepcopy(document)
    for objective, verdict in zip(changed["objectives"], verdicts, strict=True):
        objective["verdict"] = verdict
    assert said in shown(changed)


def test_a_failed_audit_and_a_short_run_are_said(document: dict[str, Any]) -> None:
    changed = deepcopy(document)
    changed["audit"]["passed"] = False
    changed["warm_up"]["is_settled"] = False
    text = shown(changed)
    assert "FAILED" in text and "Too short to conclude" in text


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_lines_fit_the_terminal(document: dict[str, Any], width: int) -> None:
    assert all(len(line) <= width for line in shown(document, width).splitlines())


def test_figures_that_cannot_be_told_are_dashes(document: dict[str, Any]) -> None:
    changed = deepcopy(document)
    for figures in changed["latency_ms"].values():
        figures.update(p99=None, p95=None)
    for objective in changed["objectives"]:
        objective.update(value=None, interval=None, verdict="undecided")
    assert "-" in shown(changed)


def test_names_are_whole_and_no_line_ends_in_blanks(document: dict[str, Any]) -> None:
    changed = deepcopy(document)
    name = "services.a-service-with-a-long-name.replica-1.pools.for-reads-of-a-kind"
    changed["stations"] = {name: {**next(iter(document["stations"].values())), "arrivals": 9, "utilisation": 1.0}}
    for width in (60, 80, 120):
        text = shown(changed, width)
        assert "\u2026" not in text and not any(line != line.rstrip() for line in text.splitlines())
        pieces = ["a-service-with-a-long-name #1 pool for-reads-of-a-kind"] if width == 120 else ["long-", "kind"]
        assert all(piece in text for piece in pieces)


def test_what_says_nothing_is_left_out(document: dict[str, Any]) -> None:
    """Columns of zeros, stations at rest, alerts that never fire but for their names, what is the same twice."""
    quiet = dict.fromkeys(("utilisation", "mean_wait_ms", "refused", "expired"), 0)
    changed = deepcopy(document)
    changed["stations"] = {f"s{number}": {"servers": 1, "arrivals": 5, **quiet} for number in range(9)}
    changed["latency_ms"]["succeeded"] = changed["latency_ms"]["all"]
    text = shown(changed)
    assert "and 6 more: less than 1 % in use" in text and "gave up" not in text
    assert "never fires: never" in text and "successful ones" not in text
