"""Upstreams: who the servers are, how one is chosen, and when it is left out.

Source   nginx 1.22, ngx_http_upstream_module and its kin
Checked  tests/unit/test_deploy_nginx.py
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from experiments.deploy.nginx import values
from experiments.deploy.nginx.book import Book, behind_word, last
from experiments.deploy.nginx.hosts import Hosts
from experiments.deploy.nginx.loading import place_of, place_of_word
from experiments.deploy.nginx.servers import FROM, Server, Upstream, read_servers
from experiments.deploy.nginx.tokens import Word
from experiments.deploy.nginx.tree import Directive
from experiments.deploy.nginx.weights import put_weights

KEYS = {
    "$remote_addr": "ip", "$binary_remote_addr": "ip", "$http_x_forwarded_for": "ip", "$http_x_real_ip": "ip",
    "$request_uri": "uri", "$uri": "uri", "$host$request_uri": "uri", "$scheme$proxy_host$request_uri": "uri",
    "$remote_user": "user", "$http_authorization": "user", "$jwt_claim_sub": "user",
}  # fmt: skip
USERS = ("$http_x_user", "$cookie_", "$http_x_api_key", "$arg_user", "$arg_token", "$http_x_auth", "$http_user")


def key_of(text: str) -> str | None:
    """What a variable tells requests apart by, in the scenario's words."""
    plain = text.replace("{", "").replace("}", "").lower()
    if plain in KEYS:
        return KEYS[plain]
    return "user" if plain.startswith(USERS) else None


def read_upstreams(book: Book, blocks: list[Directive], hosts: Hosts) -> dict[str, Upstream]:
    """The upstreams of an http block, by name, with their facts."""
    found: dict[str, Upstream] = {}
    led: dict[str, str] = {}
    for block in blocks:
        if not block.args:
            continue
        name = block.args[0].text
        servers = read_servers(book, block, hosts)
        services = sorted({server.service for server in servers})
        if not services:
            book.problem(place_of(block), f"upstream {name}: none of its servers is a service of this deployment.")
            continue
        if len(services) > 1:
            book.problem(
                place_of(block), f"upstream {name} leads to several services ({', '.join(services)}): only "
                f"{services[0]} is modelled.",
            )  # fmt: skip
        upstream = Upstream(name, services[0], [s for s in servers if s.service == services[0]], block)
        if led.setdefault(upstream.service, name) != name:
            book.problem(
                place_of(block), f"upstreams {led[upstream.service]} and {name} both lead to {upstream.service}: only "
                "the first is modelled.",
            )  # fmt: skip
            continue
        found[name] = upstream
        _facts(book, upstream, hosts)
    return found


def _facts(book: Book, upstream: Upstream, hosts: Hosts) -> None:
    at = ("upstreams", upstream.name)
    place = place_of_word(upstream.servers[0].directive.file, upstream.servers[0].directive.args[0])
    assert upstream.directive is not None  # it was read from one
    book.fact_at((*at, "service"), upstream.service, place, None, "The service whose containers the servers are.")
    book.models(upstream.directive)
    _balancing(book, upstream, at)
    put_weights(book, upstream, at, hosts)
    _shared(book, upstream, at, "max_fails", 1, values.whole, values.write_whole)
    _shared(book, upstream, at, "fail_timeout", "10s", values.whole_seconds, _write_seconds)
    _shared(book, upstream, at, "max_conns", 0, values.whole, values.write_whole)
    _kept(book, upstream, at)
    zone = last(upstream.directive.block, "zone")
    if zone is not None:
        book.fact((*at, "zone"), True, zone, None, "Workers share what they know of the servers.")
    if any(server.port != upstream.servers[0].port for server in upstream.servers):
        book.problem(place_of(upstream.directive), f"upstream {upstream.name}: its servers have different ports.")
    book.fact_at((*at, "port"), upstream.servers[0].port, place, None, "Part of the servers' names.")


