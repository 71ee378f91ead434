"""The workload: who sends which request when.

Models   Closed users think, send a request, wait for its end (success, failure, refusal or giving up), think again;
         after a session of requests comes a longer gap. Open arrivals come whatever happens: at random (Poisson) or
         evenly. A recorded trace brings its own instants and, where it has them, endpoints, users, keys and demands.
         What a request wants is drawn by its identity (user and ordinal, or ordinal), so that every configuration
         meets the same wishes. The rate, or the number of users, may have a shape (ramp, step, spike, flash crowd,
         piecewise, cycle, diurnal, bursty) and surges, which are noted when they begin and end.
Source   Schroeder, Wierman, Harchol-Balter: Open versus closed, NSDI 2006, for the two families.
Omits    Users who come back another day with what they know; mixes that change over time.
Checked  tests/unit/test_workload.py, tests/unit/test_shapes.py, experiments/validation/theory/systems.py,
         tests/theory/test_shapes_theory.py

    spec.py    what a scenario says
    shapes.py  the load over time
    base.py    what every workload is
    closed.py  users
    open.py    arrivals and traces
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.spec import Context
from models.workload.base import Send, Trace, Workload
from models.workload.closed import ChangingUsers, ClosedUsers
from models.workload.open import OpenArrivals, Recording, arrivals, requests
from models.workload.shapes import SurgeSpec
from models.workload.spec import WorkloadSpec
from sim.environment import Activity
from sim.errors import SimulationError


class Announced:
    """A workload whose surges are noted when they begin and end."""

    def __init__(self, context: Context, workload: Workload, surges: dict[str, SurgeSpec]) -> None:
        self._context = context
        self._workload = workload
        self._surges = surges
        self.ended = workload.ended

    def start(self, on_over: Callable[[], None]) -> None:
        for name, surge in self._surges.items():
            self._context.env.start(self._note(f"{self._context.path}.surges.{name}", surge))
        self._workload.start(on_over)

    def _note(self, path: str, surge: SurgeSpec) -> Activity:
        yield surge.at
        self._context.probe.note(path, f"begins: {surge.factor:g} times the load")
        yield surge.lasts
        self._context.probe.note(path, "ends")


def build_workload(
    context: Context, spec: WorkloadSpec, routes: Sequence[str], trace: Trace | None, send: Send, steps_wanted: bool
) -> Workload:
    """The workload that `spec` describes. `trace` must be given where traffic comes from a file."""
    choose = context.streams.choices(f"{context.path}.mix", [spec.mix.get(route, 0.0) for route in routes])
    workload: Workload
    if spec.users is not None:
        kind = ClosedUsers if spec.shape is None and not spec.surges else ChangingUsers
        workload = kind(context, spec, choose, send, steps_wanted)
    elif spec.open is not None:
        times = arrivals(spec).instants(context.streams, f"{context.path}.open")
        drawn = requests(context, spec, times, choose, spec.open.users, steps_wanted)
        workload = OpenArrivals(context, drawn, send)
    else:
        if trace is None:
            raise SimulationError("the traffic is a trace, but no trace was handed in")
        recording = Recording(context, spec, trace, choose, steps_wanted)
        workload = OpenArrivals(context, recording.requests(), send)
    return Announced(context, workload, spec.surges) if spec.surges else workload


__all__ = ["Trace", "Workload", "WorkloadSpec", "build_workload"]
