"""nginx's configuration as a load balancer: numbers, places, problems, and the way back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.fact import Fact
from experiments.deploy.nginx import Hosts, NginxReading, read_nginx
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.errors import InputError
from models.leaky_bucket import LimitReqSpec
from models.load_balancer import UpstreamSpec

HOSTS = Hosts({"user-service": 2, "place-service": 2, "api": 3}, "maltan")


def read(folder: Path, files: dict[str, str], hosts: Hosts = HOSTS, **options: Any) -> tuple[NginxReading, Ledger]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    ledger = Ledger()
    return read_nginx(Folder(folder), next(iter(files)), ledger, hosts=hosts, **options), ledger


def values(reading: NginxReading, source: str | None = None) -> dict[str, object]:
    return {
        ".".join(map(str, fact.path[1:])): fact.value
        for fact in reading.facts
        if source is None or fact.source == source
    }


def problems(ledger: Ledger) -> str:
    return "\n".join(str(problem) for problem in ledger.problems)


def changed(folder: Path, reading: NginxReading, path: str, value: object) -> str:
    """The text of the first file once every fact at a path has been written anew."""
    name = reading.files[0]
    text = (folder / name).read_bytes().decode()
    facts = [fact for fact in reading.facts if ".".join(map(str, fact.path[1:])) == path]
    assert facts
    for fact in sorted(facts, key=lambda fact: fact.place.start if fact.place else 0, reverse=True):
        assert fact.place is not None and fact.write is not None
        assert fact.place.file == name
        text = text[: fact.place.start] + fact.write(value) + text[fact.place.end :]
    return text


def changed_lines(before: str, after: str) -> list[str]:
    ours = before.splitlines()
    return [line for line in after.splitlines() if line not in ours]


def wrapped(inside: str) -> str:
    return f"events {{ worker_connections 1000; }}\nhttp {{\n{inside}\n}}\n"


BASIC = """
upstream u { server user-service:8081; }
server { listen 80; location /api { proxy_pass http://u; } }
"""

MALTAN = {
    "nginx.upstreams.user_service.service": "user-service",
    "nginx.upstreams.user_service.balancing": "least_conn",
    "nginx.upstreams.user_service.weights": [1, 1],
    "nginx.upstreams.user_service.max_fails": 3,
    "nginx.upstreams.user_service.fail_timeout": "30s",
    "nginx.upstreams.user_service.port": 8081,
    "nginx.upstreams.user_service.connect_timeout": "5s",
    "nginx.upstreams.user_service.send_timeout": "10s",
    "nginx.upstreams.user_service.read_timeout": "10s",
    "nginx.upstreams.place_service.service": "place-service",
    "nginx.upstreams.place_service.balancing": "least_conn",
    "nginx.upstreams.place_service.weights": [1, 1],
    "nginx.upstreams.place_service.port": 8082,
}
MALTAN_DEFAULTS = {
    "nginx.workers": 1,
    "nginx.worker_connections": 512,
    "nginx.upstreams.user_service.max_conns": 0,
    "nginx.upstreams.user_service.next_upstream": ["error", "timeout"],
    "nginx.upstreams.user_service.next_upstream_tries": 0,
    "nginx.upstreams.user_service.next_upstream_timeout": "0s",
    "nginx.upstreams.place_service.max_fails": 1,
    "nginx.upstreams.place_service.fail_timeout": "10s",
    "nginx.upstreams.place_service.max_conns": 0,
    "nginx.upstreams.place_service.connect_timeout": "60s",
    "nginx.upstreams.place_service.send_timeout": "60s",
    "nginx.upstreams.place_service.read_timeout": "60s",
    "nginx.upstreams.place_service.next_upstream": ["error", "timeout"],
    "nginx.upstreams.place_service.next_upstream_tries": 0,
    "nginx.upstreams.place_service.next_upstream_timeout": "0s",
}


@pytest.fixture
def growth(project: Path) -> Path:
    return project / "experiments" / "scenarios" / "maltan" / "deploy" / "growth"


def test_the_shipped_file_in_figures(growth: Path) -> None:
    ledger = Ledger()
    reading = read_nginx(Folder(growth), "nginx-lb.conf", ledger, hosts=HOSTS, is_main=True)
    assert values(reading, "file") == MALTAN
    assert values(reading, "default") == MALTAN_DEFAULTS
    assert [(one.path, one.service, one.ports) for one in reading.locations] == [
        ("/api/users", "user-service", (80,)),
        ("/api/places", "place-service", (80,)),
    ]
    assert not list(ledger.unmodelled())
    assert not ledger.problems
    lines = {(".".join(map(str, fact.path[2:])), fact.place.line) for fact in reading.facts if fact.place}
    assert ("upstreams.user_service.read_timeout", 34) in lines
    assert {("upstreams.user_service.max_fails", 13), ("upstreams.user_service.max_fails", 14)} <= lines


def test_what_the_specs_take(growth: Path) -> None:
    reading = read_nginx(Folder(growth), "nginx-lb.conf", Ledger(), hosts=HOSTS)
    fields = {path.split(".")[3]: value for path, value in values(reading).items() if ".user_service." in path}
    spec = UpstreamSpec.model_validate(fields)
    assert (spec.max_fails, spec.fail_timeout, spec.read_timeout, spec.weights) == (3, 30.0, 10.0, [1, 1])


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        ("nginx.upstreams.user_service.read_timeout", "15s", ["            proxy_read_timeout 15s;"]),
        ("nginx.upstreams.user_service.read_timeout", "250ms", ["            proxy_read_timeout 250ms;"]),
        ("nginx.upstreams.place_service.read_timeout", "5s", ["            proxy_read_timeout 5s;"]),
        (
            "nginx.upstreams.user_service.weights",
            [1, 4],
            ["        server maltan-user-service-2:8081 weight=4 max_fails=3 fail_timeout=30s;"],
        ),
        (
            "nginx.upstreams.place_service.max_fails",
            0,
            [
                "        server maltan-place-service-1:8082 max_fails=0 weight=1;",
                "        server maltan-place-service-2:8082 max_fails=0 weight=1;",
            ],
        ),
        (
            "nginx.upstreams.user_service.next_upstream",
            ["error", "http_502"],
            ["            proxy_next_upstream error http_502;"],
        ),
    ],
)
def test_a_change_touches_its_lines(growth: Path, tmp_path: Path, path: str, value: object, lines: list[str]) -> None:
    reading = read_nginx(Folder(growth), "nginx-lb.conf", Ledger(), hosts=HOSTS)
    before = (growth / "nginx-lb.conf").read_text()
    after = changed(growth, reading, path, value)
    assert changed_lines(before, after) == lines
    again, _ = read(tmp_path, {"nginx-lb.conf": after})
    assert values(again)[path] == value


def test_what_stays_is_not_touched(growth: Path) -> None:
    reading = read_nginx(Folder(growth), "nginx-lb.conf", Ledger(), hosts=HOSTS)
    text = (growth / "nginx-lb.conf").read_text()
    for fact in reading.facts:
        if fact.write is not None and fact.place is not None:
            assert fact.write(fact.value) == text[fact.place.start : fact.place.end], fact.path


def test_real_nginx_takes_what_is_written(growth: Path, tmp_path: Path, nginx: str) -> None:
    reading = read_nginx(Folder(growth), "nginx-lb.conf", Ledger(), hosts=HOSTS)
    text = (growth / "nginx-lb.conf").read_text()
    wanted: dict[str, object] = {
        "weights": [2, 3], "max_fails": 2, "fail_timeout": "4s", "max_conns": 9, "connect_timeout": "1500ms",
        "send_timeout": "120s", "read_timeout": "7s", "next_upstream": ["error", "non_idempotent"],
        "next_upstream_tries": 2, "next_upstream_timeout": "3s",
    }  # fmt: skip
    facts = [fact for fact in reading.facts if fact.write is not None and fact.path[-1] in wanted]
    for fact in sorted(facts, key=lambda one: one.place.start if one.place else 0, reverse=True):
        assert fact.place is not None and fact.write is not None
        text = text[: fact.place.start] + fact.write(wanted[str(fact.path[-1])]) + text[fact.place.end :]
    again, ledger = read(tmp_path, {"nginx.conf": text})
    assert not ledger.problems
    found = {path: value for path, value in values(again).items() if path.rpartition(".")[2] in wanted}
    assert found == {path: wanted[path.rpartition(".")[2]] for path in found} and len(found) == 20
    for number, name in enumerate(("user-service", "place-service")):
        for replica in (1, 2):
            text = text.replace(f"maltan-{name}-{replica}:", f"127.0.0.{number * 2 + replica}:")
    (tmp_path / "test.conf").write_text(f"pid {tmp_path}/nginx.pid;\nerror_log stderr;\n{text}")
    ran = subprocess.run(
        [nginx, "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "test.conf")],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert "[emerg]" not in ran.stderr or "Permission denied" in ran.stderr, ran.stderr


def test_the_guides_fragment_is_named(tmp_path: Path) -> None:
    reading, ledger = read(tmp_path, {"nginx-lb.conf": BASIC}, is_main=True)
    assert "would not start" in problems(ledger) and "http block" in problems(ledger)
    assert values(reading)["nginx.upstreams.u.service"] == "user-service"
    assert values(reading)["nginx.workers"] == 1  # no image's file stands around it
    assert reading.is_fragment


def test_a_file_of_conf_d_stands_in_the_images_own(tmp_path: Path) -> None:
    reading, ledger = read(tmp_path, {"default.conf": BASIC}, is_main=False, cores=4)
    assert (values(reading)["nginx.workers"], values(reading)["nginx.worker_connections"]) == (4, 1024)
    assert not ledger.problems


def test_inherited_time_limits(tmp_path: Path) -> None:
    text = wrapped("proxy_read_timeout 5s;\n" + BASIC.replace("location", "proxy_connect_timeout 2; location"))
    reading, ledger = read(tmp_path, {"nginx.conf": text})
    assert values(reading)["nginx.upstreams.u.read_timeout"] == "5s"
    assert values(reading)["nginx.upstreams.u.connect_timeout"] == "2s"
    assert not list(ledger.unmodelled())
    assert "proxy_connect_timeout 3;" in changed(tmp_path, reading, "nginx.upstreams.u.connect_timeout", "3s")


def test_locations_that_differ_are_reported(tmp_path: Path) -> None:
    text = wrapped(
        BASIC.replace("}\n", "", 0) + "server { location /b { proxy_read_timeout 9s; proxy_pass http://u; } }"
    )
    _, ledger = read(tmp_path, {"nginx.conf": text})
    assert "proxy_read_timeout is 9s for /b and 60s for /api" in problems(ledger)


METHODS = {
    "least_conn;": ("least_conn", None),
    "ip_hash;": ("ip_hash", None),
    "random;": ("random", None),
    "random two least_conn;": ("random_two", None),
    "hash $remote_addr;": ("hash", "ip"),
    "hash $request_uri consistent;": ("hash_consistent", "uri"),
    "hash $http_x_user_id;": ("hash", "user"),
    "": ("round_robin", None),
}


@pytest.mark.parametrize("method", METHODS)
def test_balancing(tmp_path: Path, method: str) -> None:
    text = wrapped(BASIC.replace("server user-service", f"{method} server user-service"))
    reading, ledger = read(tmp_path, {"nginx.conf": text})
    found = values(reading)
    assert (found["nginx.upstreams.u.balancing"], found.get("nginx.upstreams.u.hash_key")) == METHODS[method]
    assert not ledger.problems


def test_server_parameters(tmp_path: Path) -> None:
    text = wrapped(
        "upstream u { zone u 64k; server maltan-api-1 weight=5 max_conns=10; server maltan-api-2 max_conns=10 backup;\n"
        "server maltan_api_3 max_conns=10 down; }\nserver { location / { proxy_pass http://u/v2/; } }"
    )
    reading, ledger = read(tmp_path, {"nginx.conf": text})
    found = values(reading, "file")
    assert found["nginx.upstreams.u.weights"] == [5, 1, 1]
    assert found["nginx.upstreams.u.backup"] == [2]
    assert found["nginx.upstreams.u.down"] == [3]
    assert found["nginx.upstreams.u.max_conns"] == 10
    assert found["nginx.upstreams.u.zone"] is True
    assert reading.locations[0].replaces_path
    assert not ledger.problems
    assert "server maltan-api-2 weight=2 max_conns" in changed(
        tmp_path, reading, "nginx.upstreams.u.weights", [5, 2, 1]
    )


def test_a_service_name_stands_for_all_its_replicas(tmp_path: Path) -> None:
    reading, _ = read(tmp_path, {"nginx.conf": wrapped(BASIC.replace(":8081", ":8081 weight=2"))})
    assert values(reading)["nginx.upstreams.u.weights"] == [2, 2]
    fact = next(fact for fact in reading.facts if fact.path[-1] == "weights")
    assert fact.write is not None
    with pytest.raises(ValueError, match="weigh alike"):
        fact.write([1, 2])


def test_names_that_docker_does_not_resolve(tmp_path: Path) -> None:
    text = wrapped(
        "upstream u { server user-service-1:8081; server user-service-2:8081; server elsewhere:1; }\n"
        "server { location / { proxy_pass http://u; } }"
    )
    reading, ledger = read(tmp_path, {"nginx.conf": text})
    assert "user-service-1:8081: Docker resolves no container" in problems(ledger)
    assert "elsewhere is no service" in problems(ledger)
    assert values(reading)["nginx.upstreams.u.weights"] == [1, 1]


def test_replicas_that_are_not_named_get_nothing(tmp_path: Path) -> None:
    text = wrapped("upstream u { server maltan-api-1; }\nserver { location / { proxy_pass http://u; } }")
    reading, ledger = read(tmp_path, {"nginx.conf": text})
    assert values(reading)["nginx.upstreams.u.down"] == [2, 3]
    assert "names 1 of the 3 replicas" in problems(ledger)


def test_proxy_pass_to_a_service_itself(tmp_path: Path) -> None:
    text = wrapped("server { location / { proxy_pass http://api:9000; proxy_read_timeout 3s; } }")
    reading, ledger = read(tmp_path, {"nginx.conf": text})
    assert reading.upstreams == {"api": "api"}
    assert values(reading)["nginx.upstreams.api.read_timeout"] == "3s"
    assert values(reading)["nginx.upstreams.api.port"] == 9000
    assert not ledger.problems


def test_keepalive_needs_its_headers(tmp_path: Path) -> None:
    kept = BASIC.replace(":8081;", ":8081; keepalive 16;")
    reading, ledger = read(tmp_path, {"nginx.conf": wrapped(kept)})
    assert values(reading)["nginx.upstreams.u.keepalive"] == 0
    assert "keeps nothing" in problems(ledger)
    headers = 'proxy_http_version 1.1; proxy_set_header Connection "";'
    reading, ledger = read(tmp_path, {"nginx.conf": wrapped(kept.replace("proxy_pass", headers + " proxy_pass"))})
    assert values(reading)["nginx.upstreams.u.keepalive"] == 16
    assert not ledger.problems
    assert not list(ledger.unmodelled())


LIMITED = """
limit_req_zone $binary_remote_addr zone=one:10m rate=100r/m;
limit_conn_zone $server_name zone=all:1m;
limit_req zone=one burst=20 nodelay;
limit_req_status 429;
limit_conn all 100;
"""


def test_limits(tmp_path: Path) -> None:
    reading, ledger = read(tmp_path, {"nginx.conf": wrapped(LIMITED + BASIC)})
    found = {path: value for path, value in values(reading).items() if "limit" in path}
    assert found == {
        "nginx.limit_req.one.rate": "100/m",
        "nginx.limit_req.one.key": "ip",
        "nginx.limit_req.one.zone": "10M",
        "nginx.limit_req.one.burst": 20,
        "nginx.limit_req.one.nodelay": True,
        "nginx.limit_req_status": 429,
        "nginx.limit_conn.all.connections": 100,
        "nginx.limit_conn.all.key": "global",
        "nginx.limit_conn.all.zone": "1M",
    }
    spec = LimitReqSpec.model_validate({path.split(".")[3]: v for path, v in found.items() if ".one." in path})
    assert spec.thousandths_per_s == 1666
    assert not ledger.problems
    assert "rate=5r/s;" in changed(tmp_path, reading, "nginx.limit_req.one.rate", "5/s")
    assert "burst=50 nodelay" in changed(tmp_path, reading, "nginx.limit_req.one.burst", 50)
    assert "zone=one:64k " in changed(tmp_path, reading, "nginx.limit_req.one.zone", "64K")


def test_a_level_with_a_limit_hides_those_around_it(tmp_path: Path) -> None:
    inner = LIMITED + BASIC.replace("location", "limit_req zone=one burst=5; location")
    reading, ledger = read(tmp_path, {"nginx.conf": wrapped(inner)})
    assert values(reading)["nginx.limit_req.one.burst"] == 5
    assert "nginx.limit_req.one.nodelay" not in values(reading)
    assert [str(one.key[-1]) for one in ledger.unmodelled()] == ["limit_req"]


def test_a_limit_for_some_only_is_reported(tmp_path: Path) -> None:
    text = wrapped(
        "limit_req_zone $binary_remote_addr zone=one:10m rate=1r/s;\n"
        + BASIC.replace("proxy_pass", "limit_req zone=one; proxy_pass")
        + "server { location /free { proxy_pass http://api; } }"
    )
    _, ledger = read(tmp_path, {"nginx.conf": text})
    assert "holds only for a part" in problems(ledger) and "/free" in problems(ledger)


def test_includes_inside_the_folder_only(tmp_path: Path) -> None:
    (tmp_path / "secret.conf").write_text("upstream secret { server api; }")
    files = {
        "nginx.conf": wrapped(
            "include mime.types; include conf.d/*.conf; include /etc/nginx/extra/more.conf; include ../secret.conf;"
            " include /etc/passwd; include gone.conf;"
        ),
        "conf.d/a.conf": BASIC,
        "conf.d/b.conf": "include conf.d/b.conf; gzip on;",
        "extra/more.conf": "server { location /more { proxy_pass http://api; } }",
    }
    reading, ledger = read(tmp_path / "inner", files)
    assert [one.path for one in reading.locations] == ["/api", "/more"]
    assert reading.files == ["nginx.conf", "conf.d/a.conf", "conf.d/b.conf", "extra/more.conf"]
    said = problems(ledger)
    assert "gone.conf is not in the folder" in said and "passwd is not in the folder" in said
    assert "secret" not in reading.upstreams and "../secret.conf" in said
    assert "a cycle" in said
    assert "mime.types" not in said


def test_mounts_say_where_a_file_stands(tmp_path: Path) -> None:
    files = {"nginx/main.conf": wrapped("include /etc/nginx/conf.d/*.conf;"), "sites/api.conf": BASIC}
    reading, _ = read(tmp_path, files, mounts={"/etc/nginx/conf.d/api.conf": "sites/api.conf"})
    assert [one.path for one in reading.locations] == ["/api"]


def test_what_crossplane_refuses_is_reported_with_its_line(tmp_path: Path) -> None:
    text = wrapped(BASIC.replace("listen 80;", "listen 80;\nproxy_read_timeout;\nupstream x { }\n"))
    reading, ledger = read(tmp_path, {"nginx.conf": text})
    assert {(place.line) for place, *_ in map(_pair, ledger.problems)} == {6, 7}
    assert reading.locations


def _pair(problem: Any) -> tuple[Any, str]:
    return (problem[0], problem[1]) if isinstance(problem, tuple) else (problem.place, problem.text)


@pytest.mark.parametrize(
    ("directive", "said"),
    [
        ("health_check;", "health_check is a directive of NGINX Plus"),
        ("proxy_cache zone;", "caching by nginx is not modelled"),
        ("fastcgi_pass api:9000;", "only proxy_pass is modelled"),
        ("if ($a) { return 403; }", "its condition is not modelled"),
    ],
)
def test_what_is_not_modelled_is_said_by_name(tmp_path: Path, directive: str, said: str) -> None:
    _, ledger = read(tmp_path, {"nginx.conf": wrapped(BASIC.replace("proxy_pass", directive + " proxy_pass"))})
    assert said in problems(ledger)


def test_variables_in_proxy_pass(tmp_path: Path) -> None:
    _, ledger = read(tmp_path, {"nginx.conf": wrapped("server { location / { proxy_pass http://$host; } }")})
    assert "known only to the running nginx" in problems(ledger)


def test_every_directive_is_one_of_three(tmp_path: Path) -> None:
    reading, ledger = read(
        tmp_path, {"nginx.conf": wrapped("gzip on; sendfile on; made_up 1;\n" + LIMITED + BASIC)}, is_main=True
    )
    assert sorted(str(one.key[-1]) for one in ledger.unmodelled()) == ["gzip", "made_up"]
    assert reading.files == ["nginx.conf"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("http {\n server {\n", 2),
        ("a;\n}\n", 2),
        ("a;\nb 'c\n", 2),
        ("x {" * 60 + "}" * 60, 1),
        ("a;\n;", 2),
        ("a\n", 1),
    ],
)
def test_broken_files_name_their_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(InputError, match=rf"nginx\.conf:{line}\)"):
        read(tmp_path, {"nginx.conf": text})


def test_real_ip(tmp_path: Path) -> None:
    text = wrapped("set_real_ip_from 172.16.0.0/12; real_ip_header X-Forwarded-For;" + BASIC)
    reading, ledger = read(tmp_path, {"nginx.conf": text})
    assert values(reading)["nginx.real_ip"] is True
    assert not ledger.problems


def test_the_demo_of_unit(data_dir: Path) -> None:
    """By hand: three upstreams found through Consul, Plus's directives, one next_upstream."""
    ledger = Ledger()
    hosts = Hosts({"unitcnt": 1, "unitcpu": 1, "unitmem": 1})
    reading = read_nginx(Folder(data_dir / "deployments" / "nginx_demos"), "backend.conf", ledger, hosts=hosts)
    assert reading.upstreams == {"unitcnt": "unitcnt", "unitcpu": "unitcpu", "unitmem": "unitmem"}
    assert [(one.modifier, one.path, one.service, one.ports) for one in reading.locations] == [
        ("~", "\\.py$", "unitcnt", (8001,)),
        ("~", "\\.php$", "unitcpu", (8002,)),
        ("~", "\\.php$", "unitmem", (8003,)),
    ]
    found = values(reading)
    assert found["nginx.upstreams.unitcnt.next_upstream"] == ["http_503"]
    assert found["nginx.upstreams.unitcpu.next_upstream"] == ["error", "timeout"]
    assert all(found[f"nginx.upstreams.{name}.zone"] is True for name in reading.upstreams)
    said = problems(ledger)
    for name in ("health_check", "match", "status_zone", "api", "resolve of a server", "service of a server"):
        assert name in said
    assert "http://$arg_server/hcheck.php" in said


def test_facts_are_facts(tmp_path: Path) -> None:
    reading, _ = read(tmp_path, {"nginx.conf": wrapped(BASIC)})
    assert all(isinstance(fact, Fact) and fact.path[:2] == ("load_balancers", "nginx") for fact in reading.facts)
