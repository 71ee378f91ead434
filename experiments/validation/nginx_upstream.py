"""nginx as a load balancer: which server gets a request, and what is learnt of servers that fail."""

from __future__ import annotations

from experiments.validation.check import Component, expect
from experiments.validation.nginx_stand import Stand, peers, picks
from models.load_balancer import HashSearch, IpSearch, PeerSet, RandomSearch, Ring, RingSearch, Shares

NGINX_UPSTREAM = Component(
    "nginx upstream",
    version="1.22.1",
    source="nginx: src/http/ngx_http_upstream.c, ngx_http_upstream_round_robin.c, "
    "src/http/modules/ngx_http_upstream_{least_conn,ip_hash,hash,random,keepalive}_module.c",
    section="3",
)
check = NGINX_UPSTREAM.check

NAMES = ["127.0.0.1:27201", "127.0.0.1:27202", "127.0.0.1:27203"]
KEYS = (b"user1", b"user2", b"alice", b"bob")


def hashed(keys: tuple[bytes, ...], weights: list[int]) -> list[int]:
    """Servers (1 is the first) of keys under `hash`."""
    shares = Shares(weights)
    return [1 + (peers(weights).pick(0.0, 0, HashSearch(shares, key)) or 0) for key in keys]


def ringed(keys: tuple[bytes, ...], names: list[str], weights: list[int]) -> list[int]:
    """The same under `hash ... consistent`."""
    ring = Ring(names, weights)
    return [1 + (peers(weights).pick(0.0, 0, RingSearch(ring, key)) or 0) for key in keys]


# the table


@check("weights 5,1,1", "a a b a c a a, repeating")
def weights() -> None:
    expect(picks(peers([5, 1, 1]), 21), "aabacaa" * 3)


@check("least_conn 3:1, idle, 8 sequential / 12 parallel", "a a b a x2; 9 + 3")
def least_conn() -> None:
    expect(picks(peers([3, 1], "least_conn"), 8), "aaba" * 2)
    order = picks(peers([3, 1], "least_conn"), 12, hold=True)
    expect((order.count("a"), order.count("b")), (9, 3))


@check("u1 closes connections, 6 GETs, max_fails 1", "all 200, one of them in two tries; then u1 is skipped")
def closes() -> None:
    stand = Stand({"u1": "close", "u2": 0.01})
    expect([stand.get() for _ in range(6)], [200] * 6)
    expect(stand.tries(), [1, 6])


@check("u1 healed; first request back", "10.80 s; 10 to 11 s in general: whole seconds are counted", "within 50 ms")
def healed() -> None:
    for phase_s, back_s in ((0.3, 10.8), (0.0, 11.1), (0.9, 10.2)):
        stand = Stand({"u1": "close", "u2": 0.0}, phase_s)
        expect(stand.get(), 200)
        stand.backends["u1"].mode = 0.0
        for step in range(1, 240):
            stand.at(step / 20)
        expect(round(stand.backends["u1"].asked[1], 9), back_s, f"clock at .{phase_s * 10:g}")


@check("max_fails 3, fail_timeout 3 s, u1 fails at 0, 2.5, 5.0 s", "down from 5.0; next probe at 10.0")
def clock_restarts() -> None:
    for phase_s in (0.0, 0.3, 0.5, 0.9):
        stand = Stand({"u1": "close", "u2": 0.0}, phase_s, max_fails=3, fail_timeout="3s")
        for step in range(5):
            for _ in range(4):  # enough for u1 to have its turn
                stand.at(2.5 * step)
                if stand.backends["u1"].asked[-1] == stand.env.now:
                    break
        expect(stand.backends["u1"].asked, [0.0, 2.5, 5.0, 10.0])


@check("POST sent, upstream closes, 2 peers", "502, no retry")
def post() -> None:
    stand = Stand({"u1": "close", "u2": 0.0})
    expect((stand.get(idempotent=False), stand.tries()), (502, [1, 0]))


@check("both peers 500, http_500 listed", "1st: 500 passed; 2nd: 500, 502; then 502")
def listed() -> None:
    stand = Stand({"u1": "http_500", "u2": "http_500"}, next_upstream=["error", "timeout", "http_500"])
    expect((stand.get(), stand.tries()), (500, [1, 1]))
    expect((stand.get(), stand.tries()), (502, [1, 2]))
    expect(([stand.get() for _ in range(3)], stand.tries()), ([502] * 3, [1, 2]))


@check("both peers 500, default config", "500 forever, nobody marked down")
def not_listed() -> None:
    stand = Stand({"u1": "http_500", "u2": "http_500"})
    expect(([stand.get() for _ in range(10)], stand.tries()), ([500] * 10, [5, 5]))


@check("single peer failing, then healed", "502s, then 200 at once")
def single() -> None:
    stand = Stand({"u1": "close"})
    expect([stand.get() for _ in range(5)], [502] * 5)
    stand.backends["u1"].mode = 0.0
    expect(stand.get(), 200)


