"""Circuit breaker of Resilience4j: `breaker` has the spec, the rule and the behaviour, `windows` what they look at."""

from models.circuit_breaker.breaker import CircuitBreaker, CircuitBreakerRule, CircuitBreakerSpec, State, Transition
from models.circuit_breaker.windows import CountWindow, TimeWindow, rate_reaches

__all__ = [
    "CircuitBreaker",
    "CircuitBreakerRule",
    "CircuitBreakerSpec",
    "CountWindow",
    "State",
    "TimeWindow",
    "Transition",
    "rate_reaches",
]
