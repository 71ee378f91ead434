"""The CircuitBreaker filter of a gateway: Resilience4j's instance of its name, with the time limiter it brings along.

Source   Spring Cloud Gateway 3.1, SpringCloudCircuitBreakerFilterFactory; Spring Cloud CircuitBreaker 2.1
Checked  tests/unit/test_spring_gateway.py
"""

from __future__ import annotations

from experiments.deploy.spring.filter_uses import (
    FROM,
    Use,
    free_name,
    models_all,
    models_name,
    moved,
    put_list,
    put_services,
    status_of,
)
from experiments.deploy.spring.findings import Findings
from experiments.deploy.spring.gateway import ServiceOf
from experiments.deploy.spring.names import uniform
from experiments.deploy.spring.resilience import Guards, default_guard


def read_breaker(
    findings: Findings, use: Use, taken: set[str], guards: dict[str, Guards], service_of: ServiceOf
) -> list[str]:
    """The facts of one filter. Returns the names of the instances that it uses."""
    definition, properties = use.definition, findings.properties
    name_value = definition.arg("name")
    written = name_value.text.strip() if name_value is not None else (use.routes[0].id if use.routes else "default")
    use.name = name = free_name(written, taken)
    if name != written:
        what = f"several CircuitBreaker filters share the breaker {written}: the scenario has one for each."
        properties.ledger.problem(definition.place, what)
    breaker = findings.below("circuit_breakers", name)
    if name_value is not None:
        properties.models(name_value)
    put_services(breaker, use, service_of)
    mine = next((one for key, one in guards.items() if uniform(key) == uniform(written)), None)
    own = mine.of("breaker") if mine else []
    for fact in own or default_guard(properties, "breaker"):
        if fact.path[-1] in ("record_exceptions", "ignore_exceptions"):
            if fact.place is not None:
                what = f"{fact.path[-1]}: the gateway's breakers take all failures here."
                properties.ledger.problem(fact.place, what)
            continue
        moved(breaker, fact.path[1:], fact)
    limits = (mine.of("time_limiter") if mine else []) or default_guard(properties, "time_limiter")
    disabled = properties.get("spring.cloud.circuitbreaker.resilience4j.disable-time-limiter")
    if disabled is not None and disabled.text.strip().lower() == "true":
        breaker.add("time_limit", None, disabled, None, "disable-time-limiter")
    else:
        for fact in limits:
            moved(breaker, ("time_limit",), fact)
    codes = definition.listed("status-codes")
    if codes:
        put_list(breaker, "status_codes", definition, "status-codes", status_of, [])
    else:
        breaker.default("status_codes", [], f"{FROM}: none, a 500 is a success")
    fallback = definition.arg("fallback-uri")
    if fallback is not None:
        breaker.add(("fallback", "status"), 200, fallback, None, "fallbackUri: what it answers stands in code.")
        breaker.assume(("fallback", "cpu"), "1ms", "fallbackUri: what its handler costs is not in the file.")
    models_all(findings, use)
    models_name(findings, use)
    return [mine.name] if mine else []
