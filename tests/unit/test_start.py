"""What is loaded before `windtunnel run` simulates anything: counted, since seconds differ by machine."""

from __future__ import annotations

import json
import subprocess
import sys

MODULES = 665
"""All of them, the interpreter's own among them (some 625 when this was written): a limit to be raised knowingly."""

THIRD_PARTY = {
    "_distutils_hack", "_yaml", "annotated_types", "click", "numpy", "pydantic", "pydantic_core", "simpy",
    "typing_extensions", "typing_inspection", "yaml",
}  # fmt: skip
"""What a run needs to begin. What only writes rows, or only the report, or only says what is wrong, comes later."""

LATER = {"experiments.report", "experiments.rows", "experiments.trace", "experiments.deploy", "experiments.dashboard"}

UNTIL_THE_PILOT = """
import json, sys
from experiments.cli import main
from experiments import runner

class Pool:
    def submit(self, *given):
        pass

class Begins(BaseException):
    pass

def pilot(*given):
    told = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    print(json.dumps(told), file=sys.__stdout__)
    raise Begins

runner.default_executor = Pool
runner.close_executor = lambda: None
runner.find_warm_up = pilot
main(["run", "maltan/early"])
"""


def test_little_is_loaded_before_the_pilot_begins() -> None:
    command = [sys.executable, "-c", UNTIL_THE_PILOT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    loaded: dict[str, str] = json.loads(done.stdout.splitlines()[0])
    installed = {name.partition(".")[0] for name, file in loaded.items() if "site-packages" in file}
    assert {name for name in installed if not name.startswith(("__editable__", "_cython"))} <= THIRD_PARTY
    assert not LATER & set(loaded)
    assert len(loaded) <= MODULES
