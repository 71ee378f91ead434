"""Which release of nginx a container's image is.

Source   docker.com/_/nginx: tags are 1.27.4, 1.27 (the newest of that line), with -alpine and the like behind; others
         (latest, stable, alpine) name none.
Checked  tests/unit/test_deploy_nginx_release.py
"""

from __future__ import annotations

import re

from experiments.deploy.fact import Fact
from experiments.deploy.setting import Ledger, Setting
from models.load_balancer.spec import OLDEST, RELEASES_THAT_DIFFER

Release = tuple[int, int, int]

_TAG = re.compile(r"(?P<image>.+):(?P<release>(\d+)\.(\d+)(?:\.(\d+))?)(?P<rest>(?:[-_].*)?)")


def read_release(image: Setting | None, ledger: Ledger) -> Fact | None:
    """`version` of a load balancer, as a fact whose path is just that; None where the image does not tell."""
    name, at, _ = str(image.value).partition("@") if image is not None else ("", "", "")
    found = _TAG.fullmatch(name)
    if image is None or found is None or "nginx" not in found["image"].rpartition("/")[2]:
        return None  # OpenResty and others number their releases in another way
    major, minor, patch = int(found[3]), int(found[4]), found[5]
    release = (major, minor, int(patch)) if patch else _newest((major, minor))
    if release < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        what = f"nginx {found['release']} is not modelled, {oldest} and later ones are: read as the default release."
        ledger.problem(image.place, what)
        return None
    ledger.models(image)
    note = "" if patch else f"the newest {found['release']}: it behaves as this one"
    is_written_here = image.text == name and patch is not None and not at
    write = (lambda value: f"{found['image']}:{value}{found['rest']}") if is_written_here else None
    return Fact(("version",), ".".join(map(str, release)), "file", image.place, note, write)


def _newest(line: tuple[int, int]) -> Release:
    """The first release that does what the newest of the line does."""
    return max((one for one in RELEASES_THAT_DIFFER if one[:2] == line), default=(*line, 0))
