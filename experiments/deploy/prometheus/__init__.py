"""Prometheus' configuration and rules, and Alertmanager's: what becomes an alert of a scenario."""

from experiments.deploy.prometheus.reading import kind_of_file, read_monitoring

__all__ = ["kind_of_file", "read_monitoring"]
