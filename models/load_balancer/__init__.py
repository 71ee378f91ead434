"""Nginx as a reverse proxy: which server of an upstream gets a request, and what happens when it does not answer.

Models   Smooth weighted round robin or least connections over the servers of an upstream; servers that failed are left
         out for a while (passive checks); a failed attempt goes on to the next server where the settings allow it.
         A connection is made, and given up, for every attempt. When nginx stops waiting, or its client leaves, the
         server works on.
Units    Seconds. Passive checks count whole seconds of the wall clock, which do not begin with the simulation.
Source   nginx 1.22.1 (1.31.5 decides alike): ngx_http_upstream_round_robin.c, ngx_http_upstream_least_conn_module.c,
         ngx_http_upstream.c (next, test_next), ngx_http_proxy_module.c (defaults).
Omits    Keep-alive to the servers (off before 1.29.7) and its free second try; hash, ip_hash, random, max_conns,
         backup, slow_start, zone; more than one worker process (each has its own counts); next_upstream on 403, 404,
         429 and invalid headers; answers that come in pieces; nginx's own CPU time, which its container burns.
Checked  tests/fidelity/test_nginx_upstream.py, tests/real/test_nginx_balancing.py,
         tests/properties/test_load_balancer.py, tests/unit/test_load_balancer_spec.py
"""

from models.load_balancer.peers import Balancing, Peer, PeerSet
from models.load_balancer.upstream import (
    LANES_PER_ATTEMPT,
    Condition,
    NginxSpec,
    Server,
    Target,
    Trouble,
    Upstream,
    UpstreamSpec,
)

__all__ = [
    "LANES_PER_ATTEMPT",
    "Balancing",
    "Condition",
    "NginxSpec",
    "Peer",
    "PeerSet",
    "Server",
    "Target",
    "Trouble",
    "Upstream",
    "UpstreamSpec",
]
