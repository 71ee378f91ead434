"""Files that are whole or not there: written beside their place, moved into it at the end.

Whoever reads the folder never sees half a file, whatever ends the program. What is left behind by a kill that no
program can catch begins with a dot and ends in `.part`.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from experiments.errors import InputError


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write to; it becomes `target` when the block ends well, and is removed when it does not.

    Raises InputError at once where the folder cannot be written to.
    """
    place = target.resolve()
    part = place.with_name(f".{place.name[:40]}.{secrets.token_hex(4)}.part")
    try:  # around the making too: an interrupt may come as soon as the part is there
        _make(part, target, place)
        yield part
        _settle(part)
        os.replace(part, place)
    except OSError as error:
        is_elsewhere = error.filename is not None and Path(str(error.filename)) not in (part, place)
        if is_elsewhere or error.errno == errno.EPIPE:
            raise  # not about this file
        raise cannot_write(target, error) from error
    finally:
        with suppress(OSError):
            part.unlink()


def _make(part: Path, target: Path, place: Path) -> None:
    """The empty file to write to, with the rights that the file in its place has, or a new one would have."""
    try:
        if place.exists() and not place.is_file():
            raise InputError(f"{target}: must be a file, got something else of that name. Name another.")
        part.touch(exist_ok=False)  # an answer now rather than after the run
        if place.exists():
            os.chmod(part, place.stat().st_mode & 0o7777)
    except OSError as error:
        raise cannot_write(target, error) from None


def _settle(part: Path) -> None:
    """Have the content on the disk before the name, so that a crash between the two leaves the old file."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(target: Path, text: str) -> None:
    """Write a whole text file. Raises InputError where that is not possible."""
    with replacing(target) as part:
        part.write_text(text, encoding="utf-8")


def check_folder(folder: Path) -> None:
    """Refuse a folder that could not be written to, before anything is computed for it. Creates nothing."""
    above = folder.resolve()
    while not above.exists():
        above = above.parent
    if not above.is_dir():
        raise InputError(f"{folder}: must be a folder, got the file {above}. Name another.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: must be writable, got no permission in {above}. Name another.")


def cannot_write(target: Path, error: OSError) -> InputError:
    """What to tell people when the system does not let us write."""
    return InputError(f"{target}: must be writable, got: {(error.strerror or str(error)).lower()}. Name another place.")
