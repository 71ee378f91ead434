"""How a try of the gateway can end beside what the services answer."""

from __future__ import annotations

from models.outcomes import Failed, Refused


class NoKey(Refused):
    """The limiter's key resolver found no key, and empty keys are denied."""

    status = 403
    reason = "no_key"


class KeyResolverFailed(Failed):
    """The limiter's key resolver threw."""

    reason = "key_resolver_failed"


class StatusListed(Failed):
    """An answer that the breaker's status_codes list: the filter throws it away and reports an error of its own."""

    reason = "status_listed"


class RetriesTimedOut(Failed):
    """The Retry filter's time was over when a try without an answer should have been made again."""

    reason = "retries_timed_out"


class FallbackAnswered(Failed):
    """The breaker's fallback answered, with a status that is no success."""

    reason = "fallback"
