"""How far apart simulated and observed response times are: mean and quantiles, per endpoint.

Models   What succeeded is compared with what succeeded. A simulated figure is the mean over replications, its interval
         Student's t. An observed figure has an interval of its own, from resampling stretches of the log (a block
         bootstrap), so that an error can be told from what chance alone would give.
Checked  tests/unit/test_scoring.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.scoring.observed import Floats, Observed
from experiments.scoring.simulated import Simulated, as_logged
from sim.statistics import is_enough_for_quantile, t_interval

QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
FIGURES: Final = ("mean", "p50", "p95", "p99")
BLOCKS: Final = 40
RESAMPLES: Final = 200
MANY: Final = 100_000
"""Requests above which fewer resamples do."""
ALL: Final = "all"


@dataclass(frozen=True)
class Figure:
    """One figure of one endpoint, observed and simulated, in seconds."""

    observed: float
    observed_low: float
    observed_high: float
    simulated: float
    simulated_low: float | None
    simulated_high: float | None

    @property
    def error(self) -> float:
        """Relative: 0.1 is simulated 10 % longer than observed."""
        return self.simulated / self.observed - 1 if self.observed > 0 else float("nan")

    @property
    def is_noise(self) -> bool:
        """Whether chance in the log alone could explain the difference."""
        low = self.simulated if self.simulated_low is None else self.simulated_low
        high = self.simulated if self.simulated_high is None else self.simulated_high
        return low <= self.observed_high and high >= self.observed_low

    def as_dict(self) -> dict[str, Any]:
        simulated_interval = None if self.simulated_low is None else [self.simulated_low, self.simulated_high]
        return {
            "observed_s": self.observed, "observed_interval_s": [self.observed_low, self.observed_high],
            "simulated_s": self.simulated, "simulated_interval_s": simulated_interval,
            "error": None if self.error != self.error else self.error, "within_noise": self.is_noise,
        }  # fmt: skip


@dataclass(frozen=True)
class EndpointErrors:
    """The figures of an endpoint, as far as there were requests enough to tell them."""

    name: str
    count: int
    figures: dict[str, Figure]

    def as_dict(self) -> dict[str, Any]:
        return {"requests": self.count, **{name: figure.as_dict() for name, figure in self.figures.items()}}


def compare(observed: Observed, runs: Sequence[Simulated], rows: npt.NDArray[np.bool_]) -> list[EndpointErrors]:
    """Errors per endpoint and for all together, over the requests that `rows` marks."""
    timed = rows & np.isfinite(observed.response_s) & observed.is_good
    found = []
    for number, name in [(-1, ALL), *enumerate(observed.routes)]:
        here = timed if number < 0 else timed & (observed.route == number)
        if not here.any():
            continue
        values = [_simulated(observed, run, rows if number < 0 else rows & (observed.route == number)) for run in runs]
        if all(len(each) for each in values):
            found.append(EndpointErrors(name, int(here.sum()), _figures(observed, here, values)))
    return found


def _simulated(observed: Observed, run: Simulated, rows: npt.NDArray[np.bool_]) -> Floats:
    here = rows & run.is_good
    return as_logged(run.latency_s[here], observed.t_s[here], observed.unit_s)


def _figures(observed: Observed, here: npt.NDArray[np.bool_], values: list[Floats]) -> dict[str, Figure]:
    seen = observed.response_s[here]
    blocks = blocks_of(observed.t_s[here], BLOCKS)
    wanted = _wanted(min(len(seen), *map(len, values)))
    spreads = np.array([[of(each) for _, of in wanted] for each in resamples(seen, blocks)])
    figures = {}
    for place, (name, of) in enumerate(wanted):
        spread = spreads[:, place] if len(spreads) else spreads
        low, high = np.quantile(spread, [0.025, 0.975]) if len(spread) else (float("nan"), float("nan"))
        estimate = t_interval([of(each) for each in values])
        figures[name] = Figure(of(seen), float(low), float(high), estimate.mean, estimate.low, estimate.high)
    return figures


def _wanted(count: int) -> list[tuple[str, Callable[[Floats], float]]]:
    """The figures that so many requests tell."""
    wanted: list[tuple[str, Callable[[Floats], float]]] = [("mean", lambda values: float(values.mean()))]
    for name, q in QUANTILES:
        if is_enough_for_quantile(q, count):
            wanted.append((name, lambda values, q=q: float(np.quantile(values, q))))  # type: ignore[misc]
    return wanted


def blocks_of(t_s: Floats, count: int) -> npt.NDArray[np.int64]:
    """The stretch of time of equal length that each instant is in."""
    span_s = max(float(t_s[-1] - t_s[0]), 1e-9)
    return np.asarray(np.minimum((t_s - t_s[0]) / span_s * count, count - 1), dtype=np.int64)


def resamples(values: Floats, blocks: npt.NDArray[np.int64]) -> Iterator[Floats]:
    """The values of stretches drawn with replacement, RESAMPLES times. `blocks` never goes back."""
    chance = np.random.Generator(np.random.Philox(key=[len(values), 0]))
    numbers, starts = np.unique(blocks, return_index=True)
    parts = np.split(values, starts[1:])
    if len(numbers) < 2:
        return
    for _ in range(RESAMPLES if len(values) < MANY else RESAMPLES // 4):
        yield np.concatenate([parts[place] for place in chance.integers(0, len(parts), len(parts))])
