"""From a specification to a running system: the only place that knows every component.

Nothing here models anything. Parts are built from the inside out (machines, then what runs on them, then what leads to
them), and every limit that can bind is noted with the setting that moves it, for the question "what breaks first".
"""

from models.assembly.site import Limit
from models.assembly.system import System
from models.spec import Context
from models.system import SystemSpec
from models.workload import Trace
from sim.environment import Environment
from sim.recorder import Recorder
from sim.streams import Streams

__all__ = ["Limit", "System", "assemble"]


def assemble(
    spec: SystemSpec, env: Environment, streams: Streams, recorder: Recorder, trace: Trace | None = None,
    steps_wanted: bool = False,
) -> System:  # fmt: skip
    """Build the system that `spec` describes. `trace`: the recorded requests where traffic comes from a file;
    `steps_wanted`: note the time of every step on the requests."""
    return System(Context(env, streams, recorder, ""), spec, recorder, trace, steps_wanted)
