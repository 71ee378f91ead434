"""The release that an image of nginx is, and what hangs on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.deploy.nginx import Hosts, read_nginx
from experiments.deploy.nginx.release import read_release
from experiments.deploy.place import Place
from experiments.deploy.reading import read_deployment
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Folder

PLACE = Place("compose.yaml", 3, 30, 60)


def image(text: str) -> Setting:
    return Setting(("services", "nginx", "image"), text, text, PLACE)


@pytest.mark.parametrize(
    ("tag", "release", "written"),
    [
        ("nginx:1.25.3", "1.25.3", "nginx:1.29.7"),
        ("registry.example:5000/team/nginx:1.25.3-alpine3.18@sha256:ab", "1.25.3", None),
        ("nginxinc/nginx-unprivileged:1.25.3-alpine", "1.25.3", "nginxinc/nginx-unprivileged:1.29.7-alpine"),
        ("nginx:1.25", "1.25.0", None),
        ("nginx:1.29-alpine", "1.29.7", None),
        ("nginx:1.19", "1.19.10", None),
    ],
)
def test_a_tag_names_a_release(tag: str, release: str, written: str | None) -> None:
    ledger = Ledger()
    fact = read_release(image(tag), ledger)
    assert fact is not None
    assert (fact.path, fact.value, fact.place) == (("version",), release, PLACE)
    assert (fact.write("1.29.7") if fact.write is not None else None) == written
    assert list(ledger.modelled.values()) == [image(tag)]


@pytest.mark.parametrize(
    "tag", ["nginx", "nginx:latest", "nginx:alpine", "openresty/openresty:1.25.3.1", "nginx@sha256:1.25"]
)
def test_other_tags_do_not(tag: str) -> None:
    assert read_release(image(tag), Ledger()) is None


def test_releases_that_are_not_modelled_are_named() -> None:
    ledger = Ledger()
    assert read_release(image("nginx:1.14.2"), ledger) is None
    assert "nginx 1.14.2 is not modelled" in str(ledger.problems[0])


CONF = """
events {}
http {
  upstream u { server api:8080; keepalive 16; }
  server { listen 80; location / { proxy_pass http://u; %s } }
}
"""


@pytest.mark.parametrize(
    ("tag", "said", "kept"),
    [
        ("nginx:1.29.6", "", 0),
        ("nginx:1.29.7", "", 16),
        ("nginx:1.29.7", "proxy_http_version 1.0;", 0),
        ("nginx:1.29.7", "proxy_set_header Connection close;", 0),
        ("nginx:1.29.7", 'proxy_set_header Connection "";', 16),
        ("nginx:1.29.6", 'proxy_set_header Connection "";', 0),
        ("nginx:1.29.6", 'proxy_http_version 1.1; proxy_set_header Connection "";', 16),
    ],
)
def test_connections_are_kept_as_the_release_does_it(tmp_path: Path, tag: str, said: str, kept: int) -> None:
    (tmp_path / "nginx.conf").write_text(CONF % said)
    ledger = Ledger()
    facts = read_nginx(Folder(tmp_path), "nginx.conf", ledger, hosts=Hosts({"api": 1}), image=image(tag)).facts
    assert [fact.value for fact in facts if fact.path[-1] == "keepalive"] == [kept]
    assert ("keeps nothing" in str(ledger.problems)) == (kept == 0)


def test_of_a_compose_file(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(CONF % "")
    (tmp_path / "compose.yaml").write_text(
        "services:\n  lb:\n    image: nginx:1.25.3\n    volumes: ['./nginx.conf:/etc/nginx/nginx.conf']\n"
        "  api:\n    image: team/api\n"
    )
    deployment = read_deployment([tmp_path])
    found = [fact for fact in deployment.facts if fact.path == ("load_balancers", "lb", "version")]
    assert [(fact.value, fact.place.line if fact.place else 0) for fact in found] == [("1.25.3", 3)]
