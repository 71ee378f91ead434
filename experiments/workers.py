"""The program's one pool of worker processes: started when first needed, stopped at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while tasks are submitted, and obey it then.

    Submitting may start workers. They inherit that they do not hear Ctrl-C, and leave it to this process, which must
    not be interrupted half way through starting them.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    resource_tracker.ensure_running()  # its start ends every blocking of signals, so it must not come in between
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if noted and callable(handler):
            handler(noted[0], None)


def default_executor() -> Executor:
    """The program's one pool of worker processes. Always asked for with the same arguments: others would restart it."""
    from joblib.externals.loky import get_reusable_executor

    pool: Executor = get_reusable_executor(max_workers=max(1, os.cpu_count() or 1), timeout=300)
    return pool


def give_up(futures: Iterable[Future[Any]], executor: Executor | None) -> None:
    """Nobody wants the tasks any more: stop our own workers; with somebody else's, cancel what has not begun."""
    if executor is None:
        close_executor()  # without cancelling: loky's manager trips over cancelled tasks and lets the workers live
        return
    for future in futures:
        future.cancel()


def close_executor() -> None:
    """Stop the worker processes at once, as after Ctrl-C."""
    pool: Any = default_executor()
    hook, threading.excepthook = threading.excepthook, lambda _: None  # the manager trips where it is just handing out
    try:
        pool.shutdown(wait=True, kill_workers=True)
    finally:
        threading.excepthook = hook
    for child in multiprocessing.active_children():
        if child.name.startswith("LokyProcess"):
            child.kill()
