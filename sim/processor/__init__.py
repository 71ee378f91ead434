"""Shared cores: processor sharing by weight, with CFS quota periods.

Models   Containers share a machine's cores by weight, work-conserving: what one leaves over goes to the others. A
         thread (one CPU burst) uses one core at most; threads of a container share equally. A container with a
         quota whose budget is spent stops, all its threads, to the next boundary of its period grid; what is left of
         a budget is lost there. The grid has a phase of its own and runs on regardless of activity.
         A container can be frozen (its threads stop where they are, until it is thawed), and slower than it should be
         (every burst takes so many times the CPU, which the quota pays for); a machine's cores can change their speed.
Units    Demands and budgets in CPU-seconds: a core of speed s hands out s of them a second.
Source   Linux Documentation/scheduler/sched-bwc.rst (quota periods, throttling) and sched-design-CFS.rst (weights);
         kernel/sched/fair.c (the period timer is forwarded by whole periods, whatever the group does); kernel/cgroup/
         freezer.c (frozen tasks stay where they are, and can be killed).
Omits    5 ms slices, migration and context switches, pinning, hyper-threading, nested groups, burst, nice levels,
         the millisecond by which a thread may overrun its budget.
Checked  tests/unit/test_processor.py, tests/properties/test_processor.py (against exact rational arithmetic),
         experiments/validation/theory/sharing.py,
         experiments/validation/cpu_quota.py

How it is computed, without an event or a loop that exact results do not need. A container keeps a virtual time, the
CPU-seconds each of its threads has had since it was idle; a burst ends when that reaches its value at the start plus
the demand. So a heap of ends and one timer a container are enough, and while there are no more runnable threads than
cores, containers know nothing of each other (`container.py`). When there are more, those that get less than they could
use follow a second virtual time, the cores per unit of weight handed out on the machine (`cores.py`): a change of
the sharing changes the pace of that one clock and touches no container that goes on sharing.
Bursts end, and containers stop and go on, in timer callbacks only. All else brings a container's state to now,
changes it, and sees that no timer is later than what happens next. A timer that is too early does nothing.
"""

from sim.processor.burst import Burst, Quota
from sim.processor.container import Container
from sim.processor.cores import Processor

__all__ = ["Burst", "Container", "Processor", "Quota"]
