"""Health checks, shutdown with and without grace, one replica after another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from models.health import KubernetesHealthSpec
from models.health.checks import Streak

PlayFixture = Callable[..., Any]
DELAY = [{"kind": "delay", "duration": "1s"}]


def system(service: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "machines": {"vm": {"cores": 4, "memory": "4G"}},
        "services": {
            "shop": {
                "machine": "vm", "workers": {"kind": "tomcat", "threads": 1},
                "endpoints": {"get": {"steps": DELAY}}, **service,
            },
        },
        "routes": {"get": {"service": "shop", "endpoint": "get"}},
        "traffic": {"mix": {"get": 1}},
        **more,
    }  # fmt: skip


def said(game: Any) -> list[tuple[float, str]]:
    return [(round(t, 3), text) for t, path, text in game.notes if path.startswith("services.")]


def hang(at: str, lasts: str) -> dict[str, Any]:
    return {"f": {"kind": "hang", "target": "services.shop.replica-1", "at": at, "lasts": lasts}}


# --- rules ---


def test_only_failures_in_a_row_count() -> None:
    streak = Streak(3, 1, True)
    assert [streak.answered(well) for well in (False, False, True, False, False, False)] == [False] * 5 + [True]
    assert streak.answered(True)
    assert streak.is_well


def test_kubernetes_refuses_liveness_that_needs_two_successes() -> None:
    with pytest.raises(ValidationError, match="must be 1, as Kubernetes demands"):
        KubernetesHealthSpec.model_validate({"liveness": {"success_threshold": 2}})
    with pytest.raises(ValidationError, match="liveness, readiness, startup, or several"):
        KubernetesHealthSpec.model_validate({})


# --- Docker ---

DOCKER = {"kind": "docker", "interval": "10s", "timeout": "2s", "retries": 3}


def test_docker_marks_what_does_not_answer_and_lets_it_be(play: PlayFixture) -> None:
    game = play(system({"health": DOCKER}, faults=hang("5s", "60s")), [0.0, 100.0])
    game.until(None).end()
    assert said(game) == [(36.0, "unhealthy"), (70.001, "healthy")]
    assert game.system.containers["services.shop.replica-1"].deaths.total == 0


def test_what_is_marked_is_restarted_where_something_sees_to_that(play: PlayFixture) -> None:
    health = {**DOCKER, "restart_unhealthy": True}
    game = play(system({"health": health, "start_wait": "3s"}, faults=hang("5s", "1h")), [0.0, 100.0])
    found = game.until(None).end()
    assert said(game) == [(36.0, "unhealthy"), (36.0, "killed, unhealthy"), (39.0, "up again")]
    assert [row["status"] for row in found] == [200, 200]


def test_failures_in_the_start_period_do_not_count(play: PlayFixture) -> None:
    faults = {"crash": {"kind": "crash", "target": "services.shop", "at": "1s"}, **hang("5s", "70s")}

    def marks(start_period: str) -> list[float]:
        game = play(system({"health": {**DOCKER, "start_period": start_period}}, faults=faults), [0.0, 100.0])
        game.until(None).end()
        return [t for t, text in said(game) if text == "unhealthy"]

    assert marks("0s") == [37.1]
    assert marks("15s") == [49.1], "the check at 11.1 s failed for nothing"


# --- Kubernetes ---


def test_a_replica_that_fails_its_liveness_probe_is_restarted(play: PlayFixture) -> None:
    health = {"kind": "kubernetes", "liveness": {}}
    game = play(system({"health": health}, faults=hang("5s", "1h")), [0.0, 100.0])
    game.until(None).end()
    notes = said(game)
    assert [text for _, text in notes] == ["failed its liveness probe", "killed, unhealthy", "up again"]
    assert 26.0 < notes[0][0] < 36.1, "three probes 10 s apart, each given 1 s, from a phase of their own"


def test_probes_of_a_kind_come_one_after_the_other(play: PlayFixture) -> None:
    """Each waits 5 s for an answer, and the next is not sent before, though one is due every 2 s."""
    liveness = {"period": "2s", "timeout": "5s"}
    game = play(system({"health": {"kind": "kubernetes", "liveness": liveness}}, faults=hang("5s", "1h")), [0.0, 100.0])
    game.until(None).end()
    at_s, text = said(game)[0]
    assert text == "failed its liveness probe"
    assert 20.0 <= at_s < 22.0


def test_a_saturated_replica_fails_its_liveness_probe_and_dies_of_it(play: PlayFixture) -> None:
    """The death spiral: probes queue for the same threads as requests."""
    health = {"kind": "kubernetes", "liveness": {"period": "2s"}}
    times = [0.5 * n for n in range(80)]
    spiral = play(system({"health": health}), times)
    spiral.until(None).end()
    assert spiral.system.containers["services.shop.replica-1"].deaths.total >= 2
    calm = play(system({"health": health, "workers": {"kind": "tomcat", "threads": 10}}), times)
    assert all(row["status"] == 200 for row in calm.until(None).end())
    assert calm.system.containers["services.shop.replica-1"].deaths.total == 0


def test_a_replica_that_is_not_ready_is_not_chosen_until_it_is(play: PlayFixture) -> None:
    health = {"kind": "kubernetes", "readiness": {"period": "1s", "timeout": "500ms", "failure_threshold": 2}}
    service = {"health": health, "replicas": 2, "workers": {"kind": "tomcat", "threads": 10}}
    game = play(system(service, faults=hang("500ms", "20s")), [float(n) for n in range(5, 40)])
    found = game.until(None).end()
    assert [text for _, text in said(game)] == ["not ready: callers choose others", "ready"]
    assert {row["replica"] for row in found if row["t_s"] < 20} == {"shop-2"}
    assert {row["replica"] for row in found if row["t_s"] > 23} == {"shop-1", "shop-2"}


@pytest.mark.parametrize(("probability", "share"), [(1.0, (1.0, 1.0)), (0.5, (0.35, 0.65))])
def test_probes_are_answered_errors_too(play: PlayFixture, probability: float, share: tuple[float, float]) -> None:
    health = {"kind": "kubernetes", "readiness": {"period": "1s", "failure_threshold": 1000}}
    error = {"f": {"kind": "error", "target": "services.shop", "at": "0s", "probability": probability}}
    game = play(system({"health": health}, faults=error), [0.0, 100.0])
    game.until(None).end()
    failures = game.recording.whole.counts["services.shop.replica-1.health.readiness.failures"]
    assert share[0] <= failures / 100 <= share[1]


def test_a_replica_that_has_started_is_chosen_when_it_is_ready(play: PlayFixture) -> None:
    health = {"kind": "kubernetes", "readiness": {"initial_delay": "10s", "period": "1s"}}
    crash = {"f": {"kind": "crash", "target": "services.shop.replica-1", "at": "1s"}}
    service = {"health": health, "replicas": 2, "workers": {"kind": "tomcat", "threads": 10}}
    found = play(system(service, faults=crash), [float(n) for n in range(2, 20)]).until(None).end()
    assert {row["replica"] for row in found if row["t_s"] <= 11} == {"shop-2"}
    assert "shop-1" in {row["replica"] for row in found}


def test_kubernetes_refuses_a_startup_that_needs_two_successes() -> None:
    with pytest.raises(ValidationError, match=r"startup\.success_threshold: must be 1"):
        KubernetesHealthSpec.model_validate({"startup": {"success_threshold": 2}})


def started(startup: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Both replicas are restarted in turn at 10 s; a start takes 5 s."""
    health = {"kind": "kubernetes", "startup": startup, **more}
    return rolling({"graceful": True, "deregistration": "1s"}, health=health)


