"""A figure over several simulated worlds: its mean, and Student's interval over the worlds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student

__all__ = ["mean_over_worlds"]


def mean_over_worlds(values: Sequence[float], *, sign: str = "", digits: int = 4) -> str:
    """``mean (low to high)``, the interval at 95%; the mean alone of one world.

    ``sign`` is ``+`` for differences. Worlds are the units that vary: searches of one world
    share its listings and guests.
    """
    shape, mean = f"{sign}.{digits}f", float(np.mean(values))
    if len(values) < 2:
        return f"{mean:{shape}}"
    reach = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean:{shape}} ({mean - reach:{shape}} to {mean + reach:{shape}})"
