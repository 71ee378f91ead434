"""What is loaded when: --help answers without the simulator, a run goes without what only reports need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "scipy", "pydantic", "simpy", "plotly", "pyarrow", "streamlit", "joblib", "pandas", "ruamel", "rich")

LOADED = """
import json, sys
{code}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def loaded_by(code: str) -> set[str]:
    """The top-level names of everything that a fresh interpreter has loaded after `code`."""
    done = subprocess.run([sys.executable, "-c", LOADED.format(code=code)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["sweep", "--help"], ["validate", "--help"]])
def test_help_loads_neither_the_simulator_nor_a_heavy_library(arguments: list[str]) -> None:
    loaded = loaded_by(f"from experiments.cli import main\nassert main({arguments}) == 0")
    assert "click" in loaded
    assert not loaded & {*HEAVY, "sim", "models"}


def test_a_run_loads_no_library_that_only_other_commands_need() -> None:
    loaded = loaded_by(
        "from experiments import load_scenario, run\n"
        "run(load_scenario('storm/retry-storm'), replications=1, duration_s=21.0)"
    )
    assert {"numpy", "pydantic", "simpy", "ruamel"} <= loaded
    assert not loaded & {"plotly", "pyarrow", "streamlit", "pandas"}
