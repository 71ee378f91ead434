"""From what files say to one scenario that runs: facts first, what no file tells from assumptions, marked as such.

Models   Each container becomes its part of the scenario; what the gateway's routes and nginx' locations lead to is what
         users ask for; services call those they depend on. An assumption of the user's is laid over all of it.
Checked  tests/unit/test_deploy_compose.py, tests/e2e/test_import.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from experiments.deploy import assumptions
from experiments.deploy.assumptions import Assumed
from experiments.deploy.calling import add_endpoints, add_guards, add_routes, add_traffic
from experiments.deploy.deployment import Deployment
from experiments.deploy.draft import Draft, Path, Source, assumed
from experiments.deploy.fact import Fact
from experiments.deploy.overlay import Overlay
from experiments.deploy.place import Place
from experiments.deploy.room import drop_routing, leave_out, settle
from experiments.deploy.units import NOT_MODELLED_KINDS, Unit, place_units
from experiments.errors import InputError
from experiments.scenario.document import Document
from experiments.scenario.load import validate
from experiments.scenario.paths import format_path, heard
from experiments.scenario.schema import schema_of
from experiments.scenario.settings import find
from models.system import SystemSpec
from sim.quantities import format_size, parse_size

MACHINE = "host"


@dataclass(slots=True)
class Assembled:
    """A scenario's document with the sources of its values."""

    document: dict[str, Any]
    """The system alone."""
    provenance: dict[str, dict[str, str]]
    facts: dict[Path, list[Fact]]
    """Those that are in force, by path in the document: what a patch goes by."""
    remarks: list[str] = field(default_factory=list)
    """Where files contradict one another, or an assumption contradicts them."""

    def whole(self) -> dict[str, Any]:
        """The document with its provenance, as it is written to a file."""
        return {**self.document, "provenance": self.provenance}


def assemble(
    deployment: Deployment, assume: Document | None = None, ref_of: Callable[[Place], str] | None = None, *,
    is_weak: bool = False,
) -> Assembled:  # fmt: skip
    """One scenario from a deployment. `assume`: a partial scenario that is laid over it.

    `ref_of`: how a place is called in provenance. `is_weak`: what files say holds against `assume`. Raises
    InputError where no scenario can be made of it.
    """
    overlay = Overlay(assume, is_weak=is_weak)
    deployment.ledger.restore()
    draft = Draft(ref_of or _ref)
    machine = next(iter(overlay.value("machines") or {}), MACHINE)
    deployment.check_has_services()
    place_units(deployment.units, machine)
    remarks: list[str] = []
    _run_and_machine(draft, machine, deployment)
    for unit in deployment.units:
        _unit(draft, unit, machine, deployment)
    for fact in deployment.facts:
        _take(draft, fact, remarks)
    _complete(draft, deployment, machine)
    drop_routing(draft, deployment, overlay)
    _fit_limits(draft)
    add_endpoints(draft, deployment, overlay)
    _fit_connections(draft)
    add_routes(draft, deployment, overlay)
    add_traffic(draft, overlay)
    remarks += overlay.lay_over(draft)
    add_guards(draft, deployment)
    _fit_machine(draft, machine, overlay)
    document = _valid(draft, deployment)
    settle(draft, deployment)
    remarks += draft.contradictions
    return Assembled(document, draft.provenance(), draft.facts, list(dict.fromkeys(remarks)))


def _valid(draft: Draft, deployment: Deployment) -> dict[str, Any]:
    """The document, without values of files that the specification refuses: these are reported."""
    first: InputError | None = None
    while True:
        document = _ordered(draft.document)
        try:
            validate(Document(document, _origins(draft)), SystemSpec)
        except InputError as error:
            first = first or error
            if not leave_out(draft, deployment, error):
                raise first from None
        else:
            return document


def _ref(place: Place) -> str:
    return f"{place.file}:{place.line}"


def _assume(draft: Draft, at: Path, values: dict[str, Assumed]) -> None:
    for name, one in values.items():
        draft.put((*at, name), one.value, assumed(one.note))


def _run_and_machine(draft: Draft, machine: str, deployment: Deployment) -> None:
    draft.document["description"] = deployment.description()
    _assume(draft, (), assumptions.RUN)
    _assume(draft, ("machines", machine), assumptions.MACHINE)


