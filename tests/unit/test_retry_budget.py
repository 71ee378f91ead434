"""The budget of retries: what is earned, spent and forgotten, as in Finagle's RetryBudget."""

from __future__ import annotations

from models.client.budget import RetryBudget, WindowedSum


def withdrawals(budget: RetryBudget, now: float) -> int:
    number = 0
    while number < 10_000 and budget.withdraw(now):
        number += 1
    return number


def test_a_fifth_of_the_requests_may_be_retried() -> None:
    budget = RetryBudget(0.2, 0, 10.0, 0.0)
    for _ in range(103):
        budget.deposit(0.5)
    assert withdrawals(budget, 0.5) == 20


def test_the_reserve_is_for_the_whole_time_to_live() -> None:
    assert withdrawals(RetryBudget(0.2, 10, 10.0, 0.0), 0.0) == 100
    assert withdrawals(RetryBudget(0.0, 3, 5.0, 0.0), 0.0) == 15
    assert withdrawals(RetryBudget(0.0, 0, 5.0, 0.0), 0.0) == 0


def test_retries_beyond_one_for_a_request() -> None:
    budget = RetryBudget(2.0, 0, 10.0, 0.0)
    budget.deposit(0.0)
    assert withdrawals(budget, 0.0) == 2


def test_deposits_are_forgotten_after_the_time_to_live() -> None:
    budget = RetryBudget(0.5, 0, 10.0, 0.0)
    for _ in range(10):
        budget.deposit(0.0)
    assert withdrawals(RetryBudget(0.5, 0, 10.0, 0.0), 9.9) == 0
    assert withdrawals(budget, 9.9) == 5
    late = RetryBudget(0.5, 0, 10.0, 0.0)
    for _ in range(10):
        late.deposit(0.0)
    assert withdrawals(late, 10.0) == 0


def test_what_was_spent_is_forgotten_too() -> None:
    budget = RetryBudget(0.0, 1, 10.0, 0.0)
    assert withdrawals(budget, 0.0) == 10
    assert withdrawals(budget, 9.9) == 0
    assert withdrawals(budget, 21.0) == 10


def test_a_window_forgets_slice_by_slice() -> None:
    window = WindowedSum(10.0, 0.0)
    for second in range(20):
        window.add(1, float(second))
    assert window.total(19.0) == 10
    assert window.total(19.5) == 10
    assert window.total(24.0) == 5
    assert window.total(100.0) == 0


def test_a_slice_ends_when_it_is_looked_at() -> None:
    """Nothing was asked between 0 and 1.9 s, so the next slice begins at 1.9 and lasts until 2.9."""
    window = WindowedSum(10.0, 0.0)
    window.add(1, 0.0)
    window.add(1, 1.9)
    window.add(1, 2.8)
    assert window.total(2.8) == 3
    assert window.total(11.8) == 2
