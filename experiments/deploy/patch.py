"""A changed scenario written back into the files it was read from: the text of the values that changed, nothing else.

Models   Every value in force has its facts, each with a place and the way to write another value there. What has none
         is said by name, with what to do by hand.
Omits    New entries where a file has none, beside those that a reader knows the place of (nginx' parameters).
Checked  tests/unit/test_deploy_patch.py, tests/properties/test_patch_round_trip.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.deploy.advice import advice
from experiments.deploy.assemble import Assembled
from experiments.deploy.draft import Path
from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.same import same
from experiments.deploy.source import Folder
from experiments.deploy.unified import Replacement, applied, overlapping, unified_diff
from experiments.errors import shown
from experiments.scenario.document import leaves
from experiments.scenario.paths import at_path, format_path, heard, spoken
from models.system import SystemSpec

MISSING = object()
_FOR_PEOPLE = ("description", "not_modelled", "provenance", "variants")


@dataclass(frozen=True, slots=True)
class Change:
    """A value that is another one now."""

    path: Path
    before: Any
    after: Any


@dataclass(slots=True)
class Patch:
    """What to change in which file, and what has no place in one."""

    files: dict[str, list[Replacement]] = field(default_factory=dict)
    changed: list[tuple[Change, list[Place]]] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    in_cluster: bool = False
    """Whether it is for Kubernetes' manifests: advice is in their words."""

    def diff(self, folder: Folder) -> bytes:
        """The unified diff, in the files' own encodings, for `patch -p1` in the folder."""
        parts = []
        for name, replacements in sorted(self.files.items()):
            text = folder.read(name)
            mark = text.mark.decode(text.encoding) if text.mark else ""
            moved = [Replacement(r.start + len(mark), r.end + len(mark), r.text) for r in replacements]
            parts.append(unified_diff(name, mark + text.text, moved).encode(text.encoding))
        return b"".join(parts)

    def applied(self, folder: Folder) -> dict[str, bytes]:
        """The changed files, whole."""
        return {
            name: (text := folder.read(name)).encoded(applied(text.text, replacements))
            for name, replacements in self.files.items()
        }


def make_patch(
    folder: Folder, assembled: Assembled, target: Mapping[str, Any], base: Mapping[str, Any] | None = None, *,
    in_cluster: bool = False,
) -> Patch:  # fmt: skip
    """What makes of the files that `assembled` was read from those that say `target` (a scenario's system).

    `base`: only what `target` says otherwise than this one is written. `in_cluster`: advice is for Kubernetes'
    manifests, not for Compose.
    """
    patch = Patch(in_cluster=in_cluster)
    changes = [
        (change, facts)
        for change, facts in _changed(assembled, target)
        if base is None or not same_or_missing(_value(base, change.path), change.after)
    ]
    shared = _shared(assembled, {change.path for change, _ in changes})
    texts: dict[tuple[Place, Path], tuple[str, Path]] = {}
    for change, facts in changes:
        _write(patch, folder, change, facts, texts, shared)
    for (place, _), (text, path) in texts.items():
        before = folder.read(place.file).text[place.start : place.end]
        if text != before:
            patch.files.setdefault(place.file, []).append(Replacement(place.start, place.end, text))
            _check_overlap(patch, place, path)
    for path, before, after in _elsewhere(assembled.document if base is None else base, target, set(assembled.facts)):
        patch.by_hand.append(f"{format_path(path)}: {_words(before, after)}. {advice(path, in_cluster)}")
    return patch


def _check_overlap(patch: Patch, place: Place, path: Path) -> None:
    if overlapping(patch.files[place.file]):
        patch.files[place.file].pop()
        patch.by_hand.append(
            f"{format_path(path)}: its text is part of another that changes, too ({place}). Change it by hand."
        )


def _shared(assembled: Assembled, changing: set[Path]) -> dict[Place, Path]:
    """Places that also say a value which stays as it is."""
    return {
        fact.place: path
        for path, facts in assembled.facts.items()
        for fact in facts
        if path not in changing and fact.place is not None and fact.write is not None and fact.source == "file"
    }


