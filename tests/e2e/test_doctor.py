"""`windtunnel doctor` as people call it, and what it says of the guide's files as the guide states them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.doctor import RULES, Subject, examine
from experiments.doctor.page import current
from experiments.doctor.report import as_json
from experiments.scenario import load_scenario

AS_WRITTEN = Path(str(resources.files("experiments").joinpath("scenarios", "maltan", "deploy", "as-written")))
NAMES = {rule.name for rule in RULES}


@pytest.fixture
def said(capsys):
    """`said(words)`: exit code, standard output, standard error."""

    def say(*words: str) -> tuple[int, str, str]:
        code = main(["doctor", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return say


# --- the guide's files ---


@pytest.fixture(scope="module")
def guide() -> dict[str, list[dict[str, str]]]:
    """Findings on the guide's files, by rule."""
    from experiments.doctor.subject import folder_subject

    subject = folder_subject((str(AS_WRITTEN),), str(AS_WRITTEN / "assume.yaml"), (), ())
    found: dict[str, list[dict[str, str]]] = {}
    for entry in as_json(subject.name, examine(subject))["findings"]:
        found.setdefault(entry["rule"], []).append(entry)
    return found


@pytest.mark.parametrize(
    ("rule", "file", "what"),
    [
        ("limits-contradict", "gateway/application.yml", "100 requests a second through, per_user 100 a minute"),
        ("limiter-waits-for-redis", "gateway/application.yml", "up to 60 s"),
        ("past-the-gateway", "nginx-lb.conf", "/api/users straight to user-service"),
        ("past-the-gateway", "nginx-lb.conf", "/api/places straight to place-service"),
        ("standby-is-none", "docker-compose.yml", "place-service reads from postgres-replica"),
        ("alert-compares-a-rate", "rules.yml", "errors per second with 0.05"),
        ("alert-too-late", "rules.yml", "300 s"),
        ("no-key-no-service", "gateway/application.yml", "answered with 500"),
        ("file-problem", "nginx-lb.conf", "must stand in an http block"),
        ("file-problem", "nginx-lb.conf", "user-service-1:8081: Docker resolves no container"),
        ("memory-above-machine", "assume.yaml", "of its 4G"),
        ("time-limits-order", "user-service/application.yml", "30 s, nginx' proxy_read_timeout around it 10 s"),
        ("breaker-late", "place-service/application.yml", "needs 100 calls"),
        ("call-without-limit", "place-service/application.yml", "no TimeLimiter, no read timeout"),
        ("threads-above-pool", "user-service/application.yml", "200 threads of user-service share 10"),
        ("cache-without-ttl", "", "places in redis"),
        ("cache-without-ttl", "user-service/application.yml", "user-service names no cache"),
        ("no-health-check", "docker-compose.yml", "gateway"),
        ("not-graceful", "gateway/application.yml", "gateway"),
        ("log-level-unset", "place-service/application.yml", "place-service"),
        ("quota-below-one-cpu", "docker-compose.yml", "0.5 CPU"),
    ],
)
def test_the_guides_contradictions_are_named(guide, rule, file, what):
    assert any(what in one["what"] and one["where"].startswith(file) for one in guide[rule])


def test_changes_name_the_setting_and_its_value(guide):
    changes = {rule: {one["change"] for one in found} for rule, found in guide.items()}
    assert any("spring.datasource.hikari.connection-timeout: 5000" in one for one in changes["time-limits-order"])
    assert any("spring.data.redis.timeout: 5s" in one for one in changes["time-limits-order"])
    assert any("with -Xmx90m" in one and "5 JVMs without a limit" in one for one in changes["memory-above-machine"])
    assert "(gateway/application.yml:16)" in guide["limits-contradict"][0]["what"]


def test_the_mended_files_have_none_of_the_worst(said):
    code, out, _ = said(str(AS_WRITTEN.parent / "growth"), "--json")
    worst = {one["rule"] for one in json.loads(out)["findings"] if one["severity"] == "error"}
    assert (code, worst) == (1, {"alert-compares-a-rate"})  # kept beside the rule that was meant


def test_the_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "doctor.md"
    text = page.read_text(encoding="utf-8")
    assert text == current(text), "python -m experiments.doctor.page brings it up to date"


# --- the command ---


