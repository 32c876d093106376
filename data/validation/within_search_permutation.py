"""A permutation test within searches: do acted rows stand earlier than chance would have them?

The null hypothesis: within each search, every order of its rows below the first is as likely as
any other. Under it the places of the acted rows are draws without replacement, which needs no
assumption about guests, listings or how many clicks a search has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["EarlierThanChance", "earlier_than_chance"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Up to here the permutations are drawn; above, a sum over so many searches is normal enough: each
# search's part is symmetric and has lighter tails than a normal one.
DRAWN_SEARCHES = 30
DRAWN_ROWS = 3_000
DRAWS = 4_999
SEED = 20_130


@dataclass(frozen=True, kw_only=True)
class EarlierThanChance:
    """How early the acted rows stand.

    Attributes:
        searches: in the test: some row below the first was acted on, some was not, and the
            first was not.
        acted: their acted rows.
        mean_place: mean place of an acted row among the rows below the first, 0 the top and 1
            the bottom; 0.5 by chance. NaN without a search.
        p_value: chance of a mean place as small or smaller; 1 without a search.
    """

    searches: int
    acted: int
    mean_place: float
    p_value: float


def earlier_than_chance(search: Ints, is_acted: npt.NDArray[np.bool_]) -> EarlierThanChance:
    """Test the rows of all searches; shapes ``(rows,)``, a search's rows side by side in order.

    A search whose first row was acted on is set aside and the first row of every other is left
    out: a writer that puts the clicked rows first cannot make evidence so, and what is left is
    still as likely in any order. The statistic is the sum of (rank - 1/2) / rows over acted rows.
    With few searches the p-value is (1 + draws as small) / (1 + draws), else the normal one.

    >>> rows = np.array([7, 7, 7, 7, 7]), np.array([False, True, False, False, False])
    >>> earlier_than_chance(*rows).mean_place  # first of the four below the first: (1 - 1/2) / 4
    0.125
    """
    starts = np.flatnonzero(np.r_[True, search[1:] != search[:-1]][: len(search)])
    sizes = np.diff(np.r_[starts, len(search)])
    rank = np.arange(len(search)) - np.repeat(starts, sizes)
    below = np.repeat(sizes - 1, sizes)
    place = np.where(rank > 0, (rank - 0.5) / np.maximum(below, 1), 0.0)
    acted = _sums(is_acted.astype(np.float64), starts)
    total = _sums(np.where(is_acted, place, 0.0), starts)
    is_tested = ~is_acted[starts] & (acted > 0) & (acted < sizes - 1)
    counts, rows = acted[is_tested].astype(np.int64), (sizes[is_tested] - 1).astype(np.int64)
    if not len(rows):
        return EarlierThanChance(searches=0, acted=0, mean_place=math.nan, p_value=1.0)
    observed = float(total[is_tested].sum())
    is_small = len(rows) <= DRAWN_SEARCHES and rows.sum() <= DRAWN_ROWS
    p_value = (_drawn if is_small else _normal)(observed, counts, rows)
    return EarlierThanChance(
        searches=len(rows),
        acted=int(counts.sum()),
        mean_place=observed / int(counts.sum()),
        p_value=p_value,
    )


def _sums(values: Floats, starts: Ints) -> Floats:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)


def _normal(observed: float, acted: Ints, rows: Ints) -> float:
    """A sample of ``c`` of the ``n`` places has variance c (n - c) (n + 1) / (12 n²)."""
    variance = (acted * (rows - acted) * (rows + 1) / (12.0 * rows**2)).sum()
    return 0.5 * math.erfc(-(observed - acted.sum() / 2) / math.sqrt(2 * variance))


def _drawn(observed: float, acted: Ints, rows: Ints) -> float:
    rng = np.random.default_rng(SEED)
    sums = np.zeros(DRAWS)
    for count, size in zip(acted, rows, strict=True):
        places = rng.random((DRAWS, int(size))).argpartition(int(count), axis=1)[:, : int(count)]
        sums += ((places + 0.5) / size).sum(axis=1)
    # sums of the same places in another order differ in the last bits
    as_small = int((sums <= observed + 1e-9).sum())
    return (1 + as_small) / (1 + DRAWS)
