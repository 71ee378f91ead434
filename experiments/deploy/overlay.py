"""A partial scenario laid over another: what somebody knows or assumes, and where they say it comes from.

Models   Mappings are merged, everything else is replaced. What is made up only so that there is something (endpoints,
         routes, the mix, queries) goes where the overlay has its own.
Checked  tests/e2e/test_import.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.deploy.draft import SURENESS, Draft, Source
from experiments.deploy.same import same
from experiments.errors import InputError, shown
from experiments.scenario.document import Document
from experiments.scenario.load import validate
from experiments.scenario.paths import Path, at_path, format_path, parse_path
from experiments.scenario.provenance import Beside, Provenance


class Overlay:
    """What is laid over, with its sources. `is_weak`: what files say holds against it."""

    def __init__(self, document: Document | None, *, is_weak: bool = False) -> None:
        self._document = document or Document({})
        self._rank = SURENESS["assumed"] if is_weak else SURENESS["told"]
        beside = {"provenance": self._document.value.get("provenance") or {}}
        entries = validate(Document(beside, self._document.origins), Beside).provenance
        self._entries: dict[tuple[str, ...], Provenance] = {}
        for text, entry in entries.items():
            try:
                self._entries[parse_path(text)] = entry
            except ValueError as error:
                raise InputError(f"provenance.{shown(text)}: {error}.") from None
        if "variants" in self._document.value:
            origin = self._document.origin(("variants",))
            raise InputError(f"variants: must not stand in an assumption. Put it into the scenario itself. ({origin})")

    def value(self, *path: str) -> Any:
        """What it says at a path; None where it says nothing."""
        return at_path(self._document.value, path)

    def lay_over(self, draft: Draft) -> list[str]:
        """Set everything it says. Returns where it contradicts what stands in files."""
        remarks: list[str] = []
        for path, value in self._values():
            known = draft.source(path)
            is_told = self._rank == SURENESS["told"]
            if (
                is_told
                and known is not None
                and known.kind == "file"
                and draft.has(path)
                and not same(draft.value(*path), value)
            ):
                before = draft.value(*path)
                remarks.append(f"{format_path(path)}: assumed {shown(value)} instead of {shown(before)} ({known.ref})")
            entry = self._entry(path)
            if entry is None:
                source = Source("assumed", self._document.origin(path), "", self._rank)
            else:
                source = Source(entry.source, entry.ref, entry.note, self._rank)
            draft.put(path, value, source)
        if isinstance(self.value("description"), str):
            draft.document["description"] = self.value("description")
        if isinstance(self.value("not_modelled"), list):
            draft.document["not_modelled"] = self.value("not_modelled")
        self._inner_sources(draft)
        return remarks

    def _values(self) -> list[tuple[tuple[str, ...], Any]]:
        """Everything but mappings, which are merged; lists are values of their own."""
        found: list[tuple[tuple[str, ...], Any]] = []
        pending: list[tuple[tuple[str, ...], Any]] = [((), self._document.value)]
        while pending:
            path, value = pending.pop()
            if path[:1] in (("provenance",), ("description",), ("not_modelled",)):
                continue
            if isinstance(value, Mapping) and (value or not path):
                pending += [((*path, str(key)), inner) for key, inner in reversed(list(value.items()))]
            else:
                found.append((path, value))
        return found

    def _entry(self, path: Path) -> Provenance | None:
        names = tuple(str(key) for key in path)
        return next((self._entries[names[:n]] for n in range(len(names), 0, -1) if names[:n] in self._entries), None)

    def _inner_sources(self, draft: Draft) -> None:
        """Entries for what is inside lists: steps have sources of their own."""
        for names, entry in self._entries.items():
            around = draft.source(names)
            if draft.has(names) and names not in draft.sources and around is not None and around.rank == self._rank:
                draft.say(names, Source(entry.source, entry.ref, entry.note, self._rank))