NGINX_UPSTREAM.leaves_out(
    "read_timeout 1 s: byte every .8 s for 4 s / 1.5 s stall / stall after headers",
    "answers come whole, so there is no time between two reads and none is cut in its body; the stall before the "
    "headers is replayed as a vector of its own",
)


@check("read_timeout 1 s: 1.5 s stall", "504 at 1.0, and the server works on")
def stall() -> None:
    stand = Stand({"u1": 1.5}, read_timeout="1s")
    expect((stand.get(), stand.env.now), (504, 1.0))
    stand.env.run()
    expect(stand.env.now, 1.5)


@check("GET hang, 2 peers, 1 s", "200 after 1.0 s (504,200)")
def hang() -> None:
    stand = Stand({"u1": "hang", "u2": 0.0}, read_timeout="1s")
    expect((stand.get(), stand.env.now, stand.tries()), (200, 1.0, [1, 1]))


@check("max_conns 2 ×2, 7 parallel", "4x200, 3x502")
def max_conns() -> None:
    stand = Stand({"u1": 1.0, "u2": 1.0}, max_conns=2)
    expect(stand.together(7), [200] * 4 + [502] * 3)
    expect(stand.get(), 200, "afterwards")


@check("hash: user1, user2, alice, bob (3 peers :27201–3)", "1,2,2,3; consistent 1,2,3,1")
def hashes() -> None:
    expect(hashed(KEYS, [1, 1, 1]), [1, 2, 2, 3])
    expect(ringed(KEYS, NAMES, [1, 1, 1]), [1, 2, 3, 1])


@check("ip_hash 127.0.0.1, 127.0.0.200, 127.0.1.1, 127.1.0.1", "3,3,1,2")
def ip_hash() -> None:
    shares = Shares([1, 1, 1])
    addresses = ((127, 0, 0, 1), (127, 0, 0, 200), (127, 0, 1, 1), (127, 1, 0, 1))
    found = [1 + (peers([1, 1, 1]).pick(0.0, 0, IpSearch(shares, address)) or 0) for address in addresses]
    expect(found, [3, 3, 1, 2])


# what stands beside it


@check("least_conn ties by WRR among the tied", "who has no equal is taken without a turn of round robin")
def least_conn_ties() -> None:
    rule = peers([1, 1, 1], "least_conn")
    expect(picks(rule, 4, hold=True), "abcc")  # c was taken without paying for it, and so has its turn at once
    rule.free(1, False, 0.0)
    before = [peer.current for peer in rule.peers]
    expect((rule.pick(0.0), [peer.current for peer in rule.peers]), (1, before))


@check("hash: (crc32>>16)&0x7fff mod total weight", "keys spread by weight; a dead peer's go elsewhere, others stay")
def hash_spread() -> None:
    keys = tuple(b"key%d" % number for number in range(400))
    before = hashed(keys, [3, 1])
    expect(0.70 < before.count(1) / 400 < 0.80, True, f"weight 3 of 4 has {before.count(1)} of 400 keys")
    rule = peers([1, 1, 1])
    rule.free(rule.pick(0.0) or 0, True, 0.0)  # the first is left out
    shares = Shares([1, 1, 1])
    after = [1 + (rule.pick(0.0, 0, HashSearch(shares, key)) or 0) for key in keys]
    same = hashed(keys, [1, 1, 1])
    expect([now for was, now in zip(same, after, strict=True) if was > 1], [was for was in same if was > 1])
    expect(1 in after, False)


@check("consistent: 160 points per weight", "three servers have 34/35/31 % of keys; one more moves about a quarter")
def ring_shares() -> None:
    expect(len(Ring(NAMES, [1, 1, 1])._values), 480, "points")
    keys = tuple(b"key%d" % number for number in range(3000))
    three = ringed(keys, NAMES, [1, 1, 1])
    four = ringed(keys, [*NAMES, "127.0.0.1:27204"], [1, 1, 1, 1])
    moved = [now for was, now in zip(three, four, strict=True) if was != now]
    expect(set(moved), {4}, "who moves, moves to the new one")
    expect(0.15 < len(moved) / 3000 < 0.35, True, f"{len(moved)} of 3000 keys moved")


@check("after 20 tries: WRR", "a key whose server stays full is not given up")
def fall_back() -> None:
    rule = PeerSet([1000, 1], "hash", 1, 10, 0.0, 1)
    search = HashSearch(Shares([1000, 1]), b"user1")
    expect((rule.pick(0.0, 0, search), rule.pick(0.0, 1, search)), (0, 1))
    expect(search.tries, 21)


@check("random two: two weighted picks, fewer conns/weight wins", "a draw that hits the first again is a try in vain")
def random_two() -> None:
    drawn = iter([0.1, 0.1, 0.5] + [0.9, 0.5] + [0.4] * 30)
    shares = Shares([1, 1, 1])
    rule = peers([1, 1, 1], "random_two")

    def pick() -> int | None:
        return rule.pick(0.0, 0, RandomSearch(shares, lambda: next(drawn)))

    expect(pick(), 1, "of a and b, both idle: the second")
    expect(pick(), 2, "of c, idle, and b, busy: the first")
    expect(pick(), 0, "20 draws of b: servers take turns")
