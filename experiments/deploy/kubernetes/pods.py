"""A workload's pod as a unit of a deployment: replicas, limits, probes, variables, files.

Models   The container that is named after the workload, else the first with a port, else the first.
Source   Kubernetes 1.31: API reference; pkg/apis/apps/v1/defaults.go, pkg/kubelet/cm/helpers_linux.go
Omits    Side-car and init containers: they are named. The kubelet's back-off of restarts (10 s, doubling to 5 min).
Checked  tests/unit/test_deploy_kubernetes.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from experiments.deploy.fact import Fact
from experiments.deploy.kubernetes import quantities as q
from experiments.deploy.kubernetes.configs import Configs, read_environment, read_mounts
from experiments.deploy.kubernetes.objects import Key, Object
from experiments.deploy.kubernetes.probes import back, read_probes, read_stopping, said
from experiments.deploy.redis_conf import Word, word_of
from experiments.deploy.setting import Setting
from experiments.deploy.units import Unit, guess_role

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod")
_WHERE = "on which node it runs: files do not tell nodes, and one machine is assumed"
_RIGHTS = "who it is, and with which rights it runs"
_ROLL = "how a new version is rolled out"
_DATA = "where data lies: files of ConfigMaps are read"
_POD_HARMLESS = {
    **dict.fromkeys(("nodeSelector", "nodeName", "affinity", "tolerations", "topologySpreadConstraints",
                     "schedulerName", "priorityClassName", "priority", "preemptionPolicy", "runtimeClassName"), _WHERE),
    **dict.fromkeys(("securityContext", "serviceAccountName", "serviceAccount", "automountServiceAccountToken",
                     "imagePullSecrets", "hostname", "subdomain", "setHostnameAsFQDN", "enableServiceLinks",
                     "hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostAliases", "dnsPolicy",
                     "dnsConfig", "os"), _RIGHTS),
    "volumes": _DATA,
}  # fmt: skip
_CONTAINER_HARMLESS = {
    **dict.fromkeys(("name", "image", "imagePullPolicy", "ports", "workingDir", "stdin", "stdinOnce", "tty"),
                    "names, and where images come from"),
    **dict.fromkeys(("securityContext", "terminationMessagePath", "terminationMessagePolicy"), _RIGHTS),
    **dict.fromkeys(("volumeDevices",), _DATA),
}  # fmt: skip
_SPEC_HARMLESS = {
    **dict.fromkeys(("selector", "serviceName"), "names that find it"),
    **dict.fromkeys(("strategy", "updateStrategy", "minReadySeconds", "revisionHistoryLimit",
                     "progressDeadlineSeconds", "podManagementPolicy", "paused", "ordinals"), _ROLL),
    **dict.fromkeys(("volumeClaimTemplates", "persistentVolumeClaimRetentionPolicy"), _DATA),
}  # fmt: skip
_RESTARTS = {"Always": "always", "OnFailure": "on-failure", "Never": "no"}


def labels_of(one: Object) -> dict[str, str]:
    """A pod's labels."""
    at: Key = ("metadata", "labels") if one.kind == "Pod" else ("spec", "template", "metadata", "labels")
    return {name: one.text(*at, name) for name in one.names(*at)}


def unit_of(one: Object, configs: Configs) -> Unit | None:
    """The unit that a workload is; None where it starts nothing."""
    pod: Key = ("spec",) if one.kind == "Pod" else ("spec", "template", "spec")
    containers = one.items(*pod, "containers")
    if not one.name or not containers:
        what = "must have a name" if containers else "must have a list of containers in its template"
        one.problem(f"{one.spoken}: {what}. It is left out.")
        return None
    container = _main(one, containers)
    _set_aside(one, pod, container, containers)
    image = one.get(*container, "image")
    unit = Unit(one.name, str(image.value) if image is not None else one.name, one.place_of(*container, "image"))
    unit.image_setting = image
    unit.environment = read_environment(one, container, one.name, configs)
    unit.command = list(_words(one, container))
    unit.mounts = read_mounts(one, pod, container, one.name, configs)
    unit.facts = list(_facts(one, pod, container))
    unit.replicas = next((f.value for f in unit.facts if f.path == ("replicas",) and isinstance(f.value, int)), 1)
    guess_role(unit)
    if one.kind == "DaemonSet":
        unit.role, unit.why = "background", "a DaemonSet: one on each node"
    if unit.replicas == 0:
        one.problem(f"{one.spoken}: 0 replicas: it is not started.", "spec", "replicas")
        for setting in one.below():
            one.ledger.forget(setting)
        return None
    return unit


