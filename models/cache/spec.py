"""What a scenario says of a Redis: its memory, its data, and the clients that ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, ValidationInfo, field_validator

from models.distribution import DistributionSpec
from models.spec import Context, NonNegativeDuration, NonNegativeSize, PositiveDuration, PositiveSize, Spec

if TYPE_CHECKING:
    from models.cache.command_thread import Host
    from models.cache.redis import Redis

Policy = Literal[
    "noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random",
    "volatile-ttl",
]  # fmt: skip

CacheWriter = Literal["non_locking", "locking"]
DEFAULT_LOCK_SLEEP_S = 0.05


class LocalCacheSpec(Spec):
    """A cache inside every replica, asked before Redis (Caffeine)."""

    maximum_size: PositiveInt = Field(description="Entries it keeps (maximumSize of Caffeine): the last ones used.")
    expire_after_write: PositiveDuration | None = Field(
        default=None,
        description="How long an entry stays after it was stored (Caffeine: expireAfterWrite). Default: none. What "
        "another replica changes is not seen before.",
    )


class CacheClassSpec(Spec):
    """A class of data: how many keys, how they are asked for, how long they stay."""

    ttl: PositiveDuration | None = Field(
        default=None,
        description="Time to live from when an entry is stored. Default: none, it stays (Spring Data Redis).",
    )
    keys: PositiveInt = Field(le=10_000_000, description="Distinct keys that requests ask for.")
    popularity: NonNegativeFloat = Field(
        description="Exponent of Zipf's law: the key of rank r is asked for in proportion to 1 / r ** popularity. "
        "0: all alike."
    )
    value: PositiveSize = Field(description="Size of a value, e.g. 2K.")
    missing: float = Field(
        default=0.0, ge=0, le=1, description="Share of keys for which a load finds nothing. Default: 0 (assumed)."
    )
    cache_nulls: bool = Field(
        default=True,
        description="Whether it is remembered that a load found nothing. Default: true (RedisCacheConfiguration); "
        '@Cacheable(unless = "#result == null") means false.',
    )
    local: LocalCacheSpec | None = Field(
        default=None, description="A cache in every replica in front of Redis. Default: none."
    )


class RedisClientSpec(Spec):
    """Lettuce, as Spring Boot sets it up in the gateway and in every replica: one connection a process."""

    command_timeout: PositiveDuration = Field(
        default=60.0,
        description="How long a caller waits for a command's answer, or for a connection to send it on "
        "(spring.data.redis.timeout). Default 60s (Lettuce 6, RedisURI).",
    )
    connect_timeout: PositiveDuration = Field(
        default=10.0,
        description="How long an attempt to connect waits where nothing gets through: across a link that is cut or "
        "loses segments (spring.data.redis.connect-timeout). Default 10s (Lettuce 6, SocketOptions).",
    )
    spring_data_redis: Literal["2.7", "3.4"] = Field(
        default="2.7",
        description="Spring Data Redis, whose RedisCache decides what sync = true means. 2.7 (so up to 3.3): one lock "
        "for all keys of a class in each process. 3.4: none there, only that of a locking writer. Default 2.7 (Spring "
        "Boot 2.7).",
    )
    cache_writer: CacheWriter = Field(
        default="non_locking",
        description="locking: before every command on a class one more asks whether the class is locked, and with "
        "spring_data_redis 3.4 a load with sync = true locks it for all. Default non_locking (RedisCacheManager).",
    )
    lock_sleep: PositiveDuration | None = Field(
        default=None,
        validate_default=True,
        description="How long a locking writer sleeps before it asks again. Default 50ms "
        "(RedisCacheWriter.lockingRedisCacheWriter).",
    )

    @field_validator("lock_sleep")
    @classmethod
    def _sleeps_where_it_locks(cls, lock_sleep: float | None, info: ValidationInfo) -> float | None:
        is_locking = info.data.get("cache_writer") == "locking"
        if lock_sleep is not None and not is_locking:
            raise ValueError("must not be set for a writer that never locks. Remove it, or set cache_writer: locking.")
        return DEFAULT_LOCK_SLEEP_S if is_locking and lock_sleep is None else lock_sleep


class RedisSpec(Spec):
    """A Redis that services and the gateway share."""

    command_cpu: DistributionSpec = Field(description="CPU time of one command on the command thread.")
    round_trip: DistributionSpec = Field(description="Network and client time of one command, there and back.")
    classes: dict[str, CacheClassSpec] = Field(default_factory=dict, description="Classes of data, by name.")
    client: RedisClientSpec = Field(
        default_factory=RedisClientSpec, description="The client library in those who ask this Redis."
    )
    entry_overhead: NonNegativeSize = Field(
        default=130,
        description="Bytes an entry takes beside its value. Default 130: measured on Redis 7.0.15 with short keys that "
        "expire (125 to 141 beside values of 100 and 1000 bytes).",
    )
    maxmemory: NonNegativeSize = Field(
        default=0,
        description="Memory for data, the 893K of an empty Redis 7.0.15 included. Default 0 (Redis 7.0): no limit, "
        "only that of the container, which kills.",
    )
    maxmemory_policy: Policy = Field(
        default="noeviction",
        description="What goes when maxmemory is reached. Default noeviction (Redis 7.0): nothing, and writes fail.",
    )
    maxmemory_samples: PositiveInt = Field(
        default=5, description="Entries looked at for each eviction. Default 5 (Redis 7.0)."
    )
    active_expiry: bool = Field(
        default=True,
        description="Whether expired entries are looked for ten times a second. Default true (Redis 7.0; DEBUG "
        "SET-ACTIVE-EXPIRE): without it they take memory until somebody asks for them.",
    )
    free_cpu: NonNegativeDuration = Field(
        default=1e-6,
        description="CPU time that removing an expired or evicted entry takes on the command thread. Default 1us: "
        "measured on Redis 7.0.15 (expire_cycle_cpu_milliseconds of 200,000 entries of 200 bytes: 0.96 us each).",
    )

    def build(self, context: Context, host: Host) -> Redis:
        from models.cache.locking import LockingRedis
        from models.cache.redis import Redis

        return (LockingRedis if self.client.cache_writer == "locking" else Redis)(context, self, host)