def _unit(draft: Draft, unit: Unit, machine: str, deployment: Deployment) -> None:
    """A container with what Compose says of it."""
    at, names = unit.at, (unit.name, *unit.aliases)
    if unit.role == "background":
        memory = assumptions.RESIDENT_MEMORY.get(unit.kind)
        known = Assumed(memory, assumptions.RESIDENT.note) if memory else assumptions.RESIDENT
        draft.put((*at, "memory"), known.value, assumed(f"{known.note} Known by {unit.why}."))
        why = "" if unit.kind in NOT_MODELLED_KINDS else "of a resident of the machine, which serves no request"
        for fact in unit.facts:
            if fact.path[0] == "limits":
                draft.take(fact, at)
            elif fact.place is not None and fact.source == "file":
                is_more = fact.path == ("replicas",) and fact.value != 1
                deployment.ledger.withdraw(fact.place, names, "" if is_more else why)
                if is_more:
                    what = f"{fact.value} replicas of a resident are not modelled: the memory of one is taken"
                    deployment.ledger.problem(fact.place, f"{unit.name}: {what}.")
        return
    draft.put((*at, "machine"), machine, assumed("Everything runs on one machine."))
    if unit.role == "service":
        is_jvm = unit.name in deployment.springs or any(fact.path[0] == "jvm" for fact in unit.facts)
        _assume(draft, at, assumptions.JVM_SERVICE if is_jvm else assumptions.SERVICE)
        if is_jvm:
            _assume(draft, (*at, "jvm"), assumptions.JVM)
    else:
        skeleton = {
            "gateway": assumptions.GATEWAY, "load_balancer": assumptions.LOAD_BALANCER,
            "cache": assumptions.CACHE, "database": assumptions.DATABASE,
        }[unit.role]  # fmt: skip
        _assume(draft, at, skeleton)
        if unit.role == "gateway" and any(fact.path[0] == "jvm" for fact in unit.facts):
            _assume(draft, (*at, "jvm"), assumptions.JVM)
    without_place: dict[str, Place] = {}
    for fact in unit.facts:
        if _fits(draft, (*at, *fact.path)):
            draft.take(fact, at)
        elif fact.source == "file" and fact.place is not None:
            is_one = fact.path == ("replicas",) and fact.value == 1
            deployment.ledger.withdraw(fact.place, names, "one, as in the scenario" if is_one else "")
            if not is_one:
                without_place.setdefault(fact.path[0], fact.place)
    for name, place in without_place.items():
        role = unit.role.replace("_", " ")
        deployment.ledger.problem(place, f"{name} of {unit.name}: not modelled for a {role}.")


def _fits(draft: Draft, path: Path) -> bool:
    """Whether the specification knows the path."""
    try:
        find(path, Document(draft.document), schema_of(SystemSpec), "", may_add=True)
    except InputError:
        return not _is_wrong_at_end(draft, path)
    return True


def _is_wrong_at_end(draft: Draft, path: Path) -> bool:
    """Whether it is the specification that has no such key, or only the document that has nothing there yet."""
    schema = schema_of(SystemSpec)
    node: Any = schema.root
    value: Any = draft.document
    for key in path:
        inner = schema.child(node, value if isinstance(value, dict) else {}, key)
        if inner is None:
            return True
        node, value = inner, value.get(key) if isinstance(value, dict) else None
    return False


def _take(draft: Draft, fact: Fact, remarks: list[str]) -> None:
    if _fits(draft, fact.path):
        draft.take(fact)
    elif fact.source == "file" and fact.place is not None:
        remarks.append(f"{format_path(fact.path)}: the scenario has no place for it ({draft.ref_of(fact.place)})")


