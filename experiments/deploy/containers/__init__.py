"""The containers of Compose files as units of a deployment."""

from experiments.deploy.containers.model import ComposeFile, read_compose
from experiments.deploy.containers.services import units_of
from experiments.deploy.containers.variables import Given, read_variables

__all__ = ["ComposeFile", "Given", "read_compose", "read_variables", "units_of"]
