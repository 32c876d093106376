"""The seeded world: listings, guests, results shown, choices, and the truth behind them."""

from data.simulator.scenario import SCENARIOS, Scenario, SimulationConfig
from data.simulator.week import SimulatedChunk, simulate
from data.simulator.write import SimulationSummary, write_simulation

__all__ = [
    "SCENARIOS",
    "Scenario",
    "SimulatedChunk",
    "SimulationConfig",
    "SimulationSummary",
    "simulate",
    "write_simulation",
]
