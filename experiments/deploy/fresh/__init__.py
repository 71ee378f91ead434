"""Files to deploy, written from a scenario that came from none."""

from experiments.deploy.fresh.made import Made, make_files, write_files
from experiments.deploy.fresh.told import ASSUME

__all__ = ["ASSUME", "Made", "make_files", "write_files"]
