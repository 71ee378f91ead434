"""A scalar of a Compose file as a setting: its variables filled in, its text and the text's place.

Source   YAML 1.2 as go-yaml v3 reads it; compared with Docker Compose 2.40.3
Checked  tests/unit/test_deploy_compose.py, tests/real/test_compose_config.py
"""

from __future__ import annotations

import re

from yaml.nodes import ScalarNode

from experiments.deploy.containers.tree import Key
from experiments.deploy.containers.variables import Filling, Missing, Variables
from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger, Part, Setting
from experiments.deploy.source import Text

_NOTHING = ("", "~", "null", "Null", "NULL")
_TRUTH = {"true": "true", "True": "true", "TRUE": "true", "false": "false", "False": "false", "FALSE": "false"}
_WHOLE = re.compile(r"([-+]?)(?:0x([0-9a-fA-F_]{1,16})|0o?([0-7_]{1,22})|0b([01_]{1,64})|([0-9][0-9_]{0,18}))")
_BROKEN = re.compile(r"[-+]?(?:[0-9][0-9_]{0,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,3})?")


class Scalars:
    """Makes settings of a file's scalars."""

    def __init__(self, text: Text, ledger: Ledger, variables: Variables) -> None:
        self.text, self.ledger, self.variables = text, ledger, variables
        self.missing: list[Missing] = []

    def setting(self, key: Key, node: ScalarNode) -> Setting | None:
        """The setting of a scalar; None where it says nothing."""
        if not node.style and node.value in _NOTHING and key[2:3] != ("environment",):
            return None
        start, end = node.start_mark.index, node.end_mark.index
        if node.style in ("'", '"'):
            start, end = start + 1, end - 1
        place = Place(self.text.file, node.start_mark.line + 1, start, end)
        raw = self.text.text[start:end]
        value: str | None = node.value
        parts: tuple[Part, ...] = ()
        if "$" in node.value:
            is_exact = raw == node.value
            filling = Filling(self.variables, self.ledger, place, self.missing)
            value = filling.text_of(node.value, at=start if is_exact else None)
            source, parts = filling.source, filling.parts
            if source is not None and source.place is not None and source.value == value:
                place, raw = source.place, value
        elif key[2:3] == ("environment",) and isinstance(key[-1], str) and not node.style:
            value = spoken(node.value)
        return Setting(key, value, raw, place, parts)


def spoken(text: str) -> str | None:
    """What a plain scalar becomes as the text of a variable: 1.50 is a number, and written 1.5 then."""
    if text in _NOTHING:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        for digits, base in zip(whole.groups()[1:], (16, 8, 2, 10), strict=True):
            if digits is not None:
                return f"{'-' if whole[1] == '-' else ''}{int(digits.replace('_', '') or '0', base)}"
    if _BROKEN.fullmatch(text):
        return _number(float(text.replace("_", "")), text)
    return text


def _number(value: float, text: str) -> str:
    """As Go writes a floating point number: with an exponent below 1e-4 and from 1e21 on."""
    if value in (float("inf"), float("-inf")):
        return text
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    written = repr(value)
    return written.replace(".0e", "e")
