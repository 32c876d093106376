"""The flat arrays that an encoded log consists of; no strings, no rows, no nulls.

Legend of the shape suffixes, here and in the towers and losses: S searches, L listings,
P positives, B batch, C candidates, H history slots or hard negatives, F dense features,
K categories, D dimension of the compared vectors.
Index 0 of every vocabulary means unseen; in a history it means an empty slot.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

__all__ = ["FloatArray", "IntArray", "ListingArrays", "Mask", "Positives", "QueryArrays"]

FloatArray = np.ndarray[Any, np.dtype[np.float32]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class QueryArrays:
    """Searches.

    Attributes:
        dense_SF: standardised numbers, missingness indicators, geography; float32.
        market_S: market index.
        guest_S: guest index, 0 where guests have no embedding or this one is unseen.
        history_SH: listing index of the guest's last events, latest first; 0 = empty.
        history_stage_SH: 1 clicked, 2 contacted, 3 booked; 0 = empty.
    """

    dense_SF: FloatArray
    market_S: IntArray
    guest_S: IntArray
    history_SH: IntArray
    history_stage_SH: IntArray

    def __len__(self) -> int:
        return len(self.market_S)

    def take(self, index: IntArray) -> Self:
        """These searches, in this order."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class ListingArrays:
    """Listings (or rows of listings, each with its attributes as of its search).

    Attributes:
        id_L: listing index, 0 = unseen.
        dense_LF: standardised numbers, missingness indicators, geography; float32.
        category_LK: vocabulary index per category column.
        market_L: market index.
    """

    id_L: IntArray
    dense_LF: FloatArray
    category_LK: IntArray
    market_L: IntArray

    def __len__(self) -> int:
        return len(self.id_L)

    def take(self, index: IntArray) -> Self:
        """These listings, in this order."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Positives:
    """What to learn from: a search and a listing that was clicked or more.

    Attributes:
        search_P: row of :class:`QueryArrays`.
        listing_P: listing index, which is its row of the catalogue.
        weight_P: weight of its stage; float32.
        head_P: which head of the query tower learns it; 0 where there is one.
        hard_start_P, hard_count_P: where the listings of the same journey that went less
            far (shown and never clicked; clicked and never booked) stand in
            ``TrainingSet.hard``, and how many they are.
    """

    search_P: IntArray
    listing_P: IntArray
    weight_P: FloatArray
    head_P: IntArray
    hard_start_P: IntArray
    hard_count_P: IntArray

    def __len__(self) -> int:
        return len(self.search_P)
