"""Files to deploy, written from a scenario that came from none."""

from experiments.deploy.fresh.made import ASSUME, Made, make_files, write_files

__all__ = ["ASSUME", "Made", "make_files", "write_files"]
