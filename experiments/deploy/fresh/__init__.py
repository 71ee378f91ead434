"""Files to deploy, written from a scenario that came from none."""

from experiments.deploy.fresh.made import Made, make_files, write_files

__all__ = ["Made", "make_files", "write_files"]
