"""Which files an nginx reads: its main file, or all that the image's own one includes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.assemble import assemble
from experiments.deploy.deployment import Deployment
from experiments.deploy.nginx import globs
from experiments.deploy.reading import read_deployment

UPSTREAM = "upstream shop { least_conn; server shop:8080 max_fails=2; }\n"
SERVER = "server { listen 80; location / { proxy_pass http://shop; proxy_read_timeout 7s; } }\n"


def deployed(folder: Path, volumes: str, **files: str) -> Deployment:
    (folder / "compose.yaml").write_text(
        f"services:\n  shop: {{image: a/shop}}\n  lb: {{image: nginx, volumes: [{volumes}]}}\n"
    )
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_conf", ".conf")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return read_deployment([folder])


def upstream(deployment: Deployment) -> Any:
    return assemble(deployment).document["load_balancers"]["lb"]["upstreams"]["shop"]


@pytest.mark.parametrize(
    "volumes",
    [
        "./a.conf:/etc/nginx/conf.d/a.conf, ./b.conf:/etc/nginx/conf.d/b.conf",
        "./b.conf:/etc/nginx/conf.d/1.conf, ./a.conf:/etc/nginx/conf.d/2.conf",
        "./conf.d:/etc/nginx/conf.d", "./conf.d:/etc/nginx/conf.d/",
    ],
)  # fmt: skip
def test_all_of_conf_d_is_read(volumes: str, tmp_path: Path) -> None:
    inside = "conf.d__" if "./conf.d:" in volumes else ""
    (tmp_path / "conf.d").mkdir()
    deployment = deployed(tmp_path, volumes, **{f"{inside}a_conf": UPSTREAM, f"{inside}b_conf": SERVER})
    found = upstream(deployment)
    assert found["max_fails"] == 2 and found["balancing"] == "least_conn" and found["read_timeout"] == "7s"
    assert [kind for kind in deployment.files.values() if kind == "nginx"] == ["nginx", "nginx"]


def test_hidden_files_and_folders_within_are_not_included(tmp_path: Path) -> None:
    (tmp_path / "conf.d" / "more").mkdir(parents=True)
    (tmp_path / "conf.d" / ".old.conf").write_text("proxy_read_timeout 1s;\n")
    (tmp_path / "conf.d" / "more" / "a.conf").write_text("proxy_read_timeout 2s;\n")
    deployment = deployed(tmp_path, "./conf.d:/etc/nginx/conf.d", **{"conf.d__a_conf": UPSTREAM + SERVER})
    assert [file for file, kind in deployment.files.items() if kind == "nginx"] == ["conf.d/a.conf"]


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/a.conf", True),
        ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/more/a.conf", False),
        ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/.a.conf", False),
        ("sites/*/nginx.conf", "sites/shop/nginx.conf", True), ("sites/?", "sites/ab", False),
        ("[ab].conf", "b.conf", True), ("*", "a/b", False),
    ],
)  # fmt: skip
def test_globs(pattern: str, name: str, fits: bool) -> None:
    assert globs(pattern, name) == fits


def test_an_nginx_that_passes_nothing_on_is_not_modelled(tmp_path: Path) -> None:
    page = "server { listen 80; location / { root /pages; } proxy_read_timeout 9s; }\nupstream x { server gone:1; }\n"
    deployment = deployed(tmp_path, "./a.conf:/etc/nginx/conf.d/a.conf", a_conf=page)
    assert "load_balancers" not in assemble(deployment).document
    assert not [one for one in deployment.ledger.modelled.values() if one.place.file == "a.conf"]
