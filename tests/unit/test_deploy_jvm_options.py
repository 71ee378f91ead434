"""Options of java as values of a scenario, and back in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.assemble import assemble
from experiments.deploy.deployment import Deployment
from experiments.deploy.patch import make_patch
from experiments.deploy.reading import read_deployment


def read(folder: Path, service: str, **files: str) -> Deployment:
    (folder / "compose.yaml").write_text(f"services:\n  a:\n    image: x\n    mem_limit: 2g\n{service}")
    for name, text in files.items():
        (folder / f".{name}").write_text(text)
    return read_deployment([folder])


def jvm(deployment: Deployment) -> dict[str, Any]:
    return {fact.path[1]: fact.value for fact in deployment.units[0].facts if fact.path[0] == "jvm"}


def said(deployment: Deployment) -> str:
    return "\n".join(what for _, what in deployment.ledger.problems)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("    environment: {JAVA_OPTS: -Xmx512m -Xms64M}\n", {"max_heap": "512M", "initial_heap": "64M"}),
        ("    environment:\n      - JAVA_TOOL_OPTIONS=-Xmx1g\n", {"max_heap": "1G"}),
        ("    environment:\n      - \"JDK_JAVA_OPTIONS='-Xmx1G' -Xms1024K\"\n",
         {"max_heap": "1G", "initial_heap": "1M"}),
        ("    environment: {_JAVA_OPTIONS: '-XX:MaxHeapSize=1073741824'}\n", {"max_heap": "1G"}),
        ("    environment: {JAVA_OPTS: -Xmx1g -Xmx256m}\n", {"max_heap": "256M"}),
        ("    environment: {_JAVA_OPTIONS: -Xmx1m, JAVA_TOOL_OPTIONS: -Xmx3m, JAVA_OPTS: -Xmx2m}\n",
         {"max_heap": "1M"}),
        ("    environment: {JAVA_TOOL_OPTIONS: -Xmx3m, JDK_JAVA_OPTIONS: -Xmx4m}\n", {"max_heap": "4M"}),
        ("    environment: {JDK_JAVA_OPTIONS: -Xmx4m}\n    command: java -Xmx5m -jar a.jar\n", {"max_heap": "5M"}),
        ("    command: [java, -XX:MaxRAMPercentage=75.0, -XX:+UseSerialGC, -jar, a.jar]\n",
         {"max_ram_percentage": 75.0, "collector": "serial"}),
        ("    command: sh -c 'exec /opt/jdk/bin/java -cp a.jar:b.jar -Xmx6m -XX:+UseG1GC Main -Xmx7m'\n",
         {"max_heap": "6M", "collector": "g1"}),
        ("    environment: {JAVA_OPTS: -XX:+ExitOnOutOfMemoryError}\n", {"exit_on_out_of_memory": True}),
        ("    environment: {JAVA_OPTS: -XX:+ExitOnOutOfMemoryError -XX:-ExitOnOutOfMemoryError}\n",
         {"exit_on_out_of_memory": False}),
        ("    environment:\n      JAVA_OPTS: >-\n        -Xss1m\n        -Xmx300m\n", {"max_heap": "300M"}),
        ("    environment: {JAVA_OPTIONS: -Xmx1g, JAVA_OPTS_X: -Xmx1g}\n", {}),
        ("    environment: {JAVA_OPTS: -XMX1g}\n", {}),
        ("    command: [-Xmx8m]\n", {"max_heap": "8M"}),
    ],
)  # fmt: skip
def test_what_is_read(service: str, expected: dict[str, Any], tmp_path: Path) -> None:
    assert jvm(read(tmp_path, service)) == expected


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("    environment: {JAVA_OPTS: -Xmx512mb}\n", "no size"),
        ("    environment: {JAVA_OPTS: -Xmx0.5g}\n", "no size"),
        ("    environment: {JAVA_OPTS: -Xmx=1g}\n", "no size"),
        ("    environment: {JAVA_OPTS: -XX:MaxRAMPercentage=120}\n", "at most 100"),
        ("    environment: {JAVA_OPTS: -Xms2g -Xmx1g}\n", "-Xms2g is above -Xmx1g"),
        ("    environment: {JAVA_OPTS: -XX:+UseG1GC -XX:+UseZGC}\n", "two collectors"),
        ("    command: java -jar a.jar -Xmx1g\n", "stands behind the program"),
    ],
)
def test_what_does_not_start_is_said(service: str, message: str, tmp_path: Path) -> None:
    assert message in said(read(tmp_path, service))


def test_what_is_not_modelled_is_listed_by_name(tmp_path: Path) -> None:
    words = "-XX:MaxMetaspaceSize=99m -XX:ActiveProcessorCount=2 -XX:InitialRAMPercentage=10 -XX:+UseZGC"
    deployment = read(
        tmp_path, f"    environment:\n      JAVA_TOOL_OPTIONS: {words} -Xss512k -javaagent:a.jar -Dx=y -verbose\n"
    )
    names = [str(one.key[-1]) for one in deployment.ledger.unmodelled()]
    assert names == [*(word.partition("=")[0] for word in words.split()), "-javaagent:a.jar"]
    assert jvm(deployment) == {}
    assert "-XX:MaxMetaspaceSize=99m bounds a part of base_memory" in said(deployment)
    reasons = [why for (_, key), why in deployment.ledger.without_effect.items() if key[-1] == "-Xss512k"]
    assert reasons == ["reserves addresses: of these a thread takes what it touches, jvm.thread_stack"]


@pytest.mark.parametrize(
    ("service", "after", "expected"),
    [
        ("    environment:\n      - JAVA_OPTS=-Xms64m -Xmx128m -Dx=y # c\n", ("max_heap", "256M"),
         "-Xms64m -Xmx256m -Dx=y # c"),
        ("    environment: {JAVA_OPTS: '-Xmx1G'}\n", ("max_heap", "1536M"), "'-Xmx1536m'"),
        ("    environment: {JAVA_OPTS: -XX:+UseG1GC}\n", ("collector", "serial"), "-XX:+UseSerialGC}"),
        ("    environment: {JAVA_OPTS: -XX:MaxRAMPercentage=50}\n", ("max_ram_percentage", 62.5), "age=62.5}"),
        ("    environment: {JAVA_OPTS: -XX:+ExitOnOutOfMemoryError}\n", ("exit_on_out_of_memory", False), "-XX:-Exit"),
        ("    environment:\n      JAVA_OPTS: >-\n        -Xss1m\n        -Xmx300m\n", ("max_heap", "400M"),
         "        -Xmx400m\n"),
        ("    command: sh -c 'java -Xmx300m -jar a.jar'\n", ("max_heap", "400M"), "java -Xmx400m -jar"),
        ("    command: [java, \"-Xmx300m\", -jar, a.jar]\n", ("max_heap", "400M"), "\"-Xmx400m\", -jar"),
        ("    environment: {JAVA_OPTS: \"-Xms64m -Xmx${HEAP:-300m} -Dx=${Y:-z}\"}\n", ("max_heap", "400M"),
         "-Xmx${HEAP:-400m} -Dx=${Y:-z}"),
        ("    environment:\n      - JAVA_OPTS=-D${Y:-z}=1 -Xmx${HEAP-300m}\n", ("max_heap", "400M"),
         "-Xmx${HEAP-400m}"),
        ("    command: java -Xmx${HEAP:-${MORE:-300m}} -jar a.jar\n", ("max_heap", "400M"),
         "-Xmx${HEAP:-${MORE:-400m}} "),
        ("    environment:\n      JAVA_OPTS: ${OPTS:--Xmx300m}\n", ("max_heap", "400M"), "${OPTS:--Xmx400m}"),
    ],
)  # fmt: skip
def test_changed_in_place_and_read_again(service: str, after: tuple[str, Any], expected: str, tmp_path: Path) -> None:
    deployment = read(tmp_path, service)
    assembled = assemble(deployment)
    target = {**assembled.document, "services": {"a": {**assembled.document["services"]["a"]}}}
    target["services"]["a"]["jvm"] = {**target["services"]["a"]["jvm"], after[0]: after[1]}
    patch = make_patch(deployment.folder, assembled, target)
    assert not patch.by_hand
    changed = patch.applied(deployment.folder)
    assert list(changed) == ["compose.yaml"]
    text = changed["compose.yaml"].decode()
    before = (tmp_path / "compose.yaml").read_text()
    assert expected in text and sum(a != b for a, b in zip(before.split("\n"), text.split("\n"), strict=True)) == 1
    (tmp_path / "compose.yaml").write_text(text)
    assert assemble(read_deployment([tmp_path])).document["services"]["a"]["jvm"][after[0]] == after[1]


def test_changed_where_the_variable_is_set(tmp_path: Path) -> None:
    text = "    environment: {JAVA_OPTS: '${OPTS}'}\n    cpus: ${CPUS:-0.5}\n"
    deployment = read(tmp_path, text, env="# x\nOPTS='-Xmx300m'\n")
    assembled = assemble(deployment)
    service = assembled.document["services"]["a"]
    assert service["jvm"]["max_heap"] == "300M"
    target = {**assembled.document, "services": {"a": {**service, "jvm": {**service["jvm"], "max_heap": "1G"},
              "limits": {**service["limits"], "cpus": 1.5}}}}  # fmt: skip
    changed = make_patch(deployment.folder, assembled, target).applied(deployment.folder)
    assert changed[".env"] == b"# x\nOPTS='-Xmx1024m'\n" and b"${CPUS:-1.5}" in changed["compose.yaml"]


@pytest.mark.parametrize(
    ("variables", "after"), [("HEAP=300m\n", "HEAP=400m\n"), ("HEAP='300m' # few\n", "HEAP='400m' # few\n")]
)
def test_a_figure_is_changed_where_its_variable_is_set(variables: str, after: str, tmp_path: Path) -> None:
    deployment = read(tmp_path, "    environment: {JAVA_OPTS: '-Xms64m -Xmx${HEAP}'}\n", env=variables)
    assembled = assemble(deployment)
    service = assembled.document["services"]["a"]
    target = {**assembled.document, "services": {"a": {**service, "jvm": {**service["jvm"], "max_heap": "400M"}}}}
    changed = make_patch(deployment.folder, assembled, target).applied(deployment.folder)
    assert changed == {".env": after.encode()}


def test_a_figure_that_is_put_together_is_told(tmp_path: Path) -> None:
    deployment = read(tmp_path, "    command: [java, '-Xmx${HEAP:-300}m', -jar, a.jar]\n")
    assembled = assemble(deployment)
    service = assembled.document["services"]["a"]
    assert service["jvm"]["max_heap"] == "300M"
    target = {**assembled.document, "services": {"a": {**service, "jvm": {**service["jvm"], "max_heap": "400M"}}}}
    patch = make_patch(deployment.folder, assembled, target)
    assert not patch.files and "Variables or quotes are put in here" in patch.by_hand[0]


def test_a_heap_that_is_put_into_a_variable_is_read(tmp_path: Path) -> None:
    plain = read(tmp_path, "    environment: {JAVA_OPTS: -Xms64m}\n")
    assembled = assemble(plain)
    service = assembled.document["services"]["a"]
    target = {**assembled.document, "services": {"a": {**service, "jvm": {**service["jvm"], "max_heap": "256M"}}}}
    assert "Put it into JAVA_TOOL_OPTIONS (-Xmx)." in make_patch(plain.folder, assembled, target).by_hand[0]
    deployment = read(tmp_path, "    environment: {JAVA_OPTS: -Xms64m, JAVA_TOOL_OPTIONS: -Xmx256m}\n")
    assert assemble(deployment).document["services"]["a"]["jvm"] == target["services"]["a"]["jvm"]


@pytest.mark.parametrize("variable", ["JAVA_TOOL_OPTIONS", "JAVA_OPTS"])
def test_properties_of_the_application_reach_it(tmp_path: Path, variable: str) -> None:
    """-D is a setting of Spring's, over what its file says."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "application.yml").write_text("server:\n  tomcat:\n    threads:\n      max: 50\n")
    service = f"    environment: {{{variable}: -Xmx512m -Dserver.tomcat.threads.max=20}}\n"
    facts = {fact.path: fact.value for fact in read(tmp_path, service).facts}
    assert facts["services", "a", "workers", "threads"] == 20
    without = {fact.path: fact.value for fact in read(tmp_path, "").facts}
    assert without["services", "a", "workers", "threads"] == 50
