"""Files written from scenarios come back as the same system, and what a file can say stands in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from experiments.cli import main
from experiments.deploy.assemble import assemble
from experiments.deploy.fresh import ASSUME, Made, make_files
from experiments.deploy.fresh.made import differences
from experiments.deploy.fresh.places import PLACES, pattern_of, place_of
from experiments.deploy.reading import read_deployment
from experiments.scenario import load_scenario
from experiments.scenario.document import leaves, read_document
from experiments.scenario.paths import at_path, parse_path, spoken
from experiments.scenario.shipped import shipped_names

EVERYTHING = Path(__file__).parent / "everything_files_say.yaml"
_WRITTEN = ("services", "gateway", "load_balancers", "caches", "databases", "routes", "alerts")
WHY_NOT = {
    "redis-limiter-no-header": {"gateway.key_resolver.on_missing": "that a key resolver throws is its code"},
    "one-database": {
        f"services.{name}.data_sources.routed.primary": "Spring's files tell of a routing data source by its two pools"
        for name in ("user-service", "place-service")
    },
    "as-written": {
        f"routes.{name}.{key}": "no route of a gateway leads there"
        for name in ("get-place", "list-popular", "list-categories", "update-place", "get-profile", "update-profile")
        for key in ("service", "through")
    },
}
"""What a file has a place for and cannot say in these variants, with the reason that people are told."""


def shipped() -> list[tuple[str, str | None]]:
    """All scenarios, with those of their variants that change what files say; those of one name once."""
    found: list[tuple[str, str | None]] = []
    for name in shipped_names():
        found.append((name, None))
        for variant, said in load_scenario(name).variants.items():
            if any(in_files(parse_path(path)) for path in said.set) and variant not in [one for _, one in found]:
                found.append((name, variant))
    return found


def in_files(path: tuple[str, ...]) -> bool:
    """Whether a file says a path, something inside it, or something around it."""
    patterns = [tuple(pattern.split(".")) for pattern in PLACES]
    return any(all(one in ("*", two) for one, two in zip(pattern, path, strict=False)) for pattern in patterns)


def said_in(made: Made) -> set[str]:
    """What assume.yaml says of what files have places for, list by list."""
    rest = yaml.safe_load(made.files[ASSUME])
    paths = {tuple(str(key) for key in spoken(place, rest)) for place, value in leaves(rest) if value is not None}
    found = {path[:-1] if path[-1].isdecimal() else path for path in paths}
    return {".".join(path) for path in found if place_of(path) is not None}


@pytest.mark.parametrize(("name", "variant"), shipped())
def test_shipped_scenarios_come_back(name: str, variant: str | None) -> None:
    made = make_files(load_scenario(name, (), variant))
    assert made.lost == []
    assert made.remarks == []
    expected = WHY_NOT.get(variant or "", {})
    assert dict(made.left) == {path: reason for path, reason in expected.items() if path in said_in(made)}
    assert said_in(made) == set(made.left), "what a file can say stands only in assume.yaml"
    if not expected:
        told = {path: where for path, where in made.told.items() if place_of(parse_path(path)) is not None}
        assert {path for path, where in told.items() if where == ASSUME} <= unsaid(made)


def unsaid(made: Made) -> set[str]:
    """Paths of which assume.yaml says that there is none: a file says that by saying nothing."""
    rest = yaml.safe_load(made.files[ASSUME])
    return {path for path in made.told if at_path(rest, parse_path(path)) is None}


def test_where_the_values_of_storm_come_from() -> None:
    """In full, for the scenario that was written by hand and never had files."""
    told = make_files(load_scenario("storm/retry-storm")).told
    found = {path: where.partition(":")[0] for path, where in told.items() if ":" in where and "default" not in where}
    pool = "services.place-service.pools.reads"
    application = "place-service/application.yml"
    assert found == {
        "gateway.restart": "docker-compose.yml",
        "gateway.concurrency.place-service.permits": "gateway/application.yml",
        "gateway.concurrency.place-service.max_wait": "gateway/application.yml",
        "services.place-service.replicas": "docker-compose.yml",
        "services.place-service.restart": "docker-compose.yml",
        "services.place-service.workers.threads": application,
        f"{pool}.database": application,
        f"{pool}.maximum_pool_size": application,
        f"{pool}.minimum_idle": application,
        f"{pool}.connection_timeout": application,
        "databases.postgres-replica.restart": "docker-compose.yml",
        "databases.postgres-replica.max_connections": "postgres-replica/postgresql.conf",
        "routes.get-place.service": "gateway/application.yml",
        "routes.get-place.through": "gateway/application.yml",
    }
    assert told["gateway.loops"] == told["traffic.open.rate"] == ASSUME
    assert told["services.place-service.workers.kind"] == "default: Spring Boot: Tomcat"


def test_everything_that_files_can_say_is_in_files() -> None:
    """Every row of the table of places, with a value that is no default."""
    made = make_files(load_scenario(str(EVERYTHING)))
    assert made.lost == []
    assert dict(made.left) == {}
    found = {
        ".".join(pattern)
        for path, where in made.told.items()
        if (pattern := pattern_of(parse_path(path))) is not None and where != ASSUME and "default" not in where
    }
    assert found == set(PLACES)


def test_the_table_knows_what_import_reads(project: Path, data_dir: Path) -> None:
    """Whatever import takes from a file somewhere, a file that is written here can say."""
    folders = [project / "experiments/scenarios/maltan/deploy" / stage for stage in ("early", "growth", "as-written")]
    folders += sorted(path for path in (data_dir / "deployments").iterdir() if path.is_dir())
    unknown: set[str] = set()
    for folder in folders:
        for path in facts_in_files(folder):
            if place_of(path) is None:
                unknown.add(".".join("*" if place_of((*path[:1], "*")) else part for part in path))
    assert unknown == set()


def facts_in_files(folder: Path) -> list[tuple[str, ...]]:
    deployment = read_deployment([folder])
    units = [(*unit.at, *fact.path) for unit in deployment.units for fact in unit.facts if fact.source == "file"]
    facts = [fact.path for fact in deployment.facts if fact.source == "file"]
    guards = [
        ("services", name, "endpoints", "any", "steps", "any", *fact.path)
        for name, spring in deployment.springs.items()
        for guard in spring.guards.values()
        for fact in guard.facts
        if fact.source == "file"
    ]
    known = [path for path in [*units, *facts, *guards] if path[0] in _WRITTEN]
    return [path for path in known if path[0] == "services" or "shutdown" not in path]  # only services shut down


def test_a_new_scenario_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", str(tmp_path / "new.yaml"), "--yes"]) == 0
    capsys.readouterr()
    root = tmp_path / "deploy"
    assert main(["export", "files", str(tmp_path / "new.yaml"), "-o", str(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    said = read_document(root / "assume.yaml")
    again = assemble(read_deployment([root], said=list(said.value["services"])), said)
    assert told["lost"] == differences(load_scenario(str(tmp_path / "new.yaml")).spec, again.document) == []
    assert told["left"] == {}
    assert all((root / file).is_file() for file in told["files"])
    assert "maximum_pool_size" not in (root / "assume.yaml").read_text()  # the file says it


def test_settings_are_in_the_files(tmp_path: Path) -> None:
    settings = ["--set", "services.place-service.pools.main.maximum_pool_size=23"]
    assert main(["export", "files", "maltan/early", "-o", str(tmp_path / "d"), *settings]) == 0
    assert "maximum-pool-size: 23" in (tmp_path / "d/place-service/application.yml").read_text()


def test_says_what_stands_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "files", "maltan/growth", "--variant", "one-database", "-o", str(tmp_path / "d")]
    assert main(words) == 0
    told = capsys.readouterr().err
    assert "values are in these files" in told
    assert "services.user-service.data_sources.routed.primary: Spring's files" in told


def test_what_a_file_cannot_spell_stays_assumed() -> None:
    """PostgreSQL counts whole milliseconds: half a one is not rounded away."""
    made = make_files(load_scenario("maltan/growth", ["databases.postgres.statement_timeout=1500us"]))
    assert made.lost == []
    assert list(made.left) == ["databases.postgres.statement_timeout"]
    assert "statement_timeout" not in made.files["postgres/postgresql.conf"]


def test_names_that_are_no_containers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario = tmp_path / "odd.yaml"
    text = EVERYTHING.read_text().replace("  standby:\n    machine", "  ../up:\n    machine")
    scenario.write_text(text.replace(": standby", ": ../up"))
    assert main(["export", "files", str(scenario), "-o", str(tmp_path / "d")]) == 2
    assert "must be a name that Docker would give a container" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docker-compose.yml").write_text("mine")
    assert main(["export", "files", "maltan/early", "-o", str(tmp_path)]) == 2
    assert "docker-compose.yml" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["docker-compose.yml"]
