"""OpenAPI files: which paths mean which route."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.errors import InputError
from experiments.replay import Router, read_openapi
from experiments.scenario import load_scenario
from models.system import SystemSpec


@pytest.fixture(scope="module")
def system() -> SystemSpec:
    return load_scenario("maltan/early").spec


def file_of(folder: Path, document: Any, name: str = "api.json") -> Path:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def described(**more: Any) -> dict[str, Any]:
    paths = {
        "/places/{placeId}": {"get": {"operationId": "x"}, "put": {}, "delete": {}},
        "/places/categories": {"get": {}},
        "/elsewhere": {"get": {"operationId": "getPhoto"}},
    }
    return {"openapi": "3.0.3", "servers": [{"url": "https://example.com/api"}], "paths": paths, **more}


def test_operations_are_routes_by_method_and_template_else_by_name(system: SystemSpec, tmp_path: Path) -> None:
    operations = read_openapi(file_of(tmp_path, described()), system)
    assert operations.operations == 5
    assert operations.without_route == ["DELETE /places/{placeId}"]
    router, routes = Router(system, [], operations.rules), list(system.routes)

    def found(method: str, path: str) -> tuple[str, int]:
        number, way = router.route(method, path)
        return routes[number], way

    assert found("GET", "/api/places/9") == ("get-place", Router.BY_OPENAPI)
    assert found("HEAD", "/api/places/9") == ("get-place", Router.BY_OPENAPI)
    assert found("PUT", "/api/places/9") == ("update-place", Router.BY_OPENAPI)
    assert found("GET", "/api/places/categories") == ("list-categories", Router.BY_OPENAPI)
    assert found("GET", "/api/elsewhere") == ("get-photo", Router.BY_OPENAPI)
    assert found("DELETE", "/api/places/9")[1] == Router.ASSIGNED
    assert found("GET", "/places/9")[1] == Router.ASSIGNED


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"servers": [{"url": "/v2"}]}, "/v2/api/places/9"),
        ({"servers": [{"url": "https://x/{base}/", "variables": {"base": {"default": "v3"}}}]}, "/v3/api/places/9"),
        ({"servers": [{"url": "/old"}, {"url": "/new"}]}, "/new/api/places/9"),
        ({"servers": None}, "/api/places/9"),
        ({"servers": None, "basePath": "/b"}, "/b/api/places/9"),
    ],
)
def test_base_paths_are_those_of_the_servers(
    more: dict[str, Any], path: str, system: SystemSpec, tmp_path: Path
) -> None:
    """Whether the scenario's routes have the base path, too, or not."""
    document = {**described(**more), "paths": {"/api/places/{id}": {"get": {}}}}
    (rule, *others) = read_openapi(file_of(tmp_path, document), system).rules
    assert any(each.fits("GET", path) for each in (rule, *others))
    assert list(system.routes)[rule.route] == "get-place"


def test_an_operation_s_servers_go_before_the_path_s_and_those_before_the_document_s(
    system: SystemSpec, tmp_path: Path
) -> None:
    document = described()
    document["paths"] = {
        "/api/places/{id}": {
            "servers": [{"url": "/path"}], "get": {"servers": [{"url": "/operation"}]}, "put": {},
        }
    }  # fmt: skip
    rules = read_openapi(file_of(tmp_path, document), system).rules
    assert any(rule.fits("GET", "/operation/api/places/1") for rule in rules)
    assert any(rule.fits("PUT", "/path/api/places/1") for rule in rules)
    assert not any(rule.fits("GET", "/path/api/places/1") for rule in rules)


def test_yaml_and_references_inside_the_document(system: SystemSpec, tmp_path: Path) -> None:
    text = (
        "openapi: 3.1.0\npaths:\n  /api/places/{id}: {$ref: '#/components/pathItems/place'}\n"
        "  /other: {$ref: 'other.yaml#/x'}\n  x-note: nothing\n"
        "components:\n  pathItems:\n    place:\n      get: {}\n"
    )
    operations = read_openapi(file_of(tmp_path, text, "api.yaml"), system)
    assert [list(system.routes)[rule.route] for rule in operations.rules] == ["get-place"]
    assert operations.without_route == ["/other (cannot be read)"]


@pytest.mark.parametrize(
    ("document", "name", "part"),
    [
        ("{", "a.json", "must be valid JSON"),
        ("[" * 100_000, "a.json", "must be valid JSON"),
        ("[]", "a.json", "must be a mapping at the top"),
        ({"openapi": "3.0.0"}, "a.json", "must be an OpenAPI file with paths, got null"),
        ({"paths": []}, "a.json", "must be an OpenAPI file with paths, got an empty list"),
        ("\xff\0", "a.json", "must be valid JSON"),
        ("a: [", "a.yaml", "must be valid YAML"),
        ("a: 1", "a.yaml", "must be an OpenAPI file with paths"),
    ],
)
def test_what_is_none_is_refused(document: Any, name: str, part: str, system: SystemSpec, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_openapi(file_of(tmp_path, document, name), system)
    assert part in caught.value.lines[0]
    with pytest.raises(InputError, match="must be readable"):
        read_openapi(tmp_path / "nowhere.json", system)


def test_odd_documents_are_read_as_far_as_they_can_be(system: SystemSpec, tmp_path: Path) -> None:
    paths = {"/a": None, "b": {"get": {}}, "/c": {"get": 5, "put": {"operationId": 7, "servers": [3, {}]}}}
    operations = read_openapi(file_of(tmp_path, {"paths": paths, "servers": "x", "basePath": 3}), system)
    assert operations.rules == []
    assert operations.without_route == ["/a (cannot be read)", "b (cannot be read)", "PUT /c"]
