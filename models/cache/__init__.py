"""Redis, the client library in front of it, and the caches inside replicas.

    redis = Redis(context, spec, host)
    client = redis.client("shop-1", container)            # one connection for each process that asks
    is_hit = yield from redis.lookup(client, request, "hot", lane)
    yield from redis.run_script(client, writes=True)      # EVALSHA, for limiters
    redis.clock_s(); redis.step_clock(-10.0)

`spec` what a scenario says; `keyspace` (with `entries`, `table`, `eviction`) the pure rules of what is held;
`command_thread` who is served, and what becomes of commands; `expiry` the active cycle; `lettuce` the client; `locking`
what a locking cache writer makes of it; `local` the cache inside a replica; `classes` what requests ask for.
"""

from models.cache.classes import DataClass, zipf_weights
from models.cache.command_thread import Host
from models.cache.entries import Entries, Entry
from models.cache.eviction import Evictor
from models.cache.keyspace import EMPTY_BYTES, Keyspace
from models.cache.lettuce import Client
from models.cache.local import LocalCache
from models.cache.redis import Redis
from models.cache.spec import CacheClassSpec, LocalCacheSpec, RedisClientSpec, RedisSpec
from models.cache.table import Table

__all__ = [
    "EMPTY_BYTES",
    "CacheClassSpec",
    "Client",
    "DataClass",
    "Entries",
    "Entry",
    "Evictor",
    "Host",
    "Keyspace",
    "LocalCache",
    "LocalCacheSpec",
    "Redis",
    "RedisClientSpec",
    "RedisSpec",
    "Table",
    "zipf_weights",
]
