"""The commands from outside: what they print where, what they write, and the code they leave with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest

import experiments.cli
from experiments.cli.dashboard import entry_script
from experiments.errors import InputError
from sim.errors import SimulationError

Command = Callable[..., Any]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something another process does; a minute is as good as never."""
    for _ in range(1200):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it never happened")


# help


def test_help_loads_nothing_that_takes_long() -> None:
    code = (
        "import sys; from experiments.cli import main\n"
        "code = main(['--help']) or main(['--version']) or main(['run', '-h'])\n"
        "heavy = {'numpy', 'pydantic', 'scipy', 'streamlit', 'pyarrow', 'joblib', 'rich', 'simpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else code)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", list(experiments.cli.windtunnel.commands))
def test_every_command_has_help_with_an_example(name: str, windtunnel: Command) -> None:
    said = windtunnel(name, "--help")
    assert said.code == 0
    assert f"windtunnel {name}" in said.out.split("Options:")[0].partition("\n")[2]
    for option in experiments.cli.windtunnel.commands[name].params:
        if option.param_type_name == "option":
            assert option.opts[0] in said.out
            assert getattr(option, "help", None), option.opts


def test_the_version_is_that_of_the_package(windtunnel: Command) -> None:
    from importlib.metadata import version

    assert windtunnel("--version").out.startswith(f"windtunnel {version('windtunnel')}, ")


# run


def test_a_run_prints_its_report_on_standard_output_alone(small: Path, windtunnel: Command) -> None:
    said = windtunnel("run", small)
    assert said.code == 0
    assert said.err == ""
    assert said.out.startswith("small\nOne service on one machine.\n")
    assert "VERDICT" in said.out


def test_what_takes_long_tells_how_far_it_is_on_standard_error(
    small: Path, windtunnel: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.cli.common.QUIET_S", 0.0)
    monkeypatch.setattr("experiments.cli.common.EVERY_S", 0.0)
    said = windtunnel("run", small, "--json")
    assert json.loads(said.out)["replications"] == 2
    assert said.lines == ["small: replication 1 of 2, 50%", "small: replication 2 of 2, 100%"]


def test_json_is_the_result_and_the_files_hold_the_same(small: Path, windtunnel: Command, tmp_path: Path) -> None:
    out, rows = tmp_path / "new" / "out", tmp_path / "rows.parquet"
    said = windtunnel("run", small, "--json", "--out", out, "--requests", rows, "--seed", 7, "--variant", "twice")
    assert said.code == 0
    result = json.loads(said.out)
    assert result["seed"] == 7
    assert result["variant"] == "twice"
    written = json.loads((out / "result.json").read_text())
    assert {**written, "wall": None} == {**result, "wall": None}
    assert "VERDICT" in (out / "report.txt").read_text()
    table = pa_parquet.read_table(rows)
    ended = [row for row in table.to_pylist() if not row["warm_up"]]
    assert len(ended) == pytest.approx(result["requests"]["arrived"] * 2)
    assert set(table["replication"].to_pylist()) == {0, 1}
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry != small.parent) == ["new", "rows.parquet"]


def test_the_digest_is_the_same_wherever_a_replication_runs(small: Path, windtunnel: Command, start: Command) -> None:
    here = json.loads(windtunnel("run", small, "--json", "--requests", small.parent / "r.csv").out)["digest"]
    process = start("run", small, "--json")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["digest"] == here
    other = windtunnel("run", small, "--json", "--seed", 2, "--requests", small.parent / "r.csv")
    assert json.loads(other.out)["digest"] != here


