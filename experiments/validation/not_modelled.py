"""Components whose behaviour is known and written down, and that no scenario can have yet."""

from __future__ import annotations

from experiments.validation.check import Component

KUBERNETES = Component(
    "Kubernetes horizontal pod autoscaler",
    version="v2 API",
    source="kubernetes: pkg/controller/podautoscaler/horizontal.go, replica_calculator.go",
    section="8",
)
for _vector in (
    "3 pods, 55.9% against 50",
    "55/50 and 45/50",
    "4 pods, one missing, others 30% of target 60",
    "2 ready at 150%, 2 unready, target 50",
    "2 ready at 70%, 2 unready, target 50",
    "1→30, per sync",
):
    KUBERNETES.leaves_out(_vector, "autoscalers are not modelled")

QUEUES_AND_EDGES = Component(
    "Message queues, CDN, sharding",
    version="Kafka 3.9, RabbitMQ 4.0, nginx 1.22.1",
    source="kafka: clients/.../ConsumerConfig.java; rabbitmq: deps/rabbit; nginx: ngx_http_file_cache.c",
    section="10",
)
QUEUES_AND_EDGES.leaves_out("Kafka", "message queues are not modelled")
QUEUES_AND_EDGES.leaves_out("RabbitMQ", "message queues are not modelled")
QUEUES_AND_EDGES.leaves_out(
    "CDN/proxy cache: 10 parallel misses; lock; stale-while-updating; ETag; max-age 1", "proxy caches are not modelled"
)
QUEUES_AND_EDGES.leaves_out("Sharding: 160 points x3, plain hash", "databases are not sharded")
