"""Locations: which paths nginx passes on to which upstream, and the time limits under which it does.

Source   nginx 1.22, ngx_http_proxy_module; a level that has a directive hides those around it
Checked  tests/unit/test_deploy_nginx.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from experiments.deploy.nginx import values
from experiments.deploy.nginx.book import Book, inherited, last, named
from experiments.deploy.nginx.harmless import OTHER_BACKENDS
from experiments.deploy.nginx.hosts import Hosts, host_and_port
from experiments.deploy.nginx.loading import place_of, place_of_word
from experiments.deploy.nginx.servers import FROM, Upstream
from experiments.deploy.nginx.tree import Directive, walk
from experiments.deploy.place import Place

_URL = re.compile(r"(https?)://([^/?#]*)(.*)", re.DOTALL)
_LIMITS = {
    "connect_timeout": "proxy_connect_timeout",
    "send_timeout": "proxy_send_timeout",
    "read_timeout": "proxy_read_timeout",
}
_CONDITIONS = (
    "error", "timeout", "http_403", "http_404", "http_429", "http_500", "http_502", "http_503", "http_504",
    "non_idempotent", "off",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Location:
    """A location that passes requests on."""

    modifier: str
    """Empty for a prefix, else =, ~, ~* or ^~."""
    path: str
    upstream: str
    """Its name in the scenario."""
    service: str
    ports: tuple[int, ...]
    """On which its server listens."""
    server_names: tuple[str, ...]
    replaces_path: bool
    """Whether proxy_pass puts a path of its own in the place of the location's."""
    place: Place
    block: Directive = field(repr=False, compare=False)


def read_locations(
    book: Book, servers: list[Directive], upstreams: dict[str, Upstream], hosts: Hosts
) -> list[Location]:
    """Every location of the servers that leads to a service, in the order of the files."""
    found: list[Location] = []
    for server in servers:
        ports = tuple(_ports(book, server)) or (80,)
        names = tuple(name for directive in named(server.block, "server_name") for name in directive.texts)
        for block in walk(server.block or []):
            if block.name.text == "if" and block.is_block:
                book.leave(block, "if: its condition is not modelled; what stands in it is left out.")
            if block.name.text != "location" or block.block is None:
                continue
            book.models(block)
            for directive in block.block:
                if directive.name.text in OTHER_BACKENDS:
                    book.leave(directive, f"{directive.name.text}: only proxy_pass is modelled.")
            location = _location(book, block, upstreams, hosts, ports, names)
            if location is not None:
                found.append(location)
    return found


def _ports(book: Book, server: Directive) -> Iterator[int]:
    for directive in named(server.block, "listen"):
        if not directive.args:
            continue
        address = directive.args[0].text
        port = re.search(r"(?:^|:)([0-9]{1,5})$", address)
        book.harmless(directive, "where it listens: who asks it is said by the routes")
        if "ssl" in directive.texts[1:] or "quic" in directive.texts[1:]:
            book.problem(place_of(directive), "listen ... ssl: what TLS costs is not modelled; add it to nginx's cpu.")
        yield int(port[1]) if port else 80


def _location(
    book: Book, block: Directive, upstreams: dict[str, Upstream], hosts: Hosts, ports: tuple[int, ...],
    names: tuple[str, ...],
) -> Location | None:  # fmt: skip
    target = last(block.block, "proxy_pass")
    if target is None or not target.args:
        return None
    url = target.args[0].text
    if "$" in url:
        book.leave(target, f"proxy_pass {url}: where variables lead to is known only to the running nginx.")
        return None
    match = _URL.fullmatch(url)
    if match is None or match[2].startswith("unix:"):
        book.leave(target, f"proxy_pass {url}: leads to no host.")
        return None
    if match[1] == "https":
        book.problem(place_of(target), "proxy_pass https: what TLS to the server costs is not modelled.")
    default_port = 443 if match[1] == "https" else 80
    upstream = upstreams.get(match[2]) or _direct(book, target, match[2], default_port, upstreams, hosts)
    if upstream is None:
        book.leave(target, f"proxy_pass {url}: {match[2]} is no upstream and no service of this deployment.")
        return None
    book.models(target)
    words = [arg.text for arg in block.args]
    modifier, path = (words[0], words[1]) if len(words) > 1 else ("", words[0] if words else "/")
    return Location(
        modifier, path, upstream.name, upstream.service, ports, names, bool(match[3]), place_of(block), block
    )