@pytest.fixture
def sound(tmp_path):
    """Nothing worse than notes."""
    file = tmp_path / "sound.yaml"
    file.write_text(
        "machines: {vm: {cores: 2, memory: 4G}}\n"
        "services:\n"
        "  api:\n"
        "    {machine: vm, health: {kind: docker}, shutdown: {graceful: true, timeout: 5s},\n"
        "     endpoints: {get: {steps: [{kind: cpu, demand: 1ms}]}}}\n"
        "gateway: {machine: vm, cpu: 1ms, rate_limits: {all: {kind: fixed_window, key: global, limit: 100/1s}}}\n"
        "routes: {get: {service: api, endpoint: get, through: [gateway]}}\n"
        "traffic: {open: {rate: 50/s}, mix: {get: 1}}\n"
        "alerts: {late: {series: error_share, above: 0.05}}\n"
    )
    return str(file)


@pytest.mark.parametrize(("level", "code"), [("never", 0), ("error", 0), ("warning", 0), ("note", 1)])
def test_the_exit_code_goes_by_the_severity(said, sound, level, code):
    assert said(sound, "--fail-at", level)[0] == code


@pytest.mark.parametrize(("level", "code"), [("never", 0), ("error", 0), ("warning", 1)])
def test_a_warning_is_none_of_the_worst(said, sound, level, code):
    assert said(sound, "--set", "services.api.health=null", "--fail-at", level)[0] == code


def test_json_has_every_finding(said, sound):
    code, out, _ = said(sound, "--json")
    (only,) = json.loads(out)["findings"]
    assert (code, only["rule"], only["severity"], only["path"]) == (0, "alert-too-late", "note", "alerts.late.hold")
    assert only["where"] == "sound.yaml:9"


def test_a_rule_is_left_out(said, sound):
    code, out, _ = said(sound, "--without", "alert-too-late", "--fail-at", "note")
    assert (code, out.splitlines()[-1]) == (0, "Nothing found.")


def test_rules_are_listed(said):
    code, out, _ = said("--rules")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, [rule.name for rule in RULES])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "must be given a folder, files, or a scenario"),
        (("maltan/early", "--without", "no-such-rule"), "must name a rule"),
        (("maltan/early", "--fail-at", "catastrophe"), "--fail-at"),
        (("maltan/no-such",), "maltan/no-such"),
        (("maltan/early", "--set", "no.such=1"), "no"),
        (("maltan/early", "--variant", "no-such"), "no-such"),
    ],
)
def test_bad_input_is_told_and_ends_with_2(said, words, told):
    code, out, err = said(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err


def test_a_folder_of_nothing_is_bad_input(said, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    code, _, err = said(str(tmp_path))
    assert code == 2
    assert "must describe at least one service" in err


def test_proofs_say_which_way_a_figure_moves(said, sound):
    """A service that hangs under a caller without a time limit."""
    call = (
        "{machine: vm, endpoints: {get: {steps: [{kind: call, name: ask, service: api, endpoint: get}]}}, "
        "workers: {kind: tomcat, threads: 20}}"
    )
    words = ["--set", f"services.front={call}", "--set", "routes.get.service=front", "--prove", "--json"]
    _, out, _ = said(sound, *words)
    (ours,) = [one for one in json.loads(out)["findings"] if one["rule"] == "call-without-limit"]
    assert ours["proof"]["after"] < ours["proof"]["before"]
    assert ours["proof"]["sentence"].startswith("60 s simulated; api hangs for 20 s of it. The mean")
    assert ours["proof"]["settings"] == ["services.front.endpoints.get.steps.ask.read_timeout=2s"]


# --- whatever it is shown ---


@pytest.mark.parametrize(
    "variant", [None, "as-written", "redis-limiter-no-header", "breaker-as-coded", "routing-data-source", "deploy"]
)
def test_shipped_variants_can_be_looked_at(variant):
    findings = examine(Subject.of_scenario(load_scenario("maltan/growth", (), variant)))
    assert {finding.rule for finding in findings} <= NAMES
    assert len(set(findings)) == len(findings)
    told = {"routing-data-source": "reads-go-to-primary", "redis-limiter-no-header": "no-key-no-service",
            "breaker-as-coded": "call-without-limit", "as-written": "past-the-gateway"}  # fmt: skip
    assert told.get(variant or "", "alert-compares-a-rate") in {finding.rule for finding in findings}


@pytest.mark.parametrize("name", ["maltan/early", "maltan/growth-bigger", "storm/retry-storm"])
def test_shipped_scenarios_can_be_looked_at(name):
    assert {finding.rule for finding in examine(Subject.of_scenario(load_scenario(name)))} <= NAMES
