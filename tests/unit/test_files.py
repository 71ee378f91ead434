"""Files appear whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from experiments.deploy.fresh import write_files
from experiments.errors import InputError
from experiments.files import check_folder, replacing, write_text


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with replacing(target) as part:
        assert part.parent == tmp_path
        part.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_when_the_block_does_not(fault: type[BaseException], tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write() -> None:
        with replacing(target) as part:
            part.write_text("half of the ne")
            raise fault

    with pytest.raises(fault):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_rights_are_those_of_the_file_that_is_replaced_else_of_any_new_file(tmp_path: Path) -> None:
    old, plain, new = tmp_path / "old", tmp_path / "plain", tmp_path / "new"
    old.write_text("")
    old.chmod(0o640)
    plain.write_text("")
    for path in (old, new):
        write_text(path, "x")
    assert old.stat().st_mode & 0o777 == 0o640
    assert new.stat().st_mode == plain.stat().st_mode


def test_a_link_keeps_pointing_to_the_file_it_names(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_place_that_cannot_be_written_is_refused_before_the_block(tmp_path: Path) -> None:
    reached = []

    def write(target: Path) -> None:
        with replacing(target):
            reached.append(target)

    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "folder", tmp_path / "none" / "a", tmp_path / "file" / "a", tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="must be"):
            write(target)
    assert reached == []
    assert names(tmp_path) == ["file", "folder"]


def test_an_error_about_another_file_is_not_blamed_on_this_one(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "a"):
            (tmp_path / "other").read_text()

    with pytest.raises(FileNotFoundError):
        write()
    assert names(tmp_path) == []


def test_folders_are_checked_without_being_made(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b")
    assert names(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="must be a folder, got the file"):
        check_folder(tmp_path / "file" / "b")
    if os.geteuid():
        tmp_path.chmod(0o500)
        with pytest.raises(InputError, match="must be writable"):
            check_folder(tmp_path / "a")


# interrupts: one after another at each instruction that Python runs


def interrupted_at(instruction: int, work: Callable[[], None]) -> bool:
    """Run `work` with an interrupt before the given one of its instructions. False where it has fewer.

    In a thread of its own: an interrupt amid the handling of an exception leaves that exception behind in the thread,
    and every later one would be told to have come during it.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_interrupted_at, instruction, work).result()


def _interrupted_at(instruction: int, work: Callable[[], None]) -> bool:
    left = instruction

    def at_instruction(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == -1:
                sys.settrace(None)
                raise KeyboardInterrupt
        return at_instruction

    before = sys.gettrace()
    sys.settrace(at_instruction)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_wherever_an_interrupt_comes_a_file_is_old_or_new_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    ends = {"old": 0, "new": 0}
    instruction = 0
    target.write_text("old")
    while interrupted_at(instruction, lambda: write_text(target, "new")):
        assert names(tmp_path) == ["a.txt"], instruction
        ends[target.read_text()] += 1
        target.write_text("old")
        instruction += 1
    assert target.read_text() == "new"
    assert min(ends.values()) > 0


def test_wherever_an_interrupt_comes_all_files_of_a_folder_are_there_or_none(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    ends = {0: 0, 2: 0}
    instruction = 0
    while interrupted_at(instruction, lambda: write_files(folder, {"a.conf": "a", "b/c.yaml": "c"})):
        left = names(folder) if folder.exists() else []
        assert left in ([], ["a.conf", "b"]), instruction
        assert folder.exists() == bool(left)
        ends[len(left)] += 1
        for name in ("a.conf", "b/c.yaml"):
            (folder / name).unlink(missing_ok=True)
        if folder.exists():
            (folder / "b").rmdir()
            folder.rmdir()
        instruction += 1
    assert (folder / "b" / "c.yaml").read_text() == "c"
    assert min(ends.values()) > 0