def test_who_has_not_passed_its_startup_probe_is_not_chosen(play: PlayFixture) -> None:
    game = play(started({"period": "4s", "failure_threshold": 30}), [0.1 * n for n in range(400)])
    rows = game.until(None).end()
    assert {row["status"] for row in rows} == {200}
    first, second = (t for t, _, text in game.notes if text == "passed its startup probe")
    up = [t for t, _, text in game.notes if text == "up again"]
    assert all(0.0 <= passed - at < 4.0 for passed, at in zip((first, second), up, strict=True))
    served = {row["replica"] for row in rows if up[0] < row["t_s"] < first}
    assert len(served) == 1, "the one that is up but has not passed gets nothing"
    assert not [text for _, text in said(game) if "failed" in text], "30 failures are allowed"


def test_who_starts_too_slowly_is_restarted_again_and_again(play: PlayFixture) -> None:
    game = play(started({"period": "1s", "failure_threshold": 2}), [0.5 * n for n in range(80)])
    game.until(40.0).end()
    failed = [t for t, text in said(game) if text == "failed its startup probe"]
    assert len(failed) > 5 and "up again" not in [text for _, text in said(game)]
    assert all(1.0 <= after - before < 4.1 for before, after in pairwise(failed))


def test_the_others_wait_for_the_startup_probe(play: PlayFixture) -> None:
    """A first delay counts from the start of the container: it is over when a slow startup probe passes."""
    probes = {"liveness": {"period": "1s", "initial_delay": "6s"}, "readiness": {"period": "1s", "initial_delay": "6s"}}
    game = play(started({"period": "1s", "initial_delay": "9s", "failure_threshold": 30}, **probes), [0.0, 60.0])
    game.until(None).end()
    killed = [t for t, _, text in game.notes if text.startswith("killed")]
    ready = [t for t, text in said(game) if text == "ready"]
    assert 9.0 <= ready[0] - killed[0] < 11.1


