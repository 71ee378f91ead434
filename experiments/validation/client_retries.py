"""Clients that try again: the pauses between their attempts, and the budget that bounds them."""

from __future__ import annotations

from typing import Literal

from experiments.validation.check import Component, expect, expect_near
from models.client.backoff import Backoff
from models.client.budget import RetryBudget
from models.client.spec import ClientBackoffSpec

CLIENT_RETRIES = Component(
    "Clients' retries",
    version="Finagle 24.2, botocore 1.40",
    source="finagle-core service/RetryBudget.scala, util-core util/WindowedAdder.scala; botocore retries/standard.py",
    section="10",
)


def _withdrawn(budget: RetryBudget, now: float) -> int:
    number = 0
    while number < 1000 and budget.withdraw(now):
        number += 1
    return number


@CLIENT_RETRIES.check(
    "Full jitter = U(0, min(cap, base·2ⁿ)) [K]",
    "each further pause is drawn from twice the range, up to the cap",
    agreement="within 1 ns",
)
def full_jitter() -> None:
    _pauses("full", [0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.25, 0.5, 1.0, 2.0, 4.0, 5.0])


@CLIENT_RETRIES.check(
    "equal jitter: half fixed, half random", "a pause is never shorter than half of it", agreement="within 1 ns"
)
def equal_jitter() -> None:
    _pauses("equal", [0.25, 0.5, 1.0, 2.0, 4.0, 5.0], [0.25, 0.5, 1.0, 2.0, 4.0, 5.0])


def _pauses(jitter: Literal["full", "equal"], fixed_s: list[float], spread_s: list[float]) -> None:
    """Base 0.5 s, cap 10 s: 0.5, 1, 2, 4, 8, 10 s; `fixed_s` plus a share of the rest at chance 1/2."""
    backoff = Backoff(ClientBackoffSpec.model_validate({"base": "500ms", "cap": "10s", "jitter": jitter}))
    for retry, (least_s, half_s) in enumerate(zip(fixed_s, spread_s, strict=True)):
        middle_s = half_s if jitter == "full" else least_s + half_s / 2
        expect_near(backoff.pause_s(retry, 0.0), least_s, 1e-9, f"least pause {retry}")
        expect_near(backoff.pause_s(retry, 0.5), middle_s, 1e-9, f"middle pause {retry}")


@CLIENT_RETRIES.check(
    "budget 20 %, no minimum: 10 requests, 2 retries", "each request earns a fifth of a retry", section=""
)
def a_share_of_the_requests() -> None:
    budget = RetryBudget(0.2, 0, 10.0, 0.0)
    for number in range(10):
        budget.deposit(number / 100)
    expect(_withdrawn(budget, 0.5), 2)


@CLIENT_RETRIES.check(
    "budget with 10 a second, 10 s: 100 retries at once", "the reserve is there for the whole of ttl", section=""
)
def the_reserve() -> None:
    expect(_withdrawn(RetryBudget(0.2, 10, 10.0, 0.0), 0.0), 100)
    expect(_withdrawn(RetryBudget(0.0, 10, 10.0, 0.0), 0.0), 100, "and without a share")


@CLIENT_RETRIES.check(
    "budget: nothing is left of deposits after 10 s", "what was earned is forgotten after ttl", section=""
)
def forgotten() -> None:
    for now, left in ((9.9, 5), (10.0, 0)):
        budget = RetryBudget(0.5, 0, 10.0, 0.0)
        for _ in range(10):
            budget.deposit(0.0)
        expect(_withdrawn(budget, now), left, f"after {now} s")
