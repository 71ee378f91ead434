"""Routes and filters of Spring Cloud Gateway, and Resilience4j's instances with what they inherit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.deploy.fact import Fact
from experiments.deploy.setting import Ledger
from experiments.deploy.source import Folder
from experiments.deploy.spring import SpringReading, read_spring
from models.gateway import GatewaySpec
from models.service.spec import CallStepSpec

OLD, NEW = "spring.cloud.gateway", "spring.cloud.gateway.server.webflux"


def read(folder: Path, text: str, name: str = "application.yml", **options: Any) -> tuple[SpringReading, Ledger]:
    (folder / name).write_text(text)
    ledger = Ledger()
    reading = read_spring(Folder(folder), ledger, name="gw", locations=["."], **options)
    assert reading is not None
    return reading, ledger


def values(facts: list[Fact], below: str = "", source: str | None = None) -> dict[str, object]:
    found = {".".join(fact.path): fact.value for fact in facts if source is None or fact.source == source}
    return {path.removeprefix(below): value for path, value in found.items() if path.startswith(below)}


def spec_of(reading: SpringReading) -> GatewaySpec:
    """The gateway's facts, with what no file tells, as the specification takes them."""
    document: dict[str, Any] = {
        "machine": "vm",
        "base_memory": "200M",
        "start_wait": "1s",
        "start_cpu": "1s",
        "cpu": "1ms",
    }
    for fact in reading.facts:
        if fact.path[0] != "gateway":
            continue
        at = document
        for part in fact.path[1:-1]:
            at = at.setdefault(part, {})
        at[fact.path[-1]] = fact.value
    return GatewaySpec.model_validate(document)


def problems(ledger: Ledger) -> str:
    return "\n".join(f"{place}: {text}" for place, text in ledger.problems)


ROUTES = """
- id: users
  uri: http://user-service:8081
  predicates: ["Path=/u/**,/v/**", Method=GET]
  filters:
    - StripPrefix=1
    - Retry=5,BAD_GATEWAY
    - name: CircuitBreaker
      args: {name: slow, fallbackUri: "forward:/sorry", statusCodes: [500, "503"]}
- id: places
  uri: lb://place-service
  predicates:
    - name: Path
      args: {patterns: /p/**}
  filters:
    - name: Retry
      args:
        retries: 2
        methods: GET,POST
        series: [SERVER_ERROR, CLIENT_ERROR]
        exceptions: java.io.IOException
        backoff: {firstBackoff: 10ms, maxBackoff: 50ms, factor: 3, basedOnPreviousValue: false}
"""
LIMIT = """
- name: RequestRateLimiter
  args:
    redis-rate-limiter.replenishRate: 100
    redis-rate-limiter.burstCapacity: ${BURST:200}
    key-resolver: "#{@ipKeyResolver}"
    deny-empty-key: false
"""
RESILIENCE = """
spring.data.redis.host: redis
resilience4j:
  circuitbreaker.instances.slow: {slidingWindowSize: 20, wait-duration-in-open-state: PT5S}
  timelimiter.instances.slow.timeout-duration: 2s
"""


def indented(text: str, by: int = 2) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.strip().splitlines())


def gateway(prefix: str) -> str:
    return f"{prefix}:\n  default-filters:\n{indented(LIMIT)}  routes:\n{indented(ROUTES)}{RESILIENCE}"


@pytest.mark.parametrize("prefix", [OLD, NEW])
def test_a_gateway_in_figures(tmp_path: Path, prefix: str) -> None:
    reading, ledger = read(tmp_path, gateway(prefix))
    assert [(one.id, one.scheme, one.host, one.port, one.paths, one.methods) for one in reading.routes] == [
        ("users", "http", "user-service", 8081, ("/u/**", "/v/**"), ("GET",)),
        ("places", "lb", "place-service", None, ("/p/**",), ()),
    ]
    assert values(reading.facts, "gateway.", "file") == {
        "rate_limits.per_ip.kind": "spring_redis",
        "rate_limits.per_ip.key": "ip",
        "rate_limits.per_ip.replenish_rate": 100,
        "rate_limits.per_ip.burst_capacity": 200,
        "rate_limits.per_ip.cache": "redis",
        "key_resolver.on_missing": "pass",
        "retries.retry.services": ["user-service"],
        "retries.retry.retries": 5,
        "retries.retry.statuses": [502],
        "retries.retry_2.services": ["place-service"],
        "retries.retry_2.retries": 2,
        "retries.retry_2.methods": ["GET", "POST"],
        "retries.retry_2.series": ["server_error", "client_error"],
        "retries.retry_2.exceptions": ["io"],
        "retries.retry_2.backoff.first": "10ms",
        "retries.retry_2.backoff.maximum": "50ms",
        "retries.retry_2.backoff.factor": 3,
        "retries.retry_2.backoff.based_on_previous_value": False,
        "circuit_breakers.slow.services": ["user-service"],
        "circuit_breakers.slow.sliding_window_size": 20,
        "circuit_breakers.slow.wait_duration_in_open_state": "5s",
        "circuit_breakers.slow.time_limit": "2s",
        "circuit_breakers.slow.status_codes": [500, 503],
        "circuit_breakers.slow.fallback.status": 200,
        "filters": ["per_ip", "retry", "slow", "retry_2"],
    }
    assert not ledger.problems
    assert not list(ledger.unmodelled())
    spec = spec_of(reading)
    assert spec.order == ["per_ip", "retry", "slow", "retry_2"]
    assert (spec.retries["retry_2"].backoff is not None, spec.circuit_breakers["slow"].time_limit) == (True, 2.0)


