"""How response times grow with what is under way when a request comes.

Models   What else is under way tells where a request has to wait, and so which part of its time is spent there: means
         and quantiles say little more than what one step after another adds up to. So the response times of a cell are
         regressed on how many requests of each kind have begun and not ended when theirs begins. A kind is an endpoint
         that is much under way; the rest are one kind together. That the regression is no law does not matter: it is
         done with the log and with simulations of the same arrivals alike (indirect inference).
         Stamps must be fine beside response times, else nobody knows what was under way.
Source   Gourieroux, Monfort and Renault 1993, Indirect inference, Journal of Applied Econometrics 8, S85.
Checked  tests/unit/test_calibration_crowding.py
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from experiments.scoring.observed import Floats, Integers, Observed

FINE: Final = 0.25
"""Stamps may be as coarse as this part of a mean response time. Assumed."""
MOST_KINDS: Final = 3
LEAST_SPREAD: Final = 200.0
"""A cell's requests must have met so different numbers under way (their summed squared distance from the mean)."""
RIDGE: Final = 1e-9
"""Of the number of requests, so that a simulation in which nothing is ever under way has slopes of zero."""


def kinds_of(observed: Observed) -> Integers:
    """Of each request its kind, the most under way first; -1 where nobody knows when it ended. All -1 where stamps are
    too coarse."""
    took_s = observed.response_s
    told = np.isfinite(took_s)
    none = np.full(len(observed), -1, dtype=np.int64)
    if not told.any() or observed.stamp_s > FINE * float(took_s[told].mean()):
        return none
    under_way = np.bincount(observed.route[told], weights=took_s[told], minlength=len(observed.routes))
    rank = np.argsort(np.argsort(-under_way, kind="stable"), kind="stable")
    return np.where(told, np.minimum(rank, MOST_KINDS - 1)[observed.route], none)


def under_way(t_s: Floats, took_s: Floats, kinds: Integers) -> Floats:
    """Requests times kinds: how many of each kind are under way when a request comes."""
    found = np.zeros((len(t_s), MOST_KINDS))
    for kind in range(MOST_KINDS):
        here = (kinds == kind) & np.isfinite(took_s)
        begun = np.searchsorted(t_s[here], t_s, side="left")
        found[:, kind] = begun - np.searchsorted(np.sort(t_s[here] + took_s[here]), t_s, side="right")
    return found


def told_apart(others: Floats) -> tuple[int, ...]:
    """The kinds whose numbers differ enough among these requests to be regressed on."""
    spread = ((others - others.mean(axis=0)) ** 2).sum(axis=0)
    return tuple(int(kind) for kind in np.flatnonzero(spread >= LEAST_SPREAD))


def growth(took_s: Floats, others: Floats) -> list[float]:
    """By which part of the mean a response time grows with one more of each kind."""
    once = np.zeros(len(took_s), dtype=np.int64)
    return [float(each) for each in resampled_growth(took_s, others, once, np.ones((1, 1)))[0]]


def resampled_growth(took_s: Floats, others: Floats, stretch: Integers, weights: Floats) -> Floats:
    """Samples times kinds: the same over resampled stretches; `weights` says how often each is in each sample."""
    rows = np.column_stack([np.ones(len(took_s)), others])
    many, width = weights.shape[1], rows.shape[1]
    products = np.empty((many, width, width))
    with_time = np.empty((many, width))
    for one in range(width):
        with_time[:, one] = np.bincount(stretch, weights=rows[:, one] * took_s, minlength=many)
        for other in range(width):
            products[:, one, other] = np.bincount(stretch, weights=rows[:, one] * rows[:, other], minlength=many)
    left = np.tensordot(weights, products, 1)
    right = np.tensordot(weights, with_time, 1)
    left += RIDGE * left[:, :1, :1] * np.eye(width)
    found: npt.NDArray[np.float64] = np.linalg.solve(left, right[..., None])[..., 0]
    return np.asarray(found[:, 1:] / np.maximum(right[:, :1] / left[:, :1, 0], 1e-9))
