"""One application's Spring configuration as facts of a scenario.

Models   The files in the folders given (or that SPRING_CONFIG_LOCATION and what is mounted name), under the profiles
         and the environment that the caller's Compose file gives. What it finds is facts of the service, of the gateway
         where the application is one, of the caches it uses, and the guards that stand around its calls.
Source   Spring Boot 2.7 to 3.4, Spring Cloud Gateway, Resilience4j
Omits    What stands in code: which method is cached under which name, who calls whom, which guard stands around it.
Checked  tests/unit/test_deploy_spring.py, tests/properties/test_spring_fuzz.py
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from experiments.deploy.fact import Fact
from experiments.deploy.place import Place
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Folder
from experiments.deploy.spring.caches import Redis, read_caches
from experiments.deploy.spring.calls import Call, called, client_limits, read_calls
from experiments.deploy.spring.data_sources import Pool, read_pools
from experiments.deploy.spring.documents import EXTENSIONS, Loader
from experiments.deploy.spring.findings import Findings
from experiments.deploy.spring.gateway import Route, ServiceOf, read_client, read_gateway
from experiments.deploy.spring.gateway_filters import read_filters
from experiments.deploy.spring.harmless import GONE, why_harmless
from experiments.deploy.spring.names import name_of, uniform
from experiments.deploy.spring.placeholders import BadPlaceholder
from experiments.deploy.spring.properties import Properties, Property, Source, from_variables
from experiments.deploy.spring.resilience import Guards, read_guards
from experiments.deploy.spring.server import read_open_in_view, read_server
from experiments.deploy.spring.values import listed

_ARGUMENT = re.compile(r"--([A-Za-z][\w.\-\[\]]*)=(.*)", re.DOTALL)
_SYSTEM = re.compile(r"-D([A-Za-z][\w.\-\[\]]*)=(.*)", re.DOTALL)
_OWN_FILE = re.compile(r"(application|bootstrap)(-[\w.-]+)?\.(ya?ml|properties)")
LONGEST_JSON = 100_000


@dataclass(slots=True)
class SpringReading:
    """What an application's configuration says."""

    name: str
    facts: list[Fact]
    """With full paths: services.<name>..., gateway..., caches.<host>.... Several facts may have one path: they agree on
    its value, each has a place of its own, and a patch writes them all."""
    port: int | None
    profiles: list[str]
    routes: list[Route]
    """The gateway's, in order; empty where the application is none."""
    is_gateway: bool
    guards: dict[str, Guards]
    """What stands around calls, by the instance's name; paths begin below the call step (`breaker.`, `retry.`...)."""
    calls: list[Call]
    """Other services that are named by address; their facts begin below the call step, too."""
    call_limits: list[Fact]
    """What holds for every call, below the call step."""
    pools: list[Pool]
    redis: Redis | None
    log_levels: dict[str, str]
    """By logger, for those who look at them."""
    files: list[str]
    properties: Properties = field(repr=False)
    """Everything, for further questions: `properties.get("spring.jpa.open-in-view")`."""


def read_spring(
    folder: Folder, ledger: Ledger, *, name: str, locations: Sequence[str] = (),
    environment: Mapping[str, Setting | str] | None = None, arguments: Sequence[str] = (),
    mounts: Mapping[str, str] | None = None, config_repository: Sequence[str] = (),
    hosts: Sequence[str] = (), known_as: Callable[[str], str] | None = None, service_of: ServiceOf | None = None,
) -> SpringReading | None:  # fmt: skip
    """Read the configuration of the service `name`; None where no file of it is found.

    `locations`: folders (or files) in the folder, the later win; over them what `mounts` brings into the container
    where Spring looks, and SPRING_CONFIG_LOCATION's (which alone count). `environment`: the container's variables, as
    settings where they stand in a file. `arguments`: words of its command line (--name=value, -Dname=value).
    `config_repository`: folders of a configuration server. `hosts`: names of the deployment's services. `known_as`:
    what a host of an address is called among them. `service_of`: where a gateway's route leads.
    """
    variables = _variables(environment or {}, arguments)
    loader = Loader(folder, ledger, variables, mounts or {})
    mounted = _mounted(loader.known, mounts or {})
    groups = _told(loader, [list(one) for one in (locations, mounted) if one])
    names = listed(_text(variables, "spring.config.name") or "") or ["application"]
    loaded = loader.load(groups, names, config_repository, name)
    if not loaded.files:
        return None
    properties = Properties([*variables, *reversed(loaded.active)], ledger, known_as or str)
    return _interpret(properties, name, loaded.profiles, loaded.files, frozenset(hosts), service_of)


