"""Simulate a week: listings, guests, searches, results, choices and their true probabilities.

Every draw comes from a stream of its own (:mod:`data.simulator.draws`): a change in the order or
number of draws of one stream changes every log that is simulated from then on.
"""

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
