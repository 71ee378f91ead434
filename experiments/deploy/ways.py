"""The ways that requests take: what a gateway's routes and nginx's locations lead to."""

from __future__ import annotations

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
    """The location that nginx takes: exact, else the longest prefix. Regular expressions come last, unread."""
    for location in locations:
        if location.modifier == "=" and location.path == path:
            return location
    prefixes = [one for one in locations if one.modifier in ("", "^~") and path.startswith(one.path)]
    if prefixes:
        return max(prefixes, key=lambda one: len(one.path))
    return next((one for one in locations if one.modifier in ("~", "~*")), None)


def beginning(pattern: str) -> str:
    """What all paths that fit a pattern begin with."""
    parts = []
    for part in pattern.split("/"):
        if "*" in part or part.startswith("{"):
            break
        parts.append(part)
    return "/".join(parts) or "/"


def through_gateway(
    routes: Sequence[Route], nginx: Callable[[str], Sequence[Location] | None], service: Callable[[str], str | None]
) -> Iterator[Way]:
    """A gateway's routes. `nginx`: the locations of a load balancer by its host; `service`: a service by its host."""
    for route in routes:
        for pattern in route.paths or ("/**",):
            locations = nginx(route.host)
            if locations is not None:
                found = locate(locations, beginning(pattern))
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
        pattern = f"{location.path.rstrip('/')}/**" if location.modifier in ("", "^~") else location.path
        yield Way(pattern, location.service, (name,), location.place, f"nginx' location {location.path}.")
