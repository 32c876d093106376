"""How likely a place in the results is to be looked at, learnt from searches in random order.

In a random order the listings of all places are alike, so that the click rate of a place
over that of the best place is the chance that a guest looks there (Joachims, Swaminathan &
Schnabel, WSDM 2017). Nothing is assumed about its shape: sponsored slots dip.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.arrow_columns import Codes, Numbers, numbers, stages

__all__ = ["examination_of", "examined", "inverse_examination"]

# Clicks of the mean rate lent to each place: with few random searches all places are alike.
_PRIOR_CLICKS = 5.0


def examination_of(rows: pa.Table) -> Numbers:
    """P(looked at | place) over that of the best place; entry 0 is place 1.

    Learnt on the rows with ``is_random_order``. A place beyond the last entry is as the
    last. Raises ``ValueError`` where no search in random order has a click.
    """
    is_random = np.nan_to_num(numbers(rows, "is_random_order")) > 0
    place = numbers(rows, "position")
    used = is_random & np.isfinite(place)
    at = place[used].astype(np.int64) - 1
    clicked = (stages(rows)[used] > 0).astype(np.float64)
    if not clicked.any():
        raise ValueError("debiasing needs searches in random order (is_random_order) with clicks")
    shown, clicks = np.bincount(at), np.bincount(at, clicked)
    mean = clicked.mean()
    rates = (clicks + _PRIOR_CLICKS) / (shown + _PRIOR_CLICKS / mean)
    return np.asarray(rates / rates.max())


def inverse_examination(
    position: Numbers, stage: Codes, groups: Codes, examination: Numbers
) -> Numbers:
    """Mean inverse chance that a search's furthest results were looked at; one per search.

    ``groups`` are rows per search, one search after the other; a null place counts as 1.
    """
    starts = np.cumsum(groups) - groups
    inverse = 1 / _at(position, examination)
    is_furthest = stage == np.repeat(np.maximum.reduceat(stage, starts), groups)
    summed = np.add.reduceat(inverse * is_furthest, starts)
    return np.asarray(summed / np.add.reduceat(is_furthest.astype(np.float64), starts))


def examined(rows: pa.Table, examination: Numbers) -> Numbers:
    """P(looked at) of each row by its ``position``; a null place counts as 1."""
    return _at(numbers(rows, "position"), examination)


def _at(position: Numbers, examination: Numbers) -> Numbers:
    place = np.clip(np.nan_to_num(position, nan=1.0).astype(np.int64) - 1, 0, None)
    return examination[np.minimum(place, len(examination) - 1)]
