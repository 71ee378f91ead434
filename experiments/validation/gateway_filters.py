"""Spring Cloud Gateway's filters: what a retry repeats, what a breaker counts, what the order of filters changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from experiments.validation.check import Component, expect
from models.gateway import Gateway, GatewaySpec, Keyed, KeyResolver
from models.host import Host
from models.outcomes import CallFailure, ConnectionRefused, Failed, InstanceDied
from models.request import Request, Visit
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

GATEWAY = Component(
    "Spring Cloud Gateway filters",
    version="main of 2026-08 (4.x and 5.x alike)",
    source="spring-cloud-gateway: filter/factory/RetryGatewayFilterFactory.java, "
    "SpringCloudCircuitBreakerFilterFactory.java, NettyRoutingFilter.java; "
    "spring-cloud-circuitbreaker: ReactiveResilience4JCircuitBreaker.java",
    section="2.3",
)

Answer = Callable[[], Activity]


def answers(after_s: float = 0.0, status: int = 200) -> Answer:
    """The service answers."""

    def work() -> Activity:
        if after_s:
            yield after_s
        if status != 200:
            raise Failed("somewhere.inside", status)

    return work


def refuses() -> Activity:
    """Nobody listens."""
    raise ConnectionRefused("services.api")
    yield


def resets() -> Activity:
    """The connection is cut before an answer."""
    raise InstanceDied("services.api.replica-1")
    yield


class Limiter:
    """Counts how often it is asked, and has so many tokens."""

    waits = False

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.asked = 0

    def take(self, request: Request) -> None:
        self.asked += 1
        if self.asked > self.tokens:
            raise Failed("gateway.rate_limits.each", 429)


class Stand:
    """A gateway before a service that does as it is told, the last thing for ever."""

    def __init__(self, does: Sequence[Answer], tokens: int | None = None, **settings: Any) -> None:
        self.env = Environment()
        if tokens is not None:
            settings["rate_limits"] = {"each": {"kind": "bucket4j_greedy", "key": "user", "refill": "1/1s"}}
        spec = GatewaySpec.model_validate({"machine": "vm", "cpu": "0s", **settings})
        self.limiter = Limiter(tokens or 0)
        self.context = Context(self.env, Streams(1, 0), NullProbe(self.env), "gateway")
        host = Host(self.env, "gateway", cpus=2)
        host.run = float
        bulkheads = {name: each.build(self.context.at(name)) for name, each in spec.concurrency.items()}
        limiter: Any = self.limiter
        if spec.key_resolver is not None:
            limiter = Keyed(self.context, KeyResolver(self.context, spec.key_resolver), limiter)
        self.gateway = Gateway(self.context, spec, host, {"each": limiter}, bulkheads)
        self.route = self.gateway.route_to(self, "api", "services.api", is_proxy=False, is_left=True)
        self.does = list(does)
        self.calls: list[float] = []

    def handle(self, request: Request, visit: Visit) -> Activity:
        """The service."""
        self.calls.append(self.env.now)
        yield from self.does[min(len(self.calls), len(self.does)) - 1]()

    def ask(self, method: str = "GET", times: int = 1) -> list[tuple[int, float]]:
        """Requests one after another: status and the instant of the end of each."""
        ends: list[tuple[int, float]] = []

        def client() -> Activity:
            for number in range(times):
                request = Request(number, number, 0, 0, 0, self.env.now)
                try:
                    yield from self.route.handle(request, Visit("api", "get", 0, True, method))
                    ends.append((200, self.env.now))
                except CallFailure as failure:
                    ends.append((failure.status, self.env.now))

        self.env.start(client())
        self.env.run()
        return ends

    @property
    def states(self) -> list[str]:
        return [each.breaker.state.name for each in self.gateway.breakers.values()]


def breaker(**settings: Any) -> dict[str, Any]:
    """One CircuitBreaker filter with a small window."""
    return {"circuit_breakers": {"guard": {"sliding_window_size": 2, **settings}}}


@GATEWAY.check("Retry: 3 extra attempts", "retries: 3 means four calls in all; the last answer goes through")
def three_extra() -> None:
    stand = Stand([answers(status=500)], retries={"again": {}})
    expect(stand.ask(), [(500, 0.0)])
    expect(len(stand.calls), 4)


@GATEWAY.check("Retry: GET only", "a POST is not tried again")
def only_get() -> None:
    stand = Stand([answers(status=500)], retries={"again": {}})
    expect(stand.ask("POST"), [(500, 0.0)])
    expect(len(stand.calls), 1)


@GATEWAY.check("Retry: 5xx series", "4xx answers are not tried again, 503 is")
def series() -> None:
    for status, calls in ((404, 1), (429, 1), (503, 2)):
        stand = Stand([answers(status=status), answers()], retries={"again": {}})
        stand.ask()
        expect(len(stand.calls), calls, f"status {status}")


@GATEWAY.check("Retry: IOException/TimeoutException", "refused, cut off, and out of the gateway's time are tried again")
def exceptions() -> None:
    for first in (refuses, resets):
        stand = Stand([first, answers()], retries={"again": {}})
        expect((stand.ask(), len(stand.calls)), ([(200, 0.0)], 2), first.__name__)
        stand = Stand([first, answers()], retries={"again": {"exceptions": ["timeout"]}})
        expect((stand.ask(), len(stand.calls)), ([(502, 0.0)], 1), first.__name__)
    stand = Stand([answers(5.0), answers(0.5)], retries={"again": {}}, response_timeout="1s")
    expect((stand.ask(), stand.calls), ([(200, 1.5)], [0.0, 1.0]), "response timeout")


@GATEWAY.check("Retry: no backoff", "tries follow at once; with a backoff 5, 10, 20 ms lie between them")
def backoff() -> None:
    stand = Stand([answers(status=500)], retries={"again": {}})
    stand.ask()
    expect(stand.calls, [0.0] * 4)
    stand = Stand([answers(status=500)], retries={"again": {"backoff": {}}})
    stand.ask()
    expect([round(call, 9) for call in stand.calls], [0.0, 0.005, 0.015, 0.035])
    stand = Stand([answers(status=500)], retries={"again": {"backoff": {"first": "10ms", "maximum": "15ms"}}})
    stand.ask()
    expect([round(call, 9) for call in stand.calls], [0.0, 0.01, 0.025, 0.04])


@GATEWAY.check(
    "a limiter listed after Retry is charged per attempt", "the order of filters says who pays", section="1.1"
)
def charged_per_attempt() -> None:
    for order, asked in ((["again", "each"], 4), (["each", "again"], 1)):
        stand = Stand([answers(status=500)], tokens=100, retries={"again": {}}, filters=order)
        stand.ask()
        expect((stand.limiter.asked, len(stand.calls)), (asked, 4), " then ".join(order))


@GATEWAY.check("limiter after Retry runs out of tokens", "the 429 of a later try ends it: it is no 5xx", section="1.1")
def out_of_tokens() -> None:
    stand = Stand([answers(status=500)], tokens=2, retries={"again": {}}, filters=["again", "each"])
    expect((stand.ask(), len(stand.calls)), ([(429, 0.0)], 2))


@GATEWAY.check("5xx responses are successes unless listed in statusCodes", "a breaker does not see an answer's status")
def statuses() -> None:
    stand = Stand([answers(status=500)], **breaker())
    expect((stand.ask(times=4), stand.states), ([(500, 0.0)] * 4, ["CLOSED"]))
    stand = Stand([answers(status=500)], **breaker(status_codes=[500]))
    expect([status for status, _ in stand.ask(times=3)], [500, 500, 503])
    expect((len(stand.calls), stand.states), (2, ["OPEN"]))


@GATEWAY.check("without fallback, timeout => 504", "the filter's time limit is 1 s unless it is taken away")
def time_limit() -> None:
    stand = Stand([answers(3.0)], **breaker())
    expect(stand.ask(), [(504, 1.0)])
    stand = Stand([answers(3.0)], **breaker(time_limit=None))
    expect(stand.ask(), [(200, 3.0)])


@GATEWAY.check("without fallback, open => 503", "who is not let through has a 503 at once")
def open_breaker() -> None:
    stand = Stand([refuses], **breaker())
    expect([status for status, _ in stand.ask(times=3)], [502, 502, 503])


@GATEWAY.check("with fallback", "errors are answered by the gateway itself, answers of the service are left alone")
def fallback() -> None:
    fallback = {"fallback": {"cpu": "1ms"}}
    stand = Stand([refuses], **breaker(**fallback))
    expect([status for status, _ in stand.ask(times=3)], [200, 200, 200])
    expect(len(stand.calls), 2, "the third was not let through")
    stand = Stand([answers(status=500)], **breaker(**fallback))
    expect([status for status, _ in stand.ask(times=1)], [500])


@GATEWAY.check(
    "reactive: on timeout the permit is released and an error recorded", "half-open admits more than permitted"
)
def released_and_recorded() -> None:
    settings = {"permitted_number_of_calls_in_half_open_state": 2, "wait_duration_in_open_state": "1s"}
    stand = Stand([refuses, refuses, answers(9.0)], **breaker(sliding_window_size=2, **settings))
    ends: list[int] = []

    def ask(at_s: float, number: int) -> Activity:
        yield at_s
        try:
            yield from stand.route.handle(Request(number, number, 0, 0, 0, at_s), Visit("api", "get"))
        except CallFailure as failure:
            ends.append(failure.status)

    for number, at_s in enumerate((0.0, 0.0, 2.0, 3.5)):  # two open it, one times out half-open at 3 s and gives back
        stand.env.start(ask(at_s, number))
    stand.env.run(3.2)
    each = stand.gateway.breakers["guard"].breaker
    expect((each.state.name, each._rule.permits_left, each._rule.window.calls), ("HALF_OPEN", 2, 1))
    stand.env.run()
    expect(ends, [502, 502, 504, 504])


@GATEWAY.check("Retry outside a breaker", "not permitted is no IOException: it is not tried again")
def retry_outside_breaker() -> None:
    stand = Stand([refuses], retries={"again": {}}, filters=["again", "guard"], **breaker())
    expect((stand.ask(), len(stand.calls)), ([(503, 0.0)], 2), "the breaker opens under the retry")


@GATEWAY.check("a listed status inside a retry", "the breaker turns it into an error that is not tried again")
def listed_inside_retry() -> None:
    settings = breaker(status_codes=[500], sliding_window_size=100)
    stand = Stand([answers(status=500)], retries={"again": {}}, filters=["again", "guard"], **settings)
    expect((stand.ask(), len(stand.calls)), ([(500, 0.0)], 1))


@GATEWAY.check("deny-empty-key / status", "no key: 403; pass where allowed; a resolver that throws: 500", section="1.1")
def empty_key() -> None:
    for on_missing, status in (("deny", 403), ("error", 500), ("pass", 200)):
        resolver = {"anonymous_share": 1.0, "on_missing": on_missing}
        stand = Stand([answers()], tokens=0, key_resolver=resolver)
        expect(stand.ask(), [(status, 0.0)], on_missing)


@GATEWAY.check("response timeout none", "the gateway waits for as long as the service takes")
def no_response_timeout() -> None:
    expect(Stand([answers(3600.0)]).ask(), [(200, 3600.0)])


GATEWAY.leaves_out(
    "Gateway HTTP client: connect 30 s",
    "what it takes to connect is said by links between components; a replica that is down refuses at once",
)
