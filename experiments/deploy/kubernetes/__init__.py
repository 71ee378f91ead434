"""Kubernetes manifests as units of a deployment."""

from experiments.deploy.kubernetes.objects import is_manifest
from experiments.deploy.kubernetes.reading import read_manifests

__all__ = ["is_manifest", "read_manifests"]
