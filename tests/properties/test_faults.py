"""Whole systems under random faults of every kind, beside everything else that can go wrong.

Whatever happens, the audit holds, every request has one outcome, and when nothing is left to happen, whatever was taken
has come back.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models.edges import edges
from models.system import SystemSpec

sys.path.insert(0, str(Path(__file__).parent))
from test_system import assert_at_rest, drained, systems, traces

REPLICAS = ["services.front", "services.front.replica-1", "services.back", "services.back.replica-1"]
CONTAINERS = [*REPLICAS, "gateway", "load_balancers.nginx", "caches.redis", "databases.postgres"]
short = st.sampled_from(["1ms", "20ms", "300ms", "2s"])
instants = st.sampled_from(["0s", "1ms", "5ms", "10ms", "11ms", "50ms", "100ms", "500ms", "1s"])


@st.composite
def faults(draw: st.DrawFn, pairs: list[list[str]]) -> dict[str, Any]:
    """One fault that is over at some time."""
    when: dict[str, Any] = {"at": draw(instants), "lasts": draw(short)}
    if draw(st.booleans()):
        when["every"] = draw(st.sampled_from(["3s", "5s"]))
    elif draw(st.booleans()):
        when = {"mean_time_between": draw(st.sampled_from(["10ms", "200ms"])), "mean_duration": draw(short)}
    kind = draw(
        st.sampled_from(["crash", "hang", "slow", "refuse", "error", "steal", "network", "partition", "clock", "roll"])
    )
    if kind in ("crash", "hang", "slow"):
        more = {"factor": 10} if kind == "slow" else {}
        if kind == "crash" and "mean_duration" not in when and draw(st.booleans()):
            del when["lasts"]
        return {"kind": kind, "target": draw(st.sampled_from(CONTAINERS)), **more, **when}
    if kind == "refuse":
        target = draw(st.sampled_from([name for name in CONTAINERS if name != "caches.redis"]))
        return {"kind": kind, "target": target, **when}
    if kind == "error":
        return {"kind": kind, "target": draw(st.sampled_from(REPLICAS)), "probability": 0.5,
                "after_work": draw(st.booleans()), **when}  # fmt: skip
    if kind == "steal":
        return {"kind": kind, "target": "machines.vm", "share": 0.9, **when}
    if kind == "clock":
        way = draw(st.sampled_from(["forward", "back"]))
        return {"kind": "clock_step", "target": "caches.redis", way: "1s", **when}
    if kind == "roll":
        return {"kind": "rolling_restart", "target": draw(st.sampled_from(["services.front", "services.back"])),
                "at": draw(instants)}  # fmt: skip
    between = draw(st.sampled_from(pairs))
    if kind == "network":
        return {"kind": kind, "between": between, "delay": "5ms", "loss": draw(st.sampled_from([0, 0.3])), **when}
    return {"kind": kind, "between": between, **when}


probe = st.fixed_dictionaries(
    {"period": st.sampled_from(["50ms", "1s"]), "timeout": st.sampled_from(["5ms", "100ms"]),
     "failure_threshold": st.integers(1, 2)}
)  # fmt: skip
health = st.one_of(
    st.none(),
    st.builds(lambda live, ready: {"kind": "kubernetes", "liveness": live, "readiness": ready}, probe, probe),
    st.builds(
        lambda restarts: {"kind": "docker", "interval": "100ms", "timeout": "20ms", "retries": 2,
                          "start_period": "50ms", "restart_unhealthy": restarts},
        st.booleans(),
    ),
)  # fmt: skip
shutdowns = st.fixed_dictionaries(
    {"graceful": st.booleans(), "timeout": short, "stop_grace_period": short,
     "deregistration": st.sampled_from(["0s", "20ms"])}
)  # fmt: skip


def pairs_of(document: dict[str, Any]) -> list[list[str]]:
    """Who may speak to whom in this system, asked of the model itself."""
    return [list(edge) for edge in edges(SystemSpec.model_validate(document))]


@st.composite
def disrupted(draw: st.DrawFn) -> dict[str, Any]:
    document = draw(systems())
    pairs = pairs_of(document)
    for service in document["services"].values():
        service["health"] = draw(health)
        service["shutdown"] = draw(shutdowns)
    wired = draw(st.lists(st.sampled_from(pairs), max_size=2, unique_by=tuple))
    document["links"] = {
        f"wire-{number}": {
            "between": pair, "delay": draw(st.sampled_from(["0s", "2ms"])), "loss": draw(st.sampled_from([0, 0.2])),
            "keep_alive": draw(st.booleans()),
        }
        for number, pair in enumerate(wired)
    }  # fmt: skip
    found = draw(st.lists(faults(pairs), min_size=1, max_size=4))
    document["faults"] = {f"fault-{number}": fault for number, fault in enumerate(found)}
    return document


@given(disrupted(), traces)
@settings(max_examples=90, phases=[Phase.explicit, Phase.generate])
def test_everything_taken_comes_back_whatever_fails(document: dict[str, Any], gaps: list[tuple[float, int]]) -> None:
    system, recording = drained(document, gaps)
    assert recording.arrived == len(gaps)
    assert recording.in_flight == system.in_flight == 0
    assert sum(recording.ended) == len(gaps)
    for path, station in recording.whole.stations.items():
        is_kept = path == "databases.postgres.connections"  # pools keep them open
        assert is_kept or (station.busy, station.waiting) == (0, 0), path
    for container in system.containers.values():
        assert container.cpu.runnable == 0, container.path
        assert not container.cpu.is_frozen, container.path
        assert container.cpu.slowdown == 1.0, container.path
        assert container.is_up == container.is_started, container.path
    assert_at_rest(system)


def test_faults_of_every_kind_come_and_go() -> None:
    """A property of systems in which nothing fails proves little."""
    seen: dict[str, int] = {}

    @given(disrupted(), traces)
    @settings(max_examples=40, phases=[Phase.generate])
    def look(document: dict[str, Any], gaps: list[tuple[float, int]]) -> None:
        _, recording = drained(document, gaps)
        for _, path, _ in recording.notes.lines:
            if path.startswith("faults."):
                kind = document["faults"][path.removeprefix("faults.")]["kind"]
                seen[kind] = seen.get(kind, 0) + 1

    look()
    assert len(seen) == 10
    assert min(seen.values()) >= 2, seen