def _variables(environment: Mapping[str, Setting | str], arguments: Sequence[str]) -> list[Source]:
    """Command line, SPRING_APPLICATION_JSON, system properties and the environment, the strongest first."""
    given = {match[1]: match[2] for word in arguments if (match := _ARGUMENT.fullmatch(word))}
    system = {match[1]: match[2] for word in arguments if (match := _SYSTEM.fullmatch(word))}
    sources = [from_variables("the command line", given, False)]
    told = environment.get("SPRING_APPLICATION_JSON")
    if told is not None:
        sources.append(_json("" if isinstance(told, Setting) and told.value is None else
                             str(told.value if isinstance(told, Setting) else told)))  # fmt: skip
    sources.append(from_variables("system properties", system, False))
    sources.append(from_variables("the environment", environment, True))
    return sources


def _json(text: str) -> Source:
    source = Source("SPRING_APPLICATION_JSON")
    try:
        value = json.loads(text) if len(text) <= LONGEST_JSON else None
    except (ValueError, RecursionError):
        value = None
    pending: list[tuple[tuple[str, ...], object]] = [((), value)]
    while pending:
        path, one = pending.pop()
        if isinstance(one, dict):
            pending += [((*path, *str(key).split(".")), inner) for key, inner in one.items()]
        elif isinstance(one, list):
            pending += [((*path, f"[{number}]"), inner) for number, inner in enumerate(one)]
        elif path and one is not None:
            text = str(one).lower() if isinstance(one, bool) else str(one)
            source.add(Property(path, text, None, "SPRING_APPLICATION_JSON"))
    return source


def _text(sources: list[Source], key: str) -> str | None:
    for source in sources:
        found = source.properties.get(name_of(key))
        if found is not None:
            return found.text
    return None


def _told(loader: Loader, groups: list[list[str]]) -> list[list[str]]:
    """What SPRING_CONFIG_LOCATION and SPRING_CONFIG_ADDITIONAL_LOCATION make of the folders to look in."""
    only = _text(loader.variables, "spring.config.location")
    more = _text(loader.variables, "spring.config.additional-location")
    if only is not None:
        groups = []
    for told in (only, more):
        for location in listed(told or ""):
            parts = [part.removeprefix("optional:") for part in location.split(";")]
            places = [loader.inside(part, "") for part in parts]
            groups.append(places)
            for place in places:
                if place.endswith(EXTENSIONS) and place not in loader.known and not location.startswith("optional:"):
                    where = _where(loader, "spring.config.location")
                    at = where.place if where is not None else Place(place, 1, 0, 0)
                    loader.ledger.problem(at, f"SPRING_CONFIG_LOCATION names {location}, which is not in the folder.")
    return groups


def _where(loader: Loader, key: str) -> Setting | None:
    for source in loader.variables:
        found = source.properties.get(name_of(key))
        if found is not None:
            return found.setting
    return None


def _mounted(known: frozenset[str], mounts: Mapping[str, str]) -> list[str]:
    """The folders and files that a container's mounts bring where Spring looks."""
    found: list[str] = []
    for container, name in mounts.items():
        base = posixpath.basename(container)
        is_file = _OWN_FILE.fullmatch(base) is not None and name in known
        if is_file or (base == "config" and any(one.startswith(f"{name}/application") for one in known)):
            found.append(name)
    return found


