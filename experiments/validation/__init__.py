"""Is the simulator right? Vectors of the real components, and closed forms of queueing theory, replayed."""

from experiments.validation.catalogue import COMPONENTS, checks, left_out
from experiments.validation.check import Check, Component, Disagreement, LeftOut, expect, expect_failure, expect_near

__all__ = [
    "COMPONENTS",
    "Check",
    "Component",
    "Disagreement",
    "LeftOut",
    "checks",
    "expect",
    "expect_failure",
    "expect_near",
    "left_out",
]
