"""Clients that try again: retries, their limits and pauses, budgets, reloads; waste of attempts that were left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from models.client.backoff import Backoff
from models.client.spec import ClientBackoffSpec, ClientRetrySpec, ClientSpec

PlayFixture = Callable[..., Any]
STEP = {"kind": "cpu", "name": "work", "demand": "1s"}
WAYS = [[], ["gateway"], ["nginx"], ["gateway", "nginx"]]


def system(
    client: dict[str, Any], through: list[str] | None = None, method: str = "GET", **more: Any
) -> dict[str, Any]:
    return {
        "machines": {"vm": {"cores": 8, "memory": "4G"}},
        "gateway": {"machine": "vm", "cpu": "0s", "concurrency": {"api": {"permits": 1}}},
        "services": {"api": {"machine": "vm", "endpoints": {"get": {"method": method, "steps": [STEP]}}}},
        "load_balancers": {
            "nginx": {"machine": "vm", "cpu": "0s", "upstreams": {"up": {"service": "api", "connect_time": "0s"}}}
        },
        "routes": {"get": {"service": "api", "endpoint": "get", "through": through or []}},
        "traffic": {"client": client, "mix": {"get": 1}},
        **more,
    }


def demands(*seconds: float) -> dict[str, Any]:
    return {"demands": {"api.get.work": list(seconds)}}


def counts(game: Any) -> dict[str, int]:
    prefix = "traffic.client."
    whole = game.recording.whole.counts
    return {path.removeprefix(prefix): number for path, number in whole.items() if path.startswith(prefix)}


def waste(game: Any) -> float:
    return float(game.recording.whole.tallies["services.api.replica-1.waste_cpu_s"].total)


@pytest.mark.parametrize("through", WAYS)
def test_an_attempt_is_left_at_its_limit_and_the_request_goes_on(play: PlayFixture, through: list[str]) -> None:
    client = {"retry": {"max_attempts": 3, "attempt_limit": "300ms"}}
    game = play(system(client, through), [0.0])
    (row,) = game.until(None).end()
    assert (row["outcome"], row["status"], row["attempts"]) == ("abandoned", 499, 3)
    assert row["latency_s"] == pytest.approx(0.9)
    assert counts(game) == {"attempts_left": 3, "retry.retries": 2, "retry.budget.refused": 0}
    assert game.system.services["api"].replicas[0].in_progress == 0


@pytest.mark.parametrize("through", WAYS)
def test_the_work_of_attempts_that_were_left_goes_on_and_is_waste(play: PlayFixture, through: list[str]) -> None:
    """Three attempts of 1 s each on free cores: all three are burnt, for nobody."""
    game = play(system({"retry": {"max_attempts": 3, "attempt_limit": "300ms"}}, through), [0.0])
    replica = game.system.services["api"].replicas[0]
    game.until(0.7)
    assert replica.in_progress == 3
    game.until(1.05)
    assert (game.system.in_flight, replica.in_progress) == (0, 2)
    game.until(None).end()
    assert waste(game) == pytest.approx(3.0)


def test_waste_is_told_from_work_for_the_attempt_that_counts(play: PlayFixture) -> None:
    """The first attempt takes 1 s and is left after 0.6 s; the second one has a user who waits for it."""
    client = {"retry": {"max_attempts": 2, "attempt_limit": "600ms"}}
    slow_then_fast = {"kind": "cpu", "name": "work", "demand": {"kind": "empirical", "values": ["1s", "100ms"]}}
    document = system(client)
    document["services"]["api"]["endpoints"]["get"]["steps"] = [slow_then_fast]
    seen = set()
    for seed in range(1, 25):
        game = play(document, [0.0], seed=seed)
        (row,) = game.until(None).end()
        seen.add((row["attempts"], row["outcome"], round(row["latency_s"], 6), round(waste(game), 6)))
    assert seen == {
        (1, "succeeded", 0.1, 0.0),
        (2, "succeeded", 0.7, 1.0),
        (2, "abandoned", 1.2, 2.0),
    }


def test_demands_of_another_attempt_are_its_own(play: PlayFixture) -> None:
    """And those of the first attempt are what they are without retries."""
    document = system({"retry": {"max_attempts": 4, "attempt_limit": "250ms"}})
    document["services"]["api"]["endpoints"]["get"]["steps"] = [
        {**STEP, "demand": {"kind": "exponential", "mean": "300ms"}}
    ]
    times = [10.0 * number for number in range(40)]
    rows = play(document, times).until(None).end()
    plain = play({**document, "traffic": {"mix": {"get": 1}}}, times).until(None).end()
    attempts = [row["attempts"] for row in rows]
    assert set(attempts) == {1, 2, 3, 4}
    for row, alone in zip(rows, plain, strict=True):
        assert (row["attempts"] == 1) == (alone["latency_s"] < 0.25)
        if row["attempts"] == 1:
            assert row["latency_s"] == alone["latency_s"]


def test_patience_covers_all_attempts_and_pauses(play: PlayFixture) -> None:
    retry = {"max_attempts": 9, "attempt_limit": "300ms", "backoff": {"base": "1s", "factor": 1, "jitter": "none"}}
    for patience, attempts in ((0.2, 1), (0.9, 1), (1.4, 2), (2, 2), (2.7, 3)):
        (row,) = play(system({"patience": f"{patience}s", "retry": retry}), [0.0]).until(None).end()
        assert (row["outcome"], row["attempts"]) == ("abandoned", attempts)
        assert row["latency_s"] == pytest.approx(patience)


def test_refusals_are_tried_again_where_their_status_says_so(play: PlayFixture) -> None:
    """The second request finds the only permit taken, until the first one ends after 1 s."""
    backoff = {"base": "400ms", "factor": 1, "jitter": "none"}

    def second(**retry: Any) -> dict[str, Any]:
        client = {"retry": {"max_attempts": 5, "backoff": backoff, **retry}}
        rows = play(system(client, ["gateway"]), [0.0, 0.1]).until(None).end()
        return dict(rows[1])

    row = second()
    assert (row["outcome"], row["attempts"]) == ("succeeded", 4)
    assert row["latency_s"] == pytest.approx(1.2 + 1.0)
    for retry in ({"statuses": [502]}, {"statuses": [502], "reasons": ["rate_limited"]}):
        row = second(**retry)
        assert (row["outcome"], row["status"], row["attempts"]) == ("refused", 503, 1)
    assert second(statuses=[], reasons=["concurrency_limited"])["attempts"] == 4
    assert second(max_attempts=2)["outcome"] == "refused"


@pytest.mark.parametrize(("method", "attempts"), [("GET", 3), ("PUT", 3), ("POST", 1), ("PATCH", 1)])
def test_what_is_not_idempotent_is_tried_once(play: PlayFixture, method: str, attempts: int) -> None:
    client = {"retry": {"max_attempts": 3, "attempt_limit": "300ms"}, "reload": {"after": "900ms", "at_most": 1}}
    assert play(system(client, method=method), [0.0]).until(None).end()[0]["attempts"] == attempts
    client["retry"]["non_idempotent"] = True
    assert play(system(client, method=method), [0.0]).until(None).end()[0]["attempts"] == 3


def test_a_reload_leaves_the_attempt_and_begins_another_at_once(play: PlayFixture) -> None:
    game = play(system({"reload": {"after": "400ms", "at_most": 2}}), [0.0])
    replica = game.system.services["api"].replicas[0]
    assert [game.until(instant).system and replica.in_progress for instant in (0.39, 0.41, 0.81, 1.01)] == [1, 2, 3, 2]
    (row,) = game.until(None).end()
    assert (row["outcome"], row["attempts"]) == ("succeeded", 3)
    assert row["latency_s"] == pytest.approx(1.8)
    assert counts(game) == {"attempts_left": 2, "reload.reloads": 2}
    assert waste(game) == pytest.approx(2.0)


def test_only_some_users_reload(play: PlayFixture) -> None:
    client = {"reload": {"after": "400ms", "probability": 0.3, "at_most": 1}}
    rows = play(system(client), [2.0 * number for number in range(400)]).until(None).end()
    reloaded = [row for row in rows if row["attempts"] == 2]
    assert abs(len(reloaded) / 400 - 0.3) < 4 * (0.3 * 0.7 / 400) ** 0.5
    assert {round(row["latency_s"], 6) for row in reloaded} == {1.4}


def test_reloads_and_retries_together(play: PlayFixture) -> None:
    """A reload does not use up the program's attempts."""
    client = {"retry": {"max_attempts": 2, "attempt_limit": "500ms"}, "reload": {"after": "300ms", "at_most": 1}}
    (row,) = play(system(client), [0.0]).until(None).end()
    assert (row["outcome"], row["attempts"]) == ("abandoned", 3)
    assert row["latency_s"] == pytest.approx(0.3 + 0.5 + 0.5)


