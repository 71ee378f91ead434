"""Endpoints learnt from targets, their answers and their response times."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.logs.batch import batch_of
from experiments.logs.names import Names
from experiments.traffic.endpoints import MOST_ENDPOINTS, OTHERS, UNKNOWN, Endpoints, endpoints_of


def names_of(*targets: tuple[str, str]) -> Names:
    names = Names()
    for method, path in targets:
        names.target(method.encode(), path.encode())
    return names


def test_a_target_is_of_the_template_that_was_learnt_from_it() -> None:
    targets = [
        ("GET", "/"), ("GET", "/api/places/1"), ("GET", "/api/places/22"), ("GET", "/api/places/22/photos"),
        ("GET", "/api/places/categories"), ("POST", "/api/places/1"), ("", "checkout"), ("GET", "/api/places"),
        *(("GET", f"/news/word{chr(97 + n)}") for n in range(25)),
        ("GET", "/deep" + "/x" * 40),
    ]  # fmt: skip
    names, number = endpoints_of(targets, np.ones(len(targets), np.int64))
    found = [names[each] for each in number]
    assert found[:8] == [
        "GET /", "GET /api/places/{id}", "GET /api/places/{id}", "GET /api/places/{id}/photos",
        "GET /api/places/categories", "POST /api/places/{id}", "checkout", "GET /api/places",
    ]  # fmt: skip
    assert set(found[8:33]) == {"GET /news/{slug}"}
    assert found[33].startswith("GET /deep/x/x")
    assert found[33].endswith("/*")


def test_counts_means_and_quantiles_are_exact() -> None:
    rng = np.random.default_rng(3)
    endpoints = Endpoints(names_of(("GET", "/a/1"), ("GET", "/a/2"), ("POST", "/b")))
    target = rng.integers(-1, 3, 5000).astype(np.int32)
    took = rng.exponential(0.1, 5000)
    took[::10] = np.nan
    status = rng.choice([200, 404, 500, 503, 0], 5000)
    for first in range(0, 5000, 1700):
        part = slice(first, first + 1700)
        line = np.arange(first, min(first + 1700, 5000))
        endpoints.add(batch_of(line, line, target=target[part], response_s=took[part], status=status[part]))
    found = {each["endpoint"]: each for each in endpoints.as_list()}
    assert set(found) == {"GET /a/{id}", "POST /b", UNKNOWN}
    for name, chosen in (("GET /a/{id}", (target == 0) | (target == 1)), ("POST /b", target == 2)):
        each, times = found[name], took[chosen & ~np.isnan(took)]
        assert each["requests"] == chosen.sum()
        assert each["share"] == pytest.approx(chosen.mean())
        assert each["errors_5xx"] == (chosen & (status >= 500)).sum()
        assert each["response_s"]["count"] == len(times)
        assert each["response_s"]["mean_s"] == pytest.approx(times.mean())
        for q in (50, 90, 95, 99):
            assert each["response_s"][f"p{q}_s"] == np.sort(times)[int(np.ceil(q / 100 * len(times))) - 1]
    assert found[UNKNOWN]["requests"] == (target == -1).sum()
    assert sum(endpoints.statuses().values()) == 5000


def test_of_too_many_response_times_a_part_is_kept_and_the_means_stay_exact() -> None:
    endpoints = Endpoints(names_of(("GET", "/a")), most_times=1000)
    took = np.random.default_rng(5).exponential(0.1, 40_000)
    for first in range(0, 40_000, 5000):
        line = np.arange(first, first + 5000)
        endpoints.add(batch_of(line, line, target=np.zeros(5000), response_s=took[line]))
    (each,) = endpoints.as_list()
    assert endpoints.halvings == 6
    assert each["response_s"]["count"] == 40_000
    assert each["response_s"]["mean_s"] == pytest.approx(took.mean())
    assert each["response_s"]["p50_s"] == pytest.approx(np.median(took), rel=0.15)


def test_what_is_asked_for_least_stands_together() -> None:
    targets = [("GET", f"/p{chr(97 + n % 20)}/{chr(97 + n // 20 % 20)}/{chr(97 + n // 400)}") for n in range(800)]
    endpoints = Endpoints(names_of(*targets))
    target = np.repeat(np.arange(800), np.where(np.arange(800) < 300, 3, 1)).astype(np.int32)
    endpoints.add(batch_of(np.arange(len(target)), np.arange(len(target)), target=target))
    found = endpoints.as_list()
    assert len(found) == MOST_ENDPOINTS + 1
    assert found[-1]["endpoint"] == OTHERS
    assert found[-1]["requests"] == 800 - MOST_ENDPOINTS
    assert sum(each["requests"] for each in found) == len(target)
