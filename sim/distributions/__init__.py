"""Distributions of durations: what a request demands, how long a user thinks, how far arrivals are apart.

Models   Distributions on [0, inf), each with its exact mean and variance and a vectorised inverse distribution function
         `ppf`: increasing, and for every u in [0, 1) neither negative nor infinite. One uniform makes one value, so
         changing a parameter keeps the draw.
Units    Seconds, where the values are durations.
Source   Textbook forms (Law, Simulation Modeling and Analysis, 5th ed., chapter 8); two-branch hyperexponential with
         balanced means (Tijms 2003, appendix B).
Omits    Correlation between draws; distributions that can be negative.
Checked  tests/unit/test_distributions.py, tests/theory/test_distributions_theory.py

They use `sim.elementary`, so that a draw is the same to the last bit on every machine.
"""

from sim.distributions.base import LONGEST_S, Distribution, scv
from sim.distributions.phases import Erlang, Exponential, Gamma, Hyperexponential
from sim.distributions.simple import Constant, Empirical, Uniform
from sim.distributions.tails import BoundedPareto, Lognormal, Weibull

__all__ = [
    "LONGEST_S",
    "BoundedPareto",
    "Constant",
    "Distribution",
    "Empirical",
    "Erlang",
    "Exponential",
    "Gamma",
    "Hyperexponential",
    "Lognormal",
    "Uniform",
    "Weibull",
    "scv",
]
