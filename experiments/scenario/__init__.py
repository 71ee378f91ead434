"""Scenarios: reading them, varying them, and saying what is wrong with them.

paths       written paths, and the names of steps
document    YAML and JSON, read strictly, with lines
schema      what may stand where
settings    PATH=VALUE
translate   pydantic's errors in the user's terms
provenance  where values come from
shipped     scenarios that come with the program
load        all of it together
"""

from experiments.errors import InputError
from experiments.scenario.load import Scenario, load_scenario, uncovered, validate
from experiments.scenario.provenance import Provenance, Variant
from experiments.scenario.shipped import shipped_names

__all__ = [
    "InputError",
    "Provenance",
    "Scenario",
    "Variant",
    "load_scenario",
    "shipped_names",
    "uncovered",
    "validate",
]
