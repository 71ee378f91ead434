"""Autoscalers that cannot scale: a HorizontalPodAutoscaler divides by requests, and without them stands still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from experiments.doctor.finding import Finding, Rule, Severity
from experiments.doctor.subject import Subject
from experiments.errors import InputError

_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")


def without_requests(subject: Subject) -> Iterator[Finding]:
    """Utilisation is usage over requests: one container without a request is an error, and nothing is scaled."""
    workloads: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = {}
    scalers: list[tuple[str, dict[str, Any]]] = []
    for where, document in _manifests(subject):
        kind, metadata = document.get("kind"), _map(document.get("metadata"))
        if kind in _SCALED:
            key = (str(kind), _space(metadata), str(metadata.get("name")))
            workloads[key] = (where, document)
        elif kind == "HorizontalPodAutoscaler":
            scalers.append((where, document))
    for where, scaler in scalers:
        spec, metadata = _map(scaler.get("spec")), _map(scaler.get("metadata"))
        target = _map(spec.get("scaleTargetRef"))
        found = workloads.get((str(target.get("kind")), _space(metadata), str(target.get("name"))))
        if found is None:
            continue
        for resource in _by_utilisation(spec):
            yield from _bare(str(metadata.get("name")), where, resource, found[0], found[1], target)


def _bare(
    name: str, where: str, resource: str, workload_where: str, workload: dict[str, Any], target: dict[str, Any]
) -> Iterator[Finding]:
    """Containers without a request. A limit alone counts as one: Kubernetes takes it over."""
    template = _map(_map(_map(workload.get("spec")).get("template")).get("spec"))
    containers = template.get("containers")
    bare = []
    for container in containers if isinstance(containers, list) else []:
        resources = _map(_map(container).get("resources"))
        if not any(_map(resources.get(part)).get(resource) is not None for part in ("requests", "limits")):
            bare.append(str(_map(container).get("name")))
    if bare:
        yield Finding(
            "hpa-without-requests", Severity.ERROR, where, "",
            f"{name} scales {target.get('name')} by {resource} utilisation, and {', '.join(bare)} ({workload_where}) "
            f"requests no {resource}",
            "Utilisation is usage divided by requests: without a request of every container the autoscaler reports "
            "FailedGetResourceMetric and leaves the replicas as they are, whatever the load.",
            f"resources.requests.{resource} for each container, at what it needs under normal load.",
        )  # fmt: skip


def _by_utilisation(spec: dict[str, Any]) -> list[str]:
    """Resources that it scales by as a share of requests, in the words of autoscaling/v1 and v2."""
    found = ["cpu"] if "targetCPUUtilizationPercentage" in spec else []
    metrics = spec.get("metrics")
    for metric in metrics if isinstance(metrics, list) else []:
        resource = _map(_map(metric).get("resource"))
        target = _map(resource.get("target"))
        if target.get("type") == "Utilization" or "averageUtilization" in target or (
            "targetAverageUtilization" in resource
        ):  # fmt: skip
            found.append(str(resource.get("name")))
    if not found and not metrics:
        found.append("cpu")  # Kubernetes' default: 80 % of the requested CPU
    return list(dict.fromkeys(found))


def _manifests(subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    """`file:line` and content of every document in YAML files."""
    import yaml
    from yaml.constructor import SafeConstructor

    from experiments.deploy.yaml_marks import documents_of

    if subject.deployment is None:
        return
    folder = subject.deployment.folder
    for file in folder.files():
        if not file.endswith((".yml", ".yaml")):
            continue
        try:
            text = folder.read(file)
            if not any(kind in text.text for kind in ("HorizontalPodAutoscaler", *_SCALED)):
                continue
            for node in documents_of(text):
                document = SafeConstructor().construct_document(node) if node is not None else None
                if isinstance(document, dict) and node is not None:
                    yield f"{file}:{node.start_mark.line + 1}", document
        except (InputError, yaml.YAMLError, RecursionError, ValueError, TypeError):
            continue  # what cannot be read is said by who reads it


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _space(metadata: dict[str, Any]) -> str:
    return str(metadata.get("namespace") or "default")


RULES = (Rule("hpa-without-requests", "An autoscaler by utilisation over no requests", without_requests, False),)
