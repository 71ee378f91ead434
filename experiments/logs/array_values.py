"""What columns of numbers mean, all of a column at once: instants, durations, statuses and sizes.

Models   The same as of the same numbers one by one. An instant of a float is that of the digits a person would write
         for it, if these are at most 6 behind the point; a float of seconds is exact to 2**-22 s only.
Checked  tests/properties/test_logs_by_block.py
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.logs.batch import NS, Integers
from experiments.logs.spans import Mask
from experiments.logs.stamps import LAST_NS, NO_INSTANT

Array = npt.NDArray[Any]

LONGEST_S: Final = 1e8
_FACTORS: Final = {"s": NS, "ms": 10**6, "us": 10**3, "ns": 1}
_BY_SIZE: Final = ((10**11, NS), (10**14, 10**6), (10**17, 10**3))
"""Numbers below the first are taken to be of the unit of the second, in ns."""
_MICRO: Final = 10**6


def told(role: str, unit: str, per_unit: float, values: Array) -> tuple[Array, Mask] | None:
    """Values of numbers and which of them are told; None where the role has tables of its own. `per_unit`: seconds."""
    everything = np.ones(len(values), bool)
    if role in ("response", "upstream", "connect"):
        seconds = values.astype(np.float64) * per_unit
        return np.where((seconds >= 0) & (seconds <= LONGEST_S), seconds, np.nan), everything
    if values.dtype.kind == "i":
        if role == "time":
            return _instants(values.astype(np.int64), _FACTORS.get(unit, 0)), everything
        if role == "status":
            return np.where((values >= 100) & (values <= 999), values, 0), everything
        if role == "bytes":
            return np.where((values >= 0) & (values < 10**18), values, -1), everything
    if role == "time" and values.dtype.kind == "f":
        return _of_floats(values, _FACTORS.get(unit, 0))
    return None


def _instants(values: Integers, factor: int) -> Integers:
    """Of whole numbers; a factor of 0 stands for that which their size tells."""
    factors = np.full(len(values), factor or 1)
    for below, ns in () if factor else reversed(_BY_SIZE):
        factors = np.where(values < below, ns, factors)
    good = (values >= 0) & (values.astype(np.float64) * factors < LAST_NS)
    return np.where(good, np.where(good, values, 0) * factors, NO_INSTANT)


def _of_floats(values: Array, factor: int) -> tuple[Integers, Mask]:
    good = (values >= 1) & (values < 1e15)
    factors = np.full(len(values), factor or 1)
    for below, ns in () if factor else reversed(_BY_SIZE):
        factors = np.where(values < below, ns, factors)
    whole = np.where(good, values, 0.0)
    micro = np.rint(whole * _MICRO)
    good &= (micro / _MICRO == whole) & (micro < 2**53) & (factors >= 1000) & (whole * factors < LAST_NS * 0.99)
    if factor:  # beyond 6 digits the float itself is taken
        rough = np.where(values >= 0, values * float(factor), -1.0)
        known = (rough >= 0) & (rough < LAST_NS)
        rest = np.where(known, np.rint(np.where(known, rough, 0)).astype(np.int64), NO_INSTANT)
        return np.where(good, _of_micro(micro, good, factors), rest), np.ones(len(values), bool)
    return np.where(good, _of_micro(micro, good, factors), NO_INSTANT), good


def _of_micro(micro: Array, good: Mask, factors: Integers) -> Integers:
    millionths = np.where(good, micro, 0).astype(np.int64)
    return np.asarray(millionths // _MICRO * factors + (millionths % _MICRO) * factors // _MICRO)
