"""Which route a path means: maps, templates, names, and what becomes of paths that fit nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.errors import InputError
from experiments.replay import Router, read_rules, route_number
from experiments.replay.routes import NO_ROUTE
from experiments.scenario import Scenario, load_scenario


@pytest.fixture(scope="module")
def system() -> Scenario:
    return load_scenario("maltan/early")


def test_paths_find_their_route_by_map_then_template_then_hash(system: Scenario) -> None:
    routes = list(system.spec.routes)
    router = Router(system.spec, read_rules(["/shop/*=list-popular", "POST /api/places/{id}=update-place"], routes))

    def found(method: str, path: str) -> tuple[str, int]:
        number, way = router.route(method, path)
        return routes[number], way

    assert found("GET", "/shop/a/b") == ("list-popular", Router.MAPPED)
    assert found("POST", "/api/places/9") == ("update-place", Router.MAPPED)
    assert found("GET", "/api/places/9") == ("get-place", Router.MATCHED)
    assert found("HEAD", "/api/places/9") == ("get-place", Router.MATCHED)
    assert found("PUT", "/api/places/9") == ("update-place", Router.MATCHED)
    assert found("GET", "/api/places/categories") == ("list-categories", Router.MATCHED)
    assert found("GET", "/api/places") == ("list-popular", Router.MATCHED)
    assert found("DELETE", "/api/places/9")[1] == Router.ASSIGNED
    assert found("GET", "/api/places/9/photos")[1] == Router.ASSIGNED
    assert found("", "/api/places") == ("list-popular", Router.MATCHED)
    assert found("", "get-photo") == ("get-photo", Router.NAMED)
    assert found("GET", "get-photo")[1] == Router.ASSIGNED


def test_what_fits_nothing_goes_by_its_path_into_the_mix(system: Scenario) -> None:
    router = Router(system.spec, [])
    found = [router.route("GET", f"/other/{number}")[0] for number in range(20_000)]
    assert found == [router.route("POST", f"/other/{number}")[0] for number in range(20_000)]
    mix = system.spec.traffic.mix
    total = sum(mix.values())
    for number, route in enumerate(system.spec.routes):
        share = mix[route] / total
        spread = 4 * (share * (1 - share) / 20_000) ** 0.5
        assert abs(found.count(number) / 20_000 - share) < spread


def test_rules_come_from_files_too(system: Scenario, tmp_path: Path) -> None:
    routes = list(system.spec.routes)
    path = tmp_path / "routes.yaml"
    path.write_text("/img/*: get-photo\nPOST /new: create-post\n")
    rules = read_rules([str(path)], routes)
    assert [(rule.method, routes[rule.route]) for rule in rules] == [("", "get-photo"), ("POST", "create-post")]
    path.write_text("/img/*: get-foto\n")
    with pytest.raises(InputError, match=r"got 'get-foto'\. Did you mean get-photo\? \(routes\.yaml:1\)"):
        read_rules([str(path)], routes)


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("/a", "must be PATTERN=ROUTE or a YAML file, got '/a'"),
        ("a=get-place", "must have a pattern that begins with / or a method, got 'a'"),
        ("/a=get-plcae", "must name a route of the scenario, got 'get-plcae'. Did you mean get-place"),
        ("nowhere.yaml", "nowhere.yaml: must be readable"),
    ],
)
def test_wrong_rules_are_refused(rule: str, part: str, system: Scenario) -> None:
    with pytest.raises(InputError) as caught:
        read_rules([rule], list(system.spec.routes))
    assert part in caught.value.lines[0]


def test_characters_of_patterns_mean_themselves(system: Scenario) -> None:
    (rule,) = read_rules(["/a.b+(c)/{x}=get-place"], list(system.spec.routes))
    assert rule.fits("GET", "/a.b+(c)/1")
    assert not rule.fits("GET", "/aXb+(c)/1")
    assert not rule.fits("GET", "/a.b+(c)/1/2")


def test_what_fits_nothing_goes_where_it_was_said(system: Scenario) -> None:
    routes = list(system.spec.routes)
    rules = read_rules(["/shop/*=list-popular"], routes)
    caught = Router(system.spec, rules, other=route_number("--catch-all", "get-photo", routes))
    assert caught.route("GET", "/x") == (routes.index("get-photo"), Router.CAUGHT)
    assert caught.route("GET", "/shop/1")[1] == Router.MAPPED
    assert caught.route("GET", "/api/places/1")[1] == Router.MATCHED
    assert caught.without_path() == (routes.index("get-photo"), Router.CAUGHT)
    dropping = Router(system.spec, rules, other="drop")
    assert dropping.route("GET", "/x") == dropping.without_path() == (NO_ROUTE, Router.DROPPED)
    assert Router(system.spec, rules).without_path() == (NO_ROUTE, Router.DRAWN)
    with pytest.raises(InputError, match="--catch-all: must name a route of the scenario, got 'get-foto'"):
        route_number("--catch-all", "get-foto", routes)


def test_a_rule_may_say_that_a_path_has_no_route(system: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text("GET /api/places/{id}: null\nPURGE /x: get-place\n")
    router = Router(system.spec, read_rules([str(path)], list(system.spec.routes)), other="drop")
    assert router.route("GET", "/api/places/9") == (NO_ROUTE, Router.DROPPED)
    assert router.route("PUT", "/api/places/9")[1] == Router.MATCHED
    assert router.route("PURGE", "/x")[1] == Router.MAPPED
