"""Guards around a call in the orders of Resilience4j's annotations and of Spring Cloud CircuitBreaker."""

from __future__ import annotations

from typing import Any

from experiments.validation.check import Component, expect
from models.circuit_breaker import State
from models.outcomes import CallFailure, ClientGone, Failed
from models.request import Request, Visit
from models.service import CallStepSpec, Guards
from models.spec import Context
from sim.environment import Activity, Environment, Light
from sim.probe import Count, NullProbe
from sim.streams import Streams

GUARDS = Component(
    "Resilience4j's and Spring Cloud's orders",
    version="Resilience4j 2.3.0, Spring Cloud CircuitBreaker main of 2026",
    source="resilience4j: spring6/*/configure/*ConfigurationProperties.java, TimeLimiterImpl.java, "
    "CircuitBreakerSubscriber.java; spring-cloud-circuitbreaker: Resilience4JCircuitBreaker.java, "
    "ReactiveResilience4JCircuitBreaker.java",
    section="2.3",
)


class Host:
    """A container in which nothing dies."""

    path = "services.front.replica-1"

    def __init__(self, env: Environment) -> None:
        self._env = env

    def enter(self) -> Light:
        assert self._env.active is not None
        return self._env.active

    def leave(self, light: Light) -> None:
        return None


class Keeping(NullProbe):
    """Keeps the counts."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.counts: dict[str, Count] = {}

    def count(self, path: str) -> Count:
        self.counts[path] = count = super().count(path)
        return count


class Bench:
    """Guards around a callee that answers after `work_s`, with `status` where that is not 200."""

    def __init__(self, work_s: float = 0.0, status: int = 200, **guards: Any) -> None:
        self.env = Environment()
        self.work_s = work_s
        self.status = status
        self.begun: list[float] = []
        self.ended: list[float] = []
        self.log: list[tuple[str, float]] = []
        self.probe = Keeping(self.env)
        spec = CallStepSpec.model_validate({"service": "back", "endpoint": "get", "name": "ask", **guards})
        path = "services.front.replica-1.endpoints.get.steps.ask"
        context = Context(self.env, Streams(1, 0), self.probe, path)
        self.guards = Guards(context, spec, self, Host(self.env), 4)

    def handle(self, request: Request, visit: Visit) -> Activity:
        """The callee."""
        self.begun.append(self.env.now)
        if self.work_s:
            yield self.work_s
        self.ended.append(self.env.now)
        if self.status != 200:
            raise Failed("services.back.inside", self.status)

    def call(self, at_s: float = 0.0) -> Light:
        """A call at `at_s`; `log` has how it ends, and when."""

        def run() -> Activity:
            try:
                yield from self.guards.call(Request(0, 0, 0, 0, 0, self.env.now), Visit("back", "get", 1))
                self.log.append(("ok", self.env.now))
            except CallFailure as failure:
                self.log.append((failure.reason, self.env.now))

        return self.env.start(run(), delay=at_s)

    def count(self, name: str) -> int:
        return self.probe.counts[f"services.front.replica-1.endpoints.get.steps.ask.{name}"].total

    def run(self, until_s: float | None = None) -> Bench:
        self.env.run(until_s)
        return self


TWO = {"sliding_window_size": 2, "wait_duration_in_open_state": "10s"}


@GUARDS.check("each retry is a separate breaker record", "one visit of three attempts fills a window of two and opens")
def _separate_records() -> None:
    bench = Bench(status=500, retry={}, breaker=TWO)
    bench.call()
    bench.run()
    expect((bench.begun, bench.log), ([0.0, 0.5], [("circuit_open", 1.0)]))
    expect((bench.count("breaker.failed"), bench.count("breaker.not_permitted")), (2, 1))


@GUARDS.check("CallNotPermitted is itself retried unless excluded", "an open breaker is asked again, or not")
def _not_permitted() -> None:
    for retry, refusals in (({"max_attempts": 4}, 2), ({"max_attempts": 4, "ignore_exceptions": ["circuit_open"]}, 1)):
        bench = Bench(status=500, retry=retry, breaker=TWO)
        bench.call()
        bench.run()
        expect(bench.count("breaker.not_permitted"), refusals)


@GUARDS.check(
    "CircuitBreaker → RateLimiter", "the wait for a permit counts as the call's duration, a refusal as failed"
)
def _limiter_inside() -> None:
    bench = Bench(
        breaker={**TWO, "slow_call_duration_threshold": "500ms"},
        rate_limiter={"limit_for_period": 1, "limit_refresh_period": "100s", "timeout_duration": "1s"},
    )
    bench.call()
    bench.call()
    bench.run()
    expect(bench.log, [("ok", 0.0), ("rate_limited", 1.0)])
    expect([bench.count(f"breaker.{name}") for name in ("succeeded", "failed", "slow")], [1, 1, 1])


@GUARDS.check("RateLimiter → TimeLimiter", "the wait for a permit is not part of the time limit")
def _limit_after_permit() -> None:
    bench = Bench(
        work_s=0.4, time_limiter={"limit": "500ms"},
        rate_limiter={"limit_for_period": 1, "limit_refresh_period": "2s", "timeout_duration": "5s"},
    )  # fmt: skip
    bench.call()
    bench.call()
    bench.run()
    expect([what for what, _ in bench.log], ["ok", "ok"])


@GUARDS.check("TimeLimiter → Bulkhead", "a caller that left does not free the permit: the work keeps it to its end")
def _permit_of_the_work() -> None:
    bench = Bench(work_s=3.0, time_limiter={"limit": "1s"}, bulkhead={"permits": 1})
    for at_s in (0.0, 2.0, 3.5):
        bench.call(at_s)
    bench.run()
    expect(bench.log, [("time_limit", 1.0), ("concurrency_limited", 2.0), ("time_limit", 4.5)])


@GUARDS.check(
    "CompletionStage: the bulkhead is entered on the caller's thread", "its wait is not part of the time limit"
)
def _wait_before_the_limit() -> None:
    bench = Bench(work_s=0.9, time_limiter={"limit": "1s"}, bulkhead={"permits": 1, "max_wait": "2s"})
    bench.call()
    bench.call()
    bench.run()
    expect(bench.log, [("ok", 0.9), ("ok", 1.8)])


@GUARDS.check(
    "Spring Cloud CircuitBreaker, blocking: CB(Bulkhead(TimeLimiter(thread pool)))",
    "a caller that left has given its permit back",
)
def _blocking() -> None:
    bench = Bench(work_s=3.0, style="spring_cloud_blocking", bulkhead={"permits": 1})
    for at_s in (0.0, 0.5, 1.5):
        bench.call(at_s)
    bench.run()
    expect(bench.log, [("concurrency_limited", 0.5), ("time_limit", 1.0), ("time_limit", 2.5)])
    expect(bench.ended, [3.0, 4.5], "the callee works to the end")
    expect(bench.count("breaker.failed"), 3)


ONE_THREAD: dict[str, Any] = {
    "thread_pool_bulkhead": {"core_thread_pool_size": 1, "max_thread_pool_size": 1, "queue_capacity": 1}
}


@GUARDS.check(
    "TimeLimiter → ThreadPoolBulkhead", "the limit counts the wait for a thread; a call that was left runs nevertheless"
)
def _pool_inside() -> None:
    bench = Bench(work_s=0.9, time_limiter={"limit": "1s"}, **ONE_THREAD)
    for _ in range(3):
        bench.call()
    bench.run()
    expect(bench.log, [("concurrency_limited", 0.0), ("ok", 0.9), ("time_limit", 1.0)])
    expect((bench.begun, bench.ended), ([0.0, 0.9], [0.9, 1.8]))


@GUARDS.check("Bulkhead with threads outside the time limit, blocking", "the limit begins when a thread has the call")
def _pool_outside() -> None:
    bench = Bench(work_s=0.9, style="spring_cloud_blocking", **ONE_THREAD)
    for _ in range(3):
        bench.call()
    bench.run()
    expect(bench.log, [("concurrency_limited", 0.0), ("ok", 0.9), ("ok", 1.8)])
    expect((bench.begun, bench.count("calls")), ([0.0, 0.9], 2))


@GUARDS.check("unbounded cached pool", "blocking style without a bulkhead: as many at once as there are callers")
def _unbounded() -> None:
    bench = Bench(work_s=0.5, style="spring_cloud_blocking")
    for _ in range(300):
        bench.call()
    bench.run()
    expect(bench.log, [("ok", 0.5)] * 300)


@GUARDS.check("the 1 s time limit applies by default", "both styles of Spring Cloud; it can be disabled")
def _by_default() -> None:
    for style in ("spring_cloud_blocking", "spring_cloud_reactive"):
        for settings, end in (
            ({}, ("time_limit", 1.0)),
            ({"time_limiter": {"limit": "2s"}}, ("ok", 1.5)),
            ({"disable_time_limiter": True}, ("ok", 1.5)),
        ):
            bench = Bench(work_s=1.5, style=style, **settings)
            bench.call()
            bench.run()
            expect(bench.log, [end], f"{style} {settings}")
    bench = Bench(work_s=1.5)
    bench.call()
    expect(bench.run().log, [("ok", 1.5)], "annotations")


def reactive_probe(**settings: Any) -> Bench:
    """A reactive call with a limit of 1 s behind a breaker that opened at 0 and may try one call from 10 s on."""
    bench = Bench(
        status=500, style="spring_cloud_reactive",
        breaker={
            **TWO, "wait_duration_in_open_state": "5s", "minimum_number_of_calls": 3,
            "permitted_number_of_calls_in_half_open_state": 3,
        },
        **settings,
    )  # fmt: skip
    bench.call()
    bench.call()
    bench.run(10.0)
    bench.work_s, bench.status = 5.0, 200
    return bench


@GUARDS.check(
    "on timeout the permit is released and an error recorded, so half-open can admit more than permitted",
    "three permitted half-open: a fourth call is admitted after one was left",
)
def _more_than_permitted() -> None:
    bench = reactive_probe()
    for at_s in (0.0, 0.5, 0.6):
        bench.call(at_s)
    bench.call(0.7)  # all three permits are out
    bench.call(1.1)  # the first has been left: its permit is back, its error counts
    bench.run()
    expect(bench.log[2:], [
        ("circuit_open", 10.7), ("time_limit", 11.0), ("time_limit", 11.5), ("time_limit", 11.6), ("time_limit", 12.1),
    ])  # fmt: skip
    assert bench.guards.breaker is not None
    expect((bench.guards.breaker.state, bench.count("breaker.failed")), (State.OPEN, 6))


@GUARDS.check("Client cancellation records nothing", "the permit comes back, no result")
def _cancelled() -> None:
    bench = reactive_probe()
    light = bench.call()
    bench.run(10.5)
    before = [bench.count(f"breaker.{name}") for name in ("succeeded", "failed")]
    bench.env.throw(light, ClientGone("client"))
    bench.run()
    expect([bench.count(f"breaker.{name}") for name in ("succeeded", "failed")], before)
    expect((bench.count("breaker.cancelled"), bench.log[-1]), (1, ("client_gone", 10.5)))


@GUARDS.check("Reactive: timeout outside CB", "what is inside is cancelled: a bulkhead's permit comes back at once")
def _reactive_bulkhead() -> None:
    bench = Bench(work_s=3.0, style="spring_cloud_reactive", bulkhead={"permits": 1})
    for at_s in (0.0, 0.5, 1.5):
        bench.call(at_s)
    bench.run()
    expect(bench.log, [("concurrency_limited", 0.5), ("time_limit", 1.0), ("time_limit", 2.5)])
    expect(bench.ended, [3.0, 4.5], "the callee works to the end")


GUARDS.leaves_out(
    "aspect-order settings (circuitBreakerAspectOrder and so on)", "annotations stand in their default order"
)
