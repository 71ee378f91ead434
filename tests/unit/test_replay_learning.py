"""Templates learnt from paths, and the file they are written to."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from experiments.logs import read_logs
from experiments.replay import Router, read_rules
from experiments.replay.learning import DEEPEST, MOST_WORDS, Template, learn
from experiments.replay.written import LONGEST, MOST_WRITTEN, learn_from, text_of
from experiments.scenario import load_scenario
from experiments.scenario.document import parse_document

UUID = "123e4567-e89b-12d3-a456-4266141740{:02d}"


def learnt(*paths: str, requests: int = 1) -> list[str]:
    return [each.path for each in learn((("GET", path), requests) for path in paths)]


@pytest.mark.parametrize(
    ("paths", "templates"),
    [
        (["/api/places/1"], ["/api/places/{id}"]),
        (["/api/places/1", "/api/places/22/photos/333"], ["/api/places/{id}", "/api/places/{id}/photos/{id}"]),
        ([f"/u/{UUID.format(1)}", f"/u/{UUID.format(2).upper()}"], ["/u/{uuid}"]),
        (["/c/deadbeef1", "/c/0123456789abcdef"], ["/c/{hex}"]),
        (["/c/deadbeef", "/c/facade", "/c/abc123", "/c/DEADbeef01"],
         ["/c/DEADbeef01", "/c/abc123", "/c/deadbeef", "/c/facade"]),
        (["/x/1", f"/x/{UUID.format(1)}"], ["/x/{id}"]),
        (["/x/1", "/x/new", "/x/new/1"], ["/x/new", "/x/new/{id}", "/x/{id}"]),
        (["/", "/a", "//a"], ["/", "//a", "/a"]),
        (["/v1/a", "/v2/a", "/2026/a"], ["/v1/a", "/v2/a", "/{id}/a"]),
        (["/a*b", "/{x}"], ["/{slug}"]),
        (["*", "no-path"], []),
    ],
)  # fmt: skip
def test_what_is_variable(paths: list[str], templates: list[str]) -> None:
    assert sorted(learnt(*paths)) == sorted(templates)


def test_many_words_are_variable_but_not_the_frequent_ones() -> None:
    few = [f"/blog/post-{number}" for number in range(MOST_WORDS)]
    assert len(learnt(*few)) == MOST_WORDS
    many = [(("GET", f"/blog/post-{number}/comments"), 1) for number in range(100)]
    found = learn([*many, (("GET", "/blog/archive"), 50), (("GET", "/blog/about"), 1), (("GET", "/blog/7"), 1)])
    assert [(each.path, each.requests, each.paths) for each in found] == [
        ("/blog/archive", 50, 1), ("/blog/{slug}", 2, 2), ("/blog/{slug}/comments", 100, 100),
    ]  # fmt: skip


def test_methods_stand_apart() -> None:
    found = learn([(("GET", "/a/1"), 3), (("PUT", "/a/2"), 2), (("", "/a/3"), 1)])
    assert [each.pattern for each in found] == ["/a/{id}", "GET /a/{id}", "PUT /a/{id}"]
    assert found[1] == Template("GET", "/a/{id}", 3, 1, "/a/1")


def test_what_is_too_deep_ends_in_any_text() -> None:
    deep = "/a" * (DEEPEST + 5)
    assert learnt(deep, deep + "/b") == ["/a" * DEEPEST + "/*"]


def test_the_order_of_paths_does_not_matter() -> None:
    targets = [(("GET", f"/{a}/{b}/{c}"), a * b + c) for a in range(3) for b in range(4) for c in range(5)]
    targets += [(("GET", f"/s/word{number}"), number % 3) for number in range(60)]
    shuffled = random.Random(1).sample(targets, len(targets))
    assert learn(targets) == learn(shuffled)


LINE = '10.0.0.1 - - [25/Oct/2015:04:11:25 +0100] "{} HTTP/1.1" 200 12\n'


def log_of(folder: Path, *requests: str) -> Path:
    path = folder / "access.log"
    path.write_text("".join(LINE.format(request) for request in requests))
    return path


def test_the_file_says_counts_and_routes_and_is_read_back(tmp_path: Path) -> None:
    log = log_of(
        tmp_path, "GET /api/places/1", "GET /api/places/2", "PUT /api/places/1", "GET /caf\u00e9: x?y",
        "GET /it's: null", "OPTIONS *", "GET /api/places/categories", 'GET /a#b',
    )  # fmt: skip
    system = load_scenario("maltan/early").spec
    learned = learn_from(read_logs([str(log)]), "an odd\nname", system)
    text = text_of(learned)
    written = tmp_path / "routes.yaml"
    written.write_text(text)
    document = parse_document(text.encode(), "routes.yaml").value
    assert document["GET /api/places/{id}"] == "get-place"
    assert document["PUT /api/places/{id}"] == "update-place"
    assert document["GET /api/places/categories"] == "list-categories"
    assert document["GET /a"] is None
    assert "GET /api/places/{id}: get-place " in text
    assert "# 2 requests, 2 paths, 33.33%" in text
    assert (
        "# Learnt from an odd?name: 8 lines = 5 with a path below + 0 in 0 rarer templates + 1 without a path + 2 bad"
        in text
    )
    router = Router(system, read_rules([str(written)], list(system.routes)), other="drop")
    assert router.route("GET", "/api/places/77")[1] == Router.MAPPED
    assert router.route("GET", "/a")[1] == Router.DROPPED


def test_without_a_scenario_routes_are_to_be_filled_in(tmp_path: Path) -> None:
    learned = learn_from(read_logs([str(log_of(tmp_path, "GET /a/1", "GET /b"))]), "a.log", None)
    assert learned.routes == [None, None]
    assert parse_document(text_of(learned).encode(), "x.yaml").value == {"GET /a/{id}": None, "GET /b": None}


def test_what_is_rare_or_too_long_is_left_out_and_counted(tmp_path: Path) -> None:
    many = [f"GET /p{number}x/{other}y" for number in range(19) for other in range(20)]
    deep = [f"{each}/{last}z" for each in many for last in range(3)]
    log = log_of(tmp_path, *deep, *deep[:500], f"GET /{'long' * LONGEST}")
    learned = learn_from(read_logs([str(log)]), "a.log", None)
    assert len(learned.templates) <= MOST_WRITTEN
    assert learned.left_out >= 1
    assert sum(each.requests for each in learned.templates) + learned.left_out_requests == learned.requests == 1641
    assert all(len(each.path) <= LONGEST for each in learned.templates)
    assert f"{learned.left_out_requests} in {learned.left_out} rarer templates" in text_of(learned)
