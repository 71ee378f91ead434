"""rules.yml and prometheus.yml: alerts as expressions over the metrics of Micrometer and node-exporter.

Source   Prometheus 2 and 3; Micrometer's and node-exporter's names
Checked  tests/e2e/test_export_files.py, tests/real/test_fresh_files.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.deploy.fresh.words import SPRING_PORT, Plan, commented, dumped, kept, prometheus_time, sources
from sim.quantities import parse_duration

RULES, PROMETHEUS = "rules.yml", "prometheus.yml"
_COUNT = "http_server_requests_seconds_count"
_EXPRESSIONS = {
    "errors_per_s": f'sum(rate({_COUNT}{{status=~"5.."}}[WINDOW]))',
    "error_share": f'sum(rate({_COUNT}{{status=~"5.."}}[WINDOW])) / sum(rate({_COUNT}[WINDOW]))',
    "failure_share": f'sum(rate({_COUNT}{{status!~"2.."}}[WINDOW])) / sum(rate({_COUNT}[WINDOW]))',
    "p95_s": "histogram_quantile(0.95, sum by (le) (rate(http_server_requests_seconds_bucket[WINDOW])))",
    "cpu_share": '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[WINDOW]))',
    "memory_share": "(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes) / node_memory_MemTotal_bytes",
}
_GAUGE = "memory_share"
_LONGEST_SCRAPE_S = 120
"""Prometheus forgets a value after 5 minutes: a scrape now and then is none."""


def rule_files(plan: Plan) -> dict[str, str]:
    """Both files by name; none where there are no alerts."""
    alerts = plan.section("alerts")
    by_interval: dict[str | None, list[dict[str, Any]]] = {}
    for name, said in alerts.items():
        rule = _rule(name, said)
        if rule is not None:
            by_interval.setdefault(_time(said, "every"), []).append(rule)
    if not by_interval:
        return {}
    groups = [
        kept({"name": f"every-{every}" if every else "rules", "interval": every, "rules": rules})
        for every, rules in by_interval.items()
    ]
    sourced = sources(plan, {name: ("alerts", name) for name in alerts})
    return {
        RULES: commented(["Written from a scenario.", *sourced]) + dumped({"groups": groups}),
        PROMETHEUS: commented(["Written from a scenario."]) + dumped(_prometheus(plan, alerts)),
    }


def _rule(name: str, said: Mapping[str, Any]) -> dict[str, Any] | None:
    series = str(said["series"])
    window = _time(said, "window") or "5m"
    expression = _EXPRESSIONS.get(series)
    if expression is None:
        return None
    above = f"{float(said['above']):.12f}".rstrip("0").rstrip(".")
    return kept({"alert": name, "expr": f"{expression.replace('WINDOW', window)} > {above}",
                 "for": _time(said, "hold") or "5m"})  # fmt: skip


def _time(said: Mapping[str, Any], key: str) -> str | None:
    return prometheus_time(said[key]) if said.get(key) is not None else None


def _prometheus(plan: Plan, alerts: Mapping[str, Any]) -> dict[str, Any]:
    windows = [one["window"] for one in alerts.values() if one["series"] == _GAUGE and one.get("window") is not None]
    scrape = prometheus_time(windows[0]) if windows and parse_duration(windows[0]) <= _LONGEST_SCRAPE_S else None
    targets = {plan.gateway: SPRING_PORT} if plan.section("gateway") else {}
    targets |= {name: plan.port(name) for name in plan.section("services")}
    jobs: list[dict[str, Any]] = [
        {"job_name": name, "metrics_path": "/actuator/prometheus",
         "dns_sd_configs": [{"names": [name], "type": "A", "port": port}]}
        for name, port in targets.items()
    ]  # fmt: skip
    jobs.append({"job_name": "node", "static_configs": [{"targets": ["node-exporter:9100"]}]})
    return {"global": {"scrape_interval": scrape or "15s"}, "rule_files": [RULES], "scrape_configs": jobs}