def _changed(assembled: Assembled, target: Mapping[str, Any]) -> Iterator[tuple[Change, list[Fact]]]:
    now, then = _effective(assembled.document), _effective(target)
    for path, facts in assembled.facts.items():
        after = _value(target, path)
        if same_or_missing(facts[0].value, after):
            continue
        if after is MISSING and same_or_missing(_value(now, path), _value(then, path)):
            continue  # the specification's default says the same
        yield Change(path, facts[0].value, after), facts


def _effective(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with everything that goes without saying."""
    return SystemSpec.model_validate(document).model_dump()


def same_or_missing(one: Any, other: Any) -> bool:
    """Whether both are missing, or mean the same."""
    return one is other if one is MISSING or other is MISSING else same(one, other)


def _value(document: Mapping[str, Any], path: Path) -> Any:
    place = heard(path, document)
    around = at_path(document, place[:-1])
    if isinstance(around, Mapping):
        return around.get(place[-1], MISSING)
    if isinstance(around, list) and isinstance(place[-1], int):
        return at_path(document, place)
    return MISSING


def _write(
    patch: Patch, folder: Folder, change: Change, facts: list[Fact], texts: dict[tuple[Place, Path], tuple[str, Path]],
    shared: Mapping[Place, Path],
) -> None:  # fmt: skip
    name = format_path(change.path)
    said = _words(change.before, change.after)
    writable = [fact for fact in facts if fact.place is not None and fact.write is not None]
    if change.after is MISSING or not writable:
        where = next(
            (f" It stands in {fact.place}." for fact in facts if fact.place is not None and fact.source == "file"), ""
        )
        note = next((f" {fact.note}" for fact in facts if fact.note and fact.source == "file"), "")
        patch.by_hand.append(f"{name}: {said}.{where}{note} {advice(change.path, patch.in_cluster)}".rstrip())
        return
    made: list[tuple[Place, str]] = []
    for fact in writable:
        assert fact.place is not None and fact.write is not None
        try:
            text = fact.write(change.after)
        except (ValueError, TypeError, OverflowError) as error:
            patch.by_hand.append(f"{name}: {said}. It cannot be written to {fact.place}: {error}. Change it by hand.")
            return
        known = texts.get(_key(fact.place, change.path))
        other = shared.get(fact.place) if known is None else known[1] if known[0] != text else None
        if other is not None and text != folder.read(fact.place.file).text[fact.place.start : fact.place.end]:
            also = f"{fact.place} says {format_path(other)}, too, which is to be another value"
            patch.by_hand.append(f"{name}: {said}. {also}. Change both, or part them by hand.")
            return
        made.append((fact.place, text))
    for place, text in made:
        texts[_key(place, change.path)] = (text, change.path)
    if all(folder.read(place.file).text[place.start : place.end] == text for place, text in made):
        told = advice(change.path, patch.in_cluster)
        patch.by_hand.append(f"{name}: {said}. What stands in {made[0][0]} would stay as it is. {told}")
        return
    patch.changed.append((change, [place for place, _ in made]))


def _key(place: Place, path: Path) -> tuple[Place, Path]:
    """What must be one text. Where something is added, several values have room: their texts follow one another."""
    return place, path if place.start == place.end else ()


def _words(before: Any, after: Any) -> str:
    if before is MISSING:
        return f"set to {shown(after)}"
    if after is MISSING:
        return f"no longer {shown(before)}"
    return f"{shown(after)} instead of {shown(before)}"


def _elsewhere(
    before: Mapping[str, Any], after: Mapping[str, Any], covered: set[Path]
) -> Iterator[tuple[Path, Any, Any]]:  # fmt: skip
    """Values that differ and are in no file."""
    known, now = dict(_leaves(before)), dict(_leaves(after))
    first, then = _effective(before), _effective(after)
    for path in {**known, **now}:
        if any(path[:n] in covered for n in range(1, len(path) + 1)) or path[0] in _FOR_PEOPLE:
            continue
        one, other = known.get(path, MISSING), now.get(path, MISSING)
        if same_or_missing(one, other):
            continue
        if (one is MISSING or other is MISSING) and same_or_missing(_value(first, path), _value(then, path)):
            continue  # it goes without saying
        yield path, one, other


def _leaves(document: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for place, value in leaves(dict(document)):
        yield tuple(str(key) for key in spoken(place, document)), value
