"""Circuit breaker of Resilience4j: `spec` has its settings, `rule` the state machine, `windows` what that looks at,
`breaker` the behaviour."""

from models.circuit_breaker.breaker import CircuitBreaker, Transition
from models.circuit_breaker.rule import CircuitBreakerRule, State
from models.circuit_breaker.spec import CallBreakerSpec, CircuitBreakerSpec
from models.circuit_breaker.windows import CountWindow, TimeWindow, rate_reaches

__all__ = [
    "CallBreakerSpec",
    "CircuitBreaker",
    "CircuitBreakerRule",
    "CircuitBreakerSpec",
    "CountWindow",
    "State",
    "TimeWindow",
    "Transition",
    "rate_reaches",
]
