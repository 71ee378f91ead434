"""Users without a key: what the limits per user make of them.

Source   Spring Cloud Gateway, RequestRateLimiterGatewayFilterFactory.java: an empty key is denied with 403, or passes
         without a limit; an error of the resolver is nobody's to handle and becomes a 500.
"""

from __future__ import annotations

from typing import Any

from models.gateway.failures import KeyResolverFailed, NoKey
from models.gateway.spec import KeyResolverSpec
from models.request import Request
from models.spec import Context
from sim.environment import Activity


class KeyResolver:
    """Says which users have a key. The same ones always do."""

    __slots__ = ("_chance", "_share", "on_missing")

    def __init__(self, context: Context, spec: KeyResolverSpec) -> None:
        self._chance = context.streams.uniforms(f"{context.path}.anonymous")
        self._share = spec.anonymous_share
        self.on_missing = spec.on_missing

    def finds(self, request: Request) -> bool:
        return bool(self._chance.at(request.user) >= self._share)


class Keyed:
    """A limiter behind a key resolver."""

    __slots__ = ("_denied", "_limiter", "_path", "_resolver", "waits")

    def __init__(self, context: Context, resolver: KeyResolver, limiter: Any) -> None:
        self._path = context.path
        self._resolver = resolver
        self._limiter = limiter
        self._denied = context.probe.count(f"{context.path}.without_key")
        self.waits: bool = limiter.waits

    def take(self, request: Request) -> None:
        if self._resolver.finds(request):
            self._limiter.take(request)
        else:
            self._turn_away()

    def check(self, request: Request) -> Activity:
        if self._resolver.finds(request):
            yield from self._limiter.check(request)
        else:
            self._turn_away()

    def _turn_away(self) -> None:
        self._denied.add()
        if self._resolver.on_missing == "deny":
            raise NoKey(self._path)
        if self._resolver.on_missing == "error":
            raise KeyResolverFailed(self._path)
