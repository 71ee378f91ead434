"""Simulated time: SimPy's environment with a lean run loop and a light process.

Models   A `Light` process is a generator that may yield a float (a delay in seconds), `None` (parked until
         somebody wakes it) or any SimPy event. It is its own heap entry: no event object is made for a delay.
         A `Timer` is a callback that can be armed, moved and disarmed (`scheduled.py`). Both are cancelled exactly and
         in O(1): a heap entry counts only while its number equals the `ticket` of what it points at. The heap and the
         loop that lives by it (`schedule.py`) know nothing of SimPy; its events enter the same heap (`stock.py`).
Units    Seconds.
Source   SimPy 4.1 (simpy/core.py, simpy/events.py): entries come up by time, priority and number as there, so every
         stock process, event and resource runs here with identical results.
Checked  tests/unit/test_environment.py, tests/properties/test_environment_properties.py
"""

from sim.environment.numbers import ENDED
from sim.environment.schedule import Schedule, escaped
from sim.environment.scheduled import Activity, Light, Scheduled, Timer, Waitable
from sim.environment.stock import Environment

__all__ = ["ENDED", "Activity", "Environment", "Light", "Schedule", "Scheduled", "Timer", "Waitable", "escaped"]
