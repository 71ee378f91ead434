"""Figures that are told while a run goes on are those of the result, as far as it has got."""

from __future__ import annotations

import re
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from experiments import load_scenario, run, runner
from experiments.live import Live, Stopped

SETTINGS = ["duration=25s"]


class Here(Executor):
    """Runs what it is given at once; after so many, somebody presses Ctrl-C."""

    def __init__(self, at_most: int = 1000) -> None:
        self.at_most = at_most

    def submit(self, function: Any, /, *given: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.at_most -= 1
        if self.at_most < 0:
            future.set_exception(KeyboardInterrupt())
        else:
            future.set_result(function(*given, **named))
        return future


def test_what_is_told_becomes_the_result() -> None:
    told: list[tuple[float, str]] = []
    streamed: list[dict[str, Any]] = []
    live = Live(lambda share, text: told.append((share, text)), streamed.append)
    result = run(
        load_scenario("maltan/early", SETTINGS), replications=3, executor=Here(), on_progress=live.tell, watcher=live
    )
    pilot = [text for _, text in told if text.startswith("pilot")]
    counts = [int(match[1]) for text in pilot if (match := re.search(r"(\d+) requests so far", text))]
    assert counts == sorted(counts)
    assert counts[0] < 50 < 300 < counts[-1]
    assert re.fullmatch(r"pilot run for the warm-up, \d+ requests so far: p95 \d+\.\d ms", pilot[-1])
    assert sorted(line["replication"] for line in streamed) == [0, 1, 2]
    assert [line["ended"] for line in streamed] == [1, 2, 3]
    estimate = result.estimate("/latency_ms/all/p95")
    assert estimate is not None
    assert streamed[-1]["so_far"]["p95_ms"] == pytest.approx(estimate.mean)
    assert streamed[-1]["so_far"]["interval"] == pytest.approx([estimate.low, estimate.high])
    assert streamed[0]["so_far"]["interval"] is None
    by_number = sorted(streamed, key=lambda line: line["replication"])
    assert [line["latency_ms"]["all"]["p95"] for line in by_number] == result.per_replication("/latency_ms/all/p95")
    assert f"p95 so far {estimate.mean:,.1f} ms ({max(0.0, estimate.low):,.1f} to {estimate.high:,.1f})" in told[-1][1]


def test_a_stopped_run_shows_what_another_run_gives_again() -> None:
    """One that nobody watches: being watched changes nothing."""
    scenario = load_scenario("maltan/early", SETTINGS)
    live = Live(lambda share, text: None)
    with pytest.raises(Stopped) as stopped:
        run(scenario, replications=5, executor=Here(at_most=2), watcher=live)
    found = stopped.value.result.document
    assert found["stopped"] == {"during": "replications", "replications_wanted": 5}
    whole = run(scenario, replications=2, executor=Here()).document
    assert (found["replications"], found["digest"]) == (2, whole["digest"])
    assert found["latency_ms"] == whole["latency_ms"]


@pytest.mark.parametrize("at_most", [0, 2])
def test_nobody_watching_or_nothing_to_show_is_an_ordinary_interrupt(at_most: int) -> None:
    watcher = Live(lambda share, text: None) if at_most == 0 else None
    with pytest.raises(KeyboardInterrupt) as interrupt:
        run(load_scenario("maltan/early", SETTINGS), replications=5, executor=Here(at_most), watcher=watcher)
    assert not isinstance(interrupt.value, Stopped)


@pytest.mark.parametrize(("replications", "workers"), [(1, 0), (2, 2), (4, 3)])
def test_workers_start_while_the_pilot_goes_on_but_leave_it_alone_until_it_has_shown_figures(
    replications: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    in_pool = Here()

    class Pool(Executor):
        def submit(self, function: Any, /, *given: Any, **named: Any) -> Future[Any]:
            told.append(function.__name__)
            return in_pool.submit(function, *given, **named)

    monkeypatch.setattr(runner, "default_executor", Pool)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    live = Live(lambda share, text: told.append(text))
    run(load_scenario("maltan/early"), replications=replications, duration_s=150.0, on_progress=live.tell, watcher=live)
    started = [number for number, text in enumerate(told) if text == "_make_ready"]
    figures = [number for number, text in enumerate(told) if text.startswith("pilot") and "p95" in text]
    assert len(started) == workers
    assert all(figures[0] < number < figures[-1] for number in started)
    assert told.count("replicate") == (replications if replications > 1 else 0)


def test_an_interrupt_of_the_pilot_stops_workers_where_some_have_started(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    monkeypatch.setattr(runner, "default_executor", Here)
    monkeypatch.setattr(runner, "close_executor", lambda: closed.append(len(told)))
    told: list[str] = []

    def stopping(at: int) -> None:
        told.clear()

        def tell(_: float, text: str) -> None:
            told.append(text)
            if len(told) == at:
                raise KeyboardInterrupt

        live = Live(tell)
        with pytest.raises(KeyboardInterrupt):
            run(load_scenario("maltan/early", SETTINGS), replications=3, on_progress=live.tell, watcher=live)

    stopping(1)
    assert closed == []
    stopping(20)
    assert closed == [20]
