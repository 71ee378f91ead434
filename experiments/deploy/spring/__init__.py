"""Spring's configuration: read as Spring Boot reads it, understood as facts of a scenario.

`read_spring(folder, ledger, name=..., ...)` gives a SpringReading. Its `facts` have full paths; those of `guards`,
`calls` and `call_limits` begin below a call step, whose place in the scenario only the caller knows. Several facts
may have one path: each stands for a place of its own, all agree on the value, and a patch asks each of them to write.
A default with a place of no width can be said there, on a line of its own; several such places coincide, and their
lines follow one another.
"""

from experiments.deploy.spring.calls import Call
from experiments.deploy.spring.gateway import Route
from experiments.deploy.spring.reading import SpringReading, read_spring
from experiments.deploy.spring.resilience import Guards

__all__ = ["Call", "Guards", "Route", "SpringReading", "read_spring"]
