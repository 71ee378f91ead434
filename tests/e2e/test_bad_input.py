"""Bad input: one or two lines that say what to do, exit 2, no traceback, and no file that was not there before."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

STEP = "services.api.endpoints.get.steps"
CACHE = """\
caches:
  redis:
    machine: vm
    base_memory: 30M
    start_cpu: 10ms
    command_cpu: 0.1ms
    round_trip: 0.2ms
    classes:
      hot: {ttl: 5m, keys: 10, popularity: 1.0, value: 1K}
"""
CYCLE = """\
          - {kind: call, service: other, endpoint: get}
  other:
    machine: vm
    base_memory: 200M
    endpoints:
      get:
        steps:
          - {kind: call, service: api, endpoint: get}
routes:
"""


def refused(windtunnel: Command, *arguments: Any, most_lines: int = 2) -> list[str]:
    """The lines with which a command refuses its input. Nothing else may come of it."""
    said = windtunnel(*arguments)
    assert said.code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err
    assert 1 <= len(said.lines) <= most_lines, said.err
    assert all(len(line) < 400 and line.isprintable() for line in said.lines)
    lines: list[str] = said.lines
    return lines


def run_refused(windtunnel: Command, scenario: Path, *arguments: Any, most_lines: int = 2) -> list[str]:
    before = sorted(scenario.parent.rglob("*")) if scenario.parent.is_dir() else []
    outputs = ("--out", scenario.parent / "out", "--requests", scenario.parent / "rows.parquet")
    lines = refused(windtunnel, "run", scenario, *arguments, *outputs, most_lines=most_lines)
    if before:
        assert sorted(scenario.parent.rglob("*")) == before
    return lines


def edit(scenario: Path, old: str, new: str) -> int:
    """Replace a part of the scenario. Returns the line on which it begins."""
    text = scenario.read_text()
    assert text.count(old) == 1, old
    scenario.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("cores: 2", "coers: 2", "machines.vm.coers: must be a known key, got 'coers'. Did you mean cores?"),
        ("machines:", "machine:", "machine: must be a known key, got 'machine'. Did you mean machines?"),
        ("memory: 4G", "memory: 4GB", "machines.vm.memory: must be a size with a binary unit such as 512M or 4G"),
        ("memory: 4G", "memory: 4", "machines.vm.memory: must be a size with a binary unit"),
        ("memory: 4G", "memory: 0B", "machines.vm.memory: must be more than 0, got '0B'. Raise it."),
        ("memory: 4G", "memory: -4G", "machines.vm.memory: must be a size with a binary unit"),
        ("cores: 2", "cores: 0", "machines.vm.cores: must be more than 0, got 0. Raise it."),
        ("cores: 2", "cores: -1", "machines.vm.cores: must be more than 0, got -1. Raise it."),
        ("duration: 5s", "duration: 5", "duration: must be a duration with a unit such as 250ms, 3s or 5m, got 5."),
        ("duration: 2ms", "duration: 2 parsecs", f"{STEP}.disk.duration: must be a duration with a unit"),
        ("rate: 50/s", "rate: 50", "traffic.open.rate: must be a rate such as 100/60s or 700/s, got 50. Write 50/s"),
        ("rate: 50/s", "rate: -50/s", "traffic.open.rate: must be a rate"),
        ("kind: cpu,", "kind: gpu,", f"{STEP}.gpu.kind: must be one of cpu, delay, cache, evict, db, transaction"),
        ("kind: cpu, ", "", f"{STEP}.0.kind: must be one of cpu, delay, cache, evict, db, transaction, call. Add it."),
        ("service: api", "service: apo", "routes.get.service: must name one of the services, got 'apo'."),
        ("endpoint: get", "endpoint: put", "routes.get.endpoint: must name one of the endpoints of api, got 'put'."),
        ("mix: {get: 1}", "mix: {put: 1}", "traffic.mix.put: must name one of the routes, got 'put'. There are: get."),
        ("mix: {get: 1}", "mix: {get: 0}", "traffic: must have a route with a positive weight in mix, got none."),
        ("routes:\n", CYCLE, "must not call itself"),
        ("machines:", "duration: 6s\nmachines:", "duration: must be given once, got it in lines 2 and 5. Remove one."),
        ("machines:", "machines: &all", "must not use anchors and aliases, got &all. Write the value out."),
        ("cores: 2", "cores: *cores", "must not use anchors and aliases, got *cores. Write the value out."),
        ("cores: 2", "<<: {cores: 2}", "must not merge mappings with <<. Write the values out."),
        ("cores: 2", "cores: !!int 2", "must not use tags"),
        ("machines:\n", "machines:\n\t", "must be valid YAML"),
        ("machines:\n", "---\nmachines:\n", "must be one document, got a second one."),
    ],
)  # fmt: skip
def test_scenarios_that_cannot_be_meant(old: str, new: str, part: str, small: Path, windtunnel: Command) -> None:
    edit(small, old, new)
    lines = run_refused(windtunnel, small)
    assert any(part in line for line in lines), lines
    assert all(re.search(r"\(small\.yaml:\d+\)$", line) for line in lines)


GATEWAY = "gateway: {machine: vm, cpu: 1ms, %s}\n"
NGINX = "load_balancers: {nginx: {machine: vm, cpu: 1ms, upstreams: {apis: {service: api, %s}}}}\n"
DATABASES = "databases: {main: {machine: vm, queries: {find: {cpu: 1ms}}}, copy: {machine: vm, %s}}\n"
FAULT = "faults: {trouble: {%s}}\n"
LINKS = "links: {wire: {%s}}\n"


@pytest.mark.parametrize(
    ("block", "fields", "part"),
    [
        (GATEWAY, "filters: [guard]", "gateway.filters: must name each of nothing once, got guard."),
        (GATEWAY, "circuit_breakers: {guard: {services: [apo]}}",
         "gateway.circuit_breakers.guard.services: must name one of the services, got 'apo'. There are: api."),
        (GATEWAY, "circuit_breakers: {a: {}}, retries: {a: {}}", "gateway: names of filters must be unique"),
        (GATEWAY, "retries: {again: {backoff: {first: 10ms, maximum: 5ms}}}",
         "gateway.retries.again.backoff.maximum: must be at least first."),
        (GATEWAY, "concurrency: {apo: {}}", "gateway.concurrency.apo: must name one of the services, got 'apo'."),
        (GATEWAY, "key_resolver: {anonymous_share: 30}",
         "gateway.key_resolver.anonymous_share: must be at most 1, got 30. Lower it."),
        (NGINX, "weights: [1, 2]", "upstreams.apis.weights: must have one weight for each of the 1 replicas of api"),
        (NGINX, "backup: [1]", "upstreams.apis.backup: must leave a server that is none, got all 1. Remove one."),
        (NGINX, "balancing: hash", "must have a hash_key with hash and hash_consistent and with nothing else"),
        (NGINX, "fail_timeout: 1500ms", "upstreams.apis.fail_timeout: must be whole seconds, as nginx counts them"),
        (DATABASES, "standby_of: copy", "databases.copy.standby_of: must be a primary, got 'copy'"),
        (DATABASES, "standby_of: man", "databases.copy.standby_of: must name one of the databases, got 'man'."),
        (DATABASES, "standby_of: main, queries: {find: {cpu: 1ms}}",
         "databases.copy.queries: must be left out of a standby, which has what its primary has."),
        (DATABASES, "synchronous_standby: main",
         "databases.copy.synchronous_standby: must name one of the standbys of copy, got 'main'. There are: none."),
        (DATABASES, "queries: {find: {cpu: 1ms, table: rows}}",
         "databases.copy.queries.find.table: must name one of the tables, got 'rows'. There are: none."),
        (FAULT, "kind: crash, target: services.apo, at: 1s",
         "faults.trouble.target: must name what such a fault can hit, got 'services.apo'. There are: services.api"),
        (FAULT, "kind: outage, target: services.api, at: 1s", "faults.trouble.kind: must be one of crash, hang, slow"),
        (FAULT, "kind: crash, target: services.api", "must have exactly one of at and mean_time_between."),
        (FAULT, "kind: hang, target: services.api, at: 1s, every: 1s, lasts: 2s",
         "faults.trouble.every: must be longer than it lasts, 2s, got 1s. Lengthen it."),
        (FAULT, "kind: replica_lag, target: services.api, at: 1s, lag: 1s",
         "faults.trouble.target: must name what such a fault can hit, got 'services.api'. There are: none."),
        (FAULT, "kind: partition, between: [client, vm], at: 1s, lasts: 1s",
         "faults.trouble.between: must be two that speak to each other, got [client, vm]. There are: [client, serv"),
        (LINKS, "between: [client, client]", "links.wire.between: must be two components, got client twice."),
        (LINKS, "between: [client, services.api], loss: 1%", "links.wire.loss: must be a number, got '1%'."),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit(block: str, fields: str, part: str, small: Path, windtunnel: Command) -> None:
    edit(small, "routes:\n", f"{block % fields}routes:\n")
    lines = run_refused(windtunnel, small)
    assert any(part in line for line in lines), lines
    assert all(re.search(r"\(small\.yaml:\d+\)$", line) for line in lines)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ("style: spring_cloud_blocking, rate_limiter: {}", "style spring_cloud_blocking has no rate_limiter."),
        ("bulkhead: {}, thread_pool_bulkhead: {}", "must have one of bulkhead and thread_pool_bulkhead, got both."),
        ("disable_time_limiter: true", "disable_time_limiter is for the styles that bring one along. Remove it."),
        ("time_limiter: 1s", "steps.call.time_limiter: must be a mapping (lines of key: value), got '1s'."),
        ("retry: {retry_exceptions: [IOException]}", "must name a failure, got 'IOException'. Write time_limit"),
        ("retry: {exponential_max_wait_duration: 1s}", "bounds pauses that grow, and these do not."),
        ("breaker: {failure_rate_threshold: 0}", "failure_rate_threshold: must be more than 0, got 0. Raise it."),
        ("thread_pool_bulkhead: {core_thread_pool_size: 50}", "must be at most the 2 threads of the pool"),
        ("fallback: [{kind: call, service: api, endpoint: get}]", "must not call itself, got api.get -> api.get."),
    ],
)
def test_guards_that_do_not_fit(fields: str, part: str, small: Path, windtunnel: Command) -> None:
    other = "  other: {machine: vm, endpoints: {get: {steps: [{kind: cpu, demand: 1ms}]}}}\n"
    call = f"          - {{kind: call, service: other, endpoint: get, {fields}}}\n"
    edit(small, "routes:\n", f"{call}{other}routes:\n")
    lines = run_refused(windtunnel, small)
    assert any(part in line for line in lines), lines
    assert all(re.search(r"\(small\.yaml:\d+\)$", line) for line in lines)


def test_a_time_to_live_of_nothing(small: Path, windtunnel: Command) -> None:
    line = edit(small, "routes:\n", f"{CACHE}routes:\n") + CACHE[: CACHE.index("ttl")].count("\n")
    assert windtunnel("run", small, "--replications", 1).code == 0
    edit(small, "ttl: 5m", "ttl: 0s")
    assert run_refused(windtunnel, small) == [
        f"caches.redis.classes.hot.ttl: must be more than 0, got '0s'. Raise it, or leave ttl out. (small.yaml:{line})"
    ]


def test_the_line_of_an_error_is_the_line_to_change(small: Path, windtunnel: Command) -> None:
    line = edit(small, "duration: 2ms", "duration: 2")
    (said,) = run_refused(windtunnel, small)
    assert said.endswith(f"(small.yaml:{line})")


def test_many_errors_are_shown_in_part(small: Path, windtunnel: Command) -> None:
    edit(small, "duration: 5s\n", "".join(f"wrong_{number}: 1\n" for number in range(20)))
    lines = run_refused(windtunnel, small, most_lines=6)
    assert lines[-1] == "... and 15 more."


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "must describe a system, got an empty file"),
        (b"\x7fELF\0\0\1\2", "must be text, got a binary file"),
        (b"a: \xff\xfe\n", "must be UTF-8 text"),
        (b"just words", "must be a mapping (lines of key: value) at the top, got 'just words'"),
        (b"- 1\n", "must be a mapping (lines of key: value) at the top, got a list"),
        (b"{}", "machines: must be given"),
        (b"a: " + b"{b: " * 50_000, "must be nested at most 40 deep"),
    ],
)
def test_files_that_are_no_scenario(data: bytes, part: str, small: Path, windtunnel: Command) -> None:
    small.write_bytes(data)
    assert part in run_refused(windtunnel, small, most_lines=4)[0]


def test_a_file_of_100_mb_is_answered_without_reading_it(small: Path, windtunnel: Command) -> None:
    with small.open("wb") as file:
        file.truncate(100_000_000)
    assert "must be at most 1 MB, got 100.0 MB. Is it the right file?" in run_refused(windtunnel, small)[0]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--set", "traffic.open.rat=5/s"], "Did you mean rate? (--set traffic.open.rat=5/s)"),
        (
            ["--set", "services.app.replicas=2"],
            "services.app: must be a path in this scenario, got 'app'. Did you mean api?",
        ),
        (["--set", "services.api.replicas=0"], "services.api.replicas: must be at least 1, got 0. Raise it. (--set "),
        (["--set", "nonsense"], "--set: must be PATH=VALUE, got 'nonsense'."),
        (["--variant", "twcie"], "--variant: must be a variant of small, got 'twcie'. Did you mean twice?"),
        (["--seed", "-1"], "windtunnel run: Invalid value for '--seed'"),
        (["--replications", "0"], "windtunnel run: Invalid value for '--replications'"),
        (
            ["--duration", "10"],
            "must be a duration with a unit such as 250ms, 3s or 5m, got 10. Write 10s for seconds.",
        ),
        (["--duration", "0s"], "must be more than 0, got 0s"),
        (["--sed", "1"], "windtunnel run: No such option"),
        (["--fail-on-breach=3"], "Option '--fail-on-breach' does not take a value."),
    ],
)
def test_options_that_cannot_be_meant(arguments: list[str], part: str, small: Path, windtunnel: Command) -> None:
    (line,) = run_refused(windtunnel, small, *arguments)
    assert part in line


def test_outputs_that_cannot_be_written_are_refused_before_the_run(small: Path, windtunnel: Command) -> None:
    (small.parent / "taken").write_text("")
    for arguments, part in (
        (["--requests", "rows.xlsx"], "--requests: must end in .parquet or .csv, got 'rows.xlsx'"),
        (["--requests", small.parent / "no" / "rows.csv"], "must be writable, got: no such file or directory"),
        (["--out", small.parent / "taken"], "must be a folder, got the file"),
        (["--out", small.parent / "taken" / "deeper"], "must be a folder, got the file"),
    ):
        (line,) = refused(windtunnel, "run", small, "--duration", "1000h", *arguments)
        assert part in line
    assert sorted(entry.name for entry in small.parent.iterdir()) == ["small.yaml", "taken"]


@pytest.mark.parametrize("name", ["maltan/erly", "nowhere.yaml", "", "-x"])
def test_scenarios_that_do_not_exist(name: str, windtunnel: Command) -> None:
    assert "must be a scenario file or a shipped scenario" in refused(windtunnel, "run", "--", name)[0]


TRACED = ("--set", "traffic.open=null", "--set", "traffic.trace={file: trace.csv}")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("t_s\n0\n2\n1\n", "t_s: must not go back, got 1 after 2 in row 3. Sort the rows by t_s."),
        ("t_s\n-1\n", "t_s: must be at least 0, got '-1' in row 1."),
        ("t_s\n0\nnan\n", "t_s: must be a number of seconds, got 'nan' in row 2."),
        ("t_s,endpoint\n0,gte\n", "endpoint: must be a route, got 'gte' in row 1. Did you mean get?"),
        ("when\n0\n", "must have a column t_s"),
        ("", "must have a header and rows, got an empty file"),
        ("\0\0\0", "must be text, got a binary file"),
        (None, "must be a readable trace, got: no such file or directory"),
    ],
)
def test_traces_that_cannot_be_meant(text: str | None, part: str, small: Path, windtunnel: Command) -> None:
    if text is not None:
        (small.parent / "trace.csv").write_text(text)
    (line,) = run_refused(windtunnel, small, *TRACED)
    assert part in line


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--over", "traffic.open.rte=1/s"], "Did you mean rate?"),
        (["--over", "traffic.open.rate"], "--over: must be PATH=1,2,4 or PATH=1..10..3"),
        (["--over", "machines.vm.cores=4..1"], "--over: must be a range from low to high"),
        (["--over", "machines.vm.cores=0..2"], "machines.vm.cores: must be more than 0, got 0"),
        ([], "Missing option '--over'"),
        (["--over", "machines.vm.cores=1,2", "--out", "points.csv"], "--out: must end in .parquet, got 'points.csv'"),
    ],
)
def test_sweeps_that_cannot_be_meant(arguments: list[str], part: str, small: Path, windtunnel: Command) -> None:
    (line,) = refused(windtunnel, "sweep", small, *arguments)
    assert part in line


def test_the_process_itself_shows_no_traceback(small: Path, start: Command) -> None:
    edit(small, "memory: 4G", "memory: lots")
    process = start("run", small)
    out, err = process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert len(err.splitlines()) == 1
    assert err.startswith(b"machines.vm.memory: must be a size")
