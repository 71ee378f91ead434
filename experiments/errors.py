"""What a person gave us cannot be used: said in lines they can act on, never with a traceback."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN_PROBLEMS = 5
"""More lines than this bury the first one, which is usually the cause of the others."""


class InputError(Exception):
    """Bad input. Each line reads `path: requirement, got value. Next step. (file.yaml:LINE)`."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines: tuple[str, ...] = lines

    @classmethod
    def of(cls, lines: Sequence[str]) -> InputError:
        """All problems at once: the first few, and how many more there are."""
        more = len(lines) - SHOWN_PROBLEMS
        return cls(*lines[:SHOWN_PROBLEMS], *([f"... and {more} more."] if more > 0 else []))


def shown(value: object, longest: int = 40) -> str:
    """A value as its writer would recognise it, on one printable line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list" if value else "an empty list"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a very large number"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    text = str(value)
    if isinstance(value, str):
        text = repr(text[: longest + 1])[1:-1] if not text.isprintable() else text
        text = f"'{_cut(text, longest)}'"
        return text
    return _cut(text, longest)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
