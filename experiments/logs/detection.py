"""Which format a log is in: told from its first lines, or stated."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.errors import InputError, shown
from experiments.logs import combined
from experiments.logs.notes import Format
from experiments.logs.source import Source


def detected(source: Source, fields: Mapping[str, str]) -> tuple[Format, str]:
    """The format of a file and why it is that. Raises InputError where it is none that is known."""
    found = combined.detect(source.head())
    return found or combined.Combined(), "told from its first lines"


def stated(name: str, source: Source, fields: Mapping[str, str]) -> tuple[Format, str]:
    """The format that was asked for. Raises InputError where there is none of that name."""
    if name not in ("combined", "common"):
        raise InputError(f"--format: must be a known format, got {shown(name)}. Try combined.")
    return combined.Combined(), "as stated"
