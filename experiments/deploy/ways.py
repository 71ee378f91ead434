"""The ways that requests take: what a gateway's routes and nginx's locations lead to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from experiments.deploy.nginx import Location
from experiments.deploy.place import Place
from experiments.deploy.spring import Route


@dataclass(frozen=True, slots=True)
class Way:
    """Requests whose path fits `pattern` pass `through` to `service`."""

    pattern: str
    service: str
    through: tuple[str, ...]
    place: Place | None
    """Where it is said; None where it is assumed."""
    note: str


def fits(pattern: str, path: str) -> bool:
    """Whether a path (or a template of one) fits an Ant pattern: ** is the rest, * and {id} are any one part."""
    wanted = [part for part in pattern.split("/") if part]
    parts = [part for part in path.split("/") if part]
    for position, part in enumerate(wanted):
        if part == "**" or part.startswith("{*"):
            return True
        if position >= len(parts):
            return False
        if "*" not in part and not part.startswith("{") and part != parts[position]:
            return False
    return len(wanted) == len(parts)


def locate(locations: Sequence[Location], path: str) -> Location | None:
    """The location that nginx takes: exact; else the longest prefix, where it says ^~; else the first regular
    expression; else that prefix. Of a regular expression only what it begins with is looked at, never the rest."""
    for location in locations:
        if location.modifier == "=" and location.path == path:
            return location
    prefixes = [one for one in locations if one.modifier in ("", "^~") and path.startswith(one.path)]
    longest = max(prefixes, key=lambda one: len(one.path), default=None)
    if longest is not None and longest.modifier == "^~":
        return longest
    patterns = [one for one in locations if one.modifier in ("~", "~*")]
    for location in patterns:
        begins, said = (path, literal(location.path)) if location.modifier == "~" else (
            path.lower(), literal(location.path).lower())  # fmt: skip
        if len(said) > 1 and f"{begins}/".startswith(said):
            return location
    return longest or next(iter(patterns), None)


def literal(expression: str) -> str:
    """What every path begins with that an expression such as `^/api/users/(.*)$` matches; empty where it may be
    anything."""
    if not expression.startswith("^") or "|" in re.sub(r"\([^()]*\)", "", expression):
        return ""
    found = re.match(r"\^((?:[A-Za-z0-9_/~%-]|\\[./-])*)([*?+{]?)", expression)
    if found is None:
        return ""
    text = re.sub(r"\\(.)", r"\1", found[1])
    return text[:-1] if found[2] else text


def beginning(pattern: str) -> str:
    """What all paths that fit a pattern begin with."""
    parts = []
    for part in pattern.split("/"):
        if "*" in part or part.startswith("{"):
            break
        parts.append(part)
    return "/".join(parts) or "/"


def passed_on(path: str, route: Route) -> str:
    """The path that a route asks for behind the gateway: StripPrefix takes parts away, PrefixPath puts one before."""
    for one in route.filters:
        said = one.short[0].text if one.short else (arg.text if (arg := one.arg("parts") or one.arg("prefix")) else "")
        if one.name == "StripPrefix":
            parts = [part for part in path.split("/") if part]
            path = "/" + "/".join(parts[int(said) if said.isdecimal() else 1 :])
        elif one.name == "PrefixPath":
            path = f"{said.rstrip('/')}{path}"
    return path


def through_gateway(
    routes: Sequence[Route], nginx: Callable[[str], Sequence[Location] | None], service: Callable[[str], str | None]
) -> Iterator[Way]:
    """A gateway's routes. `nginx`: the locations of a load balancer by its host; `service`: a service by its host."""
    for route in routes:
        for pattern in route.paths or ("/**",):
            locations = nginx(route.host)
            if locations is not None:
                found = locate(locations, passed_on(beginning(pattern), route))
                if found is not None:
                    note = (
                        f"The gateway's route {route.id} leads to {route.host}, whose location {found.path} leads on."
                    )
                    yield Way(pattern, found.service, ("gateway", route.host), route.place, note)
                continue
            target = service(route.host)
            if target is not None:
                yield Way(pattern, target, ("gateway",), route.place, f"The gateway's route {route.id}.")


def through_nginx(name: str, locations: Sequence[Location]) -> Iterator[Way]:
    """What nginx passes on to services itself."""
    for location in locations:
        plain = literal(location.path) if location.modifier in ("~", "~*") else location.path
        pattern = location.path if location.modifier == "=" else f"{plain.rstrip('/')}/**"
        yield Way(pattern, location.service, (name,), location.place, f"nginx' location {location.path}.")