def test_the_way_back_of_short_arguments(tmp_path: Path) -> None:
    text = gateway(NEW)
    reading, _ = read(tmp_path, text)
    by_path = {".".join(fact.path): fact for fact in reading.facts}
    for path, value, line in (
        ("gateway.retries.retry.retries", 7, "    - Retry=7,BAD_GATEWAY"),
        ("gateway.rate_limits.per_ip.burst_capacity", 500, "    redis-rate-limiter.burstCapacity: ${BURST:500}"),
        ("gateway.circuit_breakers.slow.wait_duration_in_open_state", "8s", "wait-duration-in-open-state: PT8S}"),
        ("gateway.key_resolver.on_missing", "deny", "    deny-empty-key: true"),
    ):
        fact = by_path[path]
        assert fact.place is not None and fact.write is not None
        after = text[: fact.place.start] + fact.write(value) + text[fact.place.end :]
        assert line in after.splitlines()[fact.place.line - 1]


def test_the_same_in_a_properties_file(tmp_path: Path) -> None:
    text = f"""{OLD}.routes[0].id=a
{OLD}.routes[0].uri=http://user-service
{OLD}.routes[0].predicates[0]=Path=/a/**
{OLD}.routes[0].filters[0]=Retry=4
{OLD}.routes[0].filters[1].name=RequestRateLimiter
{OLD}.routes[0].filters[1].args.bucket4j-rate-limiter.capacity=10
{OLD}.routes[0].filters[1].args.bucket4j-rate-limiter.refillPeriod=1m
{OLD}.httpclient.response-timeout=5s
{OLD}.httpclient.pool.type=FIXED
{OLD}.httpclient.pool.max-connections=50
{OLD}.httpclient.pool.acquire-timeout=2000
"""
    reading, ledger = read(tmp_path, text, "application.properties")
    assert values(reading.facts, "gateway.", "file") == {
        "response_timeout": "5s",
        "connections.max_connections": 50,
        "connections.acquire_timeout": "2s",
        "retries.retry.services": ["user-service"],
        "retries.retry.retries": 4,
        "rate_limits.per_user.capacity": 10,
        "rate_limits.per_user.refill": "10/1m",
        "filters": ["retry", "per_user"],
    }
    assert not ledger.problems
    refill = next(fact for fact in reading.facts if fact.path[-1] == "refill")
    assert refill.write is not None
    assert refill.write("10/30s") == "30s"
    with pytest.raises(ValueError, match="refillTokens is not set"):
        refill.write("20/30s")
    assert spec_of(reading).connections is not None


def test_default_filters_and_own_ones_run_by_number(tmp_path: Path) -> None:
    """Both are numbered from 1 and sorted by number: the route's first filter runs before the second default one."""
    text = (
        f"{OLD}:\n  default-filters:\n  - Retry=1\n  - CircuitBreaker=all\n  routes:\n"
        "  - {id: a, uri: 'http://a', filters: ['CircuitBreaker=own', 'AddRequestHeader=X,1', 'Retry=2']}\n"
    )
    reading, ledger = read(tmp_path, text)
    assert values(reading.facts)["gateway.filters"] == ["retry", "own", "all", "retry_2"]
    assert not list(ledger.unmodelled())


