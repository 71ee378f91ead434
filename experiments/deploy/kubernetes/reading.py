"""Manifests as units of a deployment, and what of them is not read, by name.

Source   Kubernetes 1.31
Omits    Helm templates and kustomize's overlays: they are to be rendered first. Jobs.
Checked  tests/unit/test_deploy_kubernetes.py, tests/properties/test_kubernetes_fuzz.py
"""

from __future__ import annotations

from collections.abc import Sequence

from experiments.deploy.deployment import Deployment, first_place
from experiments.deploy.kubernetes.autoscalers import read_autoscaler
from experiments.deploy.kubernetes.configs import Configs
from experiments.deploy.kubernetes.embedded import Embedded
from experiments.deploy.kubernetes.objects import Object, objects_of
from experiments.deploy.kubernetes.pods import WORKLOADS, unit_of
from experiments.deploy.kubernetes.services import Workload, find_callees, find_names, publish
from experiments.errors import InputError

_RIGHTS = "who may do what in the cluster"
_DATA = "where data lies"
_HARMLESS_KINDS = {
    **dict.fromkeys(("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"), _RIGHTS),
    **dict.fromkeys(("PersistentVolume", "PersistentVolumeClaim", "StorageClass"), _DATA),
    "NetworkPolicy": "who may reach it",
    "Namespace": "names",
    "PodDisruptionBudget": "what an operator may take away at once",
    "PriorityClass": "who goes first where a node is full",
    "CustomResourceDefinition": "further kinds of objects",
    "ServiceMonitor": "what is watched: the rules see what is simulated, exactly",
    "PodMonitor": "what is watched: the rules see what is simulated, exactly",
    "Secret": "a secret: never looked at",
}
_ADVICE = {
    "LimitRange": "limits that it gives to others are not modelled: write them into the workloads",
    "Kustomization": "it is not applied: render it with kubectl kustomize and import what comes out",
    "Job": "what runs once is not modelled",
    "CronJob": "what runs at times is not modelled",
}
_TELLING = ("apiVersion", "kind", "metadata", "status")


def read_manifests(deployment: Deployment, files: Sequence[str]) -> Embedded:
    """Add the units that manifests describe. Returns the files inside ConfigMaps that they mount."""
    objects: list[Object] = []
    for file in files:
        objects += _objects(deployment, file)
    maps = {(one.namespace, one.name): one for one in reversed(objects) if one.kind == "ConfigMap"}
    configs = Configs(maps, Embedded(deployment.folder))
    workloads: list[Workload] = []
    known: dict[str, Object] = {}
    for one in objects:
        for word in _TELLING:
            one.harmless("names, labels and notes", word)
        if one.kind in WORKLOADS:
            if one.name in known:
                one.problem(f"{one.spoken}: there is one of that name in {known[one.name].place}, which counts.")
                continue
            known[one.name] = one
            unit = unit_of(one, configs)
            if unit is not None:
                workloads.append((one, unit))
    find_names([one for one in objects if one.kind == "Service"], workloads)
    find_callees(workloads)
    for one in objects:
        _other(one, workloads, list(known.values()))
    deployment.units += [unit for _, unit in workloads]
    deployment.in_cluster |= bool(workloads)
    return configs.embedded


def _objects(deployment: Deployment, file: str) -> list[Object]:
    text = deployment.folder.read(file)
    try:
        found = objects_of(text, deployment.ledger)
    except InputError as error:
        is_helm = "{{" in text.text
        why = "a Helm template: render it with helm template, and import what comes out" if is_helm else error.lines[0]
        deployment.unread[file] = why
        deployment.ledger.problem(first_place(file), f"{file}: {why}." if is_helm else why)
        return []
    kinds = ", ".join(dict.fromkeys(one.kind for one in found))
    deployment.files[file] = f"Kubernetes {kinds[:200]}".rstrip()
    return found


def _other(one: Object, workloads: Sequence[Workload], all_of_them: Sequence[Object]) -> None:
    """What is no workload, Service or ConfigMap."""
    if one.kind == "HorizontalPodAutoscaler":
        read_autoscaler(one, all_of_them)
    elif one.kind == "Ingress":
        publish(one, workloads)
    elif one.kind in _HARMLESS_KINDS:
        for word in [*one.names()]:
            one.harmless(_HARMLESS_KINDS[one.kind], word)
    elif one.kind == "ConfigMap":
        if one.has("binaryData"):
            one.problem(f"{one.spoken}: its binaryData is not read.", "binaryData")
    elif one.kind not in (*WORKLOADS, "Service"):
        one.problem(f"{one.spoken}: {_ADVICE.get(one.kind, 'this kind of object is not read')}.")
