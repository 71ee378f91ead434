"""What a scenario says of nginx and its upstreams, under nginx's own names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from models.distribution import DistributionSpec
from models.spec import NonNegativeDuration, PositiveDuration, Spec

_FROM = "(nginx 1.22)"
HASHES: Final = ("hash", "hash_consistent")
WITHOUT_BACKUP: Final = ("ip_hash", *HASHES, "random", "random_two")
KEPT_BY_DEFAULT: Final = (1, 29, 7)
_THOUSAND_REQUESTS: Final = (1, 19, 10)
OLDEST: Final = (1, 15, 3)
RELEASES_THAT_DIFFER: Final = (_THOUSAND_REQUESTS, KEPT_BY_DEFAULT)

Balancing = Literal["round_robin", "least_conn", "ip_hash", "hash", "hash_consistent", "random", "random_two"]
HashKey = Literal["user", "ip", "uri"]
Trouble = Literal[
    "error", "timeout", "http_403", "http_404", "http_429", "http_500", "http_502", "http_503", "http_504"
]
Condition = Literal[Trouble, "non_idempotent", "off"]


class UpstreamSpec(Spec):
    """The servers behind one name and how nginx treats them, under nginx's own names."""

    service: str = Field(description="The service whose replicas are the servers.")
    balancing: Balancing = Field(
        default="round_robin",
        description="round_robin and random by weight; least_conn: fewest active connections by weight; random_two: of "
        "two drawn by weight the one with fewer; ip_hash: the client's first three octets; hash and hash_consistent: "
        f"hash_key, the latter on a ring (ketama). Default round_robin {_FROM}.",
    )
    hash_key: HashKey | None = Field(
        default=None,
        description="What hash and hash_consistent hash: the user (user<number>), the client's address, or the URI "
        "(/<service>/<endpoint>). They need one; nginx has no default.",
    )
    port: int = Field(
        default=8080, ge=1, le=65_535,
        description="Port in the servers' names, <service>-<number>:<port>, which place them on the ring of "
        "hash_consistent. Default 8080 (Spring Boot).",
    )  # fmt: skip
    weights: list[PositiveInt] | None = Field(
        default=None, min_length=1, description=f"One weight per replica, in order. Default 1 each {_FROM}."
    )
    backup: list[PositiveInt] = Field(
        default_factory=list,
        description="Replicas (1 is the first) that get a request only when no other can. Default: none.",
    )
    down: list[PositiveInt] = Field(
        default_factory=list, description="Replicas (1 is the first) marked down: they get nothing. Default: none."
    )
    max_conns: NonNegativeInt = Field(
        default=0,
        description="Connections to each server at most, in each worker unless there is a zone; 0: no limit. "
        f"Default 0 {_FROM}.",
    )
    zone: bool = Field(
        default=False, description=f"The workers share what they know of the servers. Default: each its own {_FROM}."
    )
    max_fails: NonNegativeInt = Field(
        default=1, description=f"Failures after which a server is left out; 0: it never is. Default 1 {_FROM}."
    )
    fail_timeout: NonNegativeDuration = Field(
        default=10.0,
        description="Whole seconds for which it is left out, and after which a success clears its failures. "
        f"Default 10s {_FROM}.",
    )
    connect_timeout: PositiveDuration = Field(default=60.0, description=f"proxy_connect_timeout. Default 60s {_FROM}.")
    send_timeout: PositiveDuration = Field(default=60.0, description=f"proxy_send_timeout. Default 60s {_FROM}.")
    read_timeout: PositiveDuration = Field(
        default=60.0,
        description="proxy_read_timeout: between two reads; answers come whole here, so it limits the response time. "
        f"Default 60s {_FROM}.",
    )
    next_upstream: list[Condition] = Field(
        default=["error", "timeout"],
        min_length=1,
        description=f"When a request goes on to the next server; off overrides. Default error, timeout {_FROM}.",
    )
    next_upstream_tries: NonNegativeInt = Field(
        default=0, description=f"Attempts at most; 0: each server once. Default 0 {_FROM}."
    )
    next_upstream_timeout: NonNegativeDuration = Field(
        default=0.0, description=f"Time after which no further attempt begins; 0: no limit. Default 0 {_FROM}."
    )
    keepalive: NonNegativeInt | None = Field(
        default=None,
        description="Idle connections to the servers that each worker keeps; 0: none. Before 1.29.7 the real one needs "
        'proxy_http_version 1.1 and proxy_set_header Connection "", too. Default: 0 before 1.29.7, then 32 (nginx).',
    )
    keepalive_requests: PositiveInt | None = Field(
        default=None,
        description="Requests after which a connection is closed. Default: 1000, before 1.19.10 100 (nginx).",
    )
    keepalive_timeout: PositiveDuration = Field(
        default=60.0, description=f"Time for which an idle connection is kept. Default 60s {_FROM}."
    )
    keepalive_time: PositiveDuration = Field(
        default=3600.0, description=f"Age from which a connection is not kept again. Default 1h {_FROM}."
    )
    connect_time: DistributionSpec = Field(
        default="100us", validate_default=True, description="Time to connect to a server. Default 100us (assumed)."
    )
    send_time: DistributionSpec = Field(
        default="0s", validate_default=True, description="Time to pass the request on. Default 0s (assumed)."
    )

    @field_validator("fail_timeout")
    @classmethod
    def _counts_whole_seconds(cls, value: float) -> float:
        if value != int(value):
            raise ValueError(f"must be whole seconds, as nginx counts them, got {value:g}s. Round it.")
        return value

    @model_validator(mode="after")
    def _starts(self) -> UpstreamSpec:
        """What the real nginx would not start with."""
        if (self.balancing in HASHES) != (self.hash_key is not None):
            raise ValueError(
                f"must have a hash_key with {' and '.join(HASHES)} and with nothing else, got balancing "
                f"{self.balancing} and hash_key {self.hash_key}. Add it or remove it."
            )
        if self.backup and self.balancing in WITHOUT_BACKUP:
            raise ValueError(f"{self.balancing} does not support backup servers. Remove backup.")
        return self

    def misfits(self, servers: int) -> Iterator[str]:
        """What does not suit a service with so many replicas, field by field."""
        if self.weights is not None and len(self.weights) != servers:
            yield (
                f"weights: must have one weight for each of the {servers} replicas of {self.service}, got "
                f"{len(self.weights)}. Add or remove weights, or leave them out."
            )
        for name in ("backup", "down"):
            for number in getattr(self, name):
                if number > servers:
                    yield f"{name}: must be replicas of {self.service}, 1 to {servers}, got {number}. Remove it."
        if set(self.backup) >= set(range(1, servers + 1)):
            yield f"backup: must leave a server that is none, got all {servers}. Remove one."

    def kept(self, release: tuple[int, ...]) -> tuple[int, int]:
        """Idle connections kept, and requests over each, as a release does it where nothing is said."""
        kept = (32 if release >= KEPT_BY_DEFAULT else 0) if self.keepalive is None else self.keepalive
        requests = 1000 if release >= _THOUSAND_REQUESTS else 100
        return kept, requests if self.keepalive_requests is None else self.keepalive_requests


