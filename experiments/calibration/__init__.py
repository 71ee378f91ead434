"""Calibration: the parameters of a scenario from a log of the real system.

shapes.py      distributions as a mean and a spread
places.py      what of a scenario the log can speak of
parameters.py  the unknowns, and the scenario with other values of them
figures.py     what simulation and log are compared by, and how exactly the log tells it
solution.py    what the search moves and comes back with
solve.py       moving parameters until both agree; what cannot be told
reshaping.py   gamma or lognormal, all durations together
direct.py      think times, network, modes: what needs no simulation
samples.py     CPU that a monitoring system measured, read
utilisation.py what it says of demands
work.py        one stretch of a log beside one scenario
calibrate.py   all of it, in order
prediction.py  response times at a higher load, with an interval
findings.py    measured, fitted, not identifiable
writing.py     the fitted scenario, in the text of the old one
report.py      what people read
"""

from __future__ import annotations

from experiments.calibration.calibrate import Calibration, Options, calibrate

__all__ = ["Calibration", "Options", "calibrate"]
