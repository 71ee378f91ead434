"""HorizontalPodAutoscalers: not modelled, but named with their numbers, and with what keeps them from scaling.

Source   Kubernetes 1.31: API reference, autoscaling/v1 and v2; pkg/controller/podautoscaler/replica_calculator.go
Omits    Scaling itself: replicas stay as many as the workload says.
Checked  tests/unit/test_deploy_kubernetes.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.deploy.kubernetes.objects import Key, Object


def read_autoscaler(one: Object, workloads: Sequence[Object]) -> None:
    """Say what it would do, and whether it can."""
    target = (one.text("spec", "scaleTargetRef", "kind"), one.text("spec", "scaleTargetRef", "name"))
    least, most = one.text("spec", "minReplicas") or "1 (Kubernetes' default)", one.text("spec", "maxReplicas")
    metrics = list(_metrics(one))
    goals = ", ".join(f"{name} {goal}".strip() for name, goal, _ in metrics) or "cpu 80 % (Kubernetes' default)"
    name = f"{one.spoken}: scales {target[0]} {target[1]}"
    what = f"from {least[:40]} to {most[:20] or '?'} replicas by {goals[:200]}"
    one.problem(f"{name} {what}: not modelled, its replicas stay as many as they are.", "spec")
    found = next((w for w in workloads if (w.kind, w.name) == target and w.namespace == one.namespace), None)
    found = found or next((w for w in workloads if (w.kind, w.name) == target), None)
    if found is None:
        one.problem(f"{one.spoken}: {target[0]} {target[1]} is missing here.", "spec", "scaleTargetRef")
        return
    shares = [name for name, _, is_share in metrics if is_share] or ([] if metrics else ["cpu"])
    for resource in dict.fromkeys(shares):
        bare = list(_without_request(found, resource))
        if bare:
            what = f"{', '.join(bare[:6])} in {found.place.file} requests no {resource}: it cannot scale"
            one.problem(f"{one.spoken}: divides by requests, and {what}.", "spec", "scaleTargetRef")


def _metrics(one: Object) -> Iterator[tuple[str, str, bool]]:
    """Name, goal, and whether the goal is a share of requests."""
    share = one.text("spec", "targetCPUUtilizationPercentage")
    if share:
        yield "cpu", f"{share[:20]} %", True
    for key in one.items("spec", "metrics"):
        kind = one.text(*key, "type")
        at: Key = (*key, kind[:1].lower() + kind[1:])
        name = one.text(*at, "name") or one.text(*at, "metric", "name") or kind or "?"
        average = one.text(*at, "target", "averageUtilization") or one.text(*at, "targetAverageUtilization")
        value = one.text(*at, "target", "averageValue") or one.text(*at, "target", "value")
        yield name[:80], f"{average[:20]} %" if average else value[:20], bool(average)


def _without_request(workload: Object, resource: str) -> Iterator[str]:
    for key in workload.items("spec", "template", "spec", "containers"):
        if not any(workload.has(*key, "resources", part, resource) for part in ("requests", "limits")):
            yield workload.text(*key, "name") or "a container"
