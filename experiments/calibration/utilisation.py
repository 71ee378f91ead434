"""CPU that was measured beside a log, and what it says of demands: the utilisation law.

Models   Between two samples a container burns a base load and so much for every request: U c T = b T + sum n_r D_r.
         That is a regression over windows, weighted by their requests, over which chance adds up. A base load that the
         samples do not clearly show (four standard errors) is none.
         The CPU time of a request over all endpoints is known far better than that of each, for endpoints come in a
         nearly constant mix; the former is what takes part in a fit.
Source   Menasce, Dowdy and Almeida 2004, Performance by Design, chapter 3; Pacifici, Segmuller, Spreitzer and Tantawi
         2008, doi:10.1016/j.peva.2007.10.001, for the regression.
Units    Seconds of CPU, seconds.
Checked  tests/unit/test_calibration_utilisation.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from experiments.calibration.samples import Samples
from experiments.scoring.observed import Floats, Observed

LEAST_WINDOWS: Final = 8
LEAST_REQUESTS: Final = 5
"""In a window on average; fewer tell nothing."""
CLEARLY: Final = 4.0
LEAST_ERROR: Final = 0.001
"""Relative: no demand is taken to be known better."""
_TWO_SIDED: Final = 1.96


@dataclass(frozen=True)
class Demand:
    """CPU time of a request, in seconds, with its standard error."""

    mean_s: float
    error_s: float

    def as_dict(self) -> dict[str, float]:
        half = _TWO_SIDED * self.error_s
        return {"mean_s": self.mean_s, "low_s": self.mean_s - half, "high_s": self.mean_s + half}


@dataclass(frozen=True)
class Used:
    """What a container's CPU says of the requests of a log."""

    container: str
    windows: int
    requests: int
    base: float
    """Cores that are busy without any request; 0 where none is to be seen."""
    whole: Demand
    """Of a request in the mix as it was."""
    routes: Mapping[str, Demand]

    def as_dict(self) -> dict[str, Any]:
        return {
            "windows": self.windows, "requests": self.requests, "base_cores": self.base,
            "request": self.whole.as_dict(), "endpoints": {name: each.as_dict() for name, each in self.routes.items()},
        }  # fmt: skip


def used_by(samples: Samples, observed: Observed) -> Used | str:
    """The regression over the windows that lie within the log; in words why not, where there is too little."""
    ends_s = (samples.at_ns - observed.began_ns) / 1e9
    begins_s, ends_s, cpu_s = ends_s[:-1], ends_s[1:], samples.cpu_s
    inside = (begins_s >= 0) & (ends_s <= observed.span_s) & np.isfinite(cpu_s)
    begins_s, ends_s, cpu_s = begins_s[inside], ends_s[inside], cpu_s[inside]
    if len(cpu_s) < LEAST_WINDOWS:
        return (
            f"must have at least {LEAST_WINDOWS} windows between samples within the log, got {len(cpu_s)}. Sample more "
            "often, or over the same time"
        )
    names = [name for number, name in enumerate(observed.routes) if bool((observed.route == number).any())]
    counts = np.stack([_counts(observed, observed.routes.index(name), begins_s, ends_s) for name in names], axis=1)
    total = counts.sum(axis=1)
    if not bool((total > 0).all()) or float(total.mean()) < LEAST_REQUESTS:
        return f"must have requests in every window, and {LEAST_REQUESTS} on average, got {total.mean():.2g}"
    lengths_s = (ends_s - begins_s)[:, None]
    weight = 1 / np.sqrt(np.maximum(total, 1.0))
    found, covariance = _fitted(np.concatenate([counts, lengths_s], axis=1), cpu_s, weight)
    base = float(found[-1])
    if base <= CLEARLY * float(np.sqrt(covariance[-1, -1])):
        base = 0.0
        found, covariance = _fitted(counts, cpu_s, weight)
    mix = np.zeros(len(found))
    mix[: len(names)] = counts.sum(axis=0) / total.sum()
    whole = Demand(float(mix @ found), float(np.sqrt(mix @ covariance @ mix)))
    if not whole.mean_s > 0:
        return "must grow with the requests of the log, and does not. Is it of the same time, and of this container"
    errors = np.sqrt(np.diag(covariance))
    each = {name: Demand(float(found[place]), float(errors[place])) for place, name in enumerate(names)}
    return Used(samples.container, len(cpu_s), int(total.sum()), base, whole, each)


def _counts(observed: Observed, number: int, begins_s: Floats, ends_s: Floats) -> Floats:
    """Requests of a route in each window, by the middle of their time in the system."""
    took_s = np.nan_to_num(observed.response_s, nan=0.0)
    middle_s = np.sort((observed.t_s + took_s / 2)[observed.route == number])
    return np.asarray(np.searchsorted(middle_s, ends_s) - np.searchsorted(middle_s, begins_s), dtype=np.float64)


def _fitted(regressors: Floats, values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Coefficients of a weighted regression and their covariance."""
    matrix, target = regressors * weight[:, None], values * weight
    found, *_ = np.linalg.lstsq(matrix, target, rcond=None)
    rest = target - matrix @ found
    variance = float(rest @ rest) / max(1, len(values) - matrix.shape[1])
    return np.asarray(found, dtype=np.float64), np.asarray(variance * np.linalg.pinv(matrix.T @ matrix))


def compared(used: Sequence[Used]) -> tuple[Floats, Floats]:
    """The figures that a fit gets, and their errors: logarithms of the CPU time of a request."""
    values = np.array([np.log(each.whole.mean_s) for each in used])
    errors = np.array([max(each.whole.error_s / each.whole.mean_s, LEAST_ERROR) for each in used])
    return values, errors
