"""Services and Ingresses: under which names workloads are found, and which of them the world reaches.

Source   Kubernetes 1.31: API reference, Service v1, Ingress v1; DNS for Services and Pods
Omits    Session affinity, an Ingress as a proxy, Services without a selector: they are named.
Checked  tests/unit/test_deploy_kubernetes.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from experiments.deploy.kubernetes.objects import Object
from experiments.deploy.kubernetes.pods import labels_of
from experiments.deploy.setting import Setting
from experiments.deploy.units import Unit

Workload = tuple[Object, Unit]
_NAMES = "names and ports under which callers find it"
_MOST_PODS = 20
_HOST = re.compile(r"(?:^|//|@|,)([A-Za-z0-9][A-Za-z0-9.-]{0,252})(?=[:/,?;]|$)")
_TELLING = re.compile(r".*(?:HOST|HOSTNAME|ADDR|ADDRESS|URL|URI|SERVER|SERVERS|SERVICE|ENDPOINT|NODES|DSN)")


def find_names(services: Sequence[Object], workloads: Sequence[Workload]) -> None:
    """Give each unit the names of the Services that lead to it; it is called after the one that is its own."""
    own: dict[int, list[Object]] = {}
    by_label: dict[tuple[str, str], list[tuple[dict[str, str], Workload]]] = {}
    for workload in workloads:
        labels = labels_of(workload[0])
        for label in labels.items():
            by_label.setdefault(label, []).append((labels, workload))
    for service in services:
        found = list(_selected(service, by_label))
        _settings(service)
        for one, unit in found:
            unit.aliases = [*unit.aliases, *_names(service), *_pods(service, one, unit)]
            unit.is_published |= service.text("spec", "type") in ("NodePort", "LoadBalancer")
        if len(found) == 1:
            own.setdefault(id(found[0][1]), []).append(service)
        elif len(found) > 1:
            names = ", ".join(unit.name for _, unit in found[:6])
            service.problem(f"{service.spoken}: leads to several workloads ({names}): the first stands for it.", "spec")
        elif service.has("spec"):
            service.problem(f"{service.spoken}: leads to no workload that is here.", "spec")
    taken = {unit.name for _, unit in workloads}
    for one, unit in workloads:
        mine = [service.name for service in own.get(id(unit), ())]
        if mine and one.name not in mine and mine[0] not in taken:
            unit.aliases = [one.name, *unit.aliases]
            unit.name = mine[0]
            taken.add(unit.name)


def _selected(
    service: Object, by_label: Mapping[tuple[str, str], Sequence[tuple[dict[str, str], Workload]]]
) -> Iterator[Workload]:  # fmt: skip
    """The workloads that carry every label of the selector; of these the rarest is looked for."""
    wanted = {name: service.text("spec", "selector", name) for name in service.names("spec", "selector")}
    candidates = [by_label.get(label, ()) for label in wanted.items()]
    for labels, (one, unit) in min(candidates, key=len, default=()):
        fits = all(labels.get(name) == value for name, value in wanted.items())
        if fits and (one.namespace == service.namespace or "default" in (one.namespace, service.namespace)):
            yield one, unit


def _names(service: Object) -> list[str]:
    inside = f"{service.name}.{service.namespace}"
    return [service.name, inside, f"{inside}.svc", f"{inside}.svc.cluster.local"]


def _pods(service: Object, one: Object, unit: Unit) -> Iterator[str]:
    """The pods of a StatefulSet have names of their own."""
    for number in range(min(unit.replicas, _MOST_PODS)) if one.kind == "StatefulSet" else ():
        for name in _names(service):
            yield f"{one.name}-{number}.{name}"


def _settings(service: Object) -> None:
    kind, affinity = service.get("spec", "type"), service.get("spec", "sessionAffinity")
    if kind is not None and kind.value == "ExternalName":
        service.problem(f"{service.spoken}: leads out of the cluster.", "spec", "externalName")
        return
    for word in service.names("spec"):
        if word not in ("sessionAffinity", "sessionAffinityConfig"):
            service.harmless(_NAMES, "spec", word)
    if affinity is not None and affinity.value != "None":
        service.problem(f"{service.spoken}: session affinity is not modelled.", "spec", "sessionAffinity")
    elif affinity is not None:
        service.harmless("each connection goes to any pod", "spec", "sessionAffinity")


def publish(ingress: Object, workloads: Sequence[Workload]) -> None:
    """Whom an Ingress leads to is asked from outside."""
    targets: list[str] = []
    for setting in ingress.below("spec"):
        key = tuple(map(str, setting.key[2:]))
        if key[-2:] == ("service", "name") or key[-1:] == ("serviceName",):
            targets.append(str(setting.value))
            ingress.ledger.harmless(setting, "who is asked from outside")
    for _, unit in workloads:
        if unit.name in targets or set(unit.aliases) & set(targets):
            unit.is_published = True
    shown = ", ".join(dict.fromkeys(targets)) or "nothing"
    ingress.problem(f"{ingress.spoken}: no proxy is simulated for it: users ask {shown[:200]} directly.", "spec")


def find_callees(workloads: Sequence[Workload]) -> None:
    """Whom a unit may call: hosts of other units in its variables."""
    known = {name.lower(): unit for _, unit in workloads for name in (unit.name, *unit.aliases)}
    for _, unit in workloads:
        found: list[str] = []
        for variable, value in unit.environment.items():
            text = str(value.value if isinstance(value, Setting) else value)[:4096]
            for match in _HOST.finditer(text):
                is_address = text != match[1] or _TELLING.fullmatch(variable.upper())
                other = known.get(match[1].lower()) if is_address else None
                if other is not None and other is not unit:
                    found.append(other.name)
        unit.depends_on = list(dict.fromkeys(found))
