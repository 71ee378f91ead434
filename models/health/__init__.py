"""Health checks, shutdown, and the restart of one replica after another.

Models   Docker's HEALTHCHECK marks a replica unhealthy after so many failures in a row; only where something acts on
         the mark (Swarm, autoheal) is it restarted. Kubernetes' liveness probe has it restarted, its readiness probe
         takes it out of what callers choose from; until its startup probe has passed, neither is asked, and it is not
         chosen. A probe is a request: it needs a connection, a thread and CPU of the replica, so one that is saturated
         fails its probes. A replica that is stopped with grace takes no new connections and finishes what it has, until
         Spring's limit or Docker's SIGKILL.
Units    Seconds.
Source   Docker 27, moby daemon/health.go (interval 30 s from the end of one check to the next, timeout 30 s, 3 retries,
         start interval 5 s; a failure in the start period does not count, a success ends it); Kubernetes 1.31,
         pkg/apis/core/v1/defaults.go (period 10 s, timeout 1 s, failure threshold 3, success threshold 1),
         pkg/kubelet/prober/worker.go (a first delay at random within the period, then one probe at a time by a ticker;
         a failed liveness probe resets its count; nothing but the startup probe is asked before that has passed, and
         first delays count from the container's start); Spring Boot 2.7 server.shutdown=immediate,
         spring.lifecycle.timeout-per-shutdown-phase 30 s, TomcatGracefulShutdown.java (asks every 50 ms); moby
         daemon/stop.go (10 s, then SIGKILL).
Omits    Docker's start interval; first delays of replicas without a startup probe count from when they are up;
         Kubernetes' back-off between restarts: what failed its liveness or startup probe is started again at once, what
         crashes by Docker's rule; endpoints that are told late of a readiness that has changed.
Checked  tests/unit/test_health.py, tests/e2e/test_fields.py
"""

from models.health.checks import HEALTH, Checker, work
from models.health.spec import (
    DockerHealthSpec,
    HealthSpec,
    KubernetesHealthSpec,
    ProbeSpec,
    ShutdownSpec,
)
from models.health.stopping import RollingRestart, stop

__all__ = [
    "HEALTH",
    "Checker",
    "DockerHealthSpec",
    "HealthSpec",
    "KubernetesHealthSpec",
    "ProbeSpec",
    "RollingRestart",
    "ShutdownSpec",
    "stop",
    "work",
]