def _main(one: Object, containers: list[Key]) -> Key:
    named = [key for key in containers if one.text(*key, "name") == one.name]
    serving = [key for key in containers if one.items(*key, "ports")]
    return (named or serving or containers)[0]


def _set_aside(one: Object, pod: Key, container: Key, containers: list[Key]) -> None:
    """What has no effect on traffic, and containers beside the one that serves."""
    for word, why in _SPEC_HARMLESS.items() if one.kind != "Pod" else ():
        one.harmless(why, "spec", word)
    one.harmless("names, labels and notes", "spec", "template", "metadata")
    for word, why in _POD_HARMLESS.items():
        one.harmless(why, *pod, word)
    for word, why in _CONTAINER_HARMLESS.items():
        one.harmless(why, *container, word)
    for key in containers:
        if key != container:
            one.problem(f"{one.name}: its side-car {one.text(*key, 'name')} is not modelled.", *key)
    for key in one.items(*pod, "initContainers"):
        when = "stays beside it" if one.text(*key, "restartPolicy") == "Always" else "runs before it"
        one.problem(f"{one.name}: {one.text(*key, 'name')} {when}, which is not modelled.", *key)


def _words(one: Object, container: Key) -> Iterator[Word]:
    for part in ("command", "args"):
        for key in one.items(*container, part):
            setting = one.get(*key)
            if setting is not None:
                one.ledger.harmless(setting, "how it is started: what is said of traffic is read")
                yield word_of(setting)


def _facts(one: Object, pod: Key, container: Key) -> Iterator[Fact]:
    resources = (*container, "resources")
    rules: tuple[tuple[Key, tuple[str, ...], Callable[[str], object], Callable[[object, str], str]], ...] = (
        (("spec", "replicas"), ("replicas",), q.whole, q.write_whole),
        ((*resources, "limits", "cpu"), ("limits", "cpus"), q.cpus, q.write_cpus),
        ((*resources, "limits", "memory"), ("limits", "memory"), q.size, q.write_size),
        ((*resources, "requests", "cpu"), ("cpu_shares",), q.shares, q.write_shares),
        ((*pod, "restartPolicy"), ("restart",), _restart, _write_restart),
    )
    known: set[tuple[str, ...]] = set()
    for key, path, parse, write in rules:
        setting = one.get(*key)
        value = said(one, setting, parse) if setting is not None else None
        if setting is None or value is None or (path == ("replicas",) and one.kind in ("DaemonSet", "Pod")):
            continue
        known.add(path)
        one.ledger.models(setting)
        yield Fact(path, value, "file", setting.place, "", back(setting, write))
    one.harmless("on which node it fits, and who goes first where one is full", *resources, "requests", "memory")
    for part in ("requests", "limits"):
        one.harmless("disk space", *resources, part, "ephemeral-storage")
    yield from _defaults(known, one.get(*resources, "limits", "cpu"))
    yield from read_probes(one, container)
    yield from read_stopping(one, pod, container, one.name)


def _defaults(known: set[tuple[str, ...]], limit: Setting | None) -> Iterator[Fact]:
    if ("replicas",) not in known:
        yield Fact(("replicas",), 1, "default", None, "Kubernetes 1.31, pkg/apis/apps/v1/defaults.go: 1", None)
    if ("restart",) not in known:
        note = "Kubernetes 1.31: Always. Its back-off (10 s, doubling to 5 min) is Docker's here."
        yield Fact(("restart",), "always", "default", None, note, None)
    if ("cpu_shares",) not in known:
        source, weight = "Kubernetes 1.31, pkg/kubelet/cm/helpers_linux.go", q.LEAST_SHARES
        if ("limits", "cpus") in known and limit is not None:
            weight, source = q.shares(str(limit.value)), "Kubernetes 1.31: a request that is not given is the limit"
        yield Fact(("cpu_shares",), weight, "default", None, source, None)


def _restart(text: str) -> str:
    if text not in _RESTARTS:
        raise ValueError(f"must be one of {', '.join(_RESTARTS)}")
    return _RESTARTS[text]


def _write_restart(value: object, _before: str) -> str:
    found = next((word for word, meaning in _RESTARTS.items() if meaning == re.sub(":.*", "", str(value))), None)
    if found is None or ":" in str(value):
        raise ValueError(f"must be one of {', '.join(_RESTARTS.values())}")
    return found
