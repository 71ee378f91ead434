"""Whatever a patch changes in the files is what they say when they are read again; and nothing else has changed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from experiments import load_scenario
from experiments.deploy.back import patch_for
from experiments.deploy.same import same
from experiments.errors import InputError
from experiments.scenario import Scenario
from experiments.scenario.paths import format_path
from experiments.scenario.settings import parse_setting
from models.system import SystemSpec

DEPLOY = Path(str(resources.files("experiments").joinpath("scenarios", "maltan", "deploy")))


@cache
def scenario(stage: str) -> Scenario:
    return load_scenario(f"maltan/{stage}")


@cache
def writable(stage: str) -> list[tuple[str, Any]]:
    """The paths that have a way back into a file, with their values."""
    back = patch_for(scenario(stage), [DEPLOY / stage])
    return [
        (format_path(path), facts[0].value)
        for path, facts in back.assembled.facts.items()
        if any(fact.write is not None and fact.place is not None for fact in facts)
    ]


def other(value: Any, number: int) -> str:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return "false" if value else "true"
    if isinstance(value, int):
        return str(number)
    if isinstance(value, float):
        return str(number / 100)
    if isinstance(value, list):
        return "[" + ", ".join([str(number)] * len(value)) + "]"
    text = str(value)
    if "/" in text:
        return f"{number}/{text.partition('/')[2]}"
    if text[-1] in "MGKB" and text[0].isdigit():
        return f"{number + 256}M"
    if text[0].isdigit():
        return f"{number}s"
    return text


@settings(max_examples=5, phases=[Phase.generate])
@given(stage=st.sampled_from(["early", "growth"]), data=st.data())
def test_what_is_patched_is_what_is_read(stage: str, data: st.DataObject, find_binary: Callable[..., str]) -> None:
    known = writable(stage)
    chosen = data.draw(st.lists(st.sampled_from(range(len(known))), min_size=1, max_size=5, unique=True))
    changes = []
    for index in chosen:
        path, value = known[index]
        changes.append(f"{path}={other(value, data.draw(st.integers(1, 40)))}")
    try:
        target = scenario(stage).with_settings(changes)
    except InputError:
        return  # a value that the specification refuses
    back = patch_for(target, [DEPLOY / stage])
    if back.patch.by_hand:
        return  # a value that cannot stand there: it is told, and tested elsewhere
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "deploy"
        shutil.copytree(DEPLOY / stage, folder)
        diff = back.patch.diff(back.deployment.folder)
        done = subprocess.run(
            [find_binary("patch"), "-p1", "-s", "-F0"], cwd=folder, input=diff, capture_output=True, check=False
        )
        assert done.returncode == 0 or not diff, done.stdout.decode()
        again = patch_for(target, [folder])
        assert not again.patch.files and not again.patch.changed
        read = SystemSpec.model_validate(again.assembled.document).model_dump()
        assert same(read, target.spec.model_dump())
        touched = sum(line.startswith(b"+") and not line.startswith(b"+++") for line in diff.splitlines())
        assert touched <= sum(len(places) for _, places in back.patch.changed)
    assert all(parse_setting(change) for change in changes)