def test_an_answer_at_the_limit_s_own_instant_counts_once(play: PlayFixture) -> None:
    client = {"retry": {"max_attempts": 2, "attempt_limit": "1s"}, "reload": {"after": "1s", "at_most": 1}}
    rows = play(system({**client, "patience": "1s"}), [0.0, 5.0]).until(None).end()
    assert len(rows) == 2 and {row["outcome"] for row in rows} <= {"succeeded", "abandoned"}


def test_each_attempt_travels(play: PlayFixture) -> None:
    """Half of a round trip there for each, half of one back for the answer; the limit covers both ways."""
    client = {"round_trip": "200ms", "retry": {"max_attempts": 2, "attempt_limit": "1150ms"}}
    (row,) = play(system(client), [0.0]).until(None).end()
    assert (row["outcome"], row["attempts"]) == ("abandoned", 2)
    assert row["latency_s"] == pytest.approx(2.3)
    client["retry"]["attempt_limit"] = "1250ms"
    (row,) = play(system(client), [0.0]).until(None).end()
    assert (row["outcome"], row["latency_s"]) == ("succeeded", pytest.approx(1.2))


def test_time_spent_on_all_attempts_stands_on_the_request(play: PlayFixture) -> None:
    backoff = {"base": "500ms", "factor": 1, "jitter": "none"}
    document = system({"retry": {"max_attempts": 5, "backoff": backoff}}, ["gateway"])
    row = play(document, [0.0, 0.1]).until(None).end()[1]
    assert row["attempts"] == 3 and row["cpu_s"] == pytest.approx(1.0)
    assert row["latency_s"] == pytest.approx(2.0)


