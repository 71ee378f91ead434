"""The network between two components: delay, lost segments, partitions, and what TCP makes of them.

Models   A message is one segment. It takes a drawn delay; where it is lost it is sent again after TCP's retransmission
         time, which doubles, until it gets through or TCP gives up. While the link is cut every segment vanishes:
         nobody is refused, callers wait for their own time limits. Where a hop opens a connection for every request,
         and where a pool opens one to a database, the handshake crosses first, with a retransmission time of its own.
Units    Seconds.
Source   Linux 6.1 net/ipv4/tcp_input.c (tcp_rtt_estimator, __tcp_set_rto: the smoothed round trip and at least 200 ms),
         include/net/tcp.h (TCP_RTO_MIN 200 ms, TCP_RTO_MAX 120 s, TCP_TIMEOUT_INIT 1 s, TCP_SYN_RETRIES 6, TCP_RETR2
         15), Documentation/networking/ip-sysctl.rst (924.6 s and 127 s until it gives up); RFC 6298; pgjdbc 42.7
         PGProperty.java (connectTimeout 10 s), ConnectionFactoryImpl.java (one exchange for SSL, one for start-up, two
         for SCRAM).
Omits    Bandwidth, messages of several segments, fast retransmission, windows, reordering; TLS; the connections that
         were there before: a hop keeps its connection alive unless it says otherwise.
Checked  tests/unit/test_link.py, experiments/validation/linux_tcp.py, tests/properties/test_faults.py
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, Final, Protocol

from pydantic import Field, model_validator

from models.distribution import ConstantSpec, DistributionSpec
from models.outcomes import CallFailure, ClientGone, ConnectionRefused, InstanceDied, Unreachable
from models.request import Request, Visit
from models.spec import Context, Spec
from sim.environment import Activity, Environment
from sim.gate import Gate
from sim.streams import Sequential

RTO_LEAST_S: Final = 0.2
RTO_MOST_S: Final = 120.0
SYN_RTO_S: Final = 1.0
DATA_ATTEMPTS: Final = 16
"""The segment and its 15 retransmissions (tcp_retries2)."""
SYN_ATTEMPTS: Final = 7
PGJDBC_CONNECT_LIMIT_S: Final = 10.0
PGJDBC_EXCHANGES: Final = 4
"""Exchanges after the handshake until a connection can be used: SSLRequest, StartupMessage, two of SCRAM."""

Between = Annotated[list[str], Field(min_length=2, max_length=2)]
Loss = Annotated[float, Field(ge=0, lt=1)]


class LinkSpec(Spec):
    """The network between two components that speak to each other."""

    between: Between = Field(
        description="The two ends by their paths: client, gateway, load_balancers.nginx, services.shop, caches.redis, "
        "databases.main."
    )
    delay: DistributionSpec = Field(
        default=ConstantSpec.model_validate({"value": 0}),
        description="Time a message takes, each way, on top of what the components' own settings say. Default 0.",
    )
    loss: Loss = Field(default=0.0, description="Probability that a segment is lost. Default 0.")
    keep_alive: bool = Field(
        default=True,
        description="Requests use connections that are open. false: each opens its own, one round trip more, and a "
        "lost SYN costs 1s, then 2s and so on. Nginx goes by its own settings; commands and queries never do.",
    )

    @model_validator(mode="after")
    def _has_two_ends(self) -> LinkSpec:
        if self.between[0] == self.between[1]:
            raise ValueError(f"between: must be two components, got {self.between[0]} twice. Name the other end.")
        return self


class Trouble:
    """What a fault does to a link while it lasts."""

    __slots__ = ("delay", "is_cut", "loss")

    def __init__(self, delay: Sequential | None = None, loss: float = 0.0, is_cut: bool = False) -> None:
        self.delay = delay
        self.loss = loss
        self.is_cut = is_cut


class Link:
    """One link, for messages both ways. `there` goes to who serves, `back` to who asks."""

    __slots__ = (
        "_cuts", "_delay", "_handshakes", "_lost", "_luck", "_passes", "_rto_s", "_spec_loss", "_troubles", "env",
        "gate", "path", "round_trip_s",
    )  # fmt: skip

    def __init__(self, context: Context, spec: LinkSpec) -> None:
        path, delay = context.path, spec.delay.distribution()
        self.path = path
        self.env: Environment = context.env
        self.gate = Gate(context.env)
        """Shut while who serves hangs: what arrives there stays there, and nothing comes back."""
        self._delay = context.streams.sequence(f"{path}.delay", delay) if delay.mean else None
        self._luck = context.streams.sequence(f"{path}.loss")
        self._handshakes = not spec.keep_alive
        self._spec_loss = spec.loss
        self._passes = 1.0 - spec.loss
        """Probability that a segment gets through."""
        self.round_trip_s = 2 * delay.mean
        self._rto_s = RTO_LEAST_S + self.round_trip_s
        self._troubles: list[Trouble] = []
        self._cuts = 0
        self._lost = context.probe.count(f"{path}.lost")

    # faults

    @property
    def is_cut(self) -> bool:
        return self._cuts > 0

    def suffer(self, trouble: Trouble) -> None:
        self._troubles.append(trouble)
        self._count()

    def recover(self, trouble: Trouble) -> None:
        self._troubles.remove(trouble)
        self._count()

    def _count(self) -> None:
        self._cuts, self._passes = 0, 1.0 - self._spec_loss
        for trouble in self._troubles:
            self._cuts += trouble.is_cut
            self._passes *= 1.0 - trouble.loss

    # messages

    def there(self, opens: bool = False) -> Activity:
        """A request. Raises `Unreachable`. `opens`: on a connection of its own, unless the link keeps them alive."""
        if opens and self._handshakes:
            yield from self.connect()
        yield from self._cross(self._rto_s, DATA_ATTEMPTS, inf)
        while self.gate.is_shut:
            yield from self.gate.wait()

    def back(self) -> Activity:
        """An answer. Raises `Unreachable`."""
        while self.gate.is_shut:
            yield from self.gate.wait()
        yield from self._cross(self._rto_s, DATA_ATTEMPTS, inf)

    def connect(self, limit_s: float = inf) -> Activity:
        """A handshake: SYN there, its answer back. Raises `Unreachable` after `limit_s` at the latest. Who hangs still
        shakes hands: the kernel does it."""
        due_s = self.env.now + limit_s
        yield from self._cross(SYN_RTO_S, SYN_ATTEMPTS, limit_s)
        yield from self._cross(SYN_RTO_S, SYN_ATTEMPTS, due_s - self.env.now)

    def _cross(self, rto_s: float, attempts: int, limit_s: float) -> Activity:
        """One segment, sent until it gets through."""
        left_s = limit_s
        while self._cuts or (self._passes < 1.0 and self._luck.next() >= self._passes):
            self._lost.add()
            attempts -= 1
            pause_s = rto_s if rto_s < left_s else left_s
            yield pause_s
            left_s -= pause_s
            if not attempts or left_s <= 0.0:
                raise Unreachable(self.path)
            rto_s = 2 * rto_s if 2 * rto_s < RTO_MOST_S else RTO_MOST_S
        delay_s = 0.0 if self._delay is None else self._delay.next()
        for trouble in self._troubles:
            if trouble.delay is not None:
                delay_s += trouble.delay.next()
        if delay_s > left_s:
            yield left_s
            raise Unreachable(self.path)
        if delay_s:
            yield delay_s


class Hop(Protocol):
    """Somewhere a visit can be sent."""

    def handle(self, request: Request, visit: Visit) -> Activity: ...


class LinkedHop:
    """A hop at the other end of a link. `caller`: the path of who asks; its own death needs no network."""

    __slots__ = ("_caller", "_hop", "_link", "_opens")

    def __init__(self, link: Link, caller: str, hop: Hop, opens: bool = True) -> None:
        """`opens`: whether the connections are the link's business, not the caller's."""
        self._link = link
        self._caller = caller
        self._hop = hop
        self._opens = opens

    def handle(self, request: Request, visit: Visit) -> Activity:
        yield from exchange(self._link, self._caller, request, self._hop.handle(request, visit), self._opens)


class LinkedReplica(LinkedHop):
    """A replica at the other end of a link, as balancers see it."""

    __slots__ = ("_replica",)

    def __init__(self, link: Link, caller: str, replica: Any, opens: bool = True) -> None:
        super().__init__(link, caller, replica, opens)
        self._replica = replica

    @property
    def name(self) -> str:
        return str(self._replica.name)

    @property
    def host(self) -> Any:
        return self._replica.host

    @property
    def link(self) -> Link:
        return self._link


class LinkedService:
    """A service at the other end of a link: whoever chooses, gets a replica there."""

    __slots__ = ("_caller", "_link", "_linked", "_service")

    def __init__(self, link: Link, caller: str, service: Any) -> None:
        self._link = link
        self._caller = caller
        self._service = service
        self._linked: dict[str, LinkedReplica] = {}

    def choose(self) -> LinkedReplica:
        replica = self._service.choose()
        linked = self._linked.get(replica.name)
        if linked is None:
            linked = self._linked[replica.name] = LinkedReplica(self._link, self._caller, replica)
        return linked

    def handle(self, request: Request, visit: Visit) -> Activity:
        return self.choose().handle(request, visit)


class LinkedDatabase:
    """A database at the other end of a link. What takes no message is the database's own."""

    __slots__ = ("_caller", "_database", "_link")

    def __init__(self, link: Link, caller: str, database: Any) -> None:
        self._link = link
        self._caller = caller
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def connect(self) -> Activity:
        """TCP's handshake and pgjdbc's exchanges; the last of them is when the server takes the connection."""
        link = self._link
        try:
            yield from link.connect(PGJDBC_CONNECT_LIMIT_S)
            for _ in range(PGJDBC_EXCHANGES - 1):
                yield from link.there()
                yield from link.back()
            yield from link.there()
            epoch: int = yield from self._database.connect()
            is_taken = False
            try:
                yield from link.back()
                is_taken = True
            finally:
                if not is_taken:
                    self._database.disconnect(epoch)
        except Unreachable as lost:
            raise ConnectionRefused(self._database.host.path) from lost
        return epoch

    def opened_since(self, begun_at_s: float) -> tuple[float, int] | None:
        """The same, begun in the past while nobody watched."""
        if begun_at_s > -inf:
            if self._link.is_cut:
                return None
            begun_at_s += (1 + PGJDBC_EXCHANGES) * self._link.round_trip_s
        found: tuple[float, int] | None = self._database.opened_since(begun_at_s)
        return found

    def execute(self, request: Request, *what: Any) -> Activity:
        return exchange(self._link, self._caller, request, self._database.execute(request, *what))

    def commit(self, request: Request, connection: Any) -> Activity:
        return exchange(self._link, self._caller, request, self._database.commit(request, connection))

    def ping(self, connection: Any, demand_s: float) -> Activity:
        return exchange(self._link, self._caller, None, self._database.ping(connection, demand_s))


def exchange(link: Link, caller: str, request: Request | None, work: Activity, opens: bool = False) -> Activity:
    """Ask across a link, let the other end do `work`, and hear of it across the link: what it returns, or its
    failure."""
    yield from _on_the_way(link, request, link.there(opens))
    failure: CallFailure | None = None
    value = None
    try:
        value = yield from work
    except ClientGone:
        raise
    except CallFailure as caught:
        if isinstance(caught, InstanceDied) and (caught.path == caller or caught.path.startswith(f"{caller}.")):
            raise
        failure = caught
    yield from _on_the_way(link, request, link.back())
    if failure is not None:
        raise failure
    return value


def _on_the_way(link: Link, request: Request | None, crossing: Activity) -> Activity:
    if request is None:
        yield from crossing
        return
    began_at_s = link.env.now
    try:
        yield from crossing
    finally:
        request.delay_s += link.env.now - began_at_s
