"""Which location a path takes, and what a gateway's filters make of it before."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.deploy.assemble import assemble
from experiments.deploy.nginx import Hosts, read_nginx
from experiments.deploy.reading import read_deployment
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.deploy.ways import literal, locate

NAMES = ("root", "exact", "users", "upper", "orders", "firm")
SERVER = """\
location / { proxy_pass http://root; }
location = /api/users/me { proxy_pass http://exact; }
location ~ ^/api/users/(.*)$ { proxy_pass http://users; }
location ~* ^/API/MEDIA { proxy_pass http://upper; }
location /api/orders { proxy_pass http://orders; }
location ^~ /api/users/firm { proxy_pass http://firm; }
location ~ \\.png$ { proxy_pass http://upper; }
"""


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "root"), ("/other", "root"), ("/api/users/me", "exact"), ("/api/users/7", "users"),
        ("/api/users", "users"),
        ("/api/media/x", "upper"), ("/api/orders/1", "orders"), ("/api/users/firm/2", "firm"),
    ],
)  # fmt: skip
def test_the_location_that_nginx_takes(path: str, service: str, tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(f"events {{}}\nhttp {{ server {{\n{SERVER}}} }}\n")
    hosts = Hosts(dict.fromkeys(NAMES, 1), None, {})
    reading = read_nginx(Folder(tmp_path), "nginx.conf", Ledger(), hosts=hosts)
    found = locate(reading.locations, path)
    assert found is not None and found.service == service


@pytest.mark.parametrize(
    ("expression", "begins"),
    [
        ("^/api/(.*)$", "/api/"), ("^/api/v1", "/api/v1"), ("^/a/b?", "/a/"), (r"^/a\.b/", "/a.b/"), ("/api", ""),
        (r"\.png$", ""), ("^/(a|b)/", "/"), ("^/a|^/b", ""), ("^/users/[0-9]+", "/users/"), ("^(/a)", ""), ("^", ""),
    ],
)  # fmt: skip
def test_what_an_expression_begins_with(expression: str, begins: str) -> None:
    assert literal(expression) == begins


@pytest.mark.parametrize("filters", ["[StripPrefix=1]", "[{name: StripPrefix, args: {parts: 1}}]"])
def test_a_path_is_stripped_before_nginx_sees_it(filters: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services:\n  gate: {image: a/gate}\n  shop: {image: a/shop}\n  users: {image: a/users}\n"
        "  lb: {image: nginx, volumes: ['./nginx.conf:/etc/nginx/nginx.conf']}\n"
    )
    (tmp_path / "nginx.conf").write_text(
        "events {}\nhttp { server { location /api/users { proxy_pass http://shop; }\n"
        "location /users { proxy_pass http://users; } } }\n"
    )
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "application.yml").write_text(
        "spring.cloud.gateway.routes:\n"
        f"- {{id: u, uri: 'http://lb', predicates: ['Path=/api/users/**'], filters: {filters}}}\n"
    )
    routes = assemble(read_deployment([tmp_path])).document["routes"]
    assert [route["service"] for route in routes.values()] == ["users"]
