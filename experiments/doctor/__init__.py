"""The doctor: what is wrong with a deployment before anybody asks it for anything.

Models   Rules look at a scenario, and at the files it was made of where there are some. What a rule finds says where it
         stands, why it matters with the figures of this very configuration, and the change that mends it.
Omits    Anything that needs to run: `windtunnel run` says what breaks first. `--prove` runs what a finding claims.
Checked  tests/unit/test_doctor_*.py: each rule has an example that fires and a near miss that does not.
"""

from experiments.doctor.finding import Finding, Severity
from experiments.doctor.rules import RULES, examine
from experiments.doctor.subject import Subject

__all__ = ["RULES", "Finding", "Severity", "Subject", "examine"]