def test_probes_stop_when_nobody_will_come(play: PlayFixture) -> None:
    game = play(system({"health": {"kind": "kubernetes", "liveness": {}, "readiness": {}}}), [0.0])
    game.until(None).end()
    assert game.env.now < 15.0


# --- stopping ---


def rolling(shutdown: dict[str, Any], **more: Any) -> dict[str, Any]:
    service = {"replicas": 2, "shutdown": shutdown, "start_wait": "5s", "workers": {"kind": "tomcat", "threads": 9}}
    return system(
        {**service, **more}, faults={"new": {"kind": "rolling_restart", "target": "services.shop", "at": "10s"}}
    )


def test_one_replica_after_another_each_when_the_one_before_is_up(play: PlayFixture) -> None:
    game = play(rolling({}), [0.0, 30.0])
    game.until(None).end()
    assert [(t, text) for t, _, text in game.notes] == [
        (10.0, "begins: services.shop restarts, one replica after another"),
        (10.0, "killed, stopped to be restarted"),
        (15.0, "up again"),
        (15.0, "killed, stopped to be restarted"),
        (20.0, "up again"),
        (20.0, "ends"),
    ]


def test_spring_boot_2_7_lets_requests_die_by_default(play: PlayFixture) -> None:
    found = play(rolling({}), [9.5, 9.5, 14.5]).until(None).end()
    assert [row["status"] for row in found] == [502, 200, 502]


def test_with_grace_they_are_finished_and_new_ones_refused(play: PlayFixture) -> None:
    found = play(rolling({"graceful": True}), [9.5, 9.5, 10.2, 10.2]).until(None).end()
    assert [row["status"] for row in found] == [200, 200, 502, 200], "nobody has told the callers"


def test_callers_that_are_told_in_time_are_not_refused(play: PlayFixture) -> None:
    shutdown = {"graceful": True, "deregistration": "2s"}
    found = play(rolling(shutdown), [9.5 + 0.1 * n for n in range(250)]).until(None).end()
    assert {row["status"] for row in found} == {200}


@pytest.mark.parametrize(("is_leaving", "is_listed"), [(True, False), (False, True)])
def test_a_probe_does_not_put_back_who_takes_itself_off_the_list(
    play: PlayFixture, is_leaving: bool, is_listed: bool
) -> None:
    health = {"kind": "kubernetes", "readiness": {"period": "1s"}}
    game = play(rolling({}, health=health), [0.5]).until(1.0)
    (path, checker), *_ = game.system._disruptions._checkers.items()
    host = game.system.containers[path]
    host.is_leaving, host.is_listed = is_leaving, False
    checker._streaks["readiness"].reset(False)
    checker._ready(True)
    assert host.is_listed is is_listed


@pytest.mark.parametrize(
    ("shutdown", "killed_at_s"),
    [({}, 20.0), ({"stop_grace_period": "40s"}, 40.0), ({"timeout": "5s", "stop_grace_period": "40s"}, 15.0)],
)
def test_grace_ends_with_spring_s_limit_or_docker_s(
    play: PlayFixture, shutdown: dict[str, Any], killed_at_s: float
) -> None:
    """SIGKILL 10 s after SIGTERM comes before the 30 s that Spring would wait."""
    document = rolling({"graceful": True, **shutdown}, replicas=1)
    document["services"]["shop"]["endpoints"]["get"]["steps"] = [{"kind": "delay", "duration": "10m"}]
    game = play(document, [5.0])
    (row,) = game.until(None).end()
    assert row["status"] == 502
    assert next(t for t, _, text in game.notes if text.startswith("killed")) == pytest.approx(killed_at_s)


def test_the_next_one_waits_until_the_one_before_is_ready(play: PlayFixture) -> None:
    health = {"kind": "kubernetes", "readiness": {"initial_delay": "20s", "period": "1s"}}
    game = play(rolling({}, health=health), [float(n) for n in range(100)])
    game.until(None).end()
    killed = [t for t, _, text in game.notes if text.startswith("killed")]
    assert 25.0 < killed[1] - killed[0] < 26.1
