"""Replay all checks on all cores, and gather what each found."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass

from experiments.validation.catalogue import COMPONENTS, checks
from experiments.validation.check import Check, Component, Disagreement
from experiments.workers import default_executor, give_up, interrupts_held

TASKS = 48
"""Checks are handed out in about so many portions: a check alone takes less time than handing it out."""

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Verdict:
    """What one check found."""

    component: str
    section: str
    vector: str
    behaviour: str
    agreement: str
    agrees: bool
    message: str
    wall_s: float


def replay(check: Check) -> Verdict:
    """Replay one check. An error of the program is a disagreement, too."""
    began = time.perf_counter()
    agrees, message = False, ""
    try:
        check.replay()
        agrees = True
    except Disagreement as difference:
        message = str(difference)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{type(error).__name__}: {error} ({last.filename.rpartition('/')[2]}:{last.lineno})"
    return Verdict(
        check.component, check.section, check.vector, check.behaviour, check.agreement,
        agrees, message, time.perf_counter() - began,
    )  # fmt: skip


def replay_numbers(numbers: Sequence[int]) -> list[tuple[int, Verdict]]:
    """Replay checks by their place in the catalogue: a task for a worker process."""
    known = checks()
    return [(number, replay(known[number])) for number in numbers]


def find_components(name: str) -> list[Component]:
    """The components whose names contain `name`, whatever the case."""
    return [component for component in COMPONENTS if name.casefold() in component.name.casefold()]


def replay_all(
    components: Sequence[Component] = COMPONENTS,
    executor: Executor | None = None,
    on_progress: Progress | None = None,
) -> list[Verdict]:
    """Replay the checks of `components`, in the order of the catalogue."""
    tell: Progress = on_progress or (lambda share, text: None)
    names = {component.name for component in components}
    wanted = [number for number, check in enumerate(checks()) if check.component in names]
    portions = [wanted[first::TASKS] for first in range(min(TASKS, len(wanted)))]
    futures: list[Future[list[tuple[int, Verdict]]]] = []
    found: dict[int, Verdict] = {}
    try:
        with interrupts_held():
            pool = executor or default_executor()
            futures = [pool.submit(replay_numbers, portion) for portion in portions]
        for future in as_completed(futures):
            found.update(future.result())
            tell(len(found) / len(wanted), f"{len(found)} of {len(wanted)} checks")
    except BaseException:
        give_up(futures, executor)
        raise
    return [found[number] for number in wanted]
