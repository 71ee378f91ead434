"""Nginx as a reverse proxy: which server of an upstream gets a request, and what happens when it does not answer.

Models   All balancing methods of the open-source nginx over the servers of an upstream: smooth weighted round robin,
         least connections, hashes of address, user or URI (plain and on a ring), random, the better of two. Servers
         that failed are left out for a while (passive checks), full ones (max_conns) and those marked down too; backup
         servers stand in; a failed attempt goes on to the next server where the settings allow it. Each worker process
         has its own view of the servers unless there is a zone, its own connections (worker_connections) and its own
         kept ones. When nginx stops waiting, or its client leaves, the server works on.
Units    Seconds. Passive checks count whole seconds of the wall clock, which do not begin with the simulation. Client
         number n has the address 10.x.y.z with xyz = n, so that 256 neighbours share their first three octets.
Source   nginx 1.22.1, and 1.31.5, which decides alike: ngx_http_upstream_round_robin.c,
         ngx_http_upstream_{least_conn,ip_hash,hash,random,keepalive}_module.c, ngx_http_upstream.c (next, test_next,
         connect), ngx_http_proxy_module.c (defaults), ngx_event_accept.c and ngx_connection.c (connections).
Omits    slow_start, sticky sessions and resolving names while it runs; next_upstream on invalid headers, which no
         server sends; answers that come in pieces; the servers' own limits on kept connections; the backlog of 511,
         which fills only while a worker does not accept; clients' idle connections, which nginx closes when it runs
         short; that workers accept unevenly (here each connection goes to any of them alike, assumed).
Checked  experiments/validation/nginx_upstream.py, tests/unit/test_nginx_upstream.py,
         tests/properties/test_load_balancer.py, tests/unit/test_load_balancer_spec.py,
         tests/real/test_nginx_balancing.py
"""

from models.load_balancer.keepalive import IdleLinks, Link, Worker
from models.load_balancer.peers import Peer, PeerSet
from models.load_balancer.search import (
    Address,
    HashSearch,
    IpSearch,
    RandomSearch,
    Ring,
    RingSearch,
    Shares,
    address_of,
)
from models.load_balancer.spec import Balancing, Condition, NginxSpec, Trouble, UpstreamSpec
from models.load_balancer.target import Server, Target
from models.load_balancer.upstream import LANES_PER_ATTEMPT, Upstream

__all__ = [
    "LANES_PER_ATTEMPT",
    "Address",
    "Balancing",
    "Condition",
    "HashSearch",
    "IdleLinks",
    "IpSearch",
    "Link",
    "NginxSpec",
    "Peer",
    "PeerSet",
    "RandomSearch",
    "Ring",
    "RingSearch",
    "Server",
    "Shares",
    "Target",
    "Trouble",
    "Upstream",
    "UpstreamSpec",
    "Worker",
    "address_of",
]
