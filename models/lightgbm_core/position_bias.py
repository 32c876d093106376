"""How likely a place in the results is to be looked at, learnt from searches in random order.

In a random order the listings of all places are alike, so that the click rate of a place
over that of the best place is the chance that a guest looks there (Joachims, Swaminathan &
Schnabel, WSDM 2017). Nothing is assumed about its shape: sponsored slots dip. Three places,
each shown 40,000 times in random order:

    place    clicks    click rate    examination    a click there counts
    1         4,000          0.10           1.00                     1
    2         2,000          0.05           0.50                     2
    3         1,000          0.025          0.25                     4

A click at place 3 happened although only a quarter as many looked: it counts four times
(inverse propensity weighting). The estimate is smoothed, see ``_PRIOR_CLICKS``.

>>> place, clicks = np.repeat([1, 2, 3], 40_000), (4_000, 2_000, 1_000)
>>> clicked = np.concatenate([np.arange(40_000) < n for n in clicks])
>>> rows = pa.table({"position": place, "is_random_order": place > 0, "stage": clicked * 1})
>>> estimate_examination(rows).round(2).tolist()
[1.0, 0.5, 0.25]
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.arrow_columns import Codes, Numbers, numbers, stages

__all__ = [
    "EXAMINATION_COLUMNS",
    "estimate_examination",
    "examination_of",
    "inverse_examination",
]

EXAMINATION_COLUMNS = ("position", "is_random_order", "stage")
"""What :func:`estimate_examination` reads."""

# So many clicks, at the mean click rate of all places, are added to each place: with few
# random searches the estimates stay near each other.
_PRIOR_CLICKS = 5.0


def estimate_examination(rows: pa.Table) -> Numbers:
    """P(looked at | place) over that of the best place; shape (places,), entry 0 is place 1.

    Learnt on the rows with ``is_random_order``. A place beyond the last entry is as the
    last. Raises ``ValueError`` where no search in random order has a click.
    """
    is_random = np.nan_to_num(numbers(rows, "is_random_order")) > 0
    place = numbers(rows, "position")
    is_used = is_random & np.isfinite(place)
    at = place[is_used].astype(np.int64) - 1
    clicked = (stages(rows)[is_used] > 0).astype(np.float64)
    if not clicked.any():
        raise ValueError("debiasing needs searches in random order (is_random_order) with clicks")
    impressions, clicks = np.bincount(at), np.bincount(at, clicked)
    rates = (clicks + _PRIOR_CLICKS) / (impressions + _PRIOR_CLICKS / clicked.mean())
    return np.asarray(rates / rates.max())


def inverse_examination(
    position: Numbers, stage: Codes, groups: Codes, examination: Numbers
) -> Numbers:
    """Mean inverse chance that a search's furthest results were looked at; one per search.

    ``groups`` are rows per search, one search after the other; a null place counts as 1.
    A search with clicks at places 1 and 2 alone, examined 1 and 0.5: (1 / 1 + 1 / 0.5) / 2 = 1.5.
    """
    starts = np.cumsum(groups) - groups
    inverse = 1 / _at(position, examination)
    is_furthest = stage == np.repeat(np.maximum.reduceat(stage, starts), groups)
    summed = np.add.reduceat(inverse * is_furthest, starts)
    return np.asarray(summed / np.add.reduceat(is_furthest.astype(np.float64), starts))


def examination_of(rows: pa.Table, examination: Numbers) -> Numbers:
    """P(looked at) of each row by its ``position``; a null place counts as 1.

    ``examination`` is what :func:`estimate_examination` gave.
    """
    return _at(numbers(rows, "position"), examination)


def _at(position: Numbers, examination: Numbers) -> Numbers:
    place = np.clip(np.nan_to_num(position, nan=1.0).astype(np.int64) - 1, 0, None)
    return examination[np.minimum(place, len(examination) - 1)]
