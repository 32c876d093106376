"""Weighted median of each group's values."""

from __future__ import annotations

import numpy as np

from models.arrow_columns import Codes, Numbers

__all__ = ["weighted_medians"]

# Sums of weights differ in the last digits with the order of the rows.
_SAME = 1e-9


def weighted_medians(group: Codes, value: Numbers, weight: Numbers) -> Numbers:
    """The value with half of its group's weight below and above it; shape (groups,).

    Groups are codes from 0, each with at least one value; weights are above 0. Where two
    values share the middle, their mean.

    >>> values = np.array([1.0, 2.0, 9.0, 4.0, 6.0])
    >>> weighted_medians(np.array([0, 0, 0, 1, 1]), values, np.array([1.0, 1.0, 3.0, 1.0, 1.0]))
    array([9., 5.])
    """
    if not len(group):
        return np.zeros(0)
    order = np.lexsort((weight, value, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    totals = np.add.reduceat(weight[order], starts)
    # Every group's weights add up to 1: group g's median is where the sum over all is g + 1/2.
    reached = np.cumsum(weight[order] / totals[group[order]])
    middle = np.arange(len(starts)) + 0.5
    lower = np.searchsorted(reached, middle - _SAME)
    upper = np.searchsorted(reached, middle + _SAME)
    return (value[order][lower] + value[order][upper]) / 2
