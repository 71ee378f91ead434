"""An nginx configuration as a load balancer of a scenario.

Models   worker processes and connections, upstreams, locations and their time limits, limits of requests; the rest is
         harmless or reported (experiments/deploy/nginx/harmless.py says which and why).
Source   nginx 1.22
Omits    stream blocks; if, map, rewrite and return; caching; TLS.
Checked  tests/unit/test_deploy_nginx.py, tests/properties/test_nginx_fuzz.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from experiments.deploy.fact import Fact
from experiments.deploy.nginx import values
from experiments.deploy.nginx.book import Book, last, named
from experiments.deploy.nginx.hosts import Hosts
from experiments.deploy.nginx.limits import read_connection_limits, read_request_limits
from experiments.deploy.nginx.loading import load, place_of
from experiments.deploy.nginx.locations import Location, keeps_connections, read_limits, read_locations
from experiments.deploy.nginx.release import read_release
from experiments.deploy.nginx.servers import FROM, Upstream
from experiments.deploy.nginx.tree import Directive
from experiments.deploy.nginx.upstreams import read_upstreams
from experiments.deploy.setting import Ledger, Setting
from experiments.deploy.source import Folder
from models.load_balancer.spec import KEPT_BY_DEFAULT

OF_THE_IMAGE = "nginx's image: its own nginx.conf"


@dataclass(slots=True)
class NginxReading:
    """What a configuration says."""

    facts: list[Fact]
    """Paths begin with load_balancers.<name>. Several facts may have one path: they agree on its value, each has a
    place of its own, and a patch writes them all."""
    locations: list[Location]
    """Which paths lead to which service, in the order of the files."""
    upstreams: dict[str, str]
    """The service that each upstream of the scenario leads to."""
    files: list[str]
    """All files read, the main one first."""
    is_fragment: bool
    """Whether it is no nginx.conf of its own, but a part of an http block."""


def read_nginx(
    folder: Folder, entry: str, ledger: Ledger, *, name: str = "nginx", hosts: Hosts | None = None,
    is_main: bool | None = None, mounts: Mapping[str, str] | None = None, cores: int | None = None,
    image: Setting | None = None, beside: Sequence[str] = (),
) -> NginxReading:  # fmt: skip
    """Read `entry` and what it includes.

    `name`: the load balancer in the scenario. `hosts`: the deployment's services. `is_main`: whether the file is
    mounted as /etc/nginx/nginx.conf; None where nobody knows. `mounts`: files of the folder by where they are mounted.
    `cores`: CPUs that nginx sees, for `worker_processes auto`. `image`: the container's, which may tell
    the release. `beside`: files of conf.d that are included after `entry`. Raises InputError where `entry` cannot be
    read.
    """
    loaded = load(folder, entry, ledger, is_main, mounts, beside)
    book = Book(loaded, ledger, ("load_balancers", name))
    hosts = hosts or Hosts()
    is_fragment = loaded.context == ("http",)
    https = [loaded.directives] if is_fragment else [one.block or [] for one in named(loaded.directives, "http")]
    inside = [directive for block in https for directive in block]
    for directive in named(loaded.directives, "stream"):
        book.leave(directive, "stream: connections that are not HTTP are not modelled.")
    _workers(book, is_fragment and not is_main, cores)
    upstreams = read_upstreams(book, list(named(inside, "upstream")), hosts)
    servers = list(named(inside, "server"))
    locations = read_locations(book, servers, upstreams, hosts)
    read_limits(book, locations)
    _keep_what_is_kept(book, upstreams, locations, by_default=_release(book, image) >= KEPT_BY_DEFAULT)
    read_request_limits(book, locations)
    read_connection_limits(book, locations)
    _real_ip(book, inside, servers)
    book.finish()
    leading = {location.upstream for location in locations}
    for upstream in upstreams.values():
        if upstream.name not in leading and upstream.directive is not None:
            book.problem(place_of(upstream.directive), f"upstream {upstream.name}: no location leads to it.")
    return NginxReading(
        book.facts, locations, {one.name: one.service for one in upstreams.values()}, loaded.files, is_fragment
    )


def _workers(book: Book, is_the_images: bool, cores: int | None) -> None:
    top = book.loaded.directives
    directive = last(top, "worker_processes")
    if directive is not None and directive.args:
        _processes(book, directive, cores)
    elif is_the_images:
        note = f"{OF_THE_IMAGE} says auto" + ("" if cores else "; one core is assumed")
        book.default(("workers",), cores or 1, note)
    else:
        book.default(("workers",), 1, FROM)
    events = last(top, "events")
    connections = last(events.block, "worker_connections") if events is not None else None
    if connections is None or not connections.args:
        book.default(("worker_connections",), 1024 if is_the_images else 512, OF_THE_IMAGE if is_the_images else FROM)
        return
    try:
        count = values.whole(connections.args[0].text)
    except ValueError as error:
        book.leave(
            connections, f"worker_connections: {error}, got '{connections.args[0].text}'. nginx would not start."
        )
        return
    book.fact(("worker_connections",), count, connections, values.whole_again(connections.args[0].text))


def _processes(book: Book, directive: Directive, cores: int | None) -> None:
    text = directive.args[0].text
    if text == "auto":
        note = "auto: one for each core" + ("" if cores else ", of which one is assumed")
        book.fact(("workers",), cores or 1, directive, partial(_write_workers, cores), note)
        return
    try:
        book.fact(("workers",), values.whole(text), directive, values.whole_again(text))
    except ValueError as error:
        book.leave(directive, f"worker_processes: {error}, got '{text}'. nginx would not start.")


def _write_workers(cores: int | None, value: object) -> str:
    return "auto" if value == (cores or 1) else values.write_whole(value)


def _release(book: Book, image: Setting | None) -> tuple[int, ...]:
    """The release that runs, () where nobody knows."""
    fact = read_release(image, book.ledger)
    if fact is None:
        return ()
    book.facts.append(replace(fact, path=(*book.at, *fact.path)))
    return tuple(int(part) for part in str(fact.value).split("."))


def _keep_what_is_kept(
    book: Book, upstreams: dict[str, Upstream], locations: list[Location], *, by_default: bool
) -> None:
    """keepalive needs HTTP/1.1 and no Connection header in each location; else every connection is closed."""
    for upstream in upstreams.values():
        keepalive = last(upstream.directive.block, "keepalive") if upstream.directive is not None else None
        mine = [location for location in locations if location.upstream == upstream.name]
        closing = [location for location in mine if not keeps_connections(book, location, by_default=by_default)]
        if keepalive is None or not closing:
            continue
        book.problem(
            place_of(keepalive), f"keepalive of {upstream.name} keeps nothing: {closing[0].path} lacks "
            'proxy_http_version 1.1 or proxy_set_header Connection "" (nginx before 1.29.7).',
        )  # fmt: skip
        path = (*book.at, "upstreams", upstream.name, "keepalive")
        book.facts[:] = [fact for fact in book.facts if fact.path != path]
        note = "keepalive has no effect: see the problem reported"
        book.facts.append(Fact(path, 0, "file", place_of(keepalive), note, None))


def _real_ip(book: Book, inside: list[Directive], servers: list[Directive]) -> None:
    """Whether nginx looks behind the gateway's address."""
    blocks = [inside, *(server.block or [] for server in servers)]
    trusted = [directive for block in blocks for directive in named(block, "set_real_ip_from")]
    headers = [directive for block in blocks for directive in named(block, "real_ip_header")]
    if not trusted:
        for header in headers:
            book.harmless(header, "set_real_ip_from trusts nobody: the header is not read")
        return
    header = headers[0] if headers else trusted[0]
    text = header.texts[0].lower() if headers and header.args else "x-real-ip"
    if text not in ("x-forwarded-for", "x-real-ip"):
        book.leave(header, f"real_ip_header {text}: only X-Forwarded-For and X-Real-IP are modelled.")
        return
    book.fact(("real_ip",), True, header, None, "Clients are known by their own addresses.")
    book.models(*trusted, *headers)
