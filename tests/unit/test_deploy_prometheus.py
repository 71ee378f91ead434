"""Alert rules as a run's alerts: what is understood, what is told apart, and thresholds written back as they stood."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.deploy.prometheus import kind_of_file, read_monitoring
from experiments.deploy.prometheus.expressions import watched
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder

REQUESTS = "http_server_requests_seconds_count"
UNDERSTOOD = [
    ('rate(http_requests_total{status=~"5.."}[5m]) > 0.05', "errors_per_s", 0.05, "5m", "0.1"),
    (
        f'sum(rate({REQUESTS}{{status=~"5.."}}[1m])) / sum(rate({REQUESTS}[1m])) > 0.05',
        "error_share",
        0.05,
        "1m",
        "0.1",
    ),
    (
        f"100 * sum(rate({REQUESTS}{{outcome='SERVER_ERROR'}}[5m])) / sum(rate({REQUESTS}[5m])) > 5",
        "error_share",
        0.05,
        "5m",
        "10",
    ),
    (
        f'sum(rate({REQUESTS}{{status!~"2.."}}[5m])) / sum(rate({REQUESTS}[5m])) >= 0.2',
        "failure_share",
        0.2,
        "5m",
        "0.1",
    ),
    ("node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes * 100 < 10", "memory_share", 0.9, None, "90"),
    ("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > 0.9", "memory_share", 0.9, None, "0.1"),
    (
        '100 - (avg by(instance) (rate(node_cpu_seconds_total{mode="idle"}[2m])) * 100) > 80',
        "cpu_share",
        0.8,
        "2m",
        "10",
    ),
    (
        "histogram_quantile(0.95, sum by (le) (rate(http_server_requests_seconds_bucket[5m]))) > 0.5",
        "p95_s",
        0.5,
        "5m",
        "0.1",
    ),
    ('0.05 < rate(http_requests_total{code=~"5xx"}[5m])', "errors_per_s", 0.05, "5m", "0.1"),
]


@pytest.mark.parametrize(("expression", "series", "above", "window", "at_a_tenth"), UNDERSTOOD)
def test_what_an_expression_watches(
    expression: str, series: str, above: float, window: str | None, at_a_tenth: str
) -> None:
    found = watched(expression)
    assert found is not None
    assert (found.series, found.window) == (series, window) and found.above == pytest.approx(above)
    assert found.written(0.1) == at_a_tenth
    low, high = found.threshold
    again = watched(expression[:low] + found.written(0.1) + expression[high:])
    assert again is not None and again.above == pytest.approx(0.1)


@pytest.mark.parametrize(
    "expression",
    [
        "up == 0", "jvm_threads_current > 300", 'rate(http_requests_total{status=~"4.."}[5m]) > 1',
        'rate(http_requests_total{status="500"}[5m]) > 1', 'rate(http_requests_total{status=~"5.."}[5m]) < 1',
        'rate(http_requests_total{status=~"5.."}[5m]) > 1 and on() vector(1)',
        f'sum(rate({REQUESTS}{{status=~"5.."}}[5m])) / sum(rate({REQUESTS}[1m])) > 0.1',
        "histogram_quantile(0.99, rate(http_server_requests_seconds_bucket[5m])) > 0.5",
        "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > 0.9",
        'avg(rate(node_cpu_seconds_total{mode="idle"}[5m])) > 0.9', "(((", '""" > 5', "1 - 1 - 1 > 2",
    ],
)  # fmt: skip
def test_what_only_resembles_is_left(expression: str) -> None:
    assert watched(expression) is None


PROMETHEUS = "global: {scrape_interval: 15s, evaluation_interval: 30s}\nscrape_configs: []\n"
RULES = """groups:
  - name: a
    interval: 10s
    rules:
      - alert: Errors
        expr: |
          sum(rate(http_requests_total{status=~"5.."}[5m]))
            / sum(rate(http_requests_total[5m])) > 0.05  \n        for: 2m
      - alert: Odd
        expr: up == 0
      - {record: x, expr: y}
  - name: b
    rules:
      - {alert: Memory, expr: "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > 0.9"}
"""


def test_rules_with_their_intervals(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text(PROMETHEUS)
    (tmp_path / "r.yml").write_text(RULES)
    folder, ledger = Folder(tmp_path), Ledger()
    files = [(name, kind_of_file(folder.read(name))) for name in folder.files()]
    assert files == [("p.yml", "prometheus"), ("r.yml", "rules")]
    facts = read_monitoring(folder, files, ledger)
    values = {fact.path: fact.value for fact in facts}
    assert values["alerts", "Errors", "every"] == "10s" and values["alerts", "Memory", "every"] == "30s"
    assert values["alerts", "Errors", "hold"] == "2m" and values["alerts", "Memory", "hold"] == "0s"
    assert values["alerts", "Memory", "window"] == "15s"
    for fact in facts:
        if fact.path[-1] in ("above", "window") and fact.place is not None and fact.place.file == "r.yml":
            assert RULES[fact.place.start : fact.place.end] in ("0.05", "0.9", "5m")
            assert RULES.count("\n", 0, fact.place.start) + 1 == fact.place.line
    assert len([fact for fact in facts if fact.path == ("alerts", "Errors", "window")]) == 2
    told = " ".join(what for _, what in ledger.problems)
    assert "the alert Odd watches what a run has no figure for: up == 0" in told and "recording rule x" in told


def test_alertmanager_is_read_and_reported(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("route: {receiver: x, group_wait: 30s}\nreceivers: [{name: x}]\n")
    folder, ledger = Folder(tmp_path), Ledger()
    assert kind_of_file(folder.read("a.yml")) == "alertmanager"
    assert read_monitoring(folder, [("a.yml", "alertmanager")], ledger) == []
    assert [one.key for one in ledger.unmodelled()] == [("route", "receiver"), ("route", "group_wait")]
