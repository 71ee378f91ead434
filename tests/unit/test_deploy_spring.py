"""An application's Spring files as facts: by hand for the shipped and the recorded ones, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.fact import Fact
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.deploy.spring import SpringReading, read_spring
from models.connection_pool import HikariSpec
from models.replica import TomcatSpec
from sim.quantities import parse_duration, parse_rate

SERVICES = ["user-service", "place-service", "recommendation-service", "community-service", "media-service"]


def read(folder: Path, text: str | dict[str, str], **options: Any) -> tuple[SpringReading, Ledger]:
    files = {"application.yml": text} if isinstance(text, str) else text
    for name, content in files.items():
        (folder / name).write_text(content)
    return reread(folder, name="api", locations=["."], **options)


def reread(folder: Path, **options: Any) -> tuple[SpringReading, Ledger]:
    ledger = Ledger()
    reading = read_spring(Folder(folder), ledger, **options)
    assert reading is not None
    return reading, ledger


def values(facts: list[Fact], source: str | None = None, skip: int = 0) -> dict[str, object]:
    return {".".join(fact.path[skip:]): fact.value for fact in facts if source is None or fact.source == source}


def problems(ledger: Ledger) -> str:
    return "\n".join(f"{place}: {text}" for place, text in ledger.problems)


@pytest.fixture
def growth(project: Path) -> Path:
    return project / "experiments" / "scenarios" / "maltan" / "deploy" / "growth"


def maltan(growth: Path, name: str) -> tuple[SpringReading, Ledger]:
    environment = {"SPRING_PROFILES_ACTIVE": "prod", "POSTGRES_PASSWORD": "secret"}
    return reread(growth, name=name, locations=[name], environment=environment, hosts=SERVICES)


POOL = {
    "maximum_pool_size": 10, "minimum_idle": 5, "connection_timeout": "30s", "idle_timeout": "10m",
    "max_lifetime": "30m",
}  # fmt: skip


def pool(name: str, database: str) -> dict[str, object]:
    return {f"pools.{name}.{key}": value for key, value in {"database": database, **POOL}.items()}


ROUTED = {
    **pool("main", "postgres"), **pool("reads", "postgres-replica"), "data_sources.routed.primary": "main",
    "data_sources.routed.replica": "reads", "shutdown.graceful": True,
}  # fmt: skip
MALTAN = {
    "user-service": (ROUTED, {"profiles": "60s"}, 8081),
    "place-service": (ROUTED, {"static": "3600s", "hot": "300s", "places": "300s"}, 8082),
    "recommendation-service": (
        {**pool("main", "postgres"), "shutdown.graceful": True}, {"recommended": "300s"}, 8083,
    ),
    "community-service": ({**pool("main", "postgres"), "shutdown.graceful": True}, {"posts": "60s"}, 8084),
    "media-service": ({"shutdown.graceful": True}, {}, 8085),
}  # fmt: skip


@pytest.mark.parametrize("name", MALTAN)
def test_the_shipped_services_in_figures(growth: Path, name: str) -> None:
    reading, ledger = maltan(growth, name)
    wanted, caches, port = MALTAN[name]
    own = [fact for fact in reading.facts if fact.path[0] == "services"]
    assert values(own, "file", 2) == wanted
    assert {fact.path[1] for fact in own} == {name}
    ttls = {fact.path[3]: fact.value for fact in reading.facts if fact.path[-1] == "ttl"}
    assert ttls == caches
    nulls = {fact.path[3]: fact.value for fact in reading.facts if fact.path[-1] == "cache_nulls"}
    assert nulls == dict.fromkeys(caches, False)
    assert reading.port == port
    assert reading.log_levels == {"root": "WARN"}
    assert not list(ledger.unmodelled())
    assert not ledger.problems


def test_the_shipped_breaker(growth: Path) -> None:
    reading, _ = maltan(growth, "place-service")
    (guards,) = reading.guards.values()
    assert guards.name == "recommendation-service"
    assert values(guards.facts, "file") == {
        "breaker.sliding_window_size": 10,
        "breaker.failure_rate_threshold": 50,
        "breaker.wait_duration_in_open_state": "30s",
        "breaker.permitted_number_of_calls_in_half_open_state": 5,
        "time_limiter.limit": "3s",
    }
    assert values(guards.facts, "default")["breaker.minimum_number_of_calls"] == 100
    (call,) = reading.calls
    assert (call.name, call.host, call.port, call.place.line) == (
        "recommendation-service",
        "recommendation-service",
        8083,
        49,
    )


def test_the_shipped_gateway(growth: Path) -> None:
    reading, ledger = maltan(growth, "gateway")
    assert values(reading.facts, "file", 1) == {
        "rate_limits.per_user.key": "user",
        "rate_limits.per_user.capacity": 100,
        "rate_limits.per_user.refill": "100/60s",
        "rate_limits.per_ip.key": "ip",
        "rate_limits.per_ip.capacity": 200,
        "rate_limits.per_ip.refill": "200/60s",
        "rate_limits.global.key": "global",
        "rate_limits.global.capacity": 1000,
        "rate_limits.global.refill": "1000/1s",
        "concurrency.user-service.permits": 50,
        "concurrency.user-service.max_wait": "0s",
        "concurrency.place-service.permits": 100,
        "concurrency.place-service.max_wait": "0s",
        "concurrency.recommendation-service.permits": 30,
        "concurrency.recommendation-service.max_wait": "0s",
        "concurrency.community-service.permits": 50,
        "concurrency.community-service.max_wait": "0s",
    }
    assert [(one.id, one.host, one.port, one.paths) for one in reading.routes] == [
        ("user-service", "nginx", 80, ("/api/users/**",)),
        ("place-service", "nginx", 80, ("/api/places/**",)),
        ("recommendation-service", "recommendation-service", 8083, ("/api/recommendations/**",)),
        ("community-service", "community-service", 8084, ("/api/community/**",)),
        ("media-service", "media-service", 8085, ("/api/media/**",)),
    ]
    assert reading.is_gateway and not reading.guards
    assert [".".join(map(str, one.key)) for one in ledger.unmodelled()] == ["server.shutdown"]


OTHER: dict[str, object] = {
    "maximum_pool_size": 25, "minimum_idle": 7, "connection_timeout": "2s", "idle_timeout": "90s", "max_lifetime": "1h",
    "ttl": "7m", "cache_nulls": True, "sliding_window_size": 33, "failure_rate_threshold": 62.5, "limit": "750ms",
    "wait_duration_in_open_state": "5s", "permitted_number_of_calls_in_half_open_state": 2, "graceful": False,
    "capacity": 70, "refill": "70/30s", "permits": 11, "max_wait": "20ms",
}  # fmt: skip


def meant(value: object) -> object:
    """A value, with durations and rates as numbers."""
    if not isinstance(value, str):
        return value
    return parse_rate(value) if "/" in value else parse_duration(value)


@pytest.mark.parametrize("name", ["place-service", "gateway"])
def test_every_figure_finds_its_way_back(growth: Path, tmp_path: Path, name: str) -> None:
    reading, _ = maltan(growth, name)
    before = (growth / name / "application.yml").read_text()
    text = before
    facts = [*reading.facts, *(fact for guards in reading.guards.values() for fact in guards.facts)]
    patched = [fact for fact in facts if fact.write is not None and fact.place is not None and fact.source == "file"]
    for fact in patched:
        assert fact.place is not None and fact.write is not None
        assert fact.write(fact.value) == before[fact.place.start : fact.place.end], fact.path
    at = {fact.place.start: fact for fact in patched if fact.place}
    for start in sorted(at, reverse=True):
        fact = at[start]
        assert fact.place is not None and fact.write is not None
        text = text[:start] + fact.write(OTHER[fact.path[-1]]) + text[fact.place.end :]
    assert len(text.splitlines()) == len(before.splitlines())
    (tmp_path / name).mkdir()
    (tmp_path / name / "application.yml").write_text(text)
    again, _ = maltan(tmp_path, name)
    facts = [*again.facts, *(fact for guards in again.guards.values() for fact in guards.facts)]
    found = [fact for fact in facts if fact.source == "file" and fact.write is not None]
    assert len(found) == len(patched)
    assert [meant(fact.value) for fact in found] == [meant(OTHER[fact.path[-1]]) for fact in found]


@pytest.mark.parametrize("ending", ["", "\n", "\n# the end\n", "\n---\nspring.config.activate.on-profile: x\nb: 1\n"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_is_not_said_can_be(tmp_path: Path, ending: str, newline: str) -> None:
    """A default gets a line of its own, at the end of the document that counts."""
    text = f"spring.datasource.url: jdbc:postgresql://db/x\nspring.redis.host: r{ending}".replace("\n", newline)
    (tmp_path / "application.yml").write_bytes(text.encode())
    (tmp_path / "application-x.yml").write_text("spring.application.name: x\n")
    environment = {"SPRING_PROFILES_ACTIVE": "x"}
    reading, _ = reread(tmp_path, name="api", locations=["."], environment=environment)
    wanted: dict[str, object] = {
        "threads": 40, "maximum_pool_size": 20, "connection_timeout": "2s", "command_timeout": "1s", "graceful": True,
        "accept_count": 7,
    }  # fmt: skip
    defaults = [fact for fact in reading.facts if fact.source == "default" and fact.write is not None]
    added = ""
    for fact in defaults:
        assert fact.write is not None and fact.place is not None
        assert fact.place.file == "application.yml" and fact.place.start == fact.place.end
        assert fact.write(fact.value) == ""
        added += fact.write(wanted.get(fact.path[-1], fact.value))
    at = defaults[0].place.start if defaults[0].place else 0
    after = text[:at] + added + text[at:]
    assert len(after.splitlines()) == len(text.splitlines()) + len(wanted)
    assert after.count("\r\n") == (after.count("\n") if newline == "\r\n" else 0)
    (tmp_path / "application.yml").write_bytes(after.encode())
    again, ledger = reread(tmp_path, name="api", locations=["."], environment=environment)
    found = {fact.path[-1]: fact.value for fact in again.facts if fact.source == "file" and fact.path[-1] in wanted}
    assert found == wanted
    assert not ledger.problems


def test_what_is_not_said_can_be_in_properties(tmp_path: Path) -> None:
    text = "#x\nresilience4j.circuitbreaker.instances.shop.sliding-window-size=5"
    (tmp_path / "application.properties").write_text(text)
    reading, _ = reread(tmp_path, name="api", locations=["."])
    fact = next(one for one in reading.guards["shop"].facts if one.path[-1] == "minimum_number_of_calls")
    assert fact.write is not None and fact.place is not None
    assert text[: fact.place.start] == text
    assert fact.write(3) == "\nresilience4j.circuitbreaker.instances.shop.minimum-number-of-calls=3"


def test_spelling_is_kept(growth: Path) -> None:
    reading, _ = maltan(growth, "place-service")
    by_path = {fact.path[2:]: fact for fact in reading.facts}
    write = by_path["pools", "main", "connection_timeout"].write
    ttl = by_path["classes", "static", "ttl"].write
    assert write is not None and ttl is not None
    assert write("2s") == "2000"
    assert ttl("2h") == "7200s"
    with pytest.raises(ValueError, match="must"):
        by_path["pools", "main", "maximum_pool_size"].write("many")  # type: ignore[misc]


# the recorded deployments, by hand

PACKT = {
    "product": ({"shutdown.graceful": True, "shutdown.timeout": "10s"}, {}),
    "review": (
        {"shutdown.graceful": True, "shutdown.timeout": "10s", "pools.main.database": "mysql",
         "pools.main.initialization_fail_timeout": "1m"},
        {},
    ),
    "product-composite": (
        {"shutdown.graceful": True, "shutdown.timeout": "10s"},
        {
            "breaker.sliding_window_type": "count_based",
            "breaker.sliding_window_size": 5,
            "breaker.failure_rate_threshold": 50,
            "breaker.wait_duration_in_open_state": "10s",
            "breaker.permitted_number_of_calls_in_half_open_state": 3,
            "breaker.automatic_transition_from_open_to_half_open_enabled": True,
            "retry.max_attempts": 3,
            "retry.wait_duration": "1s",
            "retry.retry_exceptions": ["500"],
            "time_limiter.limit": "2s",
        },
    ),
}  # fmt: skip


def packt(data_dir: Path, name: str, profile: str = "docker") -> tuple[SpringReading, Ledger]:
    environment = {
        "SPRING_PROFILES_ACTIVE": profile,
        "SPRING_CONFIG_LOCATION": f"file:/config-repo/application.yml,file:/config-repo/{name}.yml",
    }
    folder = data_dir / "deployments" / "packt_ch23"
    return reread(folder, name=name, environment=environment, mounts={"/config-repo": "config-repo"})


@pytest.mark.parametrize("name", PACKT)
def test_the_book_of_packt(data_dir: Path, name: str) -> None:
    reading, ledger = packt(data_dir, name)
    facts, guards = PACKT[name]
    assert values(reading.facts, "file", 2) == facts
    assert values([fact for one in reading.guards.values() for fact in one.facts], "file") == guards
    assert reading.port == 80  # 7000 to 7003 outside the profile docker
    assert reading.files == ["config-repo/application.yml", f"config-repo/{name}.yml"]
    assert "InvalidInputException" in problems(ledger) or name != "product-composite"


def test_the_gateway_of_packt(data_dir: Path) -> None:
    reading, ledger = packt(data_dir, "gateway")
    assert [(route.id, route.host) for route in reading.routes] == [
        ("product-composite", "product-composite"),
        ("oauth2-server", "auth-server"),  # localhost outside the profile docker
        ("oauth2-login", "auth-server"),
        ("oauth2-error", "auth-server"),
        ("product-composite-swagger-ui", "product-composite"),
        ("product-composite-swagger-ui-webjars", "product-composite"),
    ]
    assert reading.port == 8443
    assert reading.log_levels["org.springframework.cloud.gateway"] == "TRACE"
    left = {".".join(map(str, one.key)) for one in ledger.unmodelled()}
    assert {"server.ssl.key-store", "spring.rabbitmq.host"} <= left
    other, _ = packt(data_dir, "gateway", "prod")
    assert other.log_levels["org.springframework.cloud.gateway"] == "WARN"
    assert other.routes[1].host == "localhost"


def test_a_missing_location_is_named(data_dir: Path) -> None:
    ledger = Ledger()
    environment = {"SPRING_CONFIG_LOCATION": "file:/config-repo/auth-server.yml"}
    folder = Folder(data_dir / "deployments" / "packt_ch23")
    reading = read_spring(
        folder, ledger, name="auth-server", environment=environment, mounts={"/config-repo": "config-repo"}
    )
    assert reading is None
    assert "auth-server.yml, which is not in the folder" in problems(ledger)


def test_piggymetrics_old_libraries_are_named(data_dir: Path) -> None:
    folder = data_dir / "deployments" / "piggymetrics"
    reading, ledger = reread(folder, name="gateway", config_repository=["."])
    assert reading.port == 4000
    assert not reading.routes
    said = problems(ledger)
    assert "Hystrix" in said and "Ribbon" in said and "Zuul" in said
    left = {str(one.key[0]) for one in ledger.unmodelled()}
    assert left == {"hystrix", "ribbon", "zuul"}


# the server


def test_tomcat(tmp_path: Path) -> None:
    text = (
        "server:\n  port: 9090\n  tomcat:\n    threads: {max: 50, min-spare: 4}\n    accept-count: 20\n"
        "    max-connections: 100\n"
    )
    reading, ledger = read(tmp_path, text)
    found = {fact.path[-1]: fact.value for fact in reading.facts if fact.path[2] == "workers"}
    spec = TomcatSpec.model_validate(found)
    assert (spec.threads, spec.min_spare_threads, spec.accept_count, spec.max_connections) == (50, 4, 20, 100)
    assert not list(ledger.unmodelled())


def test_the_old_name_of_threads(tmp_path: Path) -> None:
    reading, _ = read(tmp_path, "server.tomcat.max-threads: 20\n")
    assert values(reading.facts, "file", 2) == {"workers.threads": 20}
    reading, _ = read(tmp_path, "server.tomcat.max-threads: 20\nserver.tomcat.threads.max: 30\n")
    assert values(reading.facts, "file", 2) == {"workers.threads": 30}


def test_a_reactive_application_has_loops(tmp_path: Path) -> None:
    reading, _ = read(tmp_path, "spring.main.web-application-type: reactive\n")
    assert values(reading.facts, "file", 2) == {"workers.kind": "event_loop"}


def test_figures_that_cannot_be_read(tmp_path: Path) -> None:
    text = (
        "server.tomcat.threads.max: '#{2*100}'\nserver.shutdown: soon\n"
        "spring.datasource.url: jdbc:postgresql://db/x\nspring.datasource.hikari.connection-timeout: 30s\n"
    )
    reading, ledger = read(tmp_path, text)
    said = problems(ledger)
    assert "application.yml:1: server.tomcat.threads.max: must be a whole number" in said and "not evaluated" in said
    assert "application.yml:2: server.shutdown: must be graceful or immediate" in said
    assert "application.yml:4: spring.datasource.hikari.connection-timeout: must be a plain number" in said
    assert values(reading.facts)["services.api.workers.threads"] == 200
    assert {str(one.key[-1]) for one in ledger.unmodelled()} == {"max", "shutdown", "connection-timeout"}


def test_virtual_threads_are_reported(tmp_path: Path) -> None:
    _, ledger = read(tmp_path, "spring.threads.virtual.enabled: true\n")
    assert "threads without number are not modelled" in problems(ledger)


def test_open_in_view(tmp_path: Path) -> None:
    assert "open_in_view" not in values(read(tmp_path, "a: 1\n")[0].facts, skip=2)
    reading, _ = read(tmp_path, "spring.jpa.hibernate.ddl-auto: none\n")
    assert values(reading.facts, "default", 2)["open_in_view"] is True
    reading, _ = read(tmp_path, "spring.jpa.open-in-view: false\n")
    assert values(reading.facts, "file", 2)["open_in_view"] is False


# pools


def test_what_the_pool_takes(tmp_path: Path) -> None:
    text = (
        "spring.datasource:\n  url: jdbc:postgresql://db:5432/shop?prepareThreshold=0&socketTimeout=7\n"
        "  hikari: {maximumPoolSize: 4, keepalive_time: 60000, initialization-fail-timeout: -1}\n"
    )
    reading, ledger = read(tmp_path, text)
    found = {fact.path[-1]: fact.value for fact in reading.facts if fact.path[2] == "pools"}
    spec = HikariSpec.model_validate(found)
    assert (spec.database, spec.maximum_pool_size, spec.keepalive_time) == ("db", 4, 60.0)
    assert (spec.initialization_fail_timeout, spec.prepare_threshold, spec.socket_timeout) == (None, 0, 7.0)
    assert not list(ledger.unmodelled())


def test_several_pools(tmp_path: Path) -> None:
    text = (
        "spring.datasource:\n"
        "  writer: {jdbc-url: 'jdbc:postgresql://db/x', maximum-pool-size: 3}\n"
        "  reader-db: {jdbcUrl: 'jdbc:postgresql://replica/x', maximumPoolSize: 4}\n"
        "  audit: {url: 'jdbc:mysql://log,other/x', hikari: {maximum-pool-size: 5}}\n"
    )
    reading, _ = read(tmp_path, text)
    found = values(reading.facts, "file", 2)
    assert {key: value for key, value in found.items() if key.endswith(("size", "database"))} == {
        "pools.main.database": "db", "pools.main.maximum_pool_size": 3, "pools.reads.database": "replica",
        "pools.reads.maximum_pool_size": 4, "pools.audit.database": "log", "pools.audit.maximum_pool_size": 5,
    }  # fmt: skip
    assert values(reading.facts, "assumed", 2) == {"data_sources.routed.style": "lazy_proxy"}


def test_pools_that_are_not_modelled(tmp_path: Path) -> None:
    _, ledger = read(
        tmp_path, "spring.datasource.url: jdbc:h2:mem:test\nspring.r2dbc.url: r2dbc:pool:postgresql://d/x\n"
    )
    assert "an embedded database" in problems(ledger)
    assert "spring.r2dbc" in problems(ledger)
    _, ledger = read(tmp_path, "spring.datasource:\n  url: jdbc:postgresql://d/x\n  tomcat: {max-active: 5}\n")
    assert "only HikariCP is modelled" in problems(ledger)


# caches


@pytest.mark.parametrize("root", ["spring.redis", "spring.data.redis"])
def test_redis_and_its_caches(tmp_path: Path, root: str) -> None:
    text = (
        f"{root}: {{host: cache, timeout: 2000, connect-timeout: PT1S}}\n"
        "spring.cache:\n  type: redis\n  cache-names: users, places\n"
        "  redis: {time-to-live: 10m, cache-null-values: false, key-prefix: x}\n"
        "shop.caches.places.ttl: 30s\n"
    )
    reading, ledger = read(tmp_path, text)
    assert values([fact for fact in reading.facts if fact.path[0] == "caches"]) == {
        "caches.cache.client.command_timeout": "2s",
        "caches.cache.client.connect_timeout": "1s",
        "caches.cache.classes.users.ttl": "10m",
        "caches.cache.classes.users.cache_nulls": False,
        "caches.cache.classes.places.ttl": "30s",
        "caches.cache.classes.places.cache_nulls": False,
    }
    assert reading.redis is not None and reading.redis.caches == ["users", "places"]
    assert not list(ledger.unmodelled())


def test_caches_without_a_ttl_stay_for_ever(tmp_path: Path) -> None:
    reading, _ = read(tmp_path, "spring.redis.url: redis://:secret@cache:6379/0\nspring.cache.cache-names: [users]\n")
    assert values(reading.facts)["caches.cache.classes.users.ttl"] is None
    assert values(reading.facts)["caches.cache.classes.users.cache_nulls"] is True


def test_a_ttl_without_a_unit_is_not_guessed(tmp_path: Path) -> None:
    reading, ledger = read(tmp_path, "spring.redis.host: cache\nshop.caches.places.ttl: 30\n")
    assert "has no unit" in problems(ledger)
    assert not any(fact.path[-1] == "ttl" for fact in reading.facts)


def test_other_caches_are_reported(tmp_path: Path) -> None:
    _, ledger = read(tmp_path, "spring.cache.type: caffeine\nspring.data.redis.cluster.nodes: a:1\n")
    assert "spring.cache.type caffeine" in problems(ledger)


# calls


def test_calls_and_their_clients(tmp_path: Path) -> None:
    text = (
        "shop.users.url: http://user-service:8081/api\nshop.docs.url: http://example.com\n"
        "spring.cloud.openfeign.client.config:\n"
        "  users: {connect-timeout: 1000, read-timeout: 2000}\n"
        "  place-service: {connectTimeout: 500}\n"
    )
    reading, _ = read(tmp_path, text, hosts=SERVICES)
    assert [(call.name, call.host, call.port, values(call.facts)) for call in reading.calls] == [
        ("users", "user-service", 8081, {"read_timeout": "2s"}),
        ("place-service", "place-service", None, {"read_timeout": "60s"}),
    ]


def test_limits_of_all_calls(tmp_path: Path) -> None:
    reading, _ = read(tmp_path, "spring.http.client.read-timeout: 4s\n")
    assert values(reading.call_limits) == {"read_timeout": "4s"}


def test_a_properties_file_and_its_way_back(tmp_path: Path) -> None:
    text = "# pools\nspring.datasource.url=jdbc:postgresql://db/x\nspring.datasource.hikari.maximum-pool-size = 10\n"
    reading, _ = read(tmp_path, {"application.properties": text})
    fact = next(fact for fact in reading.facts if fact.path[-1] == "maximum_pool_size")
    assert fact.place is not None and fact.write is not None
    assert (fact.place.line, text[fact.place.start : fact.place.end], fact.write(20)) == (3, "10", "20")


def test_the_rest_is_harmless_or_left_over(tmp_path: Path) -> None:
    text = (
        "logging.level.root: WARN\nmanagement.endpoint.health.enabled: true\nspring.mvc.async.request-timeout: 5s\n"
        "server.compression.enabled: true\nshop.colour: red\n"
    )
    _, ledger = read(tmp_path, text)
    assert {".".join(map(str, one.key)) for one in ledger.unmodelled()} == {
        "spring.mvc.async.request-timeout", "server.compression.enabled", "shop.colour",
    }  # fmt: skip
    assert len(ledger.without_effect) == 2 and all(ledger.without_effect.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server.undertow.threads.worker: 64\n", "server.undertow: only Tomcat is modelled"),
        ("server.jetty.threads.max: 64\n", "server.jetty: only Tomcat is modelled"),
        ("spring.redis: {host: r, client-type: jedis}\n", "Jedis is not modelled"),
        ("spring.datasource: {url: 'jdbc:postgresql://d/x', type: org.apache.tomcat.jdbc.pool.DataSource}\n",
         "only HikariCP is modelled"),
        ("spring.redis.host: r\nspring.cache: {type: caffeine, cache-names: a}\n", "what it caches is left out"),
    ],
)  # fmt: skip
def test_other_programs_than_the_modelled_are_said(text: str, message: str, tmp_path: Path) -> None:
    reading, ledger = read(tmp_path, text)
    assert message in problems(ledger)
    assert ledger.unmodelled()
    assert not [fact for fact in reading.facts if "classes" in fact.path]
    quiet = (
        "spring.redis: {host: r, client-type: lettuce}\nspring.datasource.type: com.zaxxer.hikari.HikariDataSource\n"
    )
    assert not read(tmp_path, quiet)[1].problems
