"""The API gateway: filters in their order, then the way to the service.

Models   A request burns the gateway's CPU on one of its event loops and passes the filters in the order in which they
         stand: rate limiters, permits by service, circuit breakers, retries. What stands after a retry is passed again
         by every try. When the client leaves, the gateway lets go at once (its chain is cancelled), while the service
         works on.
Source   Spring Cloud Gateway: filters run in the order of configuration (FilteringWebHandler.java), HttpClient has no
         response time limit and an ELASTIC pool by default (HttpClientProperties.java).
Omits    Where no client leaves and there is no time limit, a gateway that dies takes the work behind it along.
         Connecting to the services, headers, filters of single routes that take turns with default filters.
Checked  tests/unit/test_gateway.py, tests/unit/test_gateway_filters.py, experiments/validation/gateway_filters.py,
         tests/e2e/test_fields.py
"""

from models.gateway.connections import Connections, PooledProxy, PooledService
from models.gateway.gateway import Gateway, GatewayRoute
from models.gateway.key_resolver import Keyed, KeyResolver
from models.gateway.spec import (
    BackoffSpec,
    ConnectionsSpec,
    FallbackSpec,
    GatewayBreakerSpec,
    GatewayRetrySpec,
    GatewaySpec,
    KeyResolverSpec,
)

__all__ = [
    "BackoffSpec",
    "Connections",
    "ConnectionsSpec",
    "FallbackSpec",
    "Gateway",
    "GatewayBreakerSpec",
    "GatewayRetrySpec",
    "GatewayRoute",
    "GatewaySpec",
    "KeyResolver",
    "KeyResolverSpec",
    "Keyed",
    "PooledProxy",
    "PooledService",
]
