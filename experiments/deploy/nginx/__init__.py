"""nginx's configuration: read with exact places, checked with crossplane, understood as a load balancer.

`read_nginx(folder, entry, ledger, name=..., hosts=Hosts(replicas, project), ...)` gives an NginxReading. Several facts
may have one path (weights stand at one server each): each stands for a place of its own, all agree on the value, and
a patch asks each of them to write. A place of no width is where something could be added; what is to be written there
is empty as long as the value is nginx's default, and several such places may coincide: their texts follow one another.
"""

from experiments.deploy.nginx.hosts import Hosts
from experiments.deploy.nginx.loading import globs
from experiments.deploy.nginx.locations import Location
from experiments.deploy.nginx.reading import NginxReading, read_nginx

__all__ = ["Hosts", "Location", "NginxReading", "globs", "read_nginx"]