def _interpret(
    properties: Properties, name: str, profiles: list[str], files: list[str], hosts: frozenset[str],
    service_of: ServiceOf | None,
) -> SpringReading:  # fmt: skip
    gateway = read_gateway(properties)
    findings = Findings(properties, ("gateway",) if gateway is not None else ("services", name))
    port = read_server(findings, gateway is not None)
    redis = read_caches(findings)
    guards = read_guards(properties)
    pools: list[Pool] = []
    if gateway is not None:
        read_client(findings, gateway.prefix)
        service_of = service_of or partial(_by_host, hosts)
        spent = read_filters(findings, gateway, guards, redis.host if redis else "", service_of, hosts)
        guards = {key: one for key, one in guards.items() if key not in spent}
    else:
        pools = read_pools(findings)
        read_open_in_view(findings)
    calls = called(properties, read_calls(properties), hosts)
    limits = client_limits(properties)
    levels = _log_levels(properties)
    _finish(properties)
    return SpringReading(
        name, findings.facts, port, profiles, gateway.routes if gateway else [], gateway is not None, guards, calls,
        limits, pools, redis, levels, files, properties,
    )  # fmt: skip


def _by_host(hosts: frozenset[str], route: Route) -> str | None:
    """The service that has the route's name, else the one it is sent to."""
    return route.id if route.id in hosts else route.host or None


def _log_levels(properties: Properties) -> dict[str, str]:
    found: dict[str, str] = {}
    size = len(name_of("logging.level"))
    for one in properties.below("logging.level"):
        found.setdefault(".".join(one.elements[size:]), properties.read(one.key, one).text)
    return found


def _finish(properties: Properties) -> None:
    """Sort what nobody asked for: hidden, harmless, or left over; and name what cannot be resolved."""
    counted: dict[tuple[str, ...], Property] = {}
    gone: set[str] = set()
    lists = _Lists(properties)
    for source in properties.sources:
        for one in source.properties.values():
            hidden = counted.setdefault(one.name, one) is not one or lists.hide(one, source)
            if source.is_environment:
                continue
            if hidden:
                stronger = counted[one.name]
                why = f"hidden by {_named(stronger)}" if stronger is not one else "its list is hidden by another"
                properties.harmless(one, why)
                continue
            _placeholders(properties, one)
            if properties.is_done(one):
                continue
            reason = why_harmless(one.name)
            if reason is not None:
                properties.harmless(one, reason)
                continue
            first = uniform(one.elements[0]) if one.elements else ""
            if first in GONE and first not in gone and one.setting is not None:
                gone.add(first)
                properties.ledger.problem(one.setting.place, f"{first}.*: {GONE[first]}.")


class _Lists:
    """Which entries of lists a stronger source has replaced."""

    def __init__(self, properties: Properties) -> None:
        self._owner: dict[tuple[str, ...], Source] = {}
        for source in properties.sources:
            for one in source.properties.values():
                for at, element in enumerate(one.name):
                    if element == "[0]":
                        self._owner.setdefault(one.name[:at], source)

    def hide(self, one: Property, source: Source) -> bool:
        for at, element in enumerate(one.name):
            if element.startswith("[") and self._owner.get(one.name[:at], source) is not source:
                return True
        return False


def _named(one: Property) -> str:
    if one.setting is None or one.variable:
        return one.variable or one.key
    return f"{one.setting.place.file}:{one.setting.place.line}"


def _placeholders(properties: Properties, one: Property) -> None:
    if one.setting is None or "${" not in one.text:
        return
    try:
        missing = properties.missing(one)
    except BadPlaceholder as error:
        properties.ledger.problem(one.setting.place, f"{one.key}: {error}.")
        return
    for name in dict.fromkeys(missing):
        properties.ledger.problem(one.setting.place, f"{one.key}: nothing gives ${{{name[:60]}}} a value.")
