"""What the doctor looks at: a scenario, and the files it was made of where there are some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.doctor.standbys import Presumed, presume
from experiments.errors import InputError
from experiments.scenario.paths import format_path, parse_path
from models.service import CacheStepSpec, CallStepSpec, DatabaseStepSpec, EndpointSpec, ServiceSpec, walk
from models.system import SystemSpec

if TYPE_CHECKING:
    from experiments.deploy.deployment import Deployment
    from experiments.deploy.setting import Setting
    from experiments.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Subject:
    """One deployment."""

    name: str
    system: SystemSpec | None
    """None: only files, which describe no service."""
    places: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    """Where values were written, `file:line` by path: an entry speaks for everything below it, too."""
    deployment: Deployment | None = None
    """The files, for rules about what no scenario holds: log levels, health checks, alert rules."""
    scenario: Scenario | None = None
    """What can be run to prove a finding."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """The partial scenario that was laid over the files."""
    presumed: Sequence[Presumed] = ()
    """Databases that are read as standbys and are none."""

    @classmethod
    def of_scenario(cls, scenario: Scenario) -> Subject:
        """A scenario by itself. Places are the files that its provenance names, else its own lines."""
        places = {tuple(str(part) for part in path): origin for path, origin in scenario.origins.items()}
        for text, entry in scenario.provenance.items():
            names = parse_path(text)
            if entry.source == "file" and entry.ref and names[0] != "variants":
                places[names] = entry.ref
        return cls(scenario.name, scenario.spec, places, None, scenario)

    @property
    def spec(self) -> SystemSpec:
        assert self.system is not None, "rules that need a scenario are left out where there is none"
        return self.system

    def where(self, *path: str) -> str:
        """Where the value at a path stands: at it, else the first place inside it, else the nearest around it, else
        the path itself."""
        if path in self.places:
            return self.places[path]
        inside = next((place for known, place in self.places.items() if known[: len(path)] == path), None)
        if inside is not None:
            return inside
        for length in range(len(path) - 1, 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return format_path(path)

    def source(self, *path: str) -> str:
        """What kind of source a value has; empty where nobody says."""
        provenance = self.scenario.provenance if self.scenario is not None else {}
        for length in range(len(path), 0, -1):
            entry = provenance.get(format_path(path[:length]))
            if entry is not None:
                return str(entry.source)
        return ""

    def is_assumed(self, *path: str) -> bool:
        """Whether an import took the value because files cannot tell it. A scenario of one's own is meant."""
        if self.deployment is None or self.source(*path) != "assumed":
            return False
        value: Any = self.said
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value is None

    @property
    def is_traffic_assumed(self) -> bool:
        return any(self.is_assumed("traffic", *at) for at in (("users", "population"), ("users", "think_time"),
                                                              ("open", "rate")))  # fmt: skip

    @staticmethod
    def path(*names: str) -> str:
        return format_path(names)

    # What rules ask for again and again

    def endpoints(self) -> Iterator[tuple[str, ServiceSpec, str, EndpointSpec]]:
        for service_name, service in self.spec.services.items():
            for name, endpoint in service.endpoints.items():
                yield service_name, service, name, endpoint

    def steps(self, kind: type[Any]) -> Iterator[tuple[tuple[str, ...], ServiceSpec, Any]]:
        """All steps of a kind: path, the service they belong to, the step."""
        for service_name, service, name, endpoint in self.endpoints():
            for step in walk(endpoint.steps):
                if isinstance(step, kind):
                    yield ("services", service_name, "endpoints", name, "steps", step.name), service, step

    def cache_steps(self) -> Iterator[tuple[tuple[str, ...], ServiceSpec, CacheStepSpec]]:
        yield from self.steps(CacheStepSpec)

    def call_steps(self) -> Iterator[tuple[tuple[str, ...], ServiceSpec, CallStepSpec]]:
        yield from self.steps(CallStepSpec)

    def database_steps(self) -> Iterator[tuple[tuple[str, ...], ServiceSpec, DatabaseStepSpec]]:
        yield from self.steps(DatabaseStepSpec)

    def settings(self, *tail: str) -> Iterator[Setting]:
        """Settings of the files whose key ends in these names, in relaxed spelling (`max-size` = `maxSize`)."""
        if self.deployment is None:
            return
        wanted = [relaxed(name) for name in tail]
        for setting in self.deployment.ledger.settings.values():
            key = [relaxed(str(part)) for part in setting.key]
            key = [piece for part in key for piece in part.split(".")]
            if key[-len(wanted) :] == wanted:
                yield setting


_BY_ASSUMPTION = ("machines", "traffic", "objectives", "faults")
"""What no file tells: it stands in the assumption, if anywhere."""


def relaxed(name: str) -> str:
    """Spring's relaxed spelling: letters and digits, in lower case, dots between the parts."""
    return "".join(letter for letter in name.lower() if letter.isalnum() or letter == ".")


def folder_subject(
    names: tuple[str, ...], assume: str | None, profiles: tuple[str, ...], env_files: tuple[str, ...],
    settings: tuple[str, ...] = (),
) -> Subject:  # fmt: skip
    """The deployment in a folder or in files. Where they describe no service, only rules about files can look at it.

    Raises InputError where there is nothing to look at, or no scenario can be made of what is there.
    """
    from experiments.cli.import_ import read_assumption
    from experiments.deploy.assemble import assemble
    from experiments.deploy.reading import read_deployment
    from experiments.scenario.load import scenario_of

    said = read_assumption(assume)
    known = tuple(said.value.get("services", {})) if said is not None else ()
    deployment = read_deployment(names, profiles=profiles, env_files=env_files, said=known)
    try:
        deployment.check_has_services()
    except InputError:
        if assume is not None or settings or not (deployment.files or _manifests(deployment)):
            raise
        return Subject(Path(names[0]).resolve().name, None, {}, deployment)
    presumed = presume(deployment)
    assembled = assemble(deployment, said, str)
    scenario = scenario_of(assembled.whole(), Path(names[0]).resolve().name).with_settings(settings)
    places = {path: str(fact.place) for path, facts in assembled.facts.items() for fact in facts if fact.place}
    for unit in deployment.units:
        if unit.at:
            places.setdefault(unit.at, str(unit.place))
    for path, origin in (said.origins if said is not None else {}).items():
        if path and path[0] in _BY_ASSUMPTION:
            places.setdefault(tuple(str(part) for part in path), origin)
    return Subject(
        deployment.project or scenario.name,
        scenario.spec,
        places,
        deployment,
        scenario,
        said.value if said else {},
        presumed,
    )


def _manifests(deployment: Deployment) -> bool:
    return any("Kubernetes" in why for why in deployment.unread.values())
