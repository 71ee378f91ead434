"""A machine and the containers on it: shared cores, shared memory, the OOM killer, Docker's restarts.

Models   Containers share a machine's cores by weight and CFS quota periods (`sim.processor`). Memory is counted as it
         is used: over its own limit a container is killed; over the machine's, the largest one is, background
         residents included. A killed container restarts as its policy says, after Docker's back-off, spends its
         start-up wait and CPU, and then is up again.
         Background residents (monitoring, a frontend) hold memory and burn a burst of CPU every period.
Source   Docker: moby daemon/internal/restartmanager (100 ms doubling to 60 s, reset after a run of 10 s),
         daemon/daemon_unix.go (quota of cpus x 100 ms each 100 ms); Linux Documentation/scheduler/sched-bwc.rst.
Omits    Swap, oom_score_adj, page cache, memory reclaim; NUMA; the CPU that background residents use while no request
         is in flight.
Checked  tests/unit/test_machine.py, experiments/validation/docker.py, experiments/validation/cpu_quota.py
"""

from models.machine.container import Container
from models.machine.machine import Machine
from models.machine.restart import RestartRule
from models.machine.spec import BackgroundSpec, ContainerSpec, LimitsSpec, MachineSpec

__all__ = ["BackgroundSpec", "Container", "ContainerSpec", "LimitsSpec", "Machine", "MachineSpec", "RestartRule"]