def test_a_user_s_budget_is_its_own(play: PlayFixture) -> None:
    retry = {"max_attempts": 2, "attempt_limit": "100ms"}

    def retried(per: str) -> list[int]:
        document = system({"retry": {**retry, "budget": {"per": per, "ratio": 0.5, "min_per_s": 0}}})
        rows = play(document, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], users=[0, 0, 0, 0, 7, 8]).until(None).end()
        return [row["attempts"] for row in rows]

    assert retried("client") == [1, 2, 1, 2, 1, 2]
    assert retried("user") == [1, 2, 1, 2, 1, 1]


# --- pauses ---


def test_pauses_grow_up_to_the_cap() -> None:
    spec = ClientBackoffSpec(base="100ms", factor=2, cap="1s", jitter="none")  # type: ignore[arg-type]
    pauses = [Backoff(spec).pause_s(retry, 0.7) for retry in range(6)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


@pytest.mark.parametrize(("jitter", "low"), [("full", 0.0), ("equal", 0.5)])
def test_jitter_is_uniform_below_the_pause(jitter: str, low: float) -> None:
    backoff = Backoff(ClientBackoffSpec(base="100ms", factor=3, cap="10s", jitter=jitter))  # type: ignore[arg-type]
    for retry, whole_s in enumerate((0.1, 0.3, 0.9)):
        for chance in (0.0, 0.25, 0.999):
            assert backoff.pause_s(retry, chance) == pytest.approx(whole_s * (low + (1 - low) * chance))


def test_a_cap_is_reached_however_many_retries_there_are() -> None:
    assert Backoff(ClientBackoffSpec()).pause_s(10_000, 0.5) == 10.0


# --- what is refused ---


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"reasons": ["tired"]}, "There are: attempt_limit, cache_"),
        ({"statuses": [], "reasons": []}, "Add one"),
        ({"statuses": [200]}, "greater than or equal to 400"),
        ({"max_attempts": 1}, "greater than or equal to 2"),
        ({"backoff": {"base": "2s", "cap": "1s"}}, "Raise cap"),
        ({"budget": {"ttl": "61s"}}, "less than or equal to 60"),
    ],
)
def test_nonsense_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ClientRetrySpec.model_validate(given)


def test_clients_leave_where_something_makes_them() -> None:
    leaves = [
        ClientSpec.model_validate(given).leaves
        for given in (
            {},
            {"retry": {}},
            {"retry": {"attempt_limit": "1s"}},
            {"reload": {"after": "1s"}},
            {"patience": "1s"},
        )
    ]
    assert leaves == [False, False, True, True, True]
