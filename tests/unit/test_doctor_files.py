"""What the doctor makes of files: places, logs, autoscalers, standbys, and a folder without any service."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from experiments.doctor import Finding, Severity, examine
from experiments.doctor.subject import folder_subject
from experiments.errors import InputError

COMPOSE = """
    services:
      shop:
        image: team/shop:1
        ports: ["80:8080"]
        volumes: ["./shop.yml:/app/config/application.yml:ro"]
"""
SPRING = """
    server:
      shutdown: graceful
    logging:
      level:
        root: WARN
"""
DEPLOYMENT = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: shop}
    spec:
      template:
        spec:
          containers:
            - name: app
              resources: {limits: {memory: 512Mi}, requests: {RESOURCE: 1}}
            - {name: sidecar, resources: {limits: {cpu: 100m}}}
    ---
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: {name: shop-scaler}
    spec:
      scaleTargetRef: {kind: Deployment, name: shop}
      metrics:
        - type: Resource
          resource: {name: cpu, target: {type: TYPE}}
"""


def folder(root: Path, **files: str) -> Path:
    for name, text in files.items():
        (root / name.replace("_", ".")).write_text(textwrap.dedent(text).lstrip())
    return root


def found(root: Path, rule: str = "") -> list[Finding]:
    findings = examine(folder_subject((str(root),), None, (), ()))
    return [finding for finding in findings if rule in ("", finding.rule)]


def test_a_log_level_below_warn_is_named_with_its_line(tmp_path):
    loud = SPRING.replace("root: WARN", "root: INFO\n        com.acme: debug\n        org.acme: info")
    ours = found(folder(tmp_path, compose_yaml=COMPOSE, shop_yml=loud), "verbose-logs")
    assert [(one.where, one.severity) for one in ours] == [
        ("shop.yml:5", Severity.WARNING), ("shop.yml:6", Severity.WARNING), ("shop.yml:7", Severity.NOTE),
    ]  # fmt: skip


def test_quiet_logs_are_left_alone(tmp_path):
    root = folder(tmp_path, compose_yaml=COMPOSE, shop_yml=SPRING)
    assert found(root, "verbose-logs") == found(root, "log-level-unset") == found(root, "not-graceful") == []


def test_no_log_level_is_info(tmp_path):
    root = folder(tmp_path, compose_yaml=COMPOSE, shop_yml=SPRING.replace("root:", "com.acme:"))
    assert [finding.where for finding in found(root, "log-level-unset")] == ["shop.yml:1"]


def test_places_are_the_containers_where_nothing_is_written(tmp_path):
    root = folder(tmp_path, compose_yaml=COMPOSE, shop_yml=SPRING)
    assert [finding.where.partition(":")[0] for finding in found(root, "no-health-check")] == ["compose.yaml"]


def test_a_health_check_is_seen(tmp_path):
    asked = COMPOSE.rstrip() + "\n        healthcheck: {test: curl -f http://localhost:8080/actuator/health}\n"
    assert found(folder(tmp_path, compose_yaml=asked, shop_yml=SPRING), "no-health-check") == []


@pytest.mark.parametrize(
    ("resource", "target", "fires"),
    [
        ("memory", "Utilization, averageUtilization: 70", True),
        ("cpu", "Utilization, averageUtilization: 70", False),
        ("memory", "AverageValue, averageValue: 500m", False),
    ],
)
def test_an_autoscaler_by_utilisation_wants_requests(tmp_path, resource, target, fires):
    text = DEPLOYMENT.replace("RESOURCE", resource).replace("TYPE", target)
    ours = found(folder(tmp_path, compose_yaml=COMPOSE, shop_yml=SPRING, k8s_yml=text), "hpa-without-requests")
    assert [(one.where, one.severity) for one in ours] == [("k8s.yml:12", Severity.ERROR)] * fires
    if fires:
        assert "app (k8s.yml:1) requests no cpu" in ours[0].what


def test_an_nginx_alone_is_looked_at(tmp_path):
    root = folder(tmp_path, nginx_conf="http { server { listen 80; location / { proxy_pass http://shop:80; } } }\n")
    ours = found(root)
    assert ours
    assert {finding.rule for finding in ours} == {"file-problem"}
    assert any('no "events" block' in finding.what and finding.severity is Severity.ERROR for finding in ours)


def test_a_folder_with_nothing_to_look_at_is_refused(tmp_path):
    with pytest.raises(InputError, match="must describe at least one service"):
        found(folder(tmp_path, notes_txt="nothing"))


def test_a_placeholder_without_a_value_is_named(tmp_path):
    text = COMPOSE.replace("team/shop:1", "team/shop:${TAG}")
    ours = found(folder(tmp_path, compose_yaml=text, shop_yml=SPRING), "file-problem")
    assert [(one.where, "${TAG}" in one.what) for one in ours] == [("compose.yaml:3", True)]


def test_a_second_database_is_no_standby_until_it_is_made_one(project: Path) -> None:
    """The guide's Compose file starts an empty one; the shipped one begins with a base backup of the primary."""
    deploy = project / "experiments" / "scenarios" / "maltan" / "deploy"
    [finding, *_] = found(deploy / "as-written", "standby-is-none")
    assert finding.where.startswith("docker-compose.yml:")
    assert "reads from postgres-replica" in finding.what
    assert found(deploy / "growth", "standby-is-none") == []
