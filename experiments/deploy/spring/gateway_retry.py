"""The Retry filter of a gateway.

Source   Spring Cloud Gateway 3.1, RetryGatewayFilterFactory
Checked  tests/unit/test_spring_gateway.py
"""

from __future__ import annotations

from experiments.deploy.spring.filter_uses import (
    FROM,
    Use,
    models_all,
    models_name,
    put,
    put_list,
    put_services,
    status_of,
)
from experiments.deploy.spring.findings import DURATION, INTEGER, NUMBER, TRUTH, Findings
from experiments.deploy.spring.gateway import ServiceOf

METHODS = ("GET", "HEAD", "PUT", "DELETE", "POST", "PATCH")
EXCEPTIONS = {"ioexception": "io", "timeoutexception": "timeout", "connectexception": "io"}


def read_retry(retry: Findings, use: Use, service_of: ServiceOf) -> None:
    definition = use.definition
    put_services(retry, use, service_of)
    if put(retry, "retries", definition, "retries", INTEGER) is None:
        retry.default("retries", 3, FROM)
    put_list(retry, "series", definition, "series", series_of, ["server_error"])
    put_list(retry, "statuses", definition, "statuses", status_of, [])
    put_list(retry, "methods", definition, "methods", method_of, ["GET"])
    put_list(retry, "exceptions", definition, "exceptions", exception_of, ["io", "timeout"])
    backoff = retry.below("backoff")
    if definition.below("backoff") or len(definition.short) > 3:
        for path, name, kind in (
            ("first", "first-backoff", DURATION), ("maximum", "max-backoff", DURATION), ("factor", "factor", INTEGER),
            ("based_on_previous_value", "based-on-previous-value", TRUTH),
        ):  # fmt: skip
            put(backoff, path, definition, f"backoff.{name}", kind)
    if definition.below("jitter") or len(definition.short) > 7:
        put(backoff, "random_factor", definition, "jitter.random-factor", NUMBER)
    put(retry, "timeout", definition, "timeout", DURATION)
    models_all(retry, use)
    models_name(retry, use)


def series_of(text: str) -> str:
    name = text.strip().lower()
    if name not in ("client_error", "server_error"):
        raise ValueError("the simulator knows CLIENT_ERROR and SERVER_ERROR")
    return name


def method_of(text: str) -> str:
    if text.strip().upper() not in METHODS:
        raise ValueError(f"the simulator knows {', '.join(METHODS)}")
    return text.strip().upper()


def exception_of(text: str) -> str:
    name = EXCEPTIONS.get(text.strip().rpartition(".")[2].lower())
    if name is None:
        raise ValueError("the simulator knows IOException and TimeoutException")
    return name
