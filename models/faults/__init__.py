"""Faults: what goes wrong, where, and when.

Models   A fault begins by a timetable or at random, independently of what else happens, lasts, and is over. A container
         crashes, hangs (it takes what comes and answers nothing), is slow, refuses connections, or answers errors; a
         machine's cores are stolen by its neighbours; a standby lags; the network between two components is slow, loses
         segments, or is cut; Redis' clock is set; the replicas of a service are restarted one after another.
         What a fault changes is taken back when it ends, whatever other faults go on beside it.
Units    Seconds.
Source   Hangs: Linux' cgroup freezer (kernel/cgroup/freezer.c) and SIGSTOP: the kernel goes on to take connections.
         Stolen time: Linux Documentation/filesystems/proc.rst (steal); kernel/sched/core.c (update_rq_clock_task: time
         that was stolen is not charged to a quota). A rolling restart: Docker 27, docker stop (SIGTERM, then SIGKILL).
Omits    Faults that spread by themselves, disks that fill up, corrupted answers. What a hung process had asked of
         others goes on there, and is noticed when it is thawed.
Checked  tests/unit/test_faults.py, tests/properties/test_faults.py, tests/e2e/test_fields.py

`spec` says what a scenario may declare, `schedule` when a fault is on, `effects` what it does while it is.
"""

from models.faults.effects import Clock, Crash, Errors, Hang, Lag, Network, Refuse, Slow, Steal, Troubles
from models.faults.schedule import Fault
from models.faults.spec import (
    ClockStepSpec,
    CrashSpec,
    ErrorSpec,
    FaultSpec,
    HangSpec,
    NetworkSpec,
    PartitionSpec,
    RefuseSpec,
    ReplicaLagSpec,
    RollingRestartSpec,
    SlowSpec,
    StealSpec,
)

__all__ = [
    "Clock",
    "ClockStepSpec",
    "Crash",
    "CrashSpec",
    "ErrorSpec",
    "Errors",
    "Fault",
    "FaultSpec",
    "Hang",
    "HangSpec",
    "Lag",
    "Network",
    "NetworkSpec",
    "PartitionSpec",
    "Refuse",
    "RefuseSpec",
    "ReplicaLagSpec",
    "RollingRestartSpec",
    "Slow",
    "SlowSpec",
    "Steal",
    "StealSpec",
    "Troubles",
]
