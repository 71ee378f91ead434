"""What is compiled is the same program: it is used only where it belongs to the sources, and gives the same digests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sim
from experiments.compilation import remove_strays, sources

RUN = """
import json, sys
import sim
from experiments.scenario import load_scenario
from experiments.runner import run
results = {"compiled": sim.compiled()}
for name, seconds in json.loads(sys.argv[1]).items():
    result = run(load_scenario(name, [f"duration={seconds}s", "warm_up=0s"]), seed=3, replications=1)
    results[name] = result.digest
print(json.dumps(results))
"""


def python(code: str, *arguments: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, env=os.environ | {"PYTHONPATH": str(cwd)} | environment,
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return done.stdout


def test_every_pxd_stands_beside_its_module(project: Path) -> None:
    found = sources(project)
    assert found
    assert all((project / source).is_file() for source in found)


@pytest.fixture
def kernel(tmp_path: Path, project: Path) -> Path:
    """A copy of the kernel that somebody seems to have compiled."""
    shutil.copytree(project / "sim", tmp_path / "sim", ignore=shutil.ignore_patterns("*.so", "compiled.json"))
    (tmp_path / "sim" / "heap.not-a-library.so").write_bytes(b"")
    modules = {"sim/heap.py": sim.digest_of(tmp_path / "sim" / "heap.py")}
    manifest = {"interpreter": sys.implementation.cache_tag, "modules": modules}
    (tmp_path / "sim" / "compiled.json").write_text(json.dumps(manifest))
    return tmp_path


WHY = "import sim; print(sim.compiled(), sim.why_interpreted)"


def test_what_is_not_compiled_any_more_goes(tmp_path: Path) -> None:
    for name in ("sim/heap.cpython-311.so", "sim/heap.py", "sim/old.cpython-311.so", "models/cache/old.abi3.so"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_strays(tmp_path, [Path("sim/heap.py")])
    left = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")]
    assert sorted(left) == ["sim/heap.cpython-311.so", "sim/heap.py"]


def test_what_belongs_to_the_sources_is_used(kernel: Path) -> None:
    assert python(WHY, cwd=kernel, WINDTUNNEL_PURE="").strip() == "True"


@pytest.mark.parametrize("part", ["heap.py", "heap.pxd"])
def test_other_sources_run_interpreted(kernel: Path, part: str) -> None:
    with (kernel / "sim" / part).open("a") as file:
        file.write("\n# changed\n")
    said = python(WHY, cwd=kernel, WINDTUNNEL_PURE="")
    assert said == "False sim/heap.py has changed since it was compiled: run make compile\n"


def test_nor_what_another_interpreter_would_want(kernel: Path) -> None:
    manifest = kernel / "sim" / "compiled.json"
    manifest.write_text(manifest.read_text().replace(str(sys.implementation.cache_tag), "cpython-27"))
    assert "compiled for cpython-27" in python(WHY, cwd=kernel, WINDTUNNEL_PURE="")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"interpreter": 3}', "\0"])
def test_a_broken_manifest_is_none(kernel: Path, content: str) -> None:
    (kernel / "sim" / "compiled.json").write_text(content)
    assert python(WHY, cwd=kernel, WINDTUNNEL_PURE="").startswith("False ")


def test_the_sources_are_loaded_where_the_libraries_are_not_wanted(kernel: Path) -> None:
    """The library in the copy is none: to load it would fail."""
    code = "import sim.heap; print(sim.heap.__file__)"
    assert python(code, cwd=kernel, WINDTUNNEL_PURE="1").strip() == str(kernel / "sim" / "heap.py")


@pytest.mark.skipif(not sim.compiled(), reason=f"nothing to compare: {sim.why_interpreted}")
def test_the_same_digests_to_the_last_bit(project: Path) -> None:
    scenarios = json.dumps(
        {str(project / "tests" / "benchmarks" / "reference.yaml"): 20, "maltan/early": 60, "maltan/growth": 30,
         "storm/retry-storm": 40}
    )  # fmt: skip
    compiled = json.loads(python(RUN, scenarios, cwd=project, WINDTUNNEL_PURE=""))
    interpreted = json.loads(python(RUN, scenarios, cwd=project, WINDTUNNEL_PURE="1"))
    assert (compiled.pop("compiled"), interpreted.pop("compiled")) == (True, False)
    assert compiled == interpreted