class NginxSpec(Spec):
    """What nginx does; where it runs is its container's business."""

    version: str = Field(
        default="1.22.1",
        pattern=r"^\d+\.\d+\.\d+$",
        description="Release, from 1.15.3 on: connections to servers are kept without being asked for from 1.29.7 on, "
        "and for 1000 requests from 1.19.10 on. Default 1.22.1 (assumed; Debian 12 has it).",
    )
    cpu: DistributionSpec = Field(description="CPU time that nginx burns for one proxied request.")
    workers: PositiveInt = Field(
        default=1,
        description="worker_processes, each one thread. Default 1 (nginx 1.22; the packaged nginx.conf says auto: one "
        "per core).",
    )
    worker_connections: int = Field(
        default=512,
        ge=4,
        description="Connections of a worker, to clients and servers, two of them its own. Default 512 (nginx 1.22; "
        "the packaged nginx.conf says 768, the image's 1024).",
    )
    real_ip: bool = Field(
        default=False,
        description="Clients behind the gateway are known by their own addresses (set_real_ip_from, real_ip_header "
        "X-Forwarded-For). Default: by the gateway's (nginx 1.22).",
    )
    upstreams: dict[str, UpstreamSpec] = Field(min_length=1, description="Upstreams by name, one for a service.")

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    @field_validator("version")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if tuple(int(part) for part in value.split(".")) < OLDEST:
            raise ValueError(f"must be 1.15.3 or later, got {value}. Older ones do other things, too.")
        return value

    @field_validator("upstreams")
    @classmethod
    def _one_for_a_service(cls, upstreams: dict[str, UpstreamSpec]) -> dict[str, UpstreamSpec]:
        names: dict[str, str] = {}
        for name, upstream in upstreams.items():
            first = names.setdefault(upstream.service, name)
            if first != name:
                raise ValueError(f"{first} and {name} both lead to {upstream.service}. Remove one of them.")
        return upstreams
