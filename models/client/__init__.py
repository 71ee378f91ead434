"""The client: sends requests, waits for as long as it has patience, tries again, and writes the one outcome of each.

Models   Half a round trip, the request's way through the system, half a round trip. When patience ends the request is
         abandoned at that instant: whoever holds something for the client lets go, work already begun goes on as waste.
         Attempts of the same request: retries of the client's program after bad answers or its own limit of an attempt,
         at once or after a pause, within a budget; reloads of users who tire of waiting. An attempt that is left ends
         like an abandoned request; the request goes on. Patience covers all attempts.
Source   Resilience4j 2.3 TimeLimiterImpl.java (a caller that leaves frees itself, not the work behind it); curl 8 docs
         (--retry: what is retried); botocore 1.40 retries/standard.py (attempts, pauses); Finagle 24.2 RetryBudget;
         RFC 9110, 9.2.2 (what may be repeated). Patience and reloads are assumed.
Omits    Connection set-up, Retry-After, hedging (a second attempt while the first one still counts).
Checked  tests/unit/test_client.py, tests/unit/test_retries.py, tests/unit/test_retry_budget.py,
         tests/properties/test_retries_properties.py, tests/e2e/test_fields.py

    spec.py      what a scenario says
    client.py    one attempt: the plain way
    retrying.py  several attempts
    backoff.py   the pause between them
    budget.py    how many there may be
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.client.client import Client, Hop, Recorder
from models.client.retrying import RetryingClient
from models.client.spec import ClientSpec
from models.request import Visit
from models.spec import Context


def build_client(
    context: Context,
    spec: ClientSpec,
    routes: Sequence[tuple[Hop, Visit]],
    recorder: Recorder,
    on_wake: Callable[[], None],
    on_rest: Callable[[], None],
) -> Client:
    """The clients that `spec` describes. Who never tries again does not pay for it."""
    kind = Client if spec.retry is None and spec.reload is None else RetryingClient
    return kind(context, spec, routes, recorder, on_wake, on_rest)


__all__ = ["Client", "ClientSpec", "Hop", "Recorder", "RetryingClient", "build_client"]
