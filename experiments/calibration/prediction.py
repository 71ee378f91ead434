"""What a calibrated scenario predicts at a higher load, and how exactly the log lets it.

Models   Requests like those of the log (drawn from it, with their route and key) arrive at random, at the rate where
         the busiest station, container or machine of the fitted scenario is busy for the wanted share of the time. The
         interval is that of the parameters carried over by the slopes of the prediction (delta method over their joint
         covariance): parameters that trade against each other in the log may cancel out in the prediction, or may not.
         Slopes are taken under common random numbers; what chance in the simulations adds is in the interval, too.
Omits    What stays as it was is taken to be right, and so is the scenario's form.
Checked  tests/unit/test_calibration_prediction.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from experiments.calibration.parameters import Parameter
from experiments.calibration.solution import Floats, Solution
from experiments.calibration.work import Bench
from experiments.scoring.simulated import Simulated, simulate, under_log
from experiments.trace import Trace, on_grid

REQUESTS: Final = 20_000
"""In a simulation, ..."""
RUNS: Final = 4
"""... and so many of them, with other arrivals, for what is predicted."""
_FEW: Final = 3.182 / 1.96
"""Student's t of that many over the normal quantile."""
WARM_UP_SHARE: Final = 0.1
TRIES: Final = 4
NEAR: Final = 0.02
"""The share is met to this."""
LEAST_MOVE: Final = 0.02
GOOD: Final = 0.02
"""A prediction that is known to this is good."""
FASTEST: Final = 50.0
"""Times the log's rate: a load far beyond is not looked for."""
_TWO_SIDED: Final = 1.96


@dataclass(frozen=True)
class Predicted:
    """Response times at a load that was not in the log."""

    rate_per_s: float
    times: float
    """The log's busiest level."""
    busiest: str
    share: float
    mean_s: float
    mean_error: float
    """Standard errors, relative."""
    p95_s: float
    p95_error: float

    @property
    def longer(self) -> float:
        """How many times as long a log would tell the mean to GOOD (as a half width)."""
        return (_TWO_SIDED * self.mean_error / GOOD) ** 2

    def as_dict(self) -> dict[str, Any]:
        return {
            "rate_per_s": self.rate_per_s, "times_busiest_level": self.times, "busiest": self.busiest,
            "utilisation": self.share, "mean_s": _interval(self.mean_s, self.mean_error),
            "p95_s": _interval(self.p95_s, self.p95_error), "log_for_2_percent": self.longer,
        }  # fmt: skip


def _interval(value: float, error: float) -> list[float]:
    half = _TWO_SIDED * error
    return [value, value * float(np.exp(-half)), value * float(np.exp(half))]


def predicted(
    bench: Bench, parameters: Sequence[Parameter], solution: Solution, share: float, tell: Callable[[str], None]
) -> Predicted | None:
    """None where no load brings anything near that share."""

    def run(values: Mapping[str, float], trace: Trace) -> Simulated:
        return simulate(under_log(bench.spec_with(parameters, values)), trace, bench.seed, 0)

    highest = max(level.rate_per_s for level in bench.figures.levels)
    found = _load(lambda trace: run(solution.values, trace), bench, share, highest)
    if found is None:
        return None
    rate, here = found
    trace = _arriving(bench, rate)
    names = list(solution.values)
    known = {each.name: each for each in parameters}
    slopes = np.zeros((2, len(names)))
    for number, name in enumerate(names):
        tell(f"what does {name} mean at a higher load?")
        each = known[name]
        move = max(float(solution.errors[name]), LEAST_MOVE)
        inner = each.inner(solution.values[name])
        sides = [_figures(run({**solution.values, name: each.outer(inner + side)}, trace)) for side in (-move, move)]
        slopes[:, number] = (sides[1] - sides[0]) / (2 * move)
    runs = np.stack([_figures(run(solution.values, _arriving(bench, rate, number))) for number in range(RUNS)])
    chance = runs.std(axis=0, ddof=1) / RUNS**0.5 * _FEW
    errors = np.sqrt(np.einsum("ij,jk,ik->i", slopes, solution.covariance, slopes) + chance**2)
    mean_s, p95_s = np.exp(runs.mean(axis=0))
    name, busy = here.busiest
    return Predicted(rate, rate / highest, name, busy, float(mean_s), float(errors[0]), float(p95_s), float(errors[1]))


def _load(
    run: Callable[[Trace], Simulated], bench: Bench, share: float, rate: float
) -> tuple[float, Simulated] | None:  # fmt: skip
    """The rate at which the busiest is that busy: utilisation grows with the rate in about a straight line."""
    highest = rate
    for _ in range(TRIES):
        here = run(_arriving(bench, rate))
        busy = here.busiest[1]
        if abs(busy - share) <= NEAR * share:
            return rate, here
        if busy <= 0 or rate * share / busy > FASTEST * highest:
            return None
        rate *= share / min(busy, 1.0)
    return rate, run(_arriving(bench, rate))


def _arriving(bench: Bench, rate: float, number: int = 0) -> Trace:
    """Requests of the log, any of them at any time."""
    chance = np.random.Generator(np.random.Philox(key=[bench.seed, 4 + number]))
    gaps = chance.exponential(size=REQUESTS)
    rows = chance.integers(0, len(bench.observed), size=REQUESTS)
    trace = bench.trace
    columns = {name: getattr(trace, name) for name in ("endpoint", "user", "ip", "key")}
    drawn = {name: column[rows] for name, column in columns.items() if column is not None}
    return replace(trace, t_s=on_grid(np.cumsum(gaps) / rate), **drawn)


def _figures(run: Simulated) -> Floats:
    """Logarithms of mean and p95."""
    took_s = run.latency_s[int(WARM_UP_SHARE * REQUESTS) :]
    took_s = took_s[run.is_good[int(WARM_UP_SHARE * REQUESTS) :]]
    if not len(took_s):
        return np.zeros(2)
    return np.log(np.maximum([float(took_s.mean()), float(np.quantile(took_s, 0.95))], 1e-9))
