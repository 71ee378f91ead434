"""Attempts under any trouble: one outcome each, bounds on their number, nothing lost, budgets kept."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.assembly import assemble
from models.client.backoff import Backoff
from models.client.budget import RetryBudget
from models.client.spec import ClientBackoffSpec
from models.system import SystemSpec
from sim.environment import Environment
from sim.recorder import Recorder
from sim.replication import audit
from sim.streams import Streams


class Rows:
    """Keeps the rows of all requests."""

    steps = ()

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []

    def write(self, columns: dict[str, Any]) -> None:
        names = ("outcome", "status", "attempts", "latency_s")
        self.rows += zip(*(columns[name] for name in names), strict=True)


def ms(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda value: f"{value}ms")


RETRIES = st.fixed_dictionaries(
    {"max_attempts": st.integers(2, 5)},
    optional={
        "attempt_limit": ms(20, 400),
        "backoff": st.fixed_dictionaries(
            {"base": ms(1, 100), "factor": st.sampled_from([1, 2, 3]), "cap": st.just("300ms")},
            optional={"jitter": st.sampled_from(["none", "full", "equal"])},
        ),
        "budget": st.fixed_dictionaries(
            {"ratio": st.sampled_from([0, 0.1, 0.5, 2]), "min_per_s": st.integers(0, 3), "ttl": st.just("2s")},
            optional={"per": st.sampled_from(["client", "user"])},
        ),
        "non_idempotent": st.booleans(),
    },
)
RELOADS = st.fixed_dictionaries(
    {"after": ms(30, 300)}, optional={"probability": st.sampled_from([0.3, 1]), "at_most": st.integers(1, 3)}
)
CLIENTS = st.fixed_dictionaries(
    {}, optional={"retry": RETRIES, "reload": RELOADS, "patience": ms(50, 900), "round_trip": ms(0, 40)}
)


def system(client: dict[str, Any], through: list[str], memory: str) -> dict[str, Any]:
    steps = [
        {"kind": "cpu", "name": "work", "demand": {"kind": "exponential", "mean": "30ms"}},
        {"kind": "db", "name": "load", "pool": "main", "query": "find"},
    ]
    return {
        "machines": {"vm": {"cores": 1, "memory": "4G"}},
        "gateway": {"machine": "vm", "cpu": "1ms", "concurrency": {"api": {"permits": 8}}},
        "services": {
            "api": {
                "machine": "vm",
                "replicas": 2,
                "limits": {"memory": memory},
                "memory_per_request": "1M",
                "workers": {"kind": "tomcat", "threads": 4},
                "pools": {"main": {"database": "db", "maximum_pool_size": 2, "connection_timeout": "250ms"}},
                "endpoints": {"get": {"steps": steps}, "post": {"method": "POST", "steps": steps}},
            }
        },
        "load_balancers": {"nginx": {"machine": "vm", "cpu": "0s", "upstreams": {"up": {"service": "api"}}}},
        "databases": {"db": {"machine": "vm", "queries": {"find": {"cpu": "2ms", "io": "20ms"}}}},
        "routes": {name: {"service": "api", "endpoint": name, "through": through} for name in ("get", "post")},
        "traffic": {
            "client": client,
            "open": {"rate": "30/s", "users": 5},
            "surges": {"rush": {"at": "1s", "lasts": "1s", "factor": 3}},
            "mix": {"get": 4, "post": 1},
        },
    }


@settings(max_examples=20)
@given(
    client=CLIENTS,
    through=st.sampled_from([[], ["gateway"], ["nginx"], ["gateway", "nginx"]]),
    memory=st.sampled_from(["1G", "9M"]),
    seed=st.integers(0, 99),
)
def test_every_request_has_one_end_whatever_its_attempts_meet(
    client: dict[str, Any], through: list[str], memory: str, seed: int
) -> None:
    env, rows = Environment(), Rows()
    spec = SystemSpec.model_validate(system(client, through, memory))
    recorder = Recorder(env, list(spec.routes), 0.0, 1.0, rows)
    built = assemble(spec, env, Streams(seed, 0, 64), recorder)
    built.start()
    env.run(4.0)
    failed = [check for check in audit(env, recorder, built) if not check.passed]
    assert not failed, failed
    recording = recorder.result()
    assert recording.arrived == sum(recording.ended) + recording.in_flight == len(rows.rows)
    retry, reload = client.get("retry"), client.get("reload")
    most = (retry["max_attempts"] if retry else 1) + (reload.get("at_most", 3) if reload else 0)
    attempts = [int(row[2]) for row in rows.rows]
    assert all(1 <= number <= most for number in attempts)
    counts = recording.whole.counts
    further = counts.get("traffic.client.retry.retries", 0) + counts.get("traffic.client.reload.reloads", 0)
    pausing = further - (sum(attempts) - len(attempts))  # granted, and not sent yet or given up in the pause
    assert 0 <= pausing <= len(attempts)
    if retry is None and reload is None:
        assert set(attempts) <= {1} and "traffic.client.attempts_left" not in counts


@settings(max_examples=100)
@given(
    ratio=st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0, 3.0]),
    least=st.integers(0, 5),
    ttl_s=st.integers(1, 20),
    events=st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=300),
)
def test_a_budget_is_never_exceeded(ratio: float, least: int, ttl_s: int, events: list[tuple[float, bool]]) -> None:
    """Within any time to live, retries are at most the share of what came in it and in the one before, and the reserve
    of both: what was spent is forgotten not before nine tenths of the time to live."""
    budget = RetryBudget(ratio, least, float(ttl_s), 0.0)
    now, asked, granted = 0.0, [], []
    for pause_s, is_request in events:
        now += pause_s
        if is_request:
            budget.deposit(now)
            asked.append(now)
        elif budget.withdraw(now):
            granted.append(now)
    for end_s in granted:
        start_s = end_s - 0.9 * ttl_s
        spent = sum(start_s < at_s <= end_s for at_s in granted)
        earned = sum(at_s <= end_s for at_s in asked)
        assert spent <= ratio * earned * (1 + 1e-3) + least * ttl_s + 1e-9


@settings(max_examples=100)
@given(
    base=st.integers(1, 2000),
    factor=st.floats(1, 5),
    cap=st.integers(2000, 60000),
    jitter=st.sampled_from(["none", "full", "equal"]),
    retry=st.integers(0, 40),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_pauses_stay_in_their_bounds(
    base: int, factor: float, cap: int, jitter: str, retry: int, chance: float
) -> None:
    spec = ClientBackoffSpec.model_validate(
        {"base": f"{base}ms", "factor": factor, "cap": f"{cap}ms", "jitter": jitter}
    )
    longest_s = min(cap / 1000, base / 1000 * factor**retry)
    least_s = {"none": longest_s, "full": 0.0, "equal": longest_s / 2}[jitter]
    assert least_s - 1e-6 <= Backoff(spec).pause_s(retry, chance) <= longest_s + 1e-6