def _complete(draft: Draft, deployment: Deployment, machine: str) -> None:
    """What is named but not described: a Redis or database outside of the deployment; kinds that go without saying."""
    for section, skeleton in (("caches", assumptions.CACHE), ("databases", assumptions.DATABASE)):
        for name in draft.value(section) or {}:
            at = (section, name)
            if not draft.has((*at, "machine")):
                draft.put((*at, "machine"), machine, assumed("Outside of these files: taken as if it ran here, too."))
                _assume(draft, at, skeleton)
    for name, cache in (draft.value("caches") or {}).items():
        for data_class in cache.get("classes") or {}:
            _assume(draft, ("caches", name, "classes", data_class), assumptions.DATA_CLASS)
    for name, service in (draft.value("services") or {}).items():
        workers = service.get("workers")
        if workers is not None and "kind" not in workers:
            draft.put(("services", name, "workers", "kind"), "tomcat", Source("default", "Spring Boot: Tomcat", "", 1))
    gateway = draft.value("gateway")
    if gateway is not None and not draft.has(("gateway", "machine")):
        draft.put(("gateway", "machine"), machine, assumed("Everything runs on one machine."))
        _assume(draft, ("gateway",), assumptions.GATEWAY)
    for unit in deployment.units:
        if unit.role == "background" and unit.kind in NOT_MODELLED_KINDS:
            kind = NOT_MODELLED_KINDS[unit.kind]
            what = f"{unit.name}: {kind} is not modelled: it takes memory, and no request waits for it."
            deployment.ledger.problem(unit.place, what)


def _fit_limits(draft: Draft) -> None:
    """What is assumed of a container's memory has room under its limit: else it would be killed for an assumption."""
    for path in [path for path in draft.facts if path[-2:] == ("limits", "memory")]:
        at = path[:-2]
        limit = parse_size(draft.value(*path))
        name = "memory" if at[:1] == ("machines",) else "base_memory"
        said = draft.source((*at, name))
        if said is None or said.kind != "assumed" or not draft.has((*at, name)):
            continue
        most = limit * 2 // 5 if draft.has((*at, "jvm")) else limit * 3 // 5
        if parse_size(draft.value(*at, name)) > most:
            note = "What fits under its memory limit: docker stats on an idle container tells."
            draft.put((*at, name), format_size(most >> 10 << 10), assumed(note))


def _fit_connections(draft: Draft) -> None:
    """What is assumed of a connection's memory has room under the database's limit, too."""
    wanted: dict[str, int] = {}
    for service in (draft.value("services") or {}).values():
        for pool in (service.get("pools") or {}).values():
            most = int(pool.get("maximum_pool_size") or 10) * int(service.get("replicas") or 1)
            wanted[pool["database"]] = wanted.get(pool["database"], 0) + most
    for name, connections in wanted.items():
        at = ("databases", name)
        limit = draft.value(*at, "limits", "memory")
        if limit is None or draft.has((*at, "memory_per_connection")):
            continue
        room = (parse_size(limit) - parse_size(draft.value(*at, "base_memory"))) // (2 * connections)
        if room < 5 << 20:
            note = "What fits under its memory limit with every pool full: ps in the container tells."
            draft.put((*at, "memory_per_connection"), format_size(max(room >> 10, 1) << 10), assumed(note))


def _fit_machine(draft: Draft, machine: str, overlay: Overlay) -> None:
    """An assumed machine has room for every CPU limit that is written."""
    if overlay.value("machines", machine, "cores") is not None:
        return
    most = 0.0
    for path, facts in draft.facts.items():
        if path[-2:] == ("limits", "cpus") and isinstance(facts[0].value, int | float):
            most = max(most, float(facts[0].value))
    if most > float(draft.value("machines", machine, "cores")):
        whole = int(most) + (most != int(most))
        note = "At least as many as the largest CPU limit in the files: nproc tells, or --assume."
        draft.put(("machines", machine, "cores"), whole, assumed(note))


_ORDER = tuple(SystemSpec.model_fields)


def _ordered(document: dict[str, Any]) -> dict[str, Any]:
    """Sections in the order of the specification; empty ones left out."""
    return {key: document[key] for key in _ORDER if key in document and document[key] not in ({}, None)}


def _origins(draft: Draft) -> dict[tuple[str | int, ...], str]:
    """For errors: the place of a fact, or that it is assumed."""
    found: dict[tuple[str | int, ...], str] = {}
    for path, source in draft.by_leaf():
        found[heard(path, draft.document)] = source.ref or f"{source.kind}: {source.note}"[:60]
    return found
