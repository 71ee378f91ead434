"""Values that no file says yet, added by a patch: several of them at one place."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest

from experiments.deploy.assemble import assemble
from experiments.deploy.patch import make_patch
from experiments.deploy.reading import read_deployment

CHANGES = {
    ("services", "place-service", "workers", "threads"): 50,
    ("services", "place-service", "pools", "main", "validation_timeout"): "3s",
    ("load_balancers", "nginx", "upstreams", "place_service", "max_fails"): 4,
    ("load_balancers", "nginx", "upstreams", "place_service", "fail_timeout"): "4s",
    ("load_balancers", "nginx", "upstreams", "place_service", "connect_timeout"): "1s",
    ("load_balancers", "nginx", "upstreams", "place_service", "read_timeout"): "7s",
}
ADDED = {
    "nginx-lb.conf": [
        "        server maltan-place-service-1:8082 fail_timeout=4s max_fails=4 weight=1;",
        "        server maltan-place-service-2:8082 fail_timeout=4s max_fails=4 weight=1;",
        "            proxy_connect_timeout 1s;",
        "            proxy_read_timeout 7s;",
    ],
    "place-service/application.yml": [
        "server.tomcat.threads.max: 50",
        "spring.datasource.primary.hikari.validation-timeout: 3000",
    ],
}


@pytest.fixture
def deployed(project: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "growth"
    shutil.copytree(project / "experiments" / "scenarios" / "maltan" / "deploy" / "growth", folder)
    (folder / ".env").write_text("POSTGRES_PASSWORD=secret\n")
    return folder


def test_what_is_added_is_read_again(deployed: Path) -> None:
    deployment = read_deployment([deployed])
    assembled = assemble(deployment)
    target = copy.deepcopy(assembled.document)
    for path, value in CHANGES.items():
        at = target
        for part in path[:-1]:
            at = at.setdefault(part, {})
        at[path[-1]] = value
    patch = make_patch(deployment.folder, assembled, target)
    assert not patch.by_hand
    assert sorted(patch.files) == sorted(ADDED)
    for name, data in patch.applied(deployment.folder).items():
        before = (deployed / name).read_text().splitlines()
        assert [line for line in data.decode().splitlines() if line not in before] == ADDED[name]
        (deployed / name).write_bytes(data)
    again = assemble(read_deployment([deployed])).document
    for path, value in CHANGES.items():
        found: object = again
        for part in path:
            assert isinstance(found, dict)
            found = found[part]
        assert found == value, path
