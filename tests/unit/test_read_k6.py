"""Stages of k6 as the traffic of a scenario, written as in k6's own documentation."""

from __future__ import annotations

import pytest

from experiments.errors import InputError
from experiments.shapes.read_k6 import is_k6, notes_of, read_k6

RAMPING_VUS = """
import http from 'k6/http';
import { sleep } from 'k6';
export const options = {
  discardResponseBodies: true,
  scenarios: {
    contacts: {
      executor: 'ramping-vus',
      startVUs: 0,
      stages: [
        { duration: '20s', target: 10 },
        { duration: '10s', target: 0 },
      ],
      gracefulRampDown: '0s',
    },
  },
};
export default function () {
  http.get('https://quickpizza.grafana.com/contacts.php');
  sleep(0.5);
}
"""

RATES = """
export const options = {
  scenarios: {
    contacts: {
      executor: 'ramping-arrival-rate',
      startRate: 300,
      timeUnit: '1m',
      preAllocatedVUs: 50,
      stages: [
        { target: 300, duration: '1m' },
        { target: 600, duration: '2m' },
        { target: 0, duration: '0s' },
        { target: 0, duration: '1m30s' },
      ],
    },
  },
};
"""


def test_virtual_users_are_closed_and_sleep_is_their_pause() -> None:
    load, pause_s = read_k6(RAMPING_VUS, "a.js")
    assert (load.kind, load.points, pause_s) == ("closed", ((0, 0), (20, 10), (30, 0)), 0.5)


def test_arrival_rates_are_open_and_per_time_unit() -> None:
    load, pause_s = read_k6(RATES, "a.js")
    assert (load.kind, pause_s) == ("open", 0)
    assert load.points == ((0, 5), (60, 5), (180, 10), (180, 0), (270, 0))


@pytest.mark.parametrize(
    ("options", "kind", "points"),
    [
        ("{ vus: 10, duration: '30s' }", "closed", [(0, 10), (30, 10)]),
        ("{ stages: [{ duration: '30s', target: 20 }, { duration: '1m30s', target: 10 }] }", "closed",
         [(0, 1), (30, 20), (120, 10)]),
        ("{ scenarios: { a: { executor: 'constant-arrival-rate', rate: 30, duration: '30s', preAllocatedVUs: 5 } } }",
         "open", [(0, 30), (30, 30)]),
        ("{ scenarios: { a: { executor: 'constant-vus', vus: 4, duration: 90000 } } }", "closed", [(0, 4), (90, 4)]),
        ("{ scenarios: { a: { executor: 'constant-vus', vus: 4, duration: '20s' }, "
         "b: { executor: 'constant-vus', vus: 6, duration: '20s', startTime: '10s' } } }",
         "closed", [(0, 4), (10, 4), (10, 10), (20, 10), (20, 6), (30, 6)]),
    ],
)  # fmt: skip
def test_executors_have_their_defaults(options: str, kind: str, points: list[tuple[float, float]]) -> None:
    load, _ = read_k6(f"export const options = {options};", "a.js")
    assert (load.kind, list(load.points)) == (kind, points)
    assert read_k6(options, "options.json")[0] == load


def test_pauses_that_are_no_plain_numbers_are_not_told() -> None:
    options = "export const options = { vus: 1, duration: '1s' };"
    assert read_k6(f"{options} sleep(1); sleep(2.5);", "a.js")[1] == 3.5
    assert read_k6(f"{options} sleep(1); sleep(Math.random());", "a.js")[1] is None