def _write_seconds(value: object, before: str) -> str:
    return values.write_duration(value, before, 1000)


def _balancing(book: Book, upstream: Upstream, at: tuple[str, ...]) -> None:
    assert upstream.directive is not None
    block = upstream.directive.block
    path = (*at, "balancing")
    for name in ("least_conn", "ip_hash"):
        method = last(block, name)
        if method is not None:
            book.fact(path, name, method, None, "Another method is another directive.")
            return
    chance = last(block, "random")
    if chance is not None:
        if "least_time" in " ".join(chance.texts[1:]):
            book.problem(place_of(chance), "random two least_time is NGINX Plus's: taken as random two.")
        book.fact(path, "random_two" if chance.texts[:1] == ["two"] else "random", chance, None)
        return
    hashed = last(block, "hash")
    if hashed is not None and hashed.args:
        key = key_of(hashed.args[0].text)
        if key is None:
            what = f"hash {hashed.args[0].text}: the simulator knows users, addresses and URIs as keys"
            book.leave(hashed, f"{what}. It is read as round robin.")
            return
        book.fact(path, "hash_consistent" if "consistent" in hashed.texts[1:] else "hash", hashed, None)
        book.fact_at((*at, "hash_key"), key, place_of_word(hashed.file, hashed.args[0]), None, "From its variable.")
        return
    book.default(path, "round_robin", FROM)


def _shared(
    book: Book, upstream: Upstream, at: tuple[str, ...], name: str, default: object,
    parse: Callable[[str], object], write: Callable[[object, str], str],
) -> None:  # fmt: skip
    """A parameter that the scenario has once for all servers of an upstream."""
    path = (*at, name)
    read: list[tuple[Server, object, bool]] = []
    for server in upstream.servers:
        value, is_read = default, False
        if name in server.settings:
            text, place = server.settings[name]
            try:
                value, is_read = parse(text), True
            except ValueError as error:
                book.problem(place, f"{name}: {error}, got '{text}'. nginx would not start. The default is taken.")
        read.append((server, value, is_read))
    chosen = read[0][1]
    for server, value, is_read in read:
        if value != chosen:
            book.problem(
                place_of(server.directive), f"{name} differs between the servers of {upstream.name} ({chosen} and "
                f"{value}): the scenario has one for all, {chosen}.",
            )  # fmt: skip
        elif is_read:
            text, place = server.settings[name]
            book.fact_at(path, chosen, place, partial(_write_again, write, text))
        elif name in server.settings:
            book.default(path, chosen, FROM)
        elif chosen == default:
            place = behind_word(server.directive, server.directive.args[0])
            book.default(path, chosen, FROM, place, partial(_write_new, write, name, default))


def _write_again(write: Callable[[object, str], str], text: str, value: object) -> str:
    return write(value, text)


def _write_new(write: Callable[[object, str], str], name: str, default: object, value: object) -> str:
    """A parameter that was not there; nothing where it still is the default."""
    return "" if value == default else f" {name}={write(value, '')}"


def _kept(book: Book, upstream: Upstream, at: tuple[str, ...]) -> None:
    """Connections that are kept to the servers: the time limits of the upstream's own level."""
    assert upstream.directive is not None
    rules: dict[str, tuple[Callable[[str], object], Callable[[object, str], str]]] = {
        "keepalive": (values.positive, values.write_positive),
        "keepalive_requests": (values.whole, values.write_whole),
        "keepalive_timeout": (values.duration, values.write_duration),
        "keepalive_time": (values.duration, values.write_duration),
    }
    for name, (parse, write) in rules.items():
        directive = last(upstream.directive.block, name)
        if directive is None or not directive.args:
            continue
        word: Word = directive.args[0]
        try:
            value = parse(word.text)
        except ValueError as error:
            book.leave(directive, f"{name}: {error}, got '{word.text}'. nginx would not start.")
            continue
        book.fact_at((*at, name), value, place_of_word(directive.file, word), partial(_write_again, write, word.text))
        book.models(directive)
