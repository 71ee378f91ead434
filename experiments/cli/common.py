"""What commands share: options, progress, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from experiments.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    _ParamType = click.ParamType[float]
else:
    _ParamType = click.ParamType  # not generic in all supported releases

EXIT_BREACHED, EXIT_INPUT, EXIT_SIMULATION, EXIT_STOPPED, EXIT_TERMINATED = 1, 2, 3, 130, 143
EXIT_PIPE_CLOSED = 141

QUIET_S = 2.0
"""Where nobody watches, progress is told only of what takes longer than this, ..."""
EVERY_S = 10.0
"""... and not more often than this."""
PLAIN_WIDTH = 120
"""Columns of a report that goes to a file or a pipe."""

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class Commands(click.Group):
    """Lists commands in the order in which one meets them, not alphabetically."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class DurationType(_ParamType):
    """A duration with its unit."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from sim.quantities import parse_duration

        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.fail(str(error).removesuffix("."), param, ctx)
        if seconds <= 0:
            self.fail(f"must be more than 0, got {value}", param, ctx)
        return seconds


DURATION = DurationType()


def choice_options(command: _Decorated) -> _Decorated:
    """The options that say what is simulated, the same for every command that runs something."""
    for option in reversed(
        (
            click.option("--set", "settings", metavar="PATH=VALUE", multiple=True, help="Change a value; null unsets."),
            click.option("--variant", metavar="NAME", help="Apply one of the scenario's variants, before any --set."),
            click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of all chance."),
            click.option("--replications", type=click.IntRange(1, 100_000), metavar="R", help="Independent reruns."),
            click.option("--duration", type=DURATION, metavar="T", help="Simulated time of a replication, e.g. 10m."),
        )
    ):
        command = option(command)
    return command


def output_options(command: _Decorated) -> _Decorated:
    """The options that say what becomes of the result of a run."""
    for option in reversed(
        (
            click.option("--out", metavar="DIR", help="Write result.json and report.txt into this folder."),
            click.option("--requests", metavar="FILE", help="Write one row a request to a .parquet or .csv file."),
            click.option("--steps", is_flag=True, help="With --requests: a column of seconds for every step as well."),
            click.option("--json", "as_json", is_flag=True, help="Print result.json instead of the report."),
            click.option("--stream", is_flag=True, help="Print a line of JSON as each replication ends."),
            click.option("--confirm", is_flag=True, help="Relax the limit that binds by a quarter and see what moves."),
            click.option("--fail-on-breach", is_flag=True, help="Exit with 1 when an objective is breached."),
        )
    ):
        command = option(command)
    return command


def print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        import sim

        running = "compiled" if sim.compiled() else f"interpreted ({sim.why_interpreted})"
        click.echo(f"windtunnel {version('windtunnel')}, {running}")
        ctx.exit(0)


def guarded(command: click.Command, arguments: Sequence[str] | None) -> int:
    """Run a command; whatever happens becomes lines on standard error and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    with _signals():
        try:  # not `command.main`, which has its own mind about interrupts and closed pipes
            with command.make_context("windtunnel", list(sys.argv[1:] if arguments is None else arguments)) as context:
                code = command.invoke(context)
            sys.stdout.flush()
        except BaseException as error:
            return _told(error)
    return code if isinstance(code, int) else 0


class _Terminated(KeyboardInterrupt):
    """Asked to stop by SIGTERM: clean up like after Ctrl-C."""


@contextmanager
def loading() -> Iterator[None]:
    """While the program loads: everything that is made then stays, so that looking for garbage finds none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def exit_code_of(stop: BaseException) -> int:
    """What to leave with after an interrupt, or after what it has caused."""
    return EXIT_TERMINATED if isinstance(stop, _Terminated) or isinstance(stop.__cause__, _Terminated) else EXIT_STOPPED


class _Asked:
    """Whether somebody has asked us to stop.

    The exception that says so gets lost where compiled modules clear what they do not expect while they are loaded
    (numpy.random does). So it is also noted, and raised again at the next progress.
    """

    to_stop: type[KeyboardInterrupt] | None = None


def _stop(number: int, _: object) -> None:
    _Asked.to_stop = _Terminated if number == signal.SIGTERM else KeyboardInterrupt
    raise _Asked.to_stop


@contextmanager
def _signals() -> Iterator[None]:
    """Hear Ctrl-C and SIGTERM."""
    _Asked.to_stop = None
    if threading.current_thread() is not threading.main_thread():  # others cannot
        yield
        return
    before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _told(error: BaseException) -> int:
    """Say what happened in as few words as it takes. Returns the exit code."""
    if isinstance(error, InputError):
        return _say(error.lines, EXIT_INPUT)
    if type(error).__name__ == "NoArgsIsHelpError":  # older releases of click print the help themselves
        click.echo(str(error), err=True)
        return EXIT_INPUT
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        name = context.command_path if context is not None else "windtunnel"
        return _say([f"{name}: {_sentence(error.format_message())} See {name} --help."], EXIT_INPUT)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return _say(["Stopped: nothing was kept."], exit_code_of(error))
    if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
        error = error.__context__  # rich leaves in its own way when nobody reads
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        _drop_output()
        return EXIT_PIPE_CLOSED
    return _told_of_fault(error)


def _told_of_fault(error: BaseException) -> int:
    """The simulation is wrong, or the program is: worth a report, so everything is shown that helps to make one."""
    from sim.errors import SimulationError

    if isinstance(error, SimulationError):
        return _say([f"Simulation error: {error}", "This is a fault of the model, not of the input."], EXIT_SIMULATION)
    if isinstance(error, MemoryError) or type(error).__name__ in ("TerminatedWorkerError", "BrokenProcessPool"):
        return _say(["A worker ran out of memory or was killed. Shorten the run, or use less load."], EXIT_SIMULATION)
    if isinstance(error, OSError) and error.filename is not None:
        return _say([f"{error.filename}: {(error.strerror or str(error)).lower()}."], EXIT_INPUT)
    traceback.print_exception(error)
    return EXIT_SIMULATION


def _say(lines: Sequence[str], code: int) -> int:
    with suppress(OSError):
        for line in lines:
            click.echo(line, err=True)
    return code


def _sentence(message: str) -> str:
    text = " ".join(message.split())
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _drop_output() -> None:
    """Nobody reads on: let the interpreter flush into nowhere when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(null, sys.stdout.fileno())


def console_for(file: IO[str]) -> Console:
    """A console that does not cut tables where nobody looks at a screen."""
    from rich.console import Console

    console = Console(file=file, highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(file=file, highlight=False, emoji=False, width=PLAIN_WIDTH)
    return console


Tell = Callable[[float, str], None]


@contextmanager
def progress(title: str) -> Iterator[Tell]:
    """Where to tell how far a run is: a bar where somebody watches, a line now and then where a log does."""
    with _bar(title) if sys.stderr.isatty() else nullcontext(_Lines(title).tell) as tell:

        def tell_or_stop(share: float, text: str) -> None:
            _stop_if_asked()
            tell(share, text)

        _stop_if_asked()
        yield tell_or_stop


def _stop_if_asked() -> None:
    if _Asked.to_stop is not None:
        raise _Asked.to_stop


@contextmanager
def _bar(title: str) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0)

        def tell(share: float, text: str) -> None:
            bar.update(task, completed=share, description=f"{title}: {text}")

        yield tell


class _Lines:
    """Plain lines, rarely."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._next_at = time.monotonic() + QUIET_S

    def tell(self, share: float, text: str) -> None:
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + EVERY_S
            click.echo(f"{self._title}: {text}, {share:.0%}", err=True)