def test_options_are_told_from_results() -> None:
    assert is_k6('{"stages": []}')
    assert is_k6('{"scenarios": {}}')
    assert not is_k6('{"type":"Point","metric":"http_reqs"}\n{"type":"Point"}')
    assert not is_k6('{"log": {"entries": []}}')
    assert not is_k6("[1, 2]")
    assert not is_k6("")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("", "a.js: must have options that are an object, got something that is no plain value"),
        ("export const options = make();", "no plain value: 'make()' (line 1). Is it a k6 script?"),
        ("export const options = {};", "must have stages, scenarios or vus in its options, got none"),
        ("export const options = { stages: [] };", "a.js: stages: must be a list of stages, got an empty list."),
        ("export const options = { stages: [{ target: 1 }] };", "stages[0].duration: must be a duration such as"),
        ("export const options = { stages: [{ target: -1, duration: '1s' }] };", "stages[0].target: must be a number"),
        ("export const options = { stages: [{ target: 5 * 2, duration: '1s' }] };", "no plain value: '5 * 2' (line 1)"),
        ("export const options = { stages: [{ target: 1, duration: '1 hour' }] };", "got '1 hour'"),
        ("export const options = { scenarios: { a: { executor: 'shared-iterations' } } };",
         "scenarios.a.executor: must be constant-vus, ramping-vus"),
        ("export const options = { scenarios: { a: { executor: 'constant-vus', vus: 1, duration: '1s' }, "
         "b: { executor: 'constant-arrival-rate', rate: 1, duration: '1s' } } };", "got both. Split"),
        ("export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 1, duration: '1s', "
         "timeUnit: '0s' } } };", "timeUnit: must be more than 0"),
        ("export const options = { vus: 1, duration: '999999h' };", "duration: must be a duration"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_place(options: str, complaint: str) -> None:
    with pytest.raises(InputError) as raised:
        read_k6(options, "a.js")
    assert complaint in str(raised.value)


def test_what_begins_later_begins_later() -> None:
    one = """export const options = { scenarios: { a: { executor: 'constant-arrival-rate', rate: 30, timeUnit: '1m',
        duration: '2m', startTime: '30s', preAllocatedVUs: 2, maxVUs: 5 } } };"""
    load, _ = read_k6(one, "a.js")
    assert load.points == ((0, 0), (30, 0), (30, 0.5), (150, 0.5))
    assert notes_of(one) == [
        "k6 runs at most 5 iterations at once and leaves out the others; here all of them come."
    ]  # fmt: skip


def test_pauses_between_scenarios_and_jumps_stay() -> None:
    text = """export const options = { scenarios: {
      warm: { executor: 'constant-vus', vus: 10, duration: '1m', startTime: '30s' },
      burst: { executor: 'ramping-vus', startVUs: 0, startTime: '3m', stages: [ { duration: '30s', target: 20 },
        { duration: '0s', target: 50 }, { duration: 60000, target: 50 }, { duration: '0', target: 0 } ] } } };"""
    load, _ = read_k6(text, "a.js")
    assert load.points == (
        (0, 0), (30, 0), (30, 10), (90, 10), (90, 0), (180, 0), (210, 20), (210, 50), (270, 50),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "points"),
    [
        ("{ duration: '30s' }", ((0, 1), (30, 1))),
        ("{ duration: '1500', vus: 2 }", ((0, 2), (1.5, 2))),
        ("{ stages: [ { duration: '1d', target: 5 } ] }", ((0, 1), (86_400, 5))),
    ],
)
def test_shortcuts_have_the_defaults_of_their_executors(options: str, points: tuple[tuple[float, float], ...]) -> None:
    assert read_k6(f"export const options = {options};", "a.js")[0].points == points


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("{ vus: 3, iterations: 10 }", "got 'shared-iterations'. How long its load lasts depends on the answers."),
        ("{ scenarios: { a: { executor: 'per-vu-iterations' } } }", "depends on the answers."),
        ("{ scenarios: { a: { executor: 'externally-controlled' } } }", "What it does is said while it runs."),
        ("{ scenarios: { a: { executor: 'konstant-vus' } } }", "k6 has no other that can be read."),
    ],
)
def test_executors_without_a_load_of_their_own_are_refused(options: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        read_k6(f"export const options = {options};", "a.js")


def test_more_calls_than_one_are_said() -> None:
    calls = "export default function () { http.get('a'); http.batch([['GET', 'b']]); }"
    assert notes_of(f"export const options = {{ vus: 1, duration: '1s' }}; {calls}") == [
        "An iteration is taken as one request; the script has 2 calls: multiply if need be."
    ]
