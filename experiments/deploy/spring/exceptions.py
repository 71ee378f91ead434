"""Which failures of the simulator an exception's class name stands for."""

from __future__ import annotations

import re

_NAMES: dict[str, tuple[str, ...]] = {
    "TimeoutException": ("time_limit",),
    "CallNotPermittedException": ("circuit_open",),
    "RequestNotPermitted": ("rate_limited",),
    "BulkheadFullException": ("concurrency_limited",),
    "IOException": ("connection_refused", "instance_died"),
    "ConnectException": ("connection_refused",),
    "SocketException": ("connection_refused", "instance_died"),
    "ResourceAccessException": ("connection_refused", "instance_died"),
    "WebClientRequestException": ("connection_refused", "instance_died"),
    "RetryableException": ("connection_refused", "instance_died"),
    "HttpServerErrorException": ("5xx",),
    "HttpClientErrorException": ("4xx",),
    "HttpStatusCodeException": ("4xx", "5xx"),
    "RestClientResponseException": ("4xx", "5xx"),
    "WebClientResponseException": ("4xx", "5xx"),
    "FeignServerException": ("5xx",),
    "FeignClientException": ("4xx",),
    "FeignException": ("4xx", "5xx"),
    "RestClientException": ("4xx", "5xx", "connection_refused", "instance_died"),
}
_EVERYTHING = ("time_limit", "connection_refused", "instance_died", "4xx", "5xx")
_ALL = {"Exception": _EVERYTHING, "Throwable": _EVERYTHING, "RuntimeException": _EVERYTHING}
_STATUSES = {
    "BadRequest": 400, "Unauthorized": 401, "Forbidden": 403, "NotFound": 404, "MethodNotAllowed": 405, "Conflict": 409,
    "Gone": 410, "UnprocessableEntity": 422, "TooManyRequests": 429, "InternalServerError": 500, "NotImplemented": 501,
    "BadGateway": 502, "ServiceUnavailable": 503, "GatewayTimeout": 504,
}  # fmt: skip
_OF_LIBRARIES = (
    "java.", "javax.", "jakarta.", "org.springframework.", "io.github.resilience4j.", "feign.", "org.apache.",
    "reactor.", "io.netty.",
)  # fmt: skip


def failure_name(written: str) -> tuple[str, ...]:
    """The failures, in the scenario's words; nothing where the class is the application's own or unknown."""
    name = written.strip()
    if not name.startswith(_OF_LIBRARIES):
        return ()
    outer, _, inner = name.rpartition(".")[2].partition("$")
    if inner:
        return (str(_STATUSES[inner]),) if inner in _STATUSES and re.search("Exception$", outer) else ()
    return _NAMES.get(outer, _ALL.get(outer, ()))
