"""What import says of a deployment, for people and for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from experiments.deploy.assemble import Assembled
from experiments.deploy.deployment import Deployment
from experiments.scenario.explain import counts_by_source
from experiments.scenario.paths import format_path
from experiments.scenario.provenance import Provenance

SHOWN = 12


def as_json(deployment: Deployment, assembled: Assembled | None) -> dict[str, Any]:
    """Everything."""
    ledger = deployment.ledger
    found: dict[str, Any] = {
        "files": deployment.files,
        "unread": deployment.unread,
        "containers": [
            {"name": unit.name, "role": unit.role, "image": unit.image, "replicas": unit.replicas, "known_by": unit.why}
            for unit in deployment.units
        ],
        "settings": counts(deployment),
        "unmodelled": [
            {"key": ".".join(map(str, one.key)), "file": one.place.file, "line": one.place.line}
            for one in ledger.unmodelled()
        ],
        "problems": [{"file": place.file, "line": place.line, "what": what} for place, what in ledger.problems],
    }
    if assembled is not None:
        found["values"] = _sources(assembled)
        found["assumed"] = _assumed(assembled)
        found["remarks"] = assembled.remarks
    return found


def counts(deployment: Deployment) -> dict[str, int]:
    """How many settings were read, and what has become of them."""
    unmodelled = len(deployment.ledger.unmodelled())
    read = len(deployment.ledger.settings)
    modelled = len(deployment.ledger.modelled)
    return {"read": read, "modelled": modelled, "harmless": read - modelled - unmodelled, "unmodelled": unmodelled}


def _sources(assembled: Assembled) -> dict[str, int]:
    entries = {path: Provenance.model_validate(entry) for path, entry in assembled.provenance.items()}
    return counts_by_source(assembled.document, entries)


def _assumed(assembled: Assembled) -> dict[str, str]:
    return {path: one.get("note", "") for path, one in assembled.provenance.items() if one["source"] == "assumed"}


def lines(deployment: Deployment, assembled: Assembled, everything: bool) -> Iterator[str]:
    """The report as text. `everything`: no list is cut."""
    most = None if everything else SHOWN
    yield "READ"
    for file, kind in deployment.files.items():
        yield f"  {file}: {kind}"
    yield from _listed("  not read", [f"{file}: {why}" for file, why in deployment.unread.items()], most)
    yield ""
    yield "CONTAINERS"
    for unit in deployment.units:
        replicas = f", {unit.replicas} replicas" if unit.replicas != 1 else ""
        yield f"  {unit.name}: {unit.role.replace('_', ' ')} ({unit.why}){replicas}"
    yield ""
    number = counts(deployment)
    yield (
        f"SETTINGS  {number['read']} read: {number['modelled']} modelled, "
        f"{number['harmless']} without effect on traffic, {number['unmodelled']} not modelled"
    )
    keys = [f"{one.place.file}:{one.place.line}  {format_path(one.key)}" for one in deployment.ledger.unmodelled()]
    yield from _listed("  not modelled", keys, most)
    yield ""
    problems = [f"{place.file}:{place.line}  {what}" for place, what in deployment.ledger.problems]
    yield f"PROBLEMS  {len(problems) + len(assembled.remarks) or 'none'}"
    yield from _listed("", [*problems, *assembled.remarks], most)
    yield ""
    yield from _values(assembled, most)


def _values(assembled: Assembled, most: int | None) -> Iterator[str]:
    said = _sources(assembled)
    yield "VALUES  " + ", ".join(f"{count} {_word(kind)}" for kind, count in said.items())
    assumed = _assumed(assembled)
    by_note: Counter[str] = Counter(assumed.values())
    firsts: Mapping[str, str] = {note: path for path, note in reversed(list(assumed.items()))}
    texts = []
    for note in dict.fromkeys(assumed.values()):
        more = f" and {by_note[note] - 1} like it" if by_note[note] > 1 else ""
        texts.append(f"{firsts[note]}{more}: {note}")
    yield from _listed("  assumed", texts, most)


def _word(kind: str) -> str:
    return {"file": "from files", "default": "releases' defaults", "unsaid": "without a source"}.get(kind, kind)


def _listed(title: str, texts: list[str], most: int | None) -> Iterator[str]:
    if not texts:
        return
    if title:
        yield f"{title}:"
    for text in texts[:most]:
        yield f"    {text}"
    if most is not None and len(texts) > most:
        yield f"    ... and {len(texts) - most} more: --all lists them"
