"""What ConfigMaps and Secrets bring into a container: variables and files.

Models   env, envFrom, $(NAME) in values, volumes of ConfigMaps (items, subPath, projected).
Source   Kubernetes 1.31: API reference, Pod v1
Omits    What a Secret says: it is never looked at, and who needs it is named.
Checked  tests/unit/test_deploy_kubernetes.py
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.deploy.kubernetes.embedded import Embedded
from experiments.deploy.kubernetes.objects import Key, Object
from experiments.deploy.setting import Setting

_VARIABLE = "a variable that the container's own configuration looks at"
_FILES = "files it sees: those of ConfigMaps are read"
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)")


@dataclass(frozen=True, slots=True)
class Configs:
    """The ConfigMaps of a deployment."""

    maps: Mapping[tuple[str, str], Object]
    """By namespace and name."""
    embedded: Embedded

    def find(self, namespace: str, name: str) -> Object | None:
        """Manifests often leave the namespace to kubectl: then a name alone counts."""
        found = self.maps.get((namespace, name))
        return found or next((one for (_, known), one in self.maps.items() if known == name), None)


def read_environment(one: Object, container: Key, name: str, configs: Configs) -> dict[str, Setting | str]:
    """A container's variables; those that only the cluster knows are named."""
    found: dict[str, Setting | str] = {}
    for part in ("env", "envFrom"):
        if one.names(*container, part):
            one.problem(f"{name}: {part} must be a list. Kubernetes refuses it.", *container, part)
    for key in one.items(*container, "envFrom"):
        _all_of(one, key, name, configs, found)
    for key in one.items(*container, "env"):
        variable = one.text(*key, "name")
        value = one.get(*key, "value")
        for setting in (one.get(*key, "name"), value):
            if setting is not None:
                one.ledger.harmless(setting, _VARIABLE)
        if value is not None and variable:
            found[variable] = _expanded(value, found)
        elif variable and one.has(*key, "valueFrom"):
            _from(one, (*key, "valueFrom"), variable, name, configs, found)
    return found


def _expanded(setting: Setting, known: Mapping[str, Setting | str]) -> Setting:
    """$(NAME) as what has been said of it before; $$ is one $."""
    text = str(setting.value)
    if "$" not in text:
        return setting

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        other = known.get(match[1])
        return match[0] if other is None else str(other.value if isinstance(other, Setting) else other)

    return Setting(setting.key, _REFERENCE.sub(value, text)[:65_536], setting.text, setting.place)


def _all_of(one: Object, key: Key, name: str, configs: Configs, found: dict[str, Setting | str]) -> None:
    config, secret = one.text(*key, "configMapRef", "name"), one.text(*key, "secretRef", "name")
    prefix = one.text(*key, "prefix")
    if secret:
        one.problem(f"{name}: the variables of the Secret {secret} are not known here.", *key)
        return
    other = configs.find(one.namespace, config)
    if other is None:
        one.problem(f"{name}: takes its variables from the ConfigMap {config}, which is missing here.", *key)
        return
    one.harmless(_VARIABLE, *key)
    for word in other.names("data"):
        setting = other.get("data", word)
        if setting is not None:
            found[prefix + word] = setting
            other.ledger.harmless(setting, _VARIABLE)


def _from(
    one: Object, key: Key, variable: str, name: str, configs: Configs, found: dict[str, Setting | str]
) -> None:  # fmt: skip
    config, word = one.text(*key, "configMapKeyRef", "name"), one.text(*key, "configMapKeyRef", "key")
    secret = one.text(*key, "secretKeyRef", "name")
    if config:
        other = configs.find(one.namespace, config)
        setting = other.get("data", word) if other is not None else None
        if setting is None:
            what = f"{variable} comes from {word} of the ConfigMap {config}, which is missing here"
            one.problem(f"{name}: {what}.", *key)
            return
        setting_owner = other or one
        setting_owner.ledger.harmless(setting, _VARIABLE)
        one.harmless(_VARIABLE, *key)
        found[variable] = setting
    elif secret:
        one.problem(f"{name}: {variable} comes from the Secret {secret}: its value is not known here.", *key)
    else:
        one.problem(f"{name}: {variable} is known in the cluster only (valueFrom).", *key)


def read_mounts(one: Object, pod: Key, container: Key, name: str, configs: Configs) -> dict[str, str]:
    """Files of ConfigMaps by where they stand in the container."""
    volumes = {one.text(*key, "name"): key for key in one.items(*pod, "volumes")}
    found: dict[str, str] = {}
    for key in one.items(*container, "volumeMounts"):
        one.harmless(_FILES, *key)
        volume = volumes.get(one.text(*key, "name"))
        path, sub = one.text(*key, "mountPath"), one.text(*key, "subPath")
        if volume is None or not path:
            continue
        for inside, file in _files(one, volume, name, configs).items():
            if not sub:
                found[posixpath.join(path, inside)] = file
            elif sub == inside:
                found[path] = file
    return found


def _files(one: Object, volume: Key, name: str, configs: Configs) -> dict[str, str]:
    """A volume's files by their names in it."""
    found: dict[str, str] = {}
    sources = [(*volume, "configMap")] if one.has(*volume, "configMap") else []
    sources += [(*key, "configMap") for key in one.items(*volume, "projected", "sources")]
    for key in sources:
        config = one.text(*key, "name")
        other = configs.find(one.namespace, config)
        if other is None:
            if config:
                one.problem(f"{name}: mounts the ConfigMap {config}, which is missing here.", *key)
            continue
        items = {one.text(*item, "key"): one.text(*item, "path") for item in one.items(*key, "items")}
        for word in items or other.names("data"):
            if other.get("data", word) is None:
                one.problem(f"{name}: mounts {word} of the ConfigMap {config}, which is missing here.", *key)
                continue
            file = configs.embedded.file(other, ("data", word))
            if file is not None:
                found[items.get(word) or word] = file
    secret = one.text(*volume, "secret", "secretName")
    if secret:
        one.problem(f"{name}: the files of the Secret {secret} are not known here.", *volume, "secret")
    return found
