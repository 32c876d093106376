"""What an impression is worth by its furthest stage: the one declaration that all default to.

The gain of the graded NDCG, of the rankers' training and of popularity.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

__all__ = ["UTILITIES", "Utilities", "check_utilities"]

Utilities = tuple[float, float, float, float]
"""Worth of a row impressed, clicked, contacted, booked: index by ``data.schema.types.Stage``."""

# Grbovic & Cheng (Airbnb, KDD 2018): a contact is worth a quarter of a booking, a click a
# hundredth. Their -0.4 for a host's rejection has no column here.
UTILITIES: Utilities = (0.0, 0.01, 0.25, 1.0)


def check_utilities(utilities: Utilities) -> None:
    """Raise ``ValueError`` unless there are four, from 0, finite and never falling."""
    if len(utilities) != 4 or utilities[0] != 0 or not np.isfinite(utilities).all():
        raise ValueError(f"utilities are four finite numbers, the first 0; found {utilities}")
    if any(later < earlier for earlier, later in pairwise(utilities)):
        raise ValueError(f"a later stage is worth no less than an earlier one; found {utilities}")
