"""Access logs and their replay: what is read, what is counted, which route a path means, how load is scaled."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest

from experiments.access_log import LONGEST_LINE, parse_stamp, path_of, read_access_log
from experiments.errors import InputError
from experiments.replay import Router, read_rules, replay_trace, told, uniform, with_recorded_traffic
from experiments.scenario import Scenario, load_scenario

STAMP = "25/Oct/2015:04:11:25 +0100"
EPOCH = 1445742685


def line(
    target: str = "/api/places/7", *, method: str = "GET", stamp: str = STAMP, ip: str = "10.0.0.1", user: str = "-"
) -> str:
    return f'{ip} - {user} [{stamp}] "{method} {target} HTTP/1.1" 200 12 "-" "curl"\n'


def log_of(folder: Path, *lines: str | bytes, name: str = "access.log") -> Path:
    path = folder / name
    path.write_bytes(b"".join(each if isinstance(each, bytes) else each.encode() for each in lines))
    return path


@pytest.fixture(scope="module")
def system() -> Scenario:
    return load_scenario("maltan/early")


# lines


@pytest.mark.parametrize(
    ("stamp", "epoch"),
    [
        ("25/Oct/2015:04:11:25 +0100", EPOCH),
        ("25/Oct/2015:03:11:25 +0000", EPOCH),
        ("24/Oct/2015:23:41:25 -0330", EPOCH),
        ("29/Feb/2016:00:00:00 +0000", 1456704000),
        ("31/Dec/2016:23:59:60 +0000", 1483228799),
        ("29/Feb/2015:00:00:00 +0000", None),
        ("31/Apr/2015:00:00:00 +0000", None),
        ("00/Jan/2015:00:00:00 +0000", None),
        ("01/Foo/2015:00:00:00 +0000", None),
        ("01/Jan/0000:00:00:00 +0000", None),
        ("01/Jan/2015:24:00:00 +0000", None),
        ("01/Jan/2015:00:60:00 +0000", None),
        ("01/Jan/2015:00:00:00 +0060", None),
    ],
)
def test_stamps(stamp: str, epoch: int | None) -> None:
    assert parse_stamp(stamp.encode()) == epoch


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a/b", "/a/b"), ("/a/b/", "/a/b"), ("/", "/"), ("/a?b=/c", "/a"), ("/a#b", "/a"),
        ("http://host:80/a?b", "/a"),
        ("https://host", "/"), ("*", "*"), ("/a?u=http://x/y", "/a"), ("//a", "//a"),
    ],
)  # fmt: skip
def test_paths_of_targets(target: str, path: str) -> None:
    assert path_of(target) == path


@pytest.mark.parametrize(
    "good",
    [
        '1.2.3.4 - - [{}] "GET / HTTP/1.0" 200 5\n',
        '1.2.3.4 - - [{}] "GET / HTTP/1.0" 304 -\n',
        '1.2.3.4 - - [{}] "GET /" 200 5\n',
        '2001:db8::7 - - [{}] "GET / HTTP/2.0" 200 5 "-" "-"\n',
        "1.2.3.4 - ann [{}] \"POST /a HTTP/1.1\" 201 0 \"-\" \"x\" \"9.9.9.9\" rt=0.004\n",
        '1.2.3.4 - ann lee [{}] "GET / HTTP/1.1" 200 5\r\n',
        'host.example.com frank ann [{}] "PURGE /x HTTP/1.1" 200 5',
        '1.2.3.4 - - [{}] "GET /caf\u00e9 HTTP/1.1" 200 5 "-" "\\x22\\""\n',
        '1.2.3.4 - - [{}] "GET /a\\x22b HTTP/1.1" 200 5\n',
    ],
)  # fmt: skip
def test_lines_that_are_requests(good: str, tmp_path: Path) -> None:
    log = read_access_log(str(log_of(tmp_path, good.format(STAMP))))
    assert (len(log), log.bad, log.lines) == (1, 0, 1)
    assert log.second.tolist() == [EPOCH]


@pytest.mark.parametrize(
    "bad",
    [
        b"\n", b"hello\n", b"\0\0\0\n", b"\xff\xfe\n",
        b'1.2.3.4 - - [25/Oct/2015:04:11:25 +0100] "-" 400 0 "-" "-"\n',
        b'1.2.3.4 - - [25/Oct/2015:04:11:25 +0100] "\\x16\\x03\\x01" 400 0 "-" "-"\n',
        b'1.2.3.4 - - [31/Feb/2015:04:11:25 +0100] "GET / HTTP/1.1" 200 0\n',
        b'1.2.3.4 - - [25/Oct/2015:04:11:25 +0100] "GET / HTTP/1.1" OK 0\n',
        b'1.2.3.4 - - [25/Oct/2015:04:11:25 +0100] "GET / HTTP/1.1" 200 0junk\n',
        b'1.2.3.4 - - 25/Oct/2015:04:11:25 +0100 "GET / HTTP/1.1" 200 0\n',
        b'{"time": "25/Oct/2015:04:11:25 +0100", "request": "GET / HTTP/1.1"}\n',
        b"x" * (LONGEST_LINE - 1) + b"\n", b"x" * 1_000_000 + b"\n", b"x" * LONGEST_LINE,
    ],
)  # fmt: skip
def test_lines_that_are_not_are_counted_and_shown(bad: bytes, tmp_path: Path) -> None:
    log = read_access_log(str(log_of(tmp_path, line(), bad.rstrip(b"\n") + b"\n", line())))
    assert (len(log), log.bad, log.lines) == (2, 1, 3)
    (shown,) = log.bad_shown
    assert shown.startswith("line 2: ")
    assert shown.isprintable()
    assert len(shown) < 120


def test_only_the_first_bad_lines_are_shown(tmp_path: Path) -> None:
    log = read_access_log(str(log_of(tmp_path, *["bad\n"] * 50, line())))
    assert (log.bad, len(log.bad_shown), log.lines) == (50, 3, 51)


def test_users_are_names_else_addresses(tmp_path: Path) -> None:
    log = read_access_log(
        str(
            log_of(
                tmp_path, line(ip="a"), line(ip="a", user="ann"), line(ip="b", user="ann"), line(ip="ann"), line(ip="a")
            )
        )
    )
    assert log.user.tolist() == [0, 1, 1, 2, 0]
    assert log.ip.tolist() == [0, 0, 1, 2, 0]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_compressed_logs(suffix: str, pack: object, tmp_path: Path) -> None:
    data = pack((line() * 100).encode())  # type: ignore[operator]
    assert len(read_access_log(str(log_of(tmp_path, data, name=f"a{suffix}")))) == 100
    with pytest.raises(InputError, match="must be readable to its end"):
        read_access_log(str(log_of(tmp_path, data[:-20], name=f"cut{suffix}")))
    with pytest.raises(InputError, match="must be readable to its end"):
        read_access_log(str(log_of(tmp_path, line(), name=f"plain{suffix}")))


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "must have requests, got an empty log"),
        (b"\x7fELF\0\0" * 1000, "must be an access log in common or combined format, got 1 line of something else"),
        (b"hello\nworld\n", "got 2 lines of something else: line 1: 'hello'"),
    ],
)
def test_what_holds_no_request_is_refused_in_one_line(data: bytes, part: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_access_log(str(log_of(tmp_path, data)))
    (said,) = caught.value.lines
    assert part in said
    assert said.isprintable()


@pytest.mark.parametrize("name", ["nowhere.log", ".", "a\0b"])
def test_what_cannot_be_opened_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="must be"):
        read_access_log(name)


def test_a_real_log_is_read_whole(data_dir: Path) -> None:
    log = read_access_log(str(data_dir / "access_logs" / "combined_2015.log"))
    assert (log.lines, len(log), log.bad) == (3456, 3456, 0)
    assert int(log.second[0]) == EPOCH
    assert log.targets[0] == ("GET", "/linux/doing-pxe-without-dhcp-control")


# routes


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


# traces


def test_requests_are_spread_inside_their_second_by_their_line(system: Scenario, tmp_path: Path) -> None:
    log = read_access_log(str(log_of(tmp_path, line() * 5000, line(stamp="25/Oct/2015:04:11:27 +0100"))))
    trace, replayed = replay_trace(log, system.spec)
    assert replayed.span_s == 3
    assert bool((np.diff(trace.t_s) >= 0).all())
    first = trace.t_s[:5000]
    assert 0 <= first.min() < 0.01
    assert 0.99 < first.max() < 1
    assert np.histogram(first, 10, (0, 1))[0].tolist() == pytest.approx([500] * 10, abs=90)
    assert 2 <= trace.t_s[-1] < 3
    assert bool((trace.t_s * 2**30 % 1 == 0).all())
    shifted = read_access_log(str(log_of(tmp_path, "bad\n", line() * 3)))
    assert sorted(replay_trace(shifted, system.spec)[0].t_s) == sorted(uniform(np.array([2, 3, 4]), "second"))


def test_lines_out_of_order_are_put_in_order_and_counted(system: Scenario, tmp_path: Path) -> None:
    early, late = (line(stamp=f"25/Oct/2015:04:11:{second} +0100", ip=second) for second in ("20", "25"))
    log = read_access_log(str(log_of(tmp_path, late, early, late, early, early)))
    assert log.went_back == 3
    trace, replayed = replay_trace(log, system.spec)
    assert trace.user is not None
    assert trace.user.tolist() == [1, 1, 1, 0, 0]
    assert any("3 lines stood after later ones" in text for text in told(replayed))


def test_a_path_is_a_key_whatever_the_method(system: Scenario, tmp_path: Path) -> None:
    lines = [
        line("/api/places/1"),
        line("/api/places/2"),
        line("/api/places/1", method="PUT"),
        line("/api/places/1?x=1"),
    ]
    stamped = [text.replace(":25 ", f":2{number} ") for number, text in enumerate(lines)]
    trace, _ = replay_trace(read_access_log(str(log_of(tmp_path, *stamped))), system.spec)
    assert trace.key is not None
    assert trace.key.tolist() == [0, 1, 0, 0]


def busy_log(folder: Path, seconds: int = 50, per_second: int = 40) -> Path:
    lines = [
        line(f"/api/places/{number % 7}", stamp=f"25/Oct/2015:04:11:{second:02} +0100", ip=f"10.0.0.{number % 9}")
        for second in range(seconds)
        for number in range(per_second)
    ]
    return log_of(folder, *lines)


@pytest.mark.parametrize("load", [0.25, 1.0, 1.5, 3.0])
def test_load_is_scaled_by_keeping_lines_and_adding_copies(load: float, system: Scenario, tmp_path: Path) -> None:
    log = read_access_log(str(busy_log(tmp_path)))
    trace, replayed = replay_trace(log, system.spec, load=load)
    again, _ = replay_trace(log, system.spec, load=load)
    assert trace.t_s.tolist() == again.t_s.tolist()
    assert len(trace) == replayed.replayed
    if load == int(load):
        assert len(trace) == load * 2000
    else:
        assert abs(len(trace) - load * 2000) < 4 * (2000 * 0.25) ** 0.5
    assert bool((np.diff(trace.t_s) >= 0).all())
    assert 0 <= trace.t_s[0] <= trace.t_s[-1] < replayed.span_s == 50
    assert trace.user is not None
    assert len(np.unique(trace.user)) == 9 * int(np.ceil(load))
    assert trace.key is not None
    assert set(trace.key.tolist()) == set(range(7))


def test_copies_are_moved_and_belong_to_other_users(system: Scenario, tmp_path: Path) -> None:
    log = read_access_log(str(busy_log(tmp_path)))
    trace, _ = replay_trace(log, system.spec, load=2)
    assert trace.user is not None
    original, copy = (np.sort(trace.t_s[(trace.user // 9) == number]) for number in (0, 1))
    assert len(original) == len(copy) == 2000
    assert not np.isin(copy, original).any()
    moved = uniform(np.array([1]), "copy")[0] * 50
    assert np.allclose(np.sort((copy - moved) % 50), original, atol=1e-8)


def test_loads_that_leave_nothing_or_too_much_are_refused(system: Scenario, tmp_path: Path) -> None:
    log = read_access_log(str(log_of(tmp_path, line())))
    with pytest.raises(InputError, match="--load: must leave at least one request"):
        replay_trace(log, system.spec, load=1e-9)
    with pytest.raises(InputError, match="--load: must give at most"):
        replay_trace(log, system.spec, load=1e9)


def test_a_replay_takes_the_place_of_the_scenarios_traffic(system: Scenario) -> None:
    replayed = with_recorded_traffic(system, "it's a, {log}.log", 2.0)
    traffic = replayed.spec.traffic
    assert traffic.users is None
    assert traffic.open is None
    assert traffic.trace is not None
    assert (traffic.trace.file, traffic.trace.speed) == ("it's a, {log}.log", 2.0)
    assert traffic.mix == system.spec.traffic.mix
    with pytest.raises(InputError, match="must not be set in a replay"):
        with_recorded_traffic(load_scenario("maltan/early", ["traffic.users.population=5"]), "a.log", 1.0)


def test_what_became_of_a_log_is_told(system: Scenario, tmp_path: Path) -> None:
    log = read_access_log(str(log_of(tmp_path, line(), line("/x"), line("/y"), "bad\n")))
    _, replayed = replay_trace(log, system.spec, read_rules(["/x=get-place"], list(system.spec.routes)), load=2)
    first, second, third = told(replayed)
    assert first.endswith("4 lines = 3 requests + 1 bad; 1 users, 1 addresses, 3 paths over 1 s.")
    assert second == "Routes: 1 by --map, 1 by template, 1 by hash into the mix. Load 2: 6 requests."
    assert third == "Bad line 4: 'bad'"
