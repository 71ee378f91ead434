"""Closed forms of queueing theory, against the kernel and against whole systems."""

from experiments.validation.theory.networks import NETWORKS
from experiments.validation.theory.pool import POOL
from experiments.validation.theory.queues import QUEUES
from experiments.validation.theory.sharing import SHARING
from experiments.validation.theory.systems import SYSTEMS

__all__ = ["NETWORKS", "POOL", "QUEUES", "SHARING", "SYSTEMS"]
