"""Transactions and data sources in a service: when a connection is taken, from which pool, and how long it is kept."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from experiments.validation.databases import SERVICE, Visits
from models.system import SystemSpec

WAIT = {"kind": "delay", "duration": "1s"}


def query(pool: str = "main", name: str = "find", **more: Any) -> dict[str, Any]:
    return {"kind": "db", "pool": pool, "query": name, **more}


def transaction(pool: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "transaction", "pool": pool, "steps": list(steps), **more}


def in_use(visits: Visits, *instants_s: float) -> list[tuple[int, int]]:
    seen = []
    for instant_s in instants_s:
        visits.env.run(until=instant_s)
        seen.append(visits.in_use())
    return seen


def test_a_connection_is_held_over_all_steps() -> None:
    visits = Visits([transaction("main", WAIT, query(), {**WAIT, "name": "after"}), {**WAIT, "name": "outside"}])
    assert in_use(visits, 1.5, 2.5, 3.5) == [(1, 0), (1, 0), (0, 0)]
    assert visits.outcomes() == {"succeeded": 1}


def test_also_over_calls_of_other_services() -> None:
    steps = [transaction("main", query(), {"kind": "call", "service": "slow", "endpoint": "get"})]
    api = {**SERVICE["services"]["api"], "endpoints": {"get": {"steps": steps}}}
    slow = {"machine": "vm", "endpoints": {"get": {"steps": [WAIT]}}}
    document = {**SERVICE, "services": {"api": api, "slow": slow}, "traffic": {"mix": {"get": 1}}}
    visits = Visits.of(document, (1.0,))
    assert in_use(visits, 1.5, 2.5) == [(1, 0), (0, 0)]
    assert visits.outcomes() == {"succeeded": 1}


def test_queries_of_another_pool_have_connections_of_their_own() -> None:
    visits = Visits([transaction("main", query("copy"), query("main", name="find", probability=1.0))])
    assert visits.outcomes() == {"succeeded": 1}
    assert visits.queries("find") == (1, 1)


def test_a_pool_of_one_is_enough_for_a_transaction_within_a_transaction() -> None:
    """The inner one joins: it takes no second connection, and its read_only is not heard."""
    pools = {"main": {"database": "primary", "maximum_pool_size": 1}, "copy": {"database": "standby"}}
    inner = transaction("main", query(name="save"), read_only=True)
    visits = Visits([transaction("main", query(), inner)], pools=pools)
    assert visits.outcomes() == {"succeeded": 1}
    assert visits.queries("save") == (1, 0)


def test_what_fails_is_rolled_back_and_the_connection_returned() -> None:
    visits = Visits([transaction("main", query(name="save"), query(name="save", probability=1.0), read_only=True)])
    assert visits.outcomes() == {"succeeded": 0, "read_only_database": 1}
    assert visits.in_use() == (0, 0)
    replay = visits.system.databases["standby"]._replay
    assert replay is not None and replay._replayed.total == 0


def test_writes_in_a_transaction_lock_their_rows_until_its_end() -> None:
    """One user, so one row: the second request waits for the first one's end."""
    visits = Visits([transaction("main", query(name="save"), WAIT)], at_s=(1.0, 1.1))
    visits.env.run(until=1.5)
    assert visits.in_use() == (2, 0), "the second has a connection and waits for the row"
    visits.env.run(until=2.9)
    assert visits.in_use() == (1, 0)
    visits.env.run(until=3.1)
    assert visits.in_use() == (0, 0)
    assert visits.outcomes() == {"succeeded": 2}


def test_a_lazy_proxy_in_a_transaction_without_statements_takes_nothing() -> None:
    visits = Visits([transaction("lazy", WAIT)])
    assert in_use(visits, 1.5) == [(0, 0)]
    assert visits.outcomes() == {"succeeded": 1}


def test_a_lazy_proxy_sends_writes_of_a_read_only_transaction_to_the_standby() -> None:
    visits = Visits([transaction("lazy", query("lazy", "save"), read_only=True)])
    assert visits.outcomes() == {"succeeded": 0, "read_only_database": 1}


