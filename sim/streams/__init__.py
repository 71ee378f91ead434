"""Named random streams: a value belongs to who draws it and what for, never to when it is drawn.

Models   Chance that a request brings (`Draws`, `Choices`) is value[identity] of a stream named by its purpose: adding a
         replica, a retry or a cache hit moves no other draw. Chance on a component's side (`Sequential`) is the next
         value of a stream of its own. One uniform per value, through the inverse distribution function, so that
         changing a parameter keeps the draw.
Units    Seconds. Drawn durations are multiples of 2**-30 s, so that their sums are exact for 97 days.
Source   Philox 4x64-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405) of numpy: key = blake2b(seed, replication,
         purpose), counter = (identity // 4, lane, 0, 0).
Omits    Antithetic and quasi-random draws.
Checked  tests/unit/test_streams.py, tests/properties/test_streams_properties.py

Uniforms come from Philox by stream, identity and lane (`source.py`); values are kept by the block, since neighbours are
asked for together (`keyed.py`), or handed out one after the other (`sequential.py`). `Streams` knows them by purpose
(`streams.py`).
"""

from sim.streams.identities import ORDINALS_TOGETHER, USERS_LIMIT, closed_identity
from sim.streams.keyed import Choices, Draws
from sim.streams.sequential import Sequential
from sim.streams.source import stream_key
from sim.streams.streams import DURATION_STEP_S, Streams

__all__ = [
    "DURATION_STEP_S", "ORDINALS_TOGETHER", "USERS_LIMIT", "Choices", "Draws", "Sequential", "Streams",
    "closed_identity", "stream_key",
]  # fmt: skip
