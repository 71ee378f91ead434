"""Steps carried out: one small process a kind, in the order in which the real code would take them."""

from models.service.steps.base import Step
from models.service.steps.compile import Endpoint, Parts, compile_endpoint

__all__ = ["Endpoint", "Parts", "Step", "compile_endpoint"]
