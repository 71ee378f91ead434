"""limit_req and limit_conn: zones, where they are used, and for whom.

Models   A level that has any limit_req hides those around it. The scenario has the limits of an nginx, not of one of
         its locations: a limit that holds only for some of those that lead to services is reported.
Source   nginx 1.22, ngx_http_limit_req_module, ngx_http_limit_conn_module
Checked  tests/unit/test_deploy_nginx.py
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from experiments.deploy.nginx import values
from experiments.deploy.nginx.book import Book, inherited
from experiments.deploy.nginx.loading import place_of, place_of_word
from experiments.deploy.nginx.locations import Location
from experiments.deploy.nginx.tokens import Word
from experiments.deploy.nginx.tree import Directive, walk
from experiments.deploy.nginx.upstreams import key_of
from experiments.deploy.place import Place


@dataclass(slots=True)
class Zone:
    """A zone of shared memory, and what it counts by."""

    name: str
    key: str | None
    directive: Directive
    settings: dict[str, tuple[str, Place]] = field(default_factory=dict)


def read_limit_zones(book: Book, kind: str) -> dict[str, Zone]:
    """The zones of `limit_req_zone` or `limit_conn_zone`, by name."""
    zones: dict[str, Zone] = {}
    for directive in walk(book.loaded.directives):
        if directive.name.text != kind or len(directive.args) < 2:
            continue
        parameters = _parameters(directive, directive.args[1:])
        text, place = parameters.get("zone", ("", place_of(directive)))
        name, colon, size = text.partition(":")
        if not name:
            book.leave(directive, f"{kind}: lacks zone=name:size. nginx would not start.")
            continue
        settings = dict(parameters)
        if colon:
            settings["size"] = (size, Place(place.file, place.line, place.end - len(size), place.end))
        zones[name] = Zone(name, _key(directive.args[0].text), directive, settings)
    return zones


def _key(text: str) -> str | None:
    if "$" not in text or text in ("$server_name", "$host", "$http_host", "$scheme", "$server_port", "$server_addr"):
        return "global"
    return key_of(text)


def _parameters(directive: Directive, words: tuple[Word, ...]) -> dict[str, tuple[str, Place]]:
    """`name=value` by name, with where the value stands."""
    found: dict[str, tuple[str, Place]] = {}
    for word in words:
        name, equals, value = word.text.partition("=")
        place = place_of_word(directive.file, word)
        begin = place.start + len(name) + 1 if equals and place.end - place.start == len(word.text) else place.start
        found[name] = (value, Place(place.file, place.line, begin, place.end))
    return found


def read_request_limits(book: Book, locations: list[Location]) -> None:
    """The limit_req directives that hold for what is passed on."""
    zones = read_limit_zones(book, "limit_req_zone")
    for directive in _used(book, "limit_req", locations):
        parameters = _parameters(directive, directive.args)
        zone = zones.get(parameters.get("zone", ("", None))[0])
        if zone is None:
            book.leave(directive, "limit_req: names no zone that is declared. nginx would not start.")
            continue
        if not _has_key(book, directive, zone):
            continue
        at = ("limit_req", zone.name)
        if _rate(book, at, zone) is False:
            continue
        book.models(directive)
        _key_and_size(book, at, zone)
        _burst(book, at, directive, parameters)
    _status(book, "limit_req", locations)


def _rate(book: Book, at: tuple[str, ...], zone: Zone) -> bool:
    text, place = zone.settings.get("rate", ("", place_of(zone.directive)))
    try:
        book.fact_at((*at, "rate"), values.rate(text), place, partial(_again_rate, text))
    except ValueError as error:
        book.leave(zone.directive, f"rate: {error}, got '{text}'. nginx would not start.")
        return False
    return True


def _again_rate(text: str, value: object) -> str:
    return values.write_rate(value, text)


def _key_and_size(book: Book, at: tuple[str, ...], zone: Zone) -> None:
    place = place_of_word(zone.directive.file, zone.directive.args[0])
    book.fact_at((*at, "key"), zone.key, place, None, "From the variable that the zone counts by.")
    book.models(zone.directive)
    text, place = zone.settings.get("size", ("", place))
    try:
        size = values.size(text)
    except ValueError as error:
        book.problem(place, f"zone {zone.name}: {error}, got '{text}'. nginx would not start.")
        return
    book.fact_at((*at, "zone"), size, place, partial(_again_size, text))


def _again_size(text: str, value: object) -> str:
    return values.write_size(value, text)


def _burst(book: Book, at: tuple[str, ...], directive: Directive, parameters: dict[str, tuple[str, Place]]) -> None:
    end = directive.args[-1].end + directive.args[-1].is_quoted
    behind = Place(directive.file, directive.args[-1].line, end, end)
    for name in ("burst", "delay"):
        if name in parameters:
            text, place = parameters[name]
            try:
                book.fact_at((*at, name), values.positive(text), place, values.positive_again(text))
            except ValueError as error:
                book.problem(place, f"{name}: {error}, got '{text}'. nginx would not start.")
        elif name == "burst":
            book.default((*at, name), 0, "nginx 1.22", behind, partial(_new, name))
    if "nodelay" in parameters:
        book.fact_at((*at, "nodelay"), True, parameters["nodelay"][1], None, "Its absence means that requests wait.")


def _new(name: str, value: object) -> str:
    return "" if value == 0 else f" {name}={values.write_whole(value)}"


def read_connection_limits(book: Book, locations: list[Location]) -> None:
    """The limit_conn directives that hold for what is passed on."""
    zones = read_limit_zones(book, "limit_conn_zone")
    for directive in _used(book, "limit_conn", locations):
        zone = zones.get(directive.args[0].text) if directive.args else None
        if zone is None or len(directive.args) < 2:
            book.leave(directive, "limit_conn: names no zone that is declared. nginx would not start.")
            continue
        if not _has_key(book, directive, zone):
            continue
        at, word = ("limit_conn", zone.name), directive.args[1]
        try:
            count = values.positive(word.text)
        except ValueError as error:
            book.leave(directive, f"limit_conn: {error}, got '{word.text}'. nginx would not start.")
            continue
        book.models(directive)
        book.fact_at((*at, "connections"), count, place_of_word(directive.file, word), values.positive_again(word.text))
        _key_and_size(book, at, zone)
    _status(book, "limit_conn", locations)


def _has_key(book: Book, directive: Directive, zone: Zone) -> bool:
    if zone.key is None:
        text = zone.directive.args[0].text
        book.leave(
            directive, f"{directive.name.text} by {text}: the simulator knows users, addresses and everybody as keys. "
            "It is left out.",
        )  # fmt: skip
    return zone.key is not None


def _used(book: Book, name: str, locations: list[Location]) -> list[Directive]:
    """The directives that hold for the locations, once each; what holds for some of them only is reported."""
    by_location = [inherited(location.block, name, book.loaded.directives) for location in locations]
    found: dict[int, Directive] = {id(one): one for holding in by_location for one in holding}
    for directive in found.values():
        without = [
            location.path for location, holding in zip(locations, by_location, strict=True)
            if not any(_is_same(directive, one) for one in holding)
        ]  # fmt: skip
        if without:
            book.problem(
                place_of(directive), f"{name} holds only for a part of what nginx passes on (not for "
                f"{', '.join(sorted(set(without)))}): the scenario has it for all.",
            )  # fmt: skip
    kept: list[Directive] = []
    for directive in found.values():
        zone = _zone_of(directive)
        first = next((one for one in kept if _zone_of(one) == zone), None)
        if first is None:
            kept.append(directive)
        elif _is_same(first, directive):
            book.models(directive)
        else:
            book.leave(directive, f"{name} uses zone {zone} in another way than {first.file}:{first.line}: only that "
                       "one is modelled.")  # fmt: skip
    return kept


def _zone_of(directive: Directive) -> str:
    texts = directive.texts
    if directive.name.text == "limit_conn":
        return texts[0] if texts else ""
    return next((text[5:] for text in texts if text.startswith("zone=")), "")


def _is_same(one: Directive, other: Directive) -> bool:
    return one is other or one.texts == other.texts


def _status(book: Book, name: str, locations: list[Location]) -> None:
    """What refused requests are answered, and whether any are."""
    for directive_name in (f"{name}_status", f"{name}_dry_run"):
        found: dict[int, Directive] = {}
        for location in locations:
            found |= {id(one): one for one in inherited(location.block, directive_name, book.loaded.directives)}
        for number, directive in enumerate(found.values()):
            text = directive.texts[0] if directive.args else ""
            if number:
                book.problem(place_of(directive), f"{directive_name} is set in several places: only the first counts.")
                continue
            if directive_name.endswith("status"):
                try:
                    book.fact((directive_name,), values.whole(text), directive, values.whole_again(text))
                except ValueError as error:
                    book.leave(directive, f"{directive_name}: {error}, got '{text}'. nginx would not start.")
            else:
                book.fact((directive_name,), text == "on", directive, _write_flag)


def _write_flag(value: object) -> str:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return "on" if value else "off"
