"""What you ask: run a scenario, vary it, replay a log into it.

from experiments import load_scenario, run

result = run(load_scenario("maltan/early"), seed=7)
print(result.document["latency_ms"]["all"]["p95"], result.estimate("/latency_ms/all/p95"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.runner import run as run
    from experiments.scenario import load_scenario as load_scenario

__all__ = ["load_scenario", "run"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `windtunnel --help` does not load the simulator."""
    if name == "load_scenario":
        from experiments.scenario import load_scenario

        return load_scenario
    if name == "run":
        from experiments.runner import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
