"""Probes, and how a pod stops, as facts of a service.

Models   Liveness, readiness and startup with Kubernetes' defaults; the grace period, of which a preStop sleep is a
         part.
Source   Kubernetes 1.31: pkg/apis/core/v1/defaults.go, pkg/kubelet/kuberuntime/kuberuntime_container.go
Omits    A preStop hook that does anything but sleep.
Checked  tests/unit/test_deploy_kubernetes.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from experiments.deploy.fact import Fact
from experiments.deploy.kubernetes import quantities as q
from experiments.deploy.kubernetes.objects import Key, Object
from experiments.deploy.place import Place
from experiments.deploy.setting import Setting
from sim.quantities import format_duration

DEFAULTS = "Kubernetes 1.31, pkg/apis/core/v1/defaults.go"
LEAST_GRACE_S = 2
"""What is left after a hook that takes all of the grace period."""
_KINDS = ("httpGet", "tcpSocket", "exec", "grpc")
_RULES: tuple[tuple[str, str, Callable[[str], object], Callable[[object, str], str], object], ...] = (
    ("periodSeconds", "period", q.positive_seconds, q.write_seconds, "10s"),
    ("timeoutSeconds", "timeout", q.positive_seconds, q.write_seconds, "1s"),
    ("failureThreshold", "failure_threshold", q.positive, q.write_whole, 3),
    ("successThreshold", "success_threshold", q.positive, q.write_whole, 1),
    ("initialDelaySeconds", "initial_delay", q.seconds, q.write_seconds, "0s"),
)
_SLEEP = re.compile(r"(?:/bin/)?sleep\s+([0-9]{1,6})s?")


def said(one: Object, setting: Setting, parse: Callable[[str], object]) -> object | None:
    """A setting's value; None where it is none, which is a problem."""
    try:
        return parse(str(setting.value))
    except ValueError as error:
        what = f"{'.'.join(map(str, setting.key[2:]))}: {error}, got '{str(setting.value)[:40]}'."
        one.ledger.problem(setting.place, what)
        return None


def back(setting: Setting, write: Callable[[object, str], str]) -> Callable[[object], str]:
    return lambda value: write(value, setting.text)


def read_probes(one: Object, container: Key) -> Iterator[Fact]:
    """What a container's probes say of `health`."""
    found = [kind for kind in ("liveness", "readiness", "startup") if one.has(*container, f"{kind}Probe")]
    if found:
        place = one.place_of(*container, f"{found[0]}Probe")
        yield Fact(("health", "kind"), "kubernetes", "file", place, "The kubelet asks.", None)
    for kind in found:
        yield from _probe(one, (*container, f"{kind}Probe"), kind)


def _probe(one: Object, key: Key, kind: str) -> Iterator[Fact]:
    for how in _KINDS:
        one.harmless("how it asks: what is simulated is whether and when an answer comes", *key, how)
    one.harmless("kept for a pod that fails its liveness probe", *key, "terminationGracePeriodSeconds")
    for word, field, parse, write, default in _RULES:
        path = ("health", kind, field)
        setting = one.get(*key, word)
        if setting is not None and default != "0s" and setting.value == "0":
            one.ledger.harmless(setting, "0: Kubernetes' default")
            setting = None
        value = said(one, setting, parse) if setting is not None else None
        if setting is not None and kind != "readiness" and field == "success_threshold" and value not in (None, 1):
            one.ledger.problem(setting.place, f"{one.spoken}: successThreshold of a {kind} probe must be 1.")
            value = None
        if setting is None or value is None:
            yield Fact(path, default, "default", None, f"{DEFAULTS}: {word}", None)
            continue
        one.ledger.models(setting)
        yield Fact(path, value, "file", setting.place, "", back(setting, write))


def read_stopping(one: Object, pod: Key, container: Key, name: str) -> Iterator[Fact]:
    """The grace period counts from the start of the preStop hook."""
    hook = (*container, "lifecycle", "preStop")
    sleep_s = 0
    found = _sleep(one, hook)
    if found is not None:
        place, sleep_s, settings = found
        for part in settings:
            one.ledger.models(part)
        note = "Part of the grace period: change both by hand." if sleep_s else ""
        yield Fact(("shutdown", "deregistration"), format_duration(sleep_s), "file", place, note, None)
    elif one.has(*hook):
        one.problem(f"{name}: its preStop hook does more than sleep, which is not modelled.", *hook)
    if one.has(*container, "lifecycle", "postStart"):
        one.problem(f"{name}: its postStart hook is not modelled.", *container, "lifecycle", "postStart")
    setting = one.get(*pod, "terminationGracePeriodSeconds")
    value = said(one, setting, q.whole) if setting is not None else None
    total = value if isinstance(value, int) else 30
    left = format_duration(max(total - sleep_s, LEAST_GRACE_S if sleep_s else 0))
    note = f"What a preStop hook of {sleep_s} s leaves of {total} s." if sleep_s else ""
    path = ("shutdown", "stop_grace_period")
    if setting is None or value is None:
        yield Fact(path, left, "default", None, f"{DEFAULTS}: 30 s. {note}".strip(), None)
        return
    one.ledger.models(setting)
    is_cut = total - sleep_s < LEAST_GRACE_S and sleep_s > 0
    write = None if is_cut else partial(q.write_seconds, _before="", added_s=sleep_s)
    yield Fact(path, left, "file", setting.place, note, write)


def _sleep(one: Object, hook: Key) -> tuple[Place, int, list[Setting]] | None:
    """A hook that only sleeps: where, how long, and the settings that say so."""
    setting = one.get(*hook, "sleep", "seconds")
    if setting is not None:
        value = said(one, setting, q.whole)
        return (setting.place, value, [setting]) if isinstance(value, int) else None
    words = [found for key in one.items(*hook, "exec", "command") if (found := one.get(*key)) is not None]
    texts = [str(word.value).strip() for word in words]
    if len(texts) == 3 and texts[0].endswith("sh") and texts[1] == "-c":
        texts = texts[2:]
    match = _SLEEP.fullmatch(" ".join(texts)) if words else None
    return (words[-1].place, int(match[1]), words) if match is not None else None
