"""Broken, hostile and merely odd manifests: import ends with a result or an error in words."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.deploy.assemble import assemble
from experiments.deploy.reading import read_deployment
from experiments.errors import InputError

MANIFEST = b"""\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: a}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: shop}}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
      - name: shop
        image: example/shop
        args: ["--server.port=80"]
        env: [{name: A, valueFrom: {configMapKeyRef: {name: c, key: a}}}, {name: URL, value: "http://shop:1/$(A)"}]
        resources: {limits: {cpu: 500m, memory: 512Mi}, requests: {cpu: 100m}}
        livenessProbe: {periodSeconds: 5, timeoutSeconds: 2}
        lifecycle: {preStop: {sleep: {seconds: 5}}}
        volumeMounts: [{name: v, mountPath: /config}]
      volumes: [{name: v, configMap: {name: c}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data:
  a: "1"
  application.yml: |
    server.tomcat.threads.max: 20
    ---
    spring.datasource.url: jdbc:postgresql://db/x
  nginx.conf: |
    events {}
---
{apiVersion: v1, kind: Service, metadata: {name: shop}, spec: {selector: {app: shop}, type: NodePort}}
---
{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: shop}, spec: {maxReplicas: 4,
 scaleTargetRef: {kind: Deployment, name: shop}, targetCPUUtilizationPercentage: 50}}
"""
PIECES = st.one_of(
    st.sampled_from([b"\t", b"\r\n", b"\0", b"&a", b"*a", b"<<: *a\n", b"{", b"}", b"[", b"]", b"- ", b": ", b"'",
                     b'"', b"|\n", b">", b"---\n", b"~", b"!!python/object:os.system x", b"\xff\xfe", b"\xef\xbb\xbf",
                     b"9" * 500, b"-1", b"1e999", b"0", b"../../etc/passwd", " > é\u2028".encode()]),
    st.binary(max_size=6),
)  # fmt: skip
CUTS = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 40), PIECES), min_size=1, max_size=6)


def read(data: bytes) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "shop.yaml").write_bytes(data)
        try:
            deployment = read_deployment([name])
            assemble(deployment)
        except InputError as error:
            return tuple(error.lines)
        size = len(data.decode("utf-8", "replace")) + 1
        assert all(place.file in ("shop.yaml", "") and place.end <= size for place, _ in deployment.ledger.problems)
    return ("fine",)


def test_as_it_is() -> None:
    assert read(MANIFEST) == ("fine",)


@settings(max_examples=60)
@given(CUTS)
def test_mutated_manifests(cuts: list[tuple[int, int, bytes]]) -> None:
    data = MANIFEST
    for at, length, put in cuts:
        at %= max(1, len(data))
        data = data[:at] + put + data[at + length :]
    lines = read(data)
    assert lines and all(line.isprintable() for line in lines)


KEYS = st.sampled_from(["spec", "template", "containers", "env", "name", "data", "metadata", "resources", "limits",
                        "cpu", "livenessProbe", "volumes", "configMap", "selector", "replicas", "items",
                        "kind"])  # fmt: skip
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["shop", "c", "1Gi", "-5", "2m", "Deployment"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)), max_leaves=12,
)  # fmt: skip
KINDS = st.sampled_from(["Deployment", "StatefulSet", "DaemonSet", "Pod", "Service", "ConfigMap", "Secret", "Ingress",
                         "List", "HorizontalPodAutoscaler", "PrometheusRule", "Unheard"])  # fmt: skip


@settings(max_examples=80)
@given(st.lists(st.tuples(KINDS, VALUES, VALUES, VALUES), min_size=1, max_size=4))
def test_wrong_shapes_everywhere(objects: list[tuple[str, object, object, object]]) -> None:
    import json

    documents = [
        json.dumps(
            {"apiVersion": "v1", "kind": kind, "metadata": {"name": "shop"}, "spec": spec, "data": data, "items": more}
        )
        for kind, spec, data, more in objects
    ]
    assert read(("\n---\n".join(documents) + "\n---\n").encode() + MANIFEST)
