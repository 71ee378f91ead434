"""A folder of deployed files, read and never left; a file's text with its line ends.

Models   Names are relative with /; links and .. that lead out of the folder are refused by name. UTF-8, and UTF-16
         with a byte order mark; other encodings are refused with the byte that does not fit.
Checked  tests/properties/test_import_fuzz.py
"""

from __future__ import annotations

import codecs
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from experiments.errors import InputError

LARGEST_BYTES = 4_000_000
MOST_FILES = 2_000
_SKIPPED = (".git", "node_modules", ".venv", "__pycache__", "target")


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text, without a byte order mark."""

    file: str
    text: str
    newline: str
    encoding: str = "utf-8"
    mark: bytes = b""
    """The byte order mark that stood before it."""

    def encoded(self, text: str) -> bytes:
        """A changed text as the file's bytes."""
        return self.mark + text.encode(self.encoding)


class Folder:
    """A folder of files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = root.resolve()
        self._texts: dict[str, Text] = {}
        self._files: list[str] | None = None
        self._embedded: dict[str, Text] = {}

    def files(self) -> list[str]:
        """All of its files, in order."""
        if self._files is None:
            found: list[str] = []
            for folder, inner, names in os.walk(self.root, followlinks=False):
                inner[:] = sorted(name for name in inner if name not in _SKIPPED)
                for name in sorted(names):
                    found.append((Path(folder) / name).relative_to(self.root).as_posix())
                    if len(found) > MOST_FILES:
                        raise InputError(f"{self.root}: must have at most {MOST_FILES} files. Name those that matter.")
            self._files = found
        return [*self._files, *self._embedded] if self._embedded else self._files

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str) and name in self._embedded:
            return True
        return isinstance(name, str) and self._inside(name) is not None and self._is_file(name)

    def embed(self, text: Text) -> None:
        """Add a file that stands inside another one."""
        self._embedded[text.file] = text
        self._texts[text.file] = text

    def _is_file(self, name: str) -> bool:
        path = self._inside(name)
        try:
            return path is not None and path.is_file()
        except (OSError, ValueError):
            return False

    def _inside(self, name: str) -> Path | None:
        if not name or "\0" in name or PurePosixPath(name).is_absolute():
            return None
        try:
            path = (self.root / name).resolve()
        except (OSError, RuntimeError, ValueError):
            return None
        return path if path == self._real or self._real in path.parents else None

    def name_of(self, path: Path) -> str | None:
        """What a file is called in here; None where it is somewhere else."""
        try:
            return path.resolve().relative_to(self._real).as_posix()
        except (OSError, RuntimeError, ValueError):
            return None

    def read(self, name: str) -> Text:
        """The text of a file. Raises InputError."""
        if name not in self._texts:
            self._texts[name] = self._read(name)
        return self._texts[name]

    def _read(self, name: str) -> Text:
        path = self._inside(name)
        if path is None:
            raise InputError(f"{name}: must be inside the folder, got a name that leads out of it. Copy it in.")
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{name}: must be a file, got something else.")
            if status.st_size > LARGEST_BYTES:
                raise InputError(f"{name}: must be at most {LARGEST_BYTES // 1_000_000} MB, got more.")
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{name}: must be readable, got: {(error.strerror or str(error)).lower()}.") from None
        return _decoded(name, data)


def _decoded(name: str, data: bytes) -> Text:
    marks = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
    mark, encoding = next(((m, e) for m, e in marks if data.startswith(m)), (b"", "utf-8"))
    body = data[len(mark) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise InputError(
            f"{name}: must be UTF-8 text, got the byte 0x{body[error.start]:02x} at {error.start}. Save it as UTF-8. "
            f"({name}:{line})"
        ) from None
    if "\0" in text:
        raise InputError(f"{name}: must be text, got a binary file.")
    return Text(name, text, "\r\n" if "\r\n" in text else "\n", encoding, mark)
