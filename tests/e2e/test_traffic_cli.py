"""`windtunnel traffic` and `windtunnel export` from outside, on logs of real systems and on what people get wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments import load_scenario
from experiments.shapes.section import Section, merged

Command = Callable[..., Any]

REAL = {
    "access_logs/combined_2015.log": 3_456,
    "access_logs/nginx_json_lines.log": 8_130,
    "arrivals/azure_llm_conv_2023.csv": 19_366,
    "arrivals/nasa_http_1995_per_second.tbz2": 3_461_610,
}


@pytest.mark.parametrize("name", list(REAL))
def test_real_logs_are_counted_to_the_last_request(name: str, data_dir: Path, windtunnel: Command) -> None:
    limits = () if "nasa" not in name else ("--limit", "ip 1/s")  # not three million questions to three limits
    said = windtunnel("traffic", data_dir / name, "--json", *limits)
    assert said.code == 0
    document = json.loads(said.out)
    assert document["lines"] == document["requests"] == REAL[name]
    assert (document["bad"], document["late"]) == (0, 0)
    assert sum(document["rate"]["series"]["requests"]) == REAL[name]
    assert sum(document["status"].values()) == REAL[name]
    assert sum(each["requests"] for each in document["endpoints"]) == REAL[name]


def test_what_real_logs_are_known_to_be_is_found(data_dir: Path, windtunnel: Command) -> None:
    def of(name: str) -> dict[str, Any]:
        return json.loads(windtunnel("traffic", data_dir / name, "--json", "--limit", "ip 1000/s").out)

    nasa = of("arrivals/nasa_http_1995_per_second.tbz2")
    assert nasa["rate"]["peaks"][0]["requests"] == 20
    assert nasa["span_s"] / 86_400 == pytest.approx(58.6, abs=0.05)
    azure = of("arrivals/azure_llm_conv_2023.csv")
    assert azure["burstiness"]["gap_cv"] ** 2 == pytest.approx(1.2, abs=0.05)
    assert azure["span_s"] / 60 == pytest.approx(58, abs=0.5)
    combined = of("access_logs/combined_2015.log")
    assert combined["who"]["ips"] == 520


def test_the_report_goes_to_standard_output_and_the_page_to_its_file(
    data_dir: Path, tmp_path: Path, windtunnel: Command
) -> None:
    html = tmp_path / "traffic.html"
    said = windtunnel("traffic", data_dir / "access_logs/combined_2015.log", "--html", html, "--limit", "ip 5/60s")
    assert (said.code, said.err) == (0, "")
    assert "3,456 lines = 3,456 requests + 0 bad" in said.out
    assert "5 a minute per IP address, burst 5 (bucket4j_greedy): would have refused" in said.out
    assert html.read_text().count("plotly-graph-div") >= 5


def test_the_limits_of_a_scenario_are_tried(data_dir: Path, windtunnel: Command) -> None:
    said = windtunnel("traffic", data_dir / "access_logs/combined_2015.log", "--scenario", "maltan/early", "--json")
    names = [each["limit"] for each in json.loads(said.out)["limits"]]
    assert names == [f"gateway.rate_limits.{name}" for name in ("per_user", "per_ip", "global")]


@pytest.mark.parametrize("kind", ["diurnal", "weekly", "bursty"])
def test_a_fitted_shape_is_traffic_of_a_scenario(
    kind: str, data_dir: Path, tmp_path: Path, small: Path, windtunnel: Command
) -> None:
    output = tmp_path / "traffic.yaml"
    log = data_dir / "arrivals/nasa_http_1995_per_second.tbz2"
    assert windtunnel("traffic", log, "--fit-shape", kind, "-o", output, "--limit", "ip 1/s").code == 0
    section = Section("", **{key: load_yaml(output)[key] for key in ("traffic", "provenance")})
    sources = {entry["source"] for entry in section.provenance.values()}
    assert sources == {"measured"}
    assert {"traffic.open.rate", "traffic.shape"} <= section.provenance.keys()
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(merged(dict(load_scenario(small).document), section)))
    traffic = load_scenario(whole).spec.traffic
    assert traffic.open is not None
    assert traffic.shape is not None
    if kind != "bursty":
        profile = traffic.shape.profile()  # type: ignore[union-attr]
        days = 1 if kind == "diurnal" else 7
        assert profile.every_s == days * 86_400
        mean = traffic.open.rate.per_second * profile.expected(profile.every_s) / profile.every_s
        assert mean == pytest.approx(3_461_610 / 5_059_950, rel=0.05)


def load_yaml(path: Path) -> dict[str, Any]:
    from experiments.scenario.document import read_document

    return json.loads(json.dumps(read_document(path).value))


def test_the_mix_is_by_the_routes_of_a_scenario(tmp_path: Path, small: Path, windtunnel: Command) -> None:
    log = tmp_path / "access.log"
    stamps = [f"{n // 60:02d}:{n % 60:02d}" for n in range(0, 1200)]
    log.write_text(
        "".join(
            f'1.2.3.{n % 5} - - [01/Oct/2025:10:{stamp} +0000] "GET {"/api/7" if n % 4 else "/other"} HTTP/1.1" 200 1\n'
            * (5 if (n // 60) % 2 else 1)
            for n, stamp in enumerate(stamps)
        )
    )
    output = tmp_path / "traffic.yaml"
    assert windtunnel("traffic", log, "--fit-shape", "bursty", "--scenario", small, "-o", output).code == 0
    document = load_yaml(output)
    assert document["traffic"]["mix"] == {"get": 2700}
    assert document["provenance"]["traffic.mix"]["note"] == "900 requests fit no route and are not in it"
    assert document["traffic"]["open"]["users"] == 5


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-o", "x.yaml"], "-o: must come with --fit-shape, got neither. Add --fit-shape weekly, for example."),
        (
            ["--html", "away/x.html"],
            "away/x.html: must be in a folder that is there, got none of that name. Make it first.",
        ),
        (
            ["--zone", "KST"],
            "windtunnel traffic: Invalid value for '--zone': must be an offset such as +09:00, got 'KST'. "
            "See windtunnel traffic --help.",
        ),
        (["--fit-shape", "weekly"], "--fit-shape: must come with -o, got 'weekly' alone. Add -o traffic.yaml."),
        (
            ["--limit", "ip"],
            "--limit: must be 'user|ip|global RATE [KIND]', got 'ip'. Write e.g. --limit 'ip 200/60s'.",
        ),
        (
            ["--fit-shape", "weekly", "-o", "x.yaml"],
            "--fit-shape: must have a log with every hour of a week, got one that lacks 168 of 168 whole hours. Give "
            "more of the log, or fit another shape.",
        ),
        (
            ["--fit-shape", "bursty", "-o", "x.yaml"],
            "--fit-shape: must have a bursty log, got none: the counts are no more scattered than those of Poisson "
            "arrivals at any length of windows. Use open arrivals as they are.",
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    arguments: list[str], line: str, tmp_path: Path, windtunnel: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.log").write_text(
        "".join(f'1.2.3.4 - - [01/Oct/2025:10:00:{n:02d} +0000] "GET / HTTP/1.1" 200 1\n' for n in range(60))
    )
    said = windtunnel("traffic", "a.log", *arguments)
    assert (said.code, said.lines) == (2, [line])
    assert not Path("x.yaml").exists()


@pytest.mark.parametrize(("kind", "suffix"), [("k6", "js"), ("locust", "py")])
def test_what_is_exported_is_read_again(kind: str, suffix: str, tmp_path: Path, windtunnel: Command) -> None:
    file, output = tmp_path / f"load.{suffix}", tmp_path / "traffic.yaml"
    assert windtunnel("export", kind, "storm/retry-storm", "-o", file).code == 0
    said = windtunnel("traffic", file, "-o", output)
    assert said.code == 0
    assert said.out == f"{file}: open load of up to 136 requests/s over 170 s, written to {output}.\n"
    told = json.loads(windtunnel("traffic", file, "--json").out)
    assert [(point["t_s"], point["level"]) for point in told["points"]] == [
        (0, 68), (40, 68), (40, 136), (70, 136), (70, 68), (170, 68),
    ]  # fmt: skip
    assert load_yaml(output) == told["section"]


@pytest.mark.parametrize(
    "option",
    [("--limit", "ip 1/s"), ("--gap", "5m"), ("--html", "x.html"), ("--fit-shape", "weekly"), ("--stamp", "end")],
)
def test_what_says_nothing_of_a_load_test_is_refused(
    option: tuple[str, str], tmp_path: Path, windtunnel: Command
) -> None:
    file = tmp_path / "load.js"
    file.write_text("export const options = { vus: 3, duration: '1m' };")
    said = windtunnel("traffic", file, *option)
    assert (said.code, said.lines) == (2, [f"{option[0]}: must come with a log, got a load test. Remove it."])


def test_a_scenario_without_limits_has_none_to_try(data_dir: Path, windtunnel: Command) -> None:
    log = data_dir / "access_logs/combined_2015.log"
    said = windtunnel("traffic", log, "--scenario", "storm/retry-storm")
    assert (said.code, said.lines) == (
        2, ["--scenario: must have a rate limit, got none. Name limits with --limit, or leave it out."],
    )  # fmt: skip
    said = windtunnel("traffic", log, "--scenario", "maltan/early", "--limit", "ip 7/s", "--json")
    assert [each["key"] for each in json.loads(said.out)["limits"]] == ["ip", "user", "ip", "global"]


def test_fields_of_the_log_say_who_asks(tmp_path: Path, windtunnel: Command) -> None:
    log = tmp_path / "a.json"
    log.write_text("".join(f'{{"when": {1.7e9 + n:.3f}, "uri": "/a", "who": "u{n % 3}"}}\n' for n in range(30)))
    fields = ("--format", "json", "--field", "time=when", "--field", "path=uri", "--user-from", "who")
    document = json.loads(windtunnel("traffic", log, *fields, "--json").out)
    assert (document["requests"], document["who"]["users"]) == (30, 3)


def test_hits_stand_by_themselves_where_the_log_tells_nothing_else_of_what_is_behind(
    tmp_path: Path, windtunnel: Command
) -> None:  # fmt: skip
    log = tmp_path / "log.csv"
    rows = [f"{second},get-place,200,0.05,{'hit' if second % 4 else 'miss'}" for second in range(40)]
    log.write_text("\n".join(["t_s,endpoint,status,latency_s,cache", *rows]) + "\n")
    text = " ".join(windtunnel("traffic", log).out.split())
    assert "CACHE, share of hits endpoint hits get-place 75" in text
    assert "went there" not in text and "BEHIND" not in text


def test_a_recorded_trace_cannot_be_exported(small: Path, tmp_path: Path, windtunnel: Command) -> None:
    (small.parent / "trace.csv").write_text("t_s\n0\n1\n")
    said = windtunnel("export", "k6", small, "--set", "traffic.open=null", "--set", "traffic.trace={file: trace.csv}")
    assert said.code == 2
    assert said.lines[0].startswith("traffic.trace: must be users or open to be exported, got a recorded trace.")


def test_routes_need_paths_to_be_exported(small: Path, windtunnel: Command) -> None:
    said = windtunnel("export", "locust", small, "--set", "routes.get.path=null")
    assert (said.code, said.lines) == (
        2, ["routes.get.path: must be a URL path to be exported, got none. Set it, e.g. /api/places/{id}."],
    )  # fmt: skip


def test_a_limit_refuses_of_a_log_what_it_refused_in_the_run_that_wrote_it(tmp_path: Path, windtunnel: Command) -> None:
    rows = tmp_path / "rows.csv"
    settings = ("warm_up=0s", "duration=2m", "gateway.rate_limits.per_ip={kind: sliding_log, key: ip, limit: 60/30s}")
    run = ("maltan/early", "--variant", "shared-ip", "--replications", 1)
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    result = json.loads(windtunnel("run", *run, *arguments, "--requests", rows, "--json").out)
    limited = result["requests"]["refused"]["rate_limited"]
    assert limited > 100
    limits = ("--limit", "ip 60/30s sliding_log", "--limit", "user 100/60s")
    document = json.loads(windtunnel("traffic", rows, *limits, "--json").out)
    assert [limit["refused"] for limit in document["limits"]] == [limited, 0]
    assert document["status"]["429"] == limited
    assert document["who"]["users_per_ip"]["mean"] == 10
    think = 0.95 * 2 + 0.05 * 10
    assert document["sessions"]["think_s"]["mean_s"] == pytest.approx(think, rel=0.1)
