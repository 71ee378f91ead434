"""Steps carried out: one small process a kind, in the order in which the real code would take them."""

from models.service.steps.compile import Parts, compile_endpoint
from models.service.steps.guards import Guards
from models.step import Endpoint, Step

__all__ = ["Endpoint", "Guards", "Parts", "Step", "compile_endpoint"]
