"""Which files and documents count, in which order, and where a value could be changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.deploy.spring import SpringReading, read_spring

KEY = "server.tomcat.threads.max"


def read(folder: Path, files: dict[str, str], **options: Any) -> tuple[SpringReading | None, Ledger]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    ledger = Ledger()
    options.setdefault("locations", ["."])
    return read_spring(Folder(folder), ledger, name="api", **options), ledger


def problems(ledger: Ledger) -> str:
    return "\n".join(str(problem) for problem in ledger.problems)


def threads(reading: SpringReading | None) -> object:
    assert reading is not None
    return next(fact.value for fact in reading.facts if fact.path[-1] == "threads")


LAYERS = {
    "application.yml": f"{KEY}: 1\n---\nspring.config.activate.on-profile: late\n{KEY}: 2\n",
    "application.properties": f"{KEY}=3\n",
    "application-one.yml": f"{KEY}: 4\n",
    "application-two.properties": f"{KEY}=5\n",
    "config/application.yml": f"{KEY}: 6\n",
}


@pytest.mark.parametrize(
    ("files", "options", "wanted"),
    [
        (["application.yml"], {}, 1),
        (["application.yml"], {"environment": {"SPRING_PROFILES_ACTIVE": "late"}}, 2),
        (["application.yml", "application.properties"], {}, 3),
        (["application.yml", "application.properties"], {"environment": {"SPRING_PROFILES_ACTIVE": "late"}}, 3),
        (["application.yml", "application-one.yml"], {"environment": {"SPRING_PROFILES_ACTIVE": "one"}}, 4),
        (list(LAYERS), {"environment": {"SPRING_PROFILES_ACTIVE": "one,two"}}, 5),
        (list(LAYERS), {"environment": {"SPRING_PROFILES_ACTIVE": "two,one"}}, 4),
        (list(LAYERS), {"locations": [".", "config"]}, 6),
        (list(LAYERS), {"environment": {"SERVER_TOMCAT_THREADS_MAX": "7"}}, 7),
        (
            list(LAYERS),
            {"environment": {"SERVER_TOMCAT_THREADS_MAX": "7"}, "arguments": ["-Dserver.tomcat.threads.max=8"]},
            8,
        ),
        (
            list(LAYERS),
            {"arguments": ["java", "-Dserver.tomcat.threads.max=8", "--server.tomcat.threads.max=9"]},
            9,
        ),
        (
            list(LAYERS),
            {"environment": {"SPRING_APPLICATION_JSON": '{"server": {"tomcat.threads": {"max": 10}}}',
                             "SERVER_TOMCAT_THREADS_MAX": "7"}},
            10,
        ),
        (  # JSON stands above system properties, below the command line
            list(LAYERS),
            {"environment": {"SPRING_APPLICATION_JSON": '{"server": {"tomcat.threads": {"max": 10}}}'},
             "arguments": ["-Dserver.tomcat.threads.max=8"]},
            10,
        ),
        (
            list(LAYERS),
            {"environment": {"SPRING_APPLICATION_JSON": '{"server": {"tomcat.threads": {"max": 10}}}'},
             "arguments": ["--server.tomcat.threads.max=9"]},
            9,
        ),
    ],
)  # fmt: skip
def test_precedence(tmp_path: Path, files: list[str], options: dict[str, Any], wanted: int) -> None:
    reading, ledger = read(tmp_path, {name: LAYERS[name] for name in files}, **options)
    assert threads(reading) == wanted
    assert not ledger.problems
    assert not list(ledger.unmodelled())  # hidden and switched-off ones are said to be so


def test_profiles_from_the_file_itself(tmp_path: Path) -> None:
    text = f"spring.profiles.active: ${{P:late}}\n{KEY}: 1\n---\nspring:\n  profiles: other, late\n{KEY}: 2\n"
    reading, _ = read(tmp_path, {"application.yaml": text})
    assert threads(reading) == 2
    reading, _ = read(tmp_path, {"application.yaml": text}, environment={"P": "none"})
    assert threads(reading) == 1
    assert reading is not None
    assert reading.profiles == ["none"]


def test_the_default_profile(tmp_path: Path) -> None:
    files = {"application.yml": f"{KEY}: 1\n", "application-default.yml": f"{KEY}: 2\n"}
    assert threads(read(tmp_path, files)[0]) == 2
    assert threads(read(tmp_path, files, environment={"SPRING_PROFILES_ACTIVE": "x"})[0]) == 1


def test_groups_and_expressions(tmp_path: Path) -> None:
    text = (
        f"spring.profiles.group.prod: [proddb, prodmq]\n{KEY}: 1\n---\n"
        f"spring.config.activate.on-profile: proddb & !dev\n{KEY}: 2\n"
    )
    assert threads(read(tmp_path, {"application.yml": text}, environment={"SPRING_PROFILES_ACTIVE": "prod"})[0]) == 2
    both = {"SPRING_PROFILES_ACTIVE": "prod,dev"}
    assert threads(read(tmp_path, {"application.yml": text}, environment=both)[0]) == 1


def test_imports(tmp_path: Path) -> None:
    files = {
        "application.yml": (
            f"spring.config.import: [file:./more.yml, 'optional:file:/gone.yml', file:lost.yml]\n{KEY}: 1\n"
        ),
        "more.yml": f"spring.config.import: application.yml\n{KEY}: 2\n",
    }
    reading, ledger = read(tmp_path, files)
    assert threads(reading) == 2
    assert "imports file:lost.yml" in problems(ledger)
    assert "a cycle" in problems(ledger)
    assert "gone.yml" not in problems(ledger)


def test_imports_with_variants_for_profiles(tmp_path: Path) -> None:
    """As StandardConfigDataLocationResolver.resolveProfileSpecific has it, for files and for folders."""
    files = {
        "application.yml": f"spring.config.import: [more.yml, sub/]\n{KEY}: 1\n---\nserver.tomcat.accept-count: 11\n",
        "more.yml": f"{KEY}: 2\n", "more-two.yml": f"{KEY}: 3\nserver.tomcat.accept-count: 12\n",
        "sub/application.yml": "server.tomcat.max-connections: 5\n",
        "sub/application-two.yml": "server.tomcat.max-connections: 6\n",
    }  # fmt: skip
    reading, ledger = read(tmp_path, files)
    assert threads(reading) == 2 and workers(reading)["max_connections"] == 5
    reading, ledger = read(tmp_path, files, environment={"SPRING_PROFILES_ACTIVE": "two"})
    assert threads(reading) == 3 and workers(reading)["max_connections"] == 6
    assert workers(reading)["accept_count"] == 11  # a later document stands over what an earlier one imports
    assert not ledger.problems


def workers(reading: SpringReading | None) -> dict[str, object]:
    assert reading is not None
    return {fact.path[-1]: fact.value for fact in reading.facts if fact.path[2:3] == ("workers",)}


def test_what_is_mounted_stands_over_what_is_packed(tmp_path: Path) -> None:
    files = {
        "jar/application.yml": f"{KEY}: 1\nserver.tomcat.accept-count: 11\n",
        "mine.yml": f"{KEY}: 2\n",
    }
    reading, _ = read(tmp_path, files, locations=["jar"], mounts={"/app/application.yml": "mine.yml"})
    assert workers(reading)["threads"] == 2 and workers(reading)["accept_count"] == 11
    environment = {"SPRING_CONFIG_LOCATION": "file:/app/application.yml"}
    reading, _ = read(
        tmp_path, files, locations=["jar"], mounts={"/app/application.yml": "mine.yml"}, environment=environment
    )
    assert workers(reading)["threads"] == 2 and workers(reading)["accept_count"] == 100


@pytest.mark.parametrize(
    ("text", "value"), [("30_0", 300), ("0x20", 32), ("040", 32), ("0b11", 3), ("'30_0'", 200), ("+40", 40)]
)
def test_whole_numbers_of_yaml_1_1(text: str, value: int, tmp_path: Path) -> None:
    reading, ledger = read(tmp_path, {"application.yml": f"{KEY}: {text}\n"})
    assert threads(reading) == value
    assert bool(ledger.problems) == (text == "'30_0'")


def test_imports_from_the_environment(tmp_path: Path) -> None:
    files = {"application.yml": f"{KEY}: 1\n", "more.yml": f"{KEY}: 2\n"}
    environment = {"SPRING_CONFIG_IMPORT": "optional:configserver:http://c,file:./more.yml,file:./gone.yml"}
    reading, ledger = read(tmp_path, files, environment=environment)
    assert threads(reading) == 2
    assert "imports file:./gone.yml" in problems(ledger)


def test_a_configuration_repository(tmp_path: Path) -> None:
    files = {
        "app/application.yml": (
            f"spring.application.name: shop\nspring.config.import: configserver:http://c\n{KEY}: 1\n"
        ),
        "repo/application.yml": f"{KEY}: 2\nserver.port: 1\n",
        "repo/shop.yml": f"{KEY}: 3\n",
        "repo/application-prod.yml": "server.port: 2\n",
        "repo/other.yml": f"{KEY}: 9\n",
    }
    options = {"locations": ["app"], "config_repository": ["repo"], "environment": {"SPRING_PROFILES_ACTIVE": "prod"}}
    reading, ledger = read(tmp_path, files, **options)
    assert threads(reading) == 3
    assert reading is not None
    assert reading.port == 2
    assert not ledger.problems


def test_locations_from_the_environment(tmp_path: Path) -> None:
    files = {"repo/application.yml": f"{KEY}: 1\n", "repo/api.yml": f"{KEY}: 2\n"}
    environment = {"SPRING_CONFIG_LOCATION": "file:/etc/cfg/application.yml,file:/etc/cfg/api.yml"}
    reading, _ = read(tmp_path, files, locations=[], environment=environment, mounts={"/etc/cfg": "repo"})
    assert threads(reading) == 2
    assert reading is not None
    assert reading.files == ["repo/application.yml", "repo/api.yml"]


def test_what_is_mounted_is_found(tmp_path: Path) -> None:
    files = {"deploy/api.yml": f"{KEY}: 5\n"}
    mounts = {"/app/config/application.yml": "deploy/api.yml"}
    assert threads(read(tmp_path, files, locations=[], mounts=mounts)[0]) == 5


def test_nothing_found(tmp_path: Path) -> None:
    assert read(tmp_path, {"readme.md": "x"})[0] is None


@pytest.mark.parametrize("outside", ["../secret.yml", "/etc/passwd", "file:../secret.yml", "classpath:../secret.yml"])
def test_never_outside_the_folder(tmp_path: Path, outside: str) -> None:
    (tmp_path / "secret.yml").write_text(f"{KEY}: 99\n")
    reading, ledger = read(tmp_path / "inner", {"application.yml": f"spring.config.import: '{outside}'\n{KEY}: 1\n"})
    assert threads(reading) == 1
    assert "not in the folder" in problems(ledger)


def test_lists_come_whole(tmp_path: Path) -> None:
    files = {
        "application.yml": "spring.cloud.gateway.routes:\n- {id: a, uri: 'http://a'}\n- {id: b, uri: 'http://b'}\n",
        "application-x.yml": "spring.cloud.gateway.routes:\n- {id: c, uri: 'http://c'}\n",
    }
    reading, ledger = read(tmp_path, files, environment={"SPRING_PROFILES_ACTIVE": "x"})
    assert reading is not None
    assert [route.id for route in reading.routes] == ["c"]
    assert not list(ledger.unmodelled())


POOL = "spring.datasource.url: jdbc:postgresql://db/x\nspring.datasource.hikari.maximum-pool-size: {}\n"


@pytest.mark.parametrize(
    ("text", "environment", "value", "written"),
    [
        ("10", {}, 10, "20"),
        ("${POOL:10}", {}, 10, "${POOL:20}"),
        ("'10'", {}, 10, "'20'"),
        ("${pool.size}\npool.size: 10", {}, 10, "${pool.size}\npool.size: 20"),
        ("${POOL}", {"POOL": "12"}, 12, None),
        ("1${POOL}", {"POOL": "2"}, 12, None),
    ],
)
def test_the_way_back(tmp_path: Path, text: str, environment: dict[str, str], value: int, written: str | None) -> None:
    before = POOL.format(text)
    reading, ledger = read(tmp_path, {"application.yml": before}, environment=environment)
    assert reading is not None
    (fact,) = [fact for fact in reading.facts if fact.path[-1] == "maximum_pool_size"]
    assert fact.value == value
    assert not ledger.problems
    if written is None:
        assert fact.write is None
        return
    assert fact.place is not None and fact.write is not None
    after = before[: fact.place.start] + fact.write(20) + before[fact.place.end :]
    assert after == POOL.format(written)


def test_what_nobody_gives_a_value_is_named(tmp_path: Path) -> None:
    reading, ledger = read(tmp_path, {"application.yml": POOL.format("${POOL}") + "a: ${b}\nb: ${a}\n"})
    assert reading is not None
    assert "nothing gives ${POOL} a value" in problems(ledger)
    assert "needs itself" in problems(ledger)
    assert next(fact.value for fact in reading.facts if fact.path[-1] == "maximum_pool_size") == 10


def test_keys_said_twice(tmp_path: Path) -> None:
    _, ledger = read(tmp_path, {"application.yml": f"{KEY}: 1\n{KEY}: 2\n"})
    assert "must have each key once" in problems(ledger)


def test_the_later_of_two_spellings_counts(tmp_path: Path) -> None:
    """YAML has nothing against it, and flattening lets the later one overwrite the earlier."""
    reading, ledger = read(tmp_path, {"application.yml": f"{KEY}: 1\nserver:\n  tomcat:\n    threads: {{max: 2}}\n"})
    assert threads(reading) == 2
    assert "the same key stands below it in the same document" in str(ledger)


def test_a_key_spelt_twice_in_one_map(tmp_path: Path) -> None:
    reading, ledger = read(tmp_path, {"application.yml": "server.tomcat.threads:\n  max: 1\n  max.: 2\n"})
    assert threads(reading) == 2
    assert "stands here a second time" in problems(ledger)


def test_merge_keys_and_anchors(tmp_path: Path) -> None:
    text = "base: &b {max: 7}\nserver.tomcat.threads:\n  <<: *b\n  min-spare: 3\n"
    reading, _ = read(tmp_path, {"application.yml": text})
    assert threads(reading) == 7
