"""Names of properties under Spring's relaxed binding.

Models   `spring.datasource.hikari.maximum-pool-size`, `...maximumPoolSize`, `...maximum_pool_size` and, from the
         environment, SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE are one name: elements apart by dots, compared without
         case, dashes and underscores. [0] is an index; [any.key] is one element as it is written.
Source   Spring Boot 2.7, ConfigurationPropertyName and SystemEnvironmentPropertyMapper
Checked  tests/unit/test_spring_text.py
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Name = tuple[str, ...]
"""Elements in their uniform form: what is compared."""

_ELEMENT = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)|[.\[\]]")
_NOT_KEPT = re.compile(r"[^0-9A-Za-z_-]")


def elements(key: str) -> tuple[str, ...]:
    """The elements of a key as they are written; an index is `[0]`, a bracketed key `[any.key]`."""
    found: list[str] = []
    for match in _ELEMENT.finditer(key):
        if match[1] is not None:
            found.append(f"[{match[1]}]")
        elif match[2] is not None:
            found.append(match[2].strip())
    return tuple(found)


def uniform(written: str) -> str:
    """An element as it is compared."""
    if written.startswith("["):
        return written if re.fullmatch(r"\[[0-9]+\]", written) else written[1:-1]
    return re.sub("[^0-9a-z]", "", written.lower())


def original(written: str) -> str:
    """An element as the key of a map: what Spring keeps of it."""
    return written[1:-1] if written.startswith("[") else _NOT_KEPT.sub("", written)


def name_of(key: str | Sequence[str]) -> Name:
    """A key, or its elements, as it is compared."""
    return tuple(uniform(element) for element in (elements(key) if isinstance(key, str) else key))


def from_environment(variable: str) -> tuple[str, ...]:
    """The elements that an environment variable stands for."""
    return tuple(f"[{part}]" if part.isdecimal() else part.lower() for part in variable.split("_") if part)


def in_environment(key: str) -> tuple[str, str]:
    """The two variables that can hold a property: without its dashes, and (for old times' sake) with them as _."""
    parts = [part[1:-1] if part.startswith("[") else part for part in elements(key)]
    plain = "_".join(re.sub("[^0-9A-Z]", "", part.upper()) for part in parts)
    return plain, "_".join(part.replace("-", "_").upper() for part in parts)
