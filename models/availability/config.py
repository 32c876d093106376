"""How P(free) is learnt."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from data.ranges import ABOVE_0, refuse_outside

__all__ = ["AvailabilityConfig"]


@dataclass(frozen=True, kw_only=True)
class AvailabilityConfig:
    """How the detection model and the occupancy model learn.

    Attributes:
        learning_rate, num_leaves, min_rows_per_leaf, rounds: of the trees that learn how often
            a free listing is shown.
        shapes: what is tried for the shape of the gamma distribution by which listings differ
            in that beyond what the trees know; large = not at all.
        penalty: of the squared coefficients of the occupancy model, per standard deviation.
        fewest_shown: rows of dated searches below which nothing is learnt.
        seed, threads: the probabilities depend on the seed, never on the threads.
    """

    learning_rate: float = 0.1
    num_leaves: int = 15
    min_rows_per_leaf: int = 200
    rounds: int = 60
    shapes: tuple[float, ...] = (4.0, 8.0, 16.0, 32.0, 1e9)
    penalty: float = 1.0
    fewest_shown: int = 500
    seed: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        names = (field.name for field in fields(self) if field.name != "seed")
        refuse_outside(self, dict.fromkeys(names, ABOVE_0))

    def parameters(self) -> dict[str, Any]:
        """LightGBM's parameters of the detection model."""
        return {
            "objective": "binary",
            "boosting": "gbdt",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_rows_per_leaf,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
