"""Rate limits as `--limit` has them: `ip 200/60s [kind] [name=value]...`.

Checked  tests/unit/test_traffic_limits.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from experiments.errors import InputError, shown
from experiments.scenario.document import Document
from experiments.scenario.paths import did_you_mean
from experiments.scenario.translate import lines_of
from experiments.traffic.limits import Limit, limit_of
from models.leaky_bucket import LimitReqSpec
from models.token_bucket import Bucket4jGreedySpec, Bucket4jIntervallySpec, SpringRedisSpec
from models.window_limit import AnchoredWindowSpec, FixedWindowSpec, SlidingCounterSpec, SlidingLogSpec
from sim.quantities import parse_rate

GUIDE: Final = ("user 100/60s", "ip 200/60s", "global 1000/1s")
"""The guide's limits: Bucket4j, greedy, as `maltan/early` has them."""
KEYS: Final = ("user", "ip", "global")
KINDS: Final[Mapping[str, tuple[type[BaseModel], str, str]]] = {
    "bucket4j_greedy": (Bucket4jGreedySpec, "refill", "capacity"),
    "bucket4j_intervally": (Bucket4jIntervallySpec, "refill", "capacity"),
    "spring_redis": (SpringRedisSpec, "replenish_rate", "burst_capacity"),
    "fixed_window": (FixedWindowSpec, "limit", ""), "anchored_window": (AnchoredWindowSpec, "limit", ""),
    "sliding_log": (SlidingLogSpec, "limit", ""), "sliding_counter": (SlidingCounterSpec, "limit", ""),
    "limit_req": (LimitReqSpec, "rate", "burst"),
}  # fmt: skip
"""By kind: its settings, what its rate is called there, and its burst."""
USUAL: Final = "bucket4j_greedy"
_EXAMPLE: Final = "Write e.g. --limit 'ip 200/60s'."


def limits_written(texts: Sequence[str]) -> list[Limit]:
    """Limits as they are written. Raises InputError."""
    return [_written(text) for text in texts]


def _written(text: str) -> Limit:
    words = re.sub(r"\s*([/=])\s*", r"\1", text).split()
    if len(words) < 2:
        raise _refused("must be 'user|ip|global RATE [KIND]'", text, _EXAMPLE)
    key, rate, *others = words
    if key.lower() not in KEYS:
        raise _refused(f"must begin with one of {', '.join(KEYS)}", key, did_you_mean(key, KEYS, "keys"), text)
    kinds = [word for word in others if "=" not in word]
    if len(kinds) > 1:
        raise _refused("must have one kind at most", " ".join(kinds), "Leave one.", text)
    kind = kinds[0] if kinds else USUAL
    if kind not in KINDS:
        raise _refused("must be of a known kind", kind, did_you_mean(kind, list(KINDS), "kinds"), text)
    model, rate_name, burst_name = KINDS[kind]
    given = dict(word.split("=", 1) for word in others if "=" in word)
    if burst_name and "burst" in given:
        given[burst_name] = given.pop("burst")
    value: dict[str, Any] = {"key": key.lower(), rate_name: _rate(rate, kind, text), **given}
    if kind == "spring_redis":
        value.setdefault("cache", "redis")
    try:
        return limit_of(text, model.model_validate(value))
    except ValidationError as error:
        said = [line.removesuffix(".") for line in lines_of(error, Document(value), model)]
        raise InputError.of([f"--limit: {line}. (--limit {shown(text)})" for line in said]) from None


def _rate(rate: str, kind: str, text: str) -> str:
    """The rate as its setting has it. Raises InputError."""
    try:
        found = parse_rate(rate)
    except ValueError as error:
        raise InputError(f"--limit: {str(error).rstrip('.')}. (--limit {shown(text)})") from None
    if kind != "spring_redis":
        return rate
    if found.period_s != 1 or found.count != int(found.count):
        raise _refused("must be a whole number a second for spring_redis", rate, "Write e.g. 10/s.", text)
    return str(int(found.count))


def _refused(requirement: str, got: str, step: str, text: str = "") -> InputError:
    return InputError(f"--limit: {requirement}, got {shown(got)}. {step}{f' (--limit {shown(text)})' if text else ''}")