def _direct(
    book: Book, target: Directive, address: str, default_port: int, upstreams: dict[str, Upstream], hosts: Hosts
) -> Upstream | None:
    """A service that proxy_pass names itself: its containers in turn, as DNS gives them when nginx starts."""
    host, port = host_and_port(address, default_port)
    found = hosts.find(host)
    if found is None:
        return None
    for upstream in upstreams.values():
        if upstream.service == found.service:
            if upstream.directive is not None:
                book.problem(
                    place_of(target), f"goes to {found.service} past its upstream {upstream.name}: the scenario has "
                    "one upstream for a service, and takes this one for both.",
                )  # fmt: skip
            return upstream
    upstream = upstreams[found.service] = Upstream(found.service, found.service, [], None)
    place = place_of(target)
    note = "Named by proxy_pass itself: the addresses that Docker gives for it, in turn."
    book.fact_at(("upstreams", found.service, "service"), found.service, place, None, note)
    book.fact_at(("upstreams", found.service, "port"), port, place, None, "Part of the servers' names.")
    book.default(("upstreams", found.service, "balancing"), "round_robin", FROM)
    if found.number is not None and hosts.replicas.get(found.service, 1) > 1:
        others = [number for number in range(1, hosts.replicas[found.service] + 1) if number != found.number]
        book.fact_at(("upstreams", found.service, "down"), others, place, None, "Only one container is named.")
    return upstream


def read_limits(book: Book, locations: list[Location]) -> None:
    """The time limits and next tries of each upstream, from the locations that lead to it."""
    by_upstream: dict[str, list[Location]] = {}
    for location in locations:
        by_upstream.setdefault(location.upstream, []).append(location)
    for name, mine in by_upstream.items():
        at = ("upstreams", name)
        for field_name, directive_name in _LIMITS.items():
            rule = _Rule(directive_name, "60s", values.duration, values.write_duration)
            _one_limit(book, (*at, field_name), mine, rule)
        for field_name in ("next_upstream_tries", "next_upstream_timeout"):
            parse, write = (values.whole, values.write_whole) if field_name.endswith("tries") else (
                values.duration, values.write_duration)  # fmt: skip
            rule = _Rule(f"proxy_{field_name}", 0 if field_name.endswith("tries") else "0s", parse, write)
            _one_limit(book, (*at, field_name), mine, rule)
        _next(book, at, mine)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A directive with one argument that holds in a location."""

    directive: str
    default: object
    parse: Callable[[str], object]
    write: Callable[[object, str], str]


def _one_limit(book: Book, path: tuple[str, ...], locations: list[Location], rule: _Rule) -> None:
    read: list[tuple[Location, object, Directive | None, bool]] = []
    for location in locations:
        holding = inherited(location.block, rule.directive, book.loaded.directives)
        directive = holding[-1] if holding and holding[-1].args else None
        value, is_read = rule.default, False
        if directive is not None:
            try:
                value, is_read = rule.parse(" ".join(directive.texts)), True
            except ValueError as error:
                what = f"{rule.directive}: {error}, got '{directive.args[0].text}'. nginx would not start"
                book.leave(directive, f"{what}. The default is taken.")
        read.append((location, value, directive, is_read))
    chosen = read[0][1]
    seen: set[int] = set()
    for location, value, directive, is_read in read:
        if directive is not None and is_read:
            book.models(directive)
        if value != chosen:
            book.problem(
                location.place if directive is None else place_of(directive),
                f"{rule.directive} is {value} for {location.path} and {chosen} for {locations[0].path}, which go to "
                f"the same upstream: the scenario has one for both, {chosen}.",
            )
        elif directive is None:
            place, indent = _behind_pass(book, location)
            book.default(path, chosen, FROM, place, partial(_add, rule, indent))
        elif not is_read:
            book.default(path, chosen, FROM)
        elif id(directive) not in seen:
            seen.add(id(directive))
            text = " ".join(directive.texts)
            book.fact_at(path, chosen, place_of(directive), partial(_again, rule, text))


def _again(rule: _Rule, text: str, value: object) -> str:
    return rule.write(value, text)


def _add(rule: _Rule, indent: str, value: object) -> str:
    """A directive that was not there, on a line of its own; nothing where it still is the default."""
    return "" if value == rule.default else f"{indent}{rule.directive} {rule.write(value, '')};"


def _behind_pass(book: Book, location: Location) -> tuple[Place, str]:
    """Right behind the location's proxy_pass, and what begins a new line there."""
    target = last(location.block.block, "proxy_pass")
    assert target is not None  # that made it a location
    text = book.loaded.texts[target.file]
    line_start = text.rfind("\n", 0, target.name.start) + 1
    indent = text[line_start : target.name.start]
    newline = "\r\n" if "\r\n" in text else "\n"
    place = Place(target.file, target.line, target.end + 1, target.end + 1)
    return place, newline + indent if indent.strip() == "" else " "


