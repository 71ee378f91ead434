"""A Redis alone, whose container is never busy with others: what the checks of it have in common."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from models.cache import Client, Redis, RedisSpec
from models.outcomes import CacheUnavailable, InstanceDied
from models.request import Request
from models.spec import Context
from sim.environment import Activity, Environment, Light
from sim.probe import Count, Level, NullProbe, Station, Tally
from sim.streams import Streams


class Host:
    """A container whose core is never busy with others, and which counts what it is told."""

    path = "redis"

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.is_up = True
        self.memory_bytes = 0
        self.inside: dict[Light, None] = {}
        self.deaths = SimpleNamespace(total=0)

    @property
    def is_started(self) -> bool:
        return self.is_up

    def run(self, demand_s: float) -> float:
        return demand_s

    def use_memory(self, delta_bytes: int) -> None:
        self.memory_bytes += delta_bytes

    def enter(self) -> Light:
        light = self.env.active
        assert light is not None
        self.inside[light] = None
        return light

    def leave(self, light: Light) -> None:
        self.inside.pop(light, None)

    def die(self, redis: Redis | None = None) -> None:
        self.is_up = False
        self.deaths.total += 1
        for light in self.inside:
            self.env.throw(light, InstanceDied(self.path))
        self.inside = {}
        if redis is not None:
            redis.clear()
        self.memory_bytes = 0

    def come_up(self, redis: Redis) -> None:
        """Start again: what Redis has to do for that takes no time."""
        for _ in redis.start():
            raise AssertionError("a start that takes time")
        self.is_up = True


class Instruments(NullProbe):
    """Keeps what it hands out."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.kept: dict[str, Any] = {}

    def _keep(self, path: str, instrument: Any) -> None:
        assert path not in self.kept, path
        self.kept[path] = instrument

    def count(self, path: str) -> Count:
        made = super().count(path)
        self._keep(path, made)
        return made

    def level(self, path: str, value: float = 0.0) -> Level:
        made = super().level(path, value)
        self._keep(path, made)
        return made

    def tally(self, path: str) -> Tally:
        made = super().tally(path)
        self._keep(path, made)
        return made

    def station(self, path: str, servers: float, kind: str) -> Station:
        made = super().station(path, servers, kind)
        self._keep(path, made)
        return made


class Stand:
    """A Redis with one class of 1000-byte values (1100 with what goes with them), asked by requests that say their
    key. `redis` lays settings over that, `cls` over the class."""

    def __init__(self, redis: dict[str, Any] | None = None, cls: dict[str, Any] | None = None, seed: int = 1) -> None:
        self.env = Environment()
        self.host = Host(self.env)
        self.probe = Instruments(self.env)
        hot = {"ttl": "60s", "keys": 10_000, "popularity": 0, "value": "1000B", **(cls or {})}
        settings = {"command_cpu": "0s", "round_trip": "0s", "entry_overhead": "100B", **(redis or {})}
        spec = RedisSpec.model_validate({**settings, "classes": {"hot": hot, **settings.pop("classes", {})}})
        self.redis = spec.build(Context(self.env, Streams(seed, 0), self.probe, "redis"), self.host)
        self.client: Client = self.redis.client("shop-1")
        self.asked = 0

    def request(self, key: int) -> Request:
        request = Request(self.asked, self.asked, 0, 0, 0, self.env.now)
        request.key = key
        self.asked += 1
        return request

    def do(self, command: str, key: int, client: Client | None = None, cls: str = "hot") -> SimpleNamespace:
        """Start a command now. The result fills in when it ends."""
        result = SimpleNamespace(value=None, error=None, ended_s=None, request=self.request(key), light=None)

        def process() -> Activity:
            try:
                command_of = getattr(self.redis, command)
                result.value = yield from command_of(client or self.client, result.request, cls, 0)
            except (CacheUnavailable, InstanceDied) as error:
                result.error = error
            result.ended_s = self.env.now

        result.light = self.env.start(process())
        return result

    def ask(self, command: str, key: int, at: float | None = None, cls: str = "hot") -> SimpleNamespace:
        """Carry a command out, now or at an instant, to its end."""
        if at is not None and at > self.env.now:
            self.env.run(until=at)
        result = self.do(command, key, cls=cls)
        while result.ended_s is None:
            self.env.step()
        return result

    def hit(self, key: int, at: float | None = None, cls: str = "hot") -> bool:
        return self.ask("lookup", key, at, cls).value is not None

    def store(self, key: int, at: float | None = None, cls: str = "hot") -> None:
        self.ask("store", key, at, cls)

    def count(self, name: str, cls: str = "hot") -> int:
        total: int = self.probe.kept[f"redis.classes.{cls}.{name}"].total
        return total

    def total(self, name: str) -> Any:
        return self.probe.kept[f"redis.{name}"].total
