"""What to do by hand about a value that has no place in a file: in the words of Compose, or of Kubernetes.

Checked  tests/unit/test_deploy_patch.py
"""

from __future__ import annotations

import re

from experiments.deploy.draft import Path

_ADVICE = (
    (r"services\..*\.replicas", "Add deploy.replicas to the service in the Compose file."),
    (r".*\.limits\.cpus", "Add deploy.resources.limits.cpus to the service in the Compose file."),
    (r".*\.limits\.memory", "Add deploy.resources.limits.memory to the service in the Compose file."),
    (r".*\.restart", "Add restart to the service in the Compose file."),
    (r".*\.cpu_shares", "Add cpu_shares to the service in the Compose file."),
    (r".*\.health(\..*)?", "Add it to healthcheck of the service in the Compose file."),
    (r".*\.shutdown\.stop_grace_period", "Add stop_grace_period to the service in the Compose file."),
    (r".*\.shutdown\.(graceful|timeout)", "Add server.shutdown and spring.lifecycle.timeout-per-shutdown-phase."),
    (r".*\.jvm\.(max_heap|initial_heap|collector|max_ram_percentage).*", "Put it into JAVA_TOOL_OPTIONS (-Xmx)."),
    (r".*\.pools\..*", "Add it under spring.datasource.hikari of the service."),
    (r".*\.workers\..*", "Add it under server.tomcat of the service."),
    (r".*\.(breaker|time_limiter|retry|bulkhead|thread_pool_bulkhead|rate_limiter)(\..*)?",
     "Add it under resilience4j.*.instances of the calling service."),
    (r"gateway\.(circuit_breakers|retries|rate_limits|filters|concurrency)(\..*)?", "Add the filter to the routes."),
    (r"gateway\..*timeout.*", "Add it under spring.cloud.gateway.httpclient."),
    (r"caches\..*\.ttl", "Add a time-to-live to the configuration of that cache."),
    (r"caches\..*\.client\..*", "Add it under spring.redis (spring.data.redis from 3.0 on)."),
    (r"caches\..*\.maxmemory.*", "Add it to redis.conf or to the command of redis-server."),
    (r"databases\..*(connections|timeout|synchronous.*)", "Add -c NAME=VALUE to the command of postgres."),
    (r"load_balancers\..*", "Add the directive to the nginx configuration."),
    (r"alerts\..*", "Add or change the rule in Prometheus' rule file."),
    (r"machines\..*", "The machine is no file: order, resize or stop it."),
    (r"(traffic|objectives|faults|duration|warm_up|replications|seed|links|routes)(\..*)?",
     "It is of the scenario alone: nothing to deploy."),
)  # fmt: skip
_CONTAINER = "to its container in the workload"
_CLUSTER_ADVICE = (
    (r"services\..*\.replicas", "Add spec.replicas to the workload."),
    (r".*\.limits\.cpus", f"Add resources.limits.cpu {_CONTAINER}."),
    (r".*\.limits\.memory", f"Add resources.limits.memory {_CONTAINER}."),
    (r".*\.cpu_shares", f"Add resources.requests.cpu {_CONTAINER} (1024 for a core)."),
    (r".*\.restart", "Add restartPolicy to the pod's template: a Deployment knows only Always."),
    (r".*\.health\.(liveness|readiness|startup)(\..*)?", f"Add the probe {_CONTAINER}."),
    (r".*\.health(\..*)?", f"Add livenessProbe and readinessProbe {_CONTAINER}."),
    (r".*\.shutdown\.deregistration", f"Add lifecycle.preStop with a sleep {_CONTAINER}."),
    (r".*\.shutdown\.stop_grace_period", "Add terminationGracePeriodSeconds to the pod's template."),
    (r".*\.jvm\.(max_heap|initial_heap|collector|max_ram_percentage).*",
     "Put it into JAVA_TOOL_OPTIONS (-Xmx) under env of its container."),
    (r"databases\..*(connections|timeout|synchronous.*)", "Add -c NAME=VALUE to the args of its container."),
    (r"caches\..*\.maxmemory.*", "Add it to redis.conf in its ConfigMap, or to the args of its container."),
    (r"machines\..*", "Nodes are in no file: order or resize them."),
    (r"alerts\..*", "Add or change the rule in the PrometheusRule."),
)  # fmt: skip
"""Where Kubernetes' words are others; what stands in the application's own files is the same."""


def advice(path: Path, in_cluster: bool = False) -> str:
    """What to do by hand about a value that has no place in a file."""
    text = ".".join(path)
    rules = (*_CLUSTER_ADVICE, *_ADVICE) if in_cluster else _ADVICE
    return next(
        (words for pattern, words in rules if re.fullmatch(pattern, text)), "It is measured or assumed, not deployed."
    )