def _next(book: Book, at: tuple[str, ...], locations: list[Location]) -> None:
    path = (*at, "next_upstream")
    chosen: list[str] | None = None
    for location in locations:
        holding = inherited(location.block, "proxy_next_upstream", book.loaded.directives)
        if not holding or not holding[-1].args:
            value, directive = ["error", "timeout"], None
        else:
            directive = holding[-1]
            value = [text for text in directive.texts if text in _CONDITIONS] or ["off"]
            for word in directive.args:
                if word.text not in _CONDITIONS:
                    book.problem(
                        place_of_word(directive.file, word), f"proxy_next_upstream {word.text} is not modelled."
                    )
            book.models(directive)
        if chosen is None:
            chosen = value
        if value != chosen:
            book.problem(
                location.place, f"proxy_next_upstream differs between the locations of one upstream: the scenario has "
                f"one for all, {' '.join(chosen)}.",
            )  # fmt: skip
        elif directive is None:
            place, indent = _behind_pass(book, location)
            rule = _Rule("proxy_next_upstream", ["error", "timeout"], str, _write_conditions)
            book.default(path, value, FROM, place, partial(_add, rule, indent))
        else:
            book.fact_at(path, value, place_of(directive), partial(_conditions_again, directive.texts))


def _write_conditions(value: object, _before: str) -> str:
    if not isinstance(value, list) or not value or any(item not in _CONDITIONS for item in value):
        raise ValueError(f"must be a list of {', '.join(_CONDITIONS)}")
    return " ".join(value)


def _conditions_again(before: list[str], value: object) -> str:
    """What the simulator does not know of the conditions stays where it stood."""
    text = _write_conditions(value, "")
    return " ".join([text, *(word for word in before if word not in _CONDITIONS)])


def keeps_connections(book: Book, location: Location, *, by_default: bool) -> bool:
    """Whether a location speaks to its server in a way that leaves the connection open.

    `by_default`: whether nginx does so unless told otherwise (from 1.29.7 on).
    """
    versions = inherited(location.block, "proxy_http_version", book.loaded.directives)
    headers = inherited(location.block, "proxy_set_header", book.loaded.directives)
    book.models(*versions)
    connection = [
        header.texts[1:2] for header in headers if [one.lower() for one in header.texts[:1]] == ["connection"]
    ]
    speaks = versions[-1].texts[:1] != ["1.0"] if versions else by_default
    return speaks and ([""] in connection or (by_default and not connection))
