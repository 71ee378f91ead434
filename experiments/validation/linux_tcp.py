"""Linux' TCP: when a segment that was lost is sent again, and when a connection is given up."""

from __future__ import annotations

from collections.abc import Callable

from experiments.validation.check import Component, expect
from models.link import Link, LinkSpec, Trouble
from models.outcomes import Unreachable
from models.spec import Context
from sim.environment import Activity, Environment
from sim.probe import NullProbe
from sim.streams import Streams

LINUX_TCP = Component(
    "Linux TCP",
    version="Linux 6.1",
    source="include/net/tcp.h, net/ipv4/tcp_input.c (__tcp_set_rto), Documentation/networking/ip-sysctl.rst; RFC 6298",
    section="",
)


def _takes_s(cut_for_s: float, crossing: Callable[[Link], Activity], delay: str = "0s") -> tuple[float, bool]:
    """How long a message takes over a link that is cut at first, and whether it arrives."""
    env = Environment()
    spec = LinkSpec.model_validate({"between": ["client", "gateway"], "delay": delay})
    link = Link(Context(env, Streams(1, 0), NullProbe(env), "links.wire"), spec)
    cut = Trouble(is_cut=True)
    link.suffer(cut)
    found: list[tuple[float, bool]] = []

    def send() -> Activity:
        try:
            yield from crossing(link)
        except Unreachable:
            found.append((env.now, False))
        else:
            found.append((env.now, True))

    def mend() -> Activity:
        yield cut_for_s
        link.recover(cut)

    env.start(send())
    env.start(mend())
    env.run()
    return found[0]


@LINUX_TCP.check("RTO at least 200 ms, doubling", "Sent again 0.2, 0.6, 1.4, 3.0 s after it was sent first.")
def retransmissions() -> None:
    for cut_for_s, arrives_s in ((0.1, 0.2), (0.3, 0.6), (1.0, 1.4), (2.9, 3.0)):
        expect(round(_takes_s(cut_for_s, Link.there)[0], 9), arrives_s)


@LINUX_TCP.check("RTO = smoothed round trip + 200 ms", "With 50 ms each way, sent again after 300 ms.")
def smoothed_round_trip() -> None:
    expect(round(_takes_s(0.1, Link.there, delay="50ms")[0], 9), 0.35)


@LINUX_TCP.check("tcp_retries2 15: given up after 924.6 s", "Fifteen retransmissions, at most 120 s apart.")
def gives_up() -> None:
    took_s, arrived = _takes_s(1e6, Link.there)
    expect((round(took_s, 9), arrived), (924.6, False))


@LINUX_TCP.check("SYN again after 1, 3, 7, 15, 31, 63 s; given up after 127 s", "tcp_syn_retries 6.")
def handshakes() -> None:
    for cut_for_s, arrives_s in ((0.5, 1.0), (2.0, 3.0), (5.0, 7.0), (10.0, 15.0), (20.0, 31.0), (50.0, 63.0)):
        expect(_takes_s(cut_for_s, Link.connect)[0], arrives_s)
    expect(_takes_s(1e6, Link.connect), (127.0, False))


@LINUX_TCP.check("pgjdbc connectTimeout 10 s", "A pool's attempt to connect ends after it, whatever TCP would do.")
def pgjdbc() -> None:
    expect(_takes_s(1e6, lambda link: link.connect(10.0)), (10.0, False))