def test_steps_give_a_column_each(small: Path, windtunnel: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    assert windtunnel("run", small, "--requests", rows, "--steps", "--replications", 1).code == 0
    table = pa_csv.read_csv(rows)
    assert table.column_names[-2:] == ["api.get.cpu", "api.get.disk"]
    assert {round(value, 9) for value in table["api.get.disk"].to_pylist()} == {0.002}
    said = windtunnel("run", small, "--steps")
    assert (said.code, said.lines) == (
        2,
        ["windtunnel run: --steps: must come with --requests. See windtunnel run --help."],
    )


def test_options_change_what_is_run(small: Path, windtunnel: Command) -> None:
    def ran(*arguments: Any) -> dict[str, Any]:
        said = windtunnel("run", small, "--json", *arguments)
        assert said.code == 0, said.err
        document: dict[str, Any] = json.loads(said.out)
        return document

    assert ran("--replications", 1)["replications"] == 1
    assert ran("--replications", 1, "--duration", "2s")["simulated_s"] == 2
    assert ran("--replications", 1, "--set", "traffic.open.rate=5/s")["requests"]["arrived"] < 40
    assert ran("--replications", 1)["bottleneck"]["confirmed"] is None
    crowded = ("--set", "traffic.open.rate=600/s", "--set", "replications=3")
    assert ran(*crowded, "--confirm")["bottleneck"]["confirmed"]["moved"] is True


def test_a_breach_is_an_exit_code_only_where_it_is_asked_for(small: Path, windtunnel: Command) -> None:
    breach = ("--set", "objectives.fast.at_most=1")
    assert windtunnel("run", small, *breach).code == 0
    assert windtunnel("run", small, *breach, "--fail-on-breach").code == 1
    assert windtunnel("run", small, "--fail-on-breach").code == 0


# scenarios, sweep, dashboard


def test_shipped_scenarios_are_listed(windtunnel: Command) -> None:
    said = windtunnel("scenarios")
    assert said.code == 0
    assert "maltan/early" in said.out
    listed = json.loads(windtunnel("scenarios", "--json").out)
    assert all(entry["description"] for entry in listed)
    for entry in listed:
        assert entry["name"] in said.out
        for variant, description in entry["variants"].items():
            assert f"--variant {variant}" in said.out
            assert description


def test_a_sweep_runs_every_combination(small: Path, windtunnel: Command, tmp_path: Path) -> None:
    file = tmp_path / "points.parquet"
    axes = ("--over", "traffic.open.rate=20/s,40/s", "--over", "machines.vm.cores=1..2")
    said = windtunnel("sweep", small, *axes, "--replications", 2, "--duration", "3s", "--json", "--out", file)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [point["values"] for point in found["points"]] == [
        {"traffic.open.rate": rate, "machines.vm.cores": cores} for rate in ("20/s", "40/s") for cores in ("1", "2")
    ]
    assert found["replications"] == 2
    assert set(pa_parquet.read_table(file)["point"].to_pylist()) == {0, 1, 2, 3}
    table = windtunnel("sweep", small, *axes[:2], "--replications", 1, "--duration", "3s")
    assert "20/s" in table.out
    assert "p99 ms" in table.out


def test_the_dashboard_has_a_script_to_open() -> None:
    try:
        script = entry_script()
    except InputError as error:
        pytest.skip(f"the dashboard is not there: {error}")
    assert script.is_file()


# ends


@pytest.mark.parametrize("rows", [True, False])
def test_ctrl_c_says_that_nothing_was_kept_and_keeps_nothing(
    rows: bool, small: Path, start: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    process = start(
        "run", small, "--duration", "1000h", "--out", folder / "results", *(["--requests", folder / "r.csv"] * rows)
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("this system has no /proc to see when the work has begun")

    def is_at_work() -> bool:
        return bool(list(folder.iterdir())) if rows else len(children.read_text().split()) >= 2

    wait_until(is_at_work)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert err.decode().splitlines()[-1] == "Stopped: nothing was kept."
    assert b"Traceback" not in err
    assert list(folder.iterdir()) == []


def test_ctrl_c_shows_the_replications_that_have_ended_and_how_to_have_them_again(
    small: Path, start: Command, tmp_path: Path, windtunnel: Command
) -> None:
    """Nobody could run ten thousand of them before the signal comes."""
    process = start("run", small, "--replications", "10000", "--stream", "--out", tmp_path / "results")
    lines = [json.loads(process.stdout.readline())]
    while lines[-1]["replication"] != 0:
        lines.append(json.loads(process.stdout.readline()))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130
    lines += map(json.loads, out.splitlines())
    result = lines.pop()["result"]
    assert [line["ended"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["of"] for line in lines} == {10000}
    kept = result["replications"]
    assert {line["replication"] for line in lines} >= set(range(kept))
    assert result["stopped"] == {"during": "replications", "replications_wanted": 10000}
    assert f"Stopped: {kept} of 10000 replications had ended" in err.decode()
    assert b"Traceback" not in err
    assert json.loads((tmp_path / "results" / "result.json").read_text()) == result
    assert "of 10,000 had ended; figures are theirs" in (tmp_path / "results" / "report.txt").read_text()
    again = windtunnel("run", small, "--replications", str(min(kept, 3)), "--stream")
    whole = [json.loads(line) for line in again.out.splitlines()]
    assert whole.pop()["result"]["stopped"] is None
    known = {line["replication"]: line["digest"] for line in lines}
    assert all(known[line["replication"]] == line["digest"] for line in whole)


def test_a_request_to_end_is_obeyed_like_ctrl_c(small: Path, start: Command, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    process = start("run", small, "--duration", "1000h", "--requests", folder / "r.parquet")
    wait_until(lambda: bool(list(folder.iterdir())))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert list(folder.iterdir()) == []


def test_a_reader_that_leaves_is_no_error_to_talk_about(start: Command) -> None:
    process = start("scenarios")
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141


@pytest.mark.parametrize(
    ("fault", "code", "part"),
    [
        (SimulationError("a law is broken"), 3, "Simulation error: a law is broken"),
        (ZeroDivisionError("a bug"), 3, "ZeroDivisionError: a bug"),
        (MemoryError(), 3, "ran out of memory"),
        (KeyboardInterrupt(), 130, "Stopped: nothing was kept."),
        (OSError(28, "No space left on device", "r.csv"), 2, "r.csv: no space left on device."),
    ],
)
def test_faults_have_their_exit_codes(
    fault: BaseException, code: int, part: str, small: Path, windtunnel: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr("experiments.runner.run", fail)
    said = windtunnel("run", small)
    assert (said.code, said.out) == (code, "")
    assert part in said.err
