"""Which of the values that files say have found room in a scenario: only those count as modelled.

Models   A value that has a place in no step (a guard around a call that nobody knows of), that another value hides,
         that the specification refuses, or that an assumption has taken the place of, is not modelled, whatever its
         reader made of it.
Checked  tests/properties/test_ledger_truth.py
"""

from __future__ import annotations

from collections.abc import Iterator

from experiments.deploy.deployment import Deployment
from experiments.deploy.draft import Draft, Path
from experiments.deploy.fact import Fact
from experiments.deploy.overlay import Overlay
from experiments.deploy.place import Place
from experiments.errors import InputError
from experiments.scenario.paths import parse_path


def settle(draft: Draft, deployment: Deployment) -> None:
    """Tell the ledger which settings have become part of the scenario after all has been put together."""
    in_force: dict[str, list[Place]] = {}
    exact: set[tuple[str, int, int]] = set()
    for facts in draft.facts.values():
        for fact in facts:
            if fact.place is not None and fact.source == "file":
                in_force.setdefault(fact.place.file, []).append(fact.place)
                exact.add((fact.place.file, fact.place.start, fact.place.end))
    seen: set[Place] = set()
    for place in _places(deployment):
        if place in seen or (place.file, place.start, place.end) in exact:
            continue
        seen.add(place)
        if not any(_share(place, other) for other in in_force.get(place.file, ())):
            deployment.ledger.withdraw(place)


def leave_out(draft: Draft, deployment: Deployment, error: InputError) -> bool:
    """Take out the values of files that an error speaks of, and report them. Whether there were any.

    What the real program makes of such a value is not known here: -1 is no limit to some, others do not start.
    """
    has_found = False
    for line in error.lines:
        name, _, what = line.partition(": ")
        try:
            path = tuple(map(str, parse_path(name)))
        except ValueError:
            continue
        facts, source = draft.facts.get(path, []), draft.source(path)
        place = next((fact.place for fact in facts if fact.source == "file" and fact.place is not None), None)
        if place is None or source is None or source.kind != "file":
            continue
        for fact in facts:
            if fact.place is not None and fact.source == "file":
                deployment.ledger.withdraw(fact.place)
        _take_out(draft, path)
        said = what.rpartition(" (")[0] if what.endswith(")") else what
        said = said.partition(". ")[0].rstrip(".")
        deployment.ledger.problem(place, f"{name}: {said}. It is not modelled: what goes without saying is taken.")
        has_found = True
    return has_found


def drop_routing(draft: Draft, deployment: Deployment, overlay: Overlay) -> None:
    """Take out data sources whose reads would go to a database that does not follow the one that is written."""
    for name, service in (draft.value("services") or {}).items():
        for source, said in list((service.get("data_sources") or {}).items()):
            ends = [
                (service.get("pools", {}).get(said.get(end)) or {}).get("database") for end in ("primary", "replica")
            ]
            at = ("databases", str(ends[1]), "standby_of")
            follows = overlay.value(*at) or draft.value(*at)
            if None in ends or follows == ends[0]:
                continue
            path = ("services", name, "data_sources", source)
            place = next((fact.place for fact in draft.facts.get((*path, "replica"), []) if fact.place), None)
            if place is not None:
                what = f"reads are routed to {ends[1]}, which no file makes a standby of {ends[0]}"
                told = "the routing is not modelled, and all goes to the primary. Say standby_of with --assume."
                deployment.ledger.problem(place, f"{name}: {what}: {told}")
            _take_out(draft, path)


def _take_out(draft: Draft, path: Path) -> None:
    """Take out a value, and what is empty without it."""
    draft.drop(path)
    while len(path) > 1 and draft.value(*path[:-1]) == {}:
        path = path[:-1]
        draft.drop(path)


def _places(deployment: Deployment) -> Iterator[Place]:
    """Where the facts stand that have no fixed place in a scenario, or may be hidden in it."""
    for fact in _facts(deployment):
        if fact.place is not None and fact.source == "file":
            yield fact.place


def _facts(deployment: Deployment) -> Iterator[Fact]:
    yield from deployment.facts
    for spring in deployment.springs.values():
        yield from spring.facts  # of a resident, too, which has no place for them
        for guards in spring.guards.values():
            yield from guards.facts
        for call in spring.calls:
            yield from call.facts
        yield from spring.call_limits


def _share(one: Place, other: Place) -> bool:
    return one.start < max(other.end, other.start + 1) and other.start < max(one.end, one.start + 1)