class TestOpenInView:
    """spring.jpa.open-in-view: once used, a connection is kept until the request ends."""

    def test_from_its_first_use_to_the_end(self) -> None:
        steps = [WAIT, query(), {**WAIT, "name": "after"}]
        assert in_use(Visits(steps, open_in_view=True), 1.5, 2.5, 3.5) == [(0, 0), (1, 0), (0, 0)]
        assert in_use(Visits(steps), 1.5, 2.5, 3.5) == [(0, 0), (0, 0), (0, 0)]

    def test_transactions_use_the_one_that_is_kept(self) -> None:
        pools = {"main": {"database": "primary", "maximum_pool_size": 1}, "copy": {"database": "standby"}}
        steps = [query(), transaction("main", query(name="save")), transaction("main", query(), name="more"), WAIT]
        visits = Visits(steps, open_in_view=True, pools=pools)
        assert in_use(visits, 1.5) == [(1, 0)]
        assert visits.outcomes() == {"succeeded": 1}

    def test_a_lazy_proxy_stays_where_its_first_statement_took_it(self) -> None:
        """The kept connection is that of the standby: a later write fails there."""
        steps = [
            transaction("lazy", query("lazy"), read_only=True),
            transaction("lazy", query("lazy", "save"), name="write"),
        ]
        assert Visits(steps).outcomes() == {"succeeded": 1}
        assert Visits(steps, open_in_view=True).outcomes() == {"succeeded": 0, "read_only_database": 1}

    def test_an_endpoint_without_queries_is_as_it_was(self) -> None:
        assert Visits([WAIT], open_in_view=True).outcomes() == {"succeeded": 1}


@pytest.mark.parametrize(("socket_timeout", "given_up"), [("0s", 0), ("2s", 1)])
def test_a_database_that_is_frozen_keeps_who_asks_it(socket_timeout: str, given_up: int) -> None:
    """Unless the driver gives up; what the server has begun it goes on with when it is thawed."""
    pools = {"main": {"database": "primary", "socket_timeout": socket_timeout}, "copy": {"database": "standby"}}
    visits = Visits([query()], at_s=(1.0, 1.3), pools=pools)
    visits.env.run(until=1.2)
    cpu = visits.system.containers["databases.primary"].cpu
    cpu.freeze()
    visits.env.run(until=20.0)
    assert visits.in_use() == (1 - given_up, 0)
    assert visits.system.databases["primary"].open_connections == 10 + given_up
    cpu.thaw()
    assert visits.outcomes() == {"succeeded": 2 - given_up} | ({"socket_timeout": 1} if given_up else {})
    assert visits.system.databases["primary"].open_connections == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"databases.standby.standby_of": "nobody"}, "databases.standby.standby_of: must name one of the databases"),
        ({"databases.standby.standby_of": "standby"}, "must be a primary, got 'standby'"),
        ({"databases.standby.queries": {"x": {"cpu": "1ms"}}}, "queries: must be left out of a standby"),
        ({"databases.primary.replication_delay": "9ms"}, "replication_delay: is for a standby"),
        ({"databases.primary.synchronous_standby": "other"}, "must name one of the standbys of primary"),
        ({"services.api.data_sources.lazy.replica": "main"}, "must lead to a standby of primary, got 'main'"),
        ({"services.api.data_sources.lazy.primary": "none"}, "must name one of the pools of this service"),
        ({"services.api.data_sources.main": {"style": "lazy_proxy", "primary": "main"}}, "must have a name of its own"),
        (
            {"services.api.data_sources.routing": {"style": "routing_data_source", "primary": "main"}},
            "must name the pool that it routes to",
        ),
        ({"databases.primary.queries.find.table": "x"}, "queries.find.table: must name one of the tables, got 'x'"),
        ({"services.api.endpoints.get.steps": [query("nowhere")]}, "must name one of the pools of this service"),
        ({"services.api.endpoints.get.steps": [query("lazy", "lose")]}, "must name one of the queries of primary"),
        ({"services.api.endpoints.get.steps": [query("copy", "lose")]}, "must name one of the queries of standby"),
        ({"services.api.endpoints.get.steps": [transaction("x", WAIT)]}, "must name one of the pools of this service"),
    ],
)
def test_what_does_not_hang_together_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Visits.of(_changed(change), (1.0,))


def test_what_hangs_together_is_not() -> None:
    assert SystemSpec.model_validate(_changed({})).databases["standby"].standby_of == "primary"


def _changed(change: dict[str, Any]) -> dict[str, Any]:
    document = deepcopy(SERVICE)
    document["services"]["api"]["endpoints"] = {"get": {"steps": [query("lazy")]}}
    document["traffic"] = {"mix": {"get": 1}, "trace": {"file": "none"}}
    for path, value in change.items():
        *parents, last = path.split(".")
        node = document
        for name in parents:
            node = node[name]
        node[last] = value
    return document
