"""The weight of each replica behind an upstream, and who is down, backup, or not there at all.

Checked  tests/unit/test_deploy_nginx.py
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from experiments.deploy.nginx import values
from experiments.deploy.nginx.book import Book, behind_word
from experiments.deploy.nginx.hosts import Hosts
from experiments.deploy.nginx.loading import place_of
from experiments.deploy.nginx.servers import FROM, Server, Upstream


def _weight(book: Book, server: Server) -> tuple[int, str | None]:
    """A server's weight, and its text where it has one that nginx would take."""
    if "weight" not in server.settings:
        return 1, None
    text, place = server.settings["weight"]
    try:
        weight = values.whole(text)
        if weight < 1:
            raise ValueError("must be at least 1")
    except ValueError as error:
        book.problem(place, f"weight: {error}, got '{text}'. nginx would not start. The default is taken.")
        return 1, None
    return weight, text


def put_weights(book: Book, upstream: Upstream, at: tuple[str, ...], hosts: Hosts) -> None:
    """The weight of each replica, and who is down, backup, or not there at all."""
    replicas = hosts.replicas.get(upstream.service, max(server.replicas[-1] for server in upstream.servers))
    weights, known = [1] * replicas, set[int]()
    backup: list[int] = []
    down: list[int] = []
    read = {id(server): _weight(book, server) for server in upstream.servers}
    for server in upstream.servers:
        for number in server.replicas:
            if not 1 <= number <= replicas:
                book.problem(
                    place_of(server.directive), f"server {server.directive.args[0].text}: {upstream.service} has "
                    f"{replicas} replicas, so there is no number {number}. It is left out.",
                )  # fmt: skip
                continue
            known.add(number)
            weights[number - 1] = read[id(server)][0]
            backup += [number] if "backup" in server.settings else []
            down += [number] if "down" in server.settings else []
    missing = [number for number in range(1, replicas + 1) if number not in known]
    if missing:
        book.problem(
            place_of(upstream.servers[0].directive), f"upstream {upstream.name} names {len(known)} of the {replicas} "
            f"replicas of {upstream.service}: the others get no request.",
        )  # fmt: skip
    for server in upstream.servers:
        if server.first > replicas:
            continue
        text = read[id(server)][1]
        write: Callable[[object], str] = partial(_write_weight, server, text)
        if text is not None:
            book.fact_at((*at, "weights"), weights, server.settings["weight"][1], write, "One for each replica.")
        elif "weight" not in server.settings:
            place = behind_word(server.directive, server.directive.args[0])
            book.default((*at, "weights"), weights, f"{FROM}: 1", place, write)
    for name, numbers in (("backup", backup), ("down", down + missing)):
        if numbers:
            server = next((s for s in upstream.servers if name in s.settings), upstream.servers[0])
            book.fact_at((*at, name), sorted(numbers), place_of(server.directive), None, "By the servers' parameters.")


def _write_weight(server: Server, before: str | None, value: object) -> str:
    """The weight of one server out of the list of all replicas."""
    if not isinstance(value, list) or len(value) < server.replicas[-1]:
        raise ValueError("must be a list with one weight for each replica")
    mine = [value[number - 1] for number in server.replicas]
    if any(weight != mine[0] for weight in mine):
        raise ValueError("one server line stands for these replicas: they can only weigh alike")
    text = values.write_whole(mine[0], before or "")
    if mine[0] == 0:
        raise ValueError("must be at least 1")
    return text if before is not None else ("" if mine[0] == 1 else f" weight={text}")
