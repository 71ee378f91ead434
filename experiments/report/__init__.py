"""The result of a run as a page of text for the terminal: verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.text import Text

from experiments.report import between, disruptions, origins, runtime, sections, storms
from experiments.report.cells import Document
from experiments.report.layout import Indented


def render(document: Document, console: Console) -> None:
    """Print the report of a result."""
    console.print(page(document), soft_wrap=False)


def page(document: Document) -> RenderableType:
    """The report of a result, section by section."""
    parts: list[RenderableType] = [Indented(sections.title(document), "")]
    for heading, content in _sections(document):
        parts += ["", Text(heading, style="bold cyan"), Indented(content)]
    return Group(*parts)


def _sections(document: Document) -> Iterator[tuple[str, RenderableType]]:
    """What one wants to know first comes first; a section that has nothing to say is left out."""
    yield "VERDICT", sections.verdict(document)
    if document["recovery"]:
        yield "RECOVERY once the cause was gone", storms.recovery(document)
    yield "WHAT BREAKS FIRST", sections.bottleneck(document)
    yield "REQUESTS", sections.requests(document)
    yield "RESPONSE TIMES in ms", sections.latency(document)
    if len(document["endpoints"]) > 1:
        yield "WHAT USERS SEE, by endpoint", sections.endpoints(document)
    if document["faults"]:
        yield "FAULTS", disruptions.faults(document)
    if document["alerts"]:
        yield "ALERTS", sections.alerts(document)
    yield "STATIONS, the busiest first", sections.stations(document)
    yield "MACHINES AND CONTAINERS", sections.containers(document)
    yield from _components(document)
    if document["notes"]:
        yield "EVENTS of the first replication", sections.notes(document)
    yield "RELEASES that this behaves as", sections.releases(document)
    if document["not_modelled"]:
        yield "NOT MODELLED", sections.not_modelled(document)
    if document["provenance"]:
        yield "WHERE VALUES COME FROM", origins.origins(document)
    yield "AUDIT", sections.audit(document)


def _components(document: Document) -> Iterator[tuple[str, RenderableType]]:
    if document["jvms"]:
        yield "JVMS", runtime.jvms(document)
    if any(each["syn_drops"] for each in document["listeners"].values()):
        yield "LISTENING SOCKETS", runtime.listeners(document)
    if any(each["failures"] for each in document["health"].values()):
        yield "HEALTH CHECKS", disruptions.health(document)
    if runtime.has_database_news(document):
        yield "DATABASES", runtime.databases(document)
    if document["caches"]:
        yield "CACHES", sections.caches(document)
    if document["calls"]:
        yield "CALLS BETWEEN SERVICES, those with guards", between.calls(document)
    if document["breakers"]:
        yield "CIRCUIT BREAKERS", sections.breakers(document)