def test_a_limit_on_every_route_is_one_limit(tmp_path: Path) -> None:
    bucket = "{capacity: 5, refillPeriod: 1s, refillStyle: INTERVALLY}"
    limit = f"{{name: RequestRateLimiter, args: {{bucket4j-rate-limiter: {bucket}}}}}"
    routes = "".join(f"- {{id: {name}, uri: 'http://{name}', filters: [{limit}]}}\n" for name in "ab")
    reading, ledger = read(tmp_path, f"{OLD}.routes:\n{routes}")
    assert values(reading.facts)["gateway.rate_limits.per_user.kind"] == "bucket4j_intervally"
    assert not ledger.problems
    assert not list(ledger.unmodelled())
    reading, ledger = read(tmp_path, f"{OLD}.routes:\n{routes}- {{id: c, uri: 'http://c'}}\n")
    assert "RequestRateLimiter only on a, b" in problems(ledger)
    assert not any("rate_limits" in fact.path for fact in reading.facts)


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ("RequestRateLimiter=2,2", "no short notation"),
        ("{name: RequestRateLimiter, args: {rate-limiter: '#{@own}'}}", "#{@own} is made in code"),
        ("{name: RequestRateLimiter, args: {bucket4j-rate-limiter.capacity: 5}}", "needs capacity and refillPeriod"),
        ("{name: RequestRateLimiter, args: {redis-rate-limiter.burstCapacity: 5}}", "lacks its replenishRate"),
        ("{name: RequestRateLimiter, args: {redis-rate-limiter.replenishRate: 5}}", "without burstCapacity"),
        ("Hystrix=x", "Hystrix is long out of support"),
        ("RequestSize=5MB", "RequestSize is not modelled"),
        ("{name: Retry, args: {methods: [TRACE, GET]}}", "the simulator knows GET"),
    ],
)
def test_filters_that_cannot_be_modelled(tmp_path: Path, filters: str, said: str) -> None:
    _, ledger = read(tmp_path, f"{OLD}.default-filters:\n- {filters}\n")
    assert said in problems(ledger)
    assert "application.yml:2" in problems(ledger)


@pytest.mark.parametrize(
    ("bean", "key"),
    [
        ("#{@ipKeyResolver}", "ip"),
        ("#{@remoteAddrKeyResolver}", "ip"),
        ("#{@userKeyResolver}", "user"),
        ("#{@principalNameKeyResolver}", "user"),
        ("#{@globalKeyResolver}", "global"),
        ("#{@strange}", "user"),
    ],
)
def test_whose_requests_share_a_bucket(tmp_path: Path, bean: str, key: str) -> None:
    limit = f"{{bucket4j-rate-limiter: {{capacity: 5, refillPeriod: 1s}}, key-resolver: '{bean}'}}"
    reading, _ = read(tmp_path, f"{OLD}.default-filters:\n- {{name: RequestRateLimiter, args: {limit}}}\n")
    fact = next(fact for fact in reading.facts if fact.path[-1] == "key")
    assert (fact.value, fact.source) == (key, "assumed" if bean == "#{@strange}" else "file")


def test_other_predicates_and_discovery_are_reported(tmp_path: Path) -> None:
    text = (
        f"{OLD}:\n  discovery.locator.enabled: true\n  httpclient: {{connect-timeout: 100, pool.type: DISABLED}}\n"
        "  routes:\n  - {id: a, uri: 'http://a', predicates: ['Header=X, y']}\n  - {id: b, uri: 'ftp:b'}\n"
    )
    _, ledger = read(tmp_path, text)
    for said in ("Header is not modelled", "discovery makes", "DISABLED", "no host in its uri"):
        assert said in problems(ledger)


INHERITED = """
resilience4j.circuitbreaker:
  configs:
    default: {slidingWindowSize: 20, minimum-number-of-calls: 5}
    strict: {failureRateThreshold: 10, base-config: default}
    alone: {failureRateThreshold: 20}
    loop1.base-config: loop2
    loop2.base-config: loop1
  instances:
    plain: {}
    own: {sliding-window-size: 7}
    chained: {baseConfig: strict}
    bare: {base-config: alone}
    lost: {base-config: gone}
    round: {base-config: loop1}
"""


@pytest.mark.parametrize(
    ("name", "size", "minimum", "rate"),
    [
        ("own", 7, 5, 50), ("chained", 20, 5, 10), ("bare", 100, 100, 20), ("lost", 100, 100, 50),
        ("round", 100, 100, 50),
    ],
)  # fmt: skip
def test_what_an_instance_inherits(tmp_path: Path, name: str, size: int, minimum: int, rate: int) -> None:
    reading, ledger = read(tmp_path, INHERITED)
    found = values(reading.guards[name].facts, "breaker.")
    assert (found["sliding_window_size"], found["minimum_number_of_calls"], found["failure_rate_threshold"]) == (
        size, minimum, rate,
    )  # fmt: skip
    assert "there is no configs.gone" in problems(ledger)
    assert "leads back to itself" in problems(ledger)


