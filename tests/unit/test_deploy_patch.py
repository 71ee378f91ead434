"""Unified diffs that GNU patch applies, whatever the file's line ends, last line and letters are."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.deploy.advice import advice
from experiments.deploy.assemble import assemble
from experiments.deploy.back import patch_for
from experiments.deploy.reading import read_deployment
from experiments.deploy.same import same
from experiments.deploy.unified import Replacement, applied, overlapping, unified_diff
from experiments.scenario.load import scenario_of

TEXTS = {
    "plain": "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\nh: 8\ni: 9\nj: 10\n",
    "no newline at the end": "a: 1\nb: 2",
    "carriage returns": "a: 1\r\nb: 2\r\nc: 3\r\n",
    "other letters": "a: 'é\u2028ü' # 대한\nb: 2\x0c\n\x85c: 3\n",
    "one line": "a: 1",
}


@pytest.mark.parametrize("name", list(TEXTS))
@pytest.mark.parametrize("which", ["first", "last", "both", "added"])
def test_what_patch_makes_of_it(name: str, which: str, tmp_path: Path, find_binary: Callable[..., str]) -> None:
    text = TEXTS[name]
    first = Replacement(3, 4, "11")
    end = len(text.rstrip("\r\n"))
    last = Replacement(end - 1, end, "99") if end > 5 else first
    chosen = {"first": [first], "last": [last], "both": [last, first], "added": [Replacement(end, end, "\nz: 0")]}[
        which
    ]
    chosen = list(dict.fromkeys(chosen))
    diff = unified_diff("my file.yml", text, chosen)
    (tmp_path / "my file.yml").write_bytes(text.encode())
    subprocess.run(
        [find_binary("patch"), "-p1", "-s", "-F0", "--binary"], cwd=tmp_path, input=diff.encode(), check=True
    )
    assert (tmp_path / "my file.yml").read_bytes() == applied(text, chosen).encode()


def test_only_lines_that_change_are_in_it() -> None:
    text = "".join(f"key{n}: {n}\n" for n in range(100))
    places = [text.index("key10: 10") + 7, text.index("key80: 80") + 7]
    diff = unified_diff("f", text, [Replacement(at, at + 2, "0") for at in places])
    assert diff.count("\n-") == 2 + 1 - 1 and diff.count("@@ -") == 2
    assert unified_diff("f", text, [Replacement(places[0], places[0] + 2, "10")]) == ""
    assert overlapping([Replacement(0, 5, ""), Replacement(4, 6, "")])


def test_values_that_mean_the_same() -> None:
    assert (
        same("60s", "1m")
        and same("512M", "0.5G")
        and same(1, 1.0)
        and same(["1m", {"a": "1K"}], ["60s", {"a": "1024B"}])
    )
    assert not same("100/60s", "5/3s") and not same(True, 1) and not same(None, 0) and not same("a", "b")


def test_advice_by_place() -> None:
    assert "deploy.replicas" in advice(("services", "a", "replicas"))
    assert "nothing to deploy" in advice(("traffic", "mix", "x"))
    assert advice(("services", "a", "cpu_shares")) == "Add cpu_shares to the service in the Compose file."


@pytest.mark.parametrize(
    "path",
    [
        "services.a.replicas", "services.a.limits.cpus", "gateway.limits.memory", "services.a.restart",
        "services.a.cpu_shares", "services.a.health.readiness.period", "services.a.shutdown.stop_grace_period",
        "services.a.jvm.max_heap", "databases.a.max_connections", "caches.a.maxmemory", "machines.a.cores",
    ],
)  # fmt: skip
def test_advice_for_a_cluster_speaks_of_manifests(path: str) -> None:
    told = advice(tuple(path.split(".")), in_cluster=True)
    assert told != advice(tuple(path.split("."))) and "Compose" not in told and "command" not in told


def test_advice_fits_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\n"
        "spec: {template: {spec: {containers: [{name: shop, image: a/shop}]}}}\n"
    )
    deployment = read_deployment([tmp_path])
    whole = assemble(deployment).whole()
    target = scenario_of(whole, "shop").with_settings(["services.shop.limits.cpus=2", "services.shop.replicas=3"])
    told = patch_for(target, [tmp_path]).patch.by_hand
    assert [line.partition(". ")[2] for line in told] == [
        "Add spec.replicas to the workload.", "Add resources.limits.cpu to its container in the workload.",
    ]  # fmt: skip
