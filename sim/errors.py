"""Two families of trouble that never mix."""


class SimulationError(Exception):
    """The simulation itself is wrong: a broken invariant, a failed audit, a bug in a model."""


class Failure(Exception):
    """Something simulated failed: a refusal, a time limit, a dead replica. Models derive from it."""
