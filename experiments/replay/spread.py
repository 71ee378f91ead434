"""Instants of a log on the grid that the simulation counts time in.

Models   A stamp says that a request came within its resolution. Stamps of a second or coarser are spread: line n comes
         at the fraction mix64(n) of what its stamp leaves open, so that requests of a second are spread evenly at
         random, the same in every run. Finer stamps are kept as they are, to the next step of 2**-30 s.
Source   mix64: the finaliser of SplitMix64 (Steele, Lea, Flood 2014, doi:10.1145/2714064.2660195).
Checked  tests/unit/test_replay.py
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from sim.streams import DURATION_STEP_S

Integers = npt.NDArray[np.int64]

NS: Final = 1_000_000_000
STEPS_IN_A_SECOND: Final = round(1 / DURATION_STEP_S)
COARSE_NS: Final = NS
"""Stamps with this resolution or a coarser one are spread."""


def uniform(numbers: Integers, purpose: str) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1) that look drawn and belong to `numbers`: multiples of 2**-30."""
    return uniform_steps(numbers, purpose).astype(np.float64) / STEPS_IN_A_SECOND


def uniform_steps(numbers: Integers, purpose: str) -> Integers:
    """The same as numbers from 0 to 2**30 - 1."""
    salt = int.from_bytes(blake2b(purpose.encode(), digest_size=8).digest(), "little")
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(34)).astype(np.int64)


def steps_of(at_ns: Integers, base_s: int) -> Integers:
    """Steps of the grid from second `base_s` on."""
    seconds, ns = np.divmod(at_ns, NS)
    return (seconds - base_s) * STEPS_IN_A_SECOND + np.rint(ns * (STEPS_IN_A_SECOND / NS)).astype(np.int64)


def spread_steps(line: Integers, resolution_ns: int) -> Integers:
    """By how much each line comes after what its stamp says."""
    if resolution_ns < COARSE_NS:
        return np.zeros(len(line), np.int64)
    return uniform_steps(line, "second") * (resolution_ns // NS)
