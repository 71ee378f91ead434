"""What of a scenario a log can speak of, and the scenario with other values."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.calibration.parameters import applied, mean_of, parameters_of, spread_of, with_values
from experiments.calibration.places import Finder, find_places
from experiments.scenario import Scenario, load_scenario

TEXT = """
machines: {vm: {cores: 2, memory: 4G}}
services:
  web:
    machine: vm
    base_memory: 256M
    workers: {kind: tomcat, threads: 50}
    pools: {main: {database: pg, maximum_pool_size: 5, minimum_idle: 5}}
    endpoints:
      get:
        steps:
          - {kind: cpu, name: read, demand: 2ms}
          - kind: cache
            cache: redis
            data_class: things
            on_miss:
              - {kind: db, pool: main, query: one}
              - {kind: cpu, name: fill, demand: 1ms}
          - {kind: delay, name: partner, duration: 30ms, probability: 0.5}
          - {kind: call, service: inner, endpoint: ask}
          - {kind: cpu, name: render, demand: {kind: exponential, mean: 6ms}}
      other:
        steps: [{kind: cpu, demand: 1ms}]
  inner:
    machine: vm
    base_memory: 256M
    workers: {kind: tomcat, threads: 50}
    endpoints: {ask: {steps: [{kind: cpu, demand: {kind: lognormal, mean: 4ms, p95: 9ms}}]}}
caches:
  redis:
    machine: vm
    base_memory: 64M
    command_cpu: 20us
    round_trip: 300us
    classes: {things: {ttl: 30s, keys: 100, popularity: 0.9, value: 1K}}
databases: {pg: {machine: vm, base_memory: 256M, queries: {one: {cpu: 3ms}}}}
links: {way: {between: [client, services.web], delay: 5ms}}
routes:
  get: {service: web, endpoint: get, path: "/things/{id}"}
  other: {service: web, endpoint: other, path: /other}
traffic: {open: {rate: 10/s}, mix: {get: 1, other: 1}}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    (tmp_path / "s.yaml").write_text(TEXT)
    return load_scenario(tmp_path / "s.yaml")


@pytest.fixture
def found(scenario: Scenario) -> Finder:
    return find_places(scenario.document, scenario.spec, [0])


def test_everything_on_the_way_is_found_and_nothing_else(found: Finder) -> None:
    assert {place.said for group in found.groups.values() for place in group.places} == {
        "links.way.delay", "services.web.endpoints.get.steps.read.demand",
        "services.web.endpoints.get.steps.render.demand", "services.web.endpoints.get.steps.fill.demand",
        "services.web.endpoints.get.steps.partner.duration", "caches.redis.round_trip", "caches.redis.command_cpu",
        "databases.pg.queries.one.cpu", "services.inner.endpoints.ask.steps.cpu.demand",
    }  # fmt: skip


def test_steps_one_after_another_on_a_cpu_are_one_group(found: Finder) -> None:
    group = next(group for group in found.groups.values() if len(group.places) == 2)
    assert group.mean_s == pytest.approx(0.008)
    assert group.spread == pytest.approx(6 / 8)
    assert group.routes == {0: 1.0}


def test_what_comes_only_sometimes_is_a_group_of_its_own(found: Finder) -> None:
    assert found.groups["services.web.endpoints.get.steps.partner.duration"].routes == {0: 0.5}
    assert "services.web.endpoints.get.steps.fill.demand" in found.groups
    assert found.groups["links.way.delay"].routes == {0: 2.0}


def test_caches_on_the_way(found: Finder) -> None:
    (cache,) = found.cache_classes()
    assert cache.said == "caches.redis.classes.things.popularity"
    assert cache.routes == (0,)


def test_new_values_keep_the_split_and_reach_the_specification(scenario: Scenario, found: Finder) -> None:
    groups = list(found.groups.values())
    parameters = parameters_of(groups, list(found.cache_classes()))
    group = next(group for group in groups if len(group.places) == 2)
    values = {mean_of(group).name: 0.016, spread_of(group).name: 0.75, "caches.redis.classes.things.popularity": 1.25}
    spec = with_values(scenario.document, applied(parameters, values, {}))
    read, *_, render = spec.services["web"].endpoints["get"].steps
    assert read.demand.mean_s == pytest.approx(0.004)
    assert render.demand.mean_s == pytest.approx(0.012)
    assert spec.caches["redis"].classes["things"].popularity == 1.25
    assert spec.databases == scenario.spec.databases, "the others stay"


def test_unknowns_and_their_values() -> None:
    group = find_places_in_text()
    for parameter in parameters_of([group], []):
        assert parameter.outer(parameter.inner(0.5)) == pytest.approx(0.5)


def find_places_in_text():  # type: ignore[no-untyped-def]
    from experiments.calibration.places import Group, Place

    return Group("x", [Place("x", ("x",), "5ms", "constant", 0.005, 0.0)])