GUARDED = """
resilience4j:
  circuitbreaker.instances.shop:
    slidingWindowType: TIME_BASED
    slidingWindowSize: 30
    slow-call-duration-threshold: 2s
    slow-call-rate-threshold: 80
    max-wait-duration-in-half-open-state: 500
    enable-exponential-backoff: true
    exponential-backoff-multiplier: 2
    exponential-max-wait-duration-in-open-state: 5m
    record-exceptions: [java.io.IOException, org.springframework.web.client.HttpServerErrorException, com.shop.Own]
    ignore-exceptions: io.github.resilience4j.bulkhead.BulkheadFullException
    register-health-indicator: true
  retry.instances.shop: {max-attempts: 4, wait-duration: 100ms, enable-randomized-wait: true}
  bulkhead.instances.shop: {max-concurrent-calls: 8, max-wait-duration: 10}
  timelimiter.instances.shop: {timeout-duration: 3s, cancel-running-future: false}
  ratelimiter.instances.shop: {limit-for-period: 5, limit-refresh-period: 1s, timeout-duration: 0}
  thread-pool-bulkhead.instances.pooled: {core-thread-pool-size: 2, max-thread-pool-size: 4, queue-capacity: 9}
"""


def test_all_guards(tmp_path: Path) -> None:
    reading, ledger = read(tmp_path, GUARDED)
    shop = reading.guards["shop"]
    assert shop.kinds == ["breaker", "retry", "bulkhead", "time_limiter", "rate_limiter"]
    step: dict[str, Any] = {"service": "s", "endpoint": "e"}
    for fact in shop.facts:
        step.setdefault(fact.path[0], {})[fact.path[1]] = fact.value
    spec = CallStepSpec.model_validate(step)
    assert spec.breaker is not None and spec.retry is not None and spec.rate_limiter is not None
    assert spec.breaker.sliding_window_type == "time_based"
    assert spec.breaker.record_exceptions == ["connection_refused", "instance_died", "5xx"]
    assert spec.breaker.ignore_exceptions == ["concurrency_limited"]
    assert (spec.breaker.exponential_backoff_multiplier, spec.breaker.max_wait_duration_in_half_open_state) == (2, 0.5)
    assert spec.breaker.exponential_max_wait_duration_in_open_state == 300.0
    assert (spec.retry.max_attempts, spec.retry.randomized_wait_factor) == (4, 0.5)
    assert (spec.rate_limiter.limit_refresh_period, spec.rate_limiter.timeout_duration) == (1.0, 0.0)
    assert spec.bulkhead is not None and (spec.bulkhead.permits, spec.bulkhead.max_wait) == (8, 0.01)
    assert values(reading.guards["pooled"].facts, "thread_pool_bulkhead.", "file") == {
        "core_thread_pool_size": 2, "max_thread_pool_size": 4, "queue_capacity": 9,
    }  # fmt: skip
    assert "no failure that is a com.shop.Own" in problems(ledger)
    assert [str(one.key[-1]) for one in ledger.unmodelled()] == ["[2]"]


def test_the_environment_reaches_into_maps(tmp_path: Path) -> None:
    environment = {"RESILIENCE4J_CIRCUITBREAKER_INSTANCES_USERSERVICE_SLIDINGWINDOWSIZE": "42"}
    text = "resilience4j.circuitbreaker.instances.user-service.failure-rate-threshold: 10\n"
    reading, _ = read(tmp_path, text, environment=environment)
    assert list(reading.guards) == ["user-service"]
    assert values(reading.guards["user-service"].facts, "breaker.", "file") == {
        "sliding_window_size": 42, "failure_rate_threshold": 10,
    }  # fmt: skip


def test_bulkheads_by_the_name_of_a_route(tmp_path: Path) -> None:
    text = (
        f"{OLD}.routes:\n- {{id: shop, uri: 'http://user-service'}}\n"
        "resilience4j.bulkhead.instances:\n  shop.max-concurrent-calls: 3\n  other.max-concurrent-calls: 4\n"
    )
    reading, _ = read(tmp_path, text, service_of=lambda route: f"behind-{route.host}")
    assert values(reading.facts, "gateway.concurrency.", "file") == {"behind-user-service.permits": 3}
    assert list(reading.guards) == ["other"]
