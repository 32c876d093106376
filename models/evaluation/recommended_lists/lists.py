"""The recommended lists of one model: which listing stands in which place for which guest.

Legend: Q queries (one per guest), R recommended rows of all lists together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.evaluation.arrays import Floats, Integers, Mask

__all__ = ["Lists"]


@dataclass(frozen=True, kw_only=True)
class Lists:
    """One model's lists; rows may come in any order, and every array per row follows theirs.

    Anna (query 0) is given two listings, Ben (query 2) one, the guest of query 1 none:

    >>> lists = Lists(
    ...     model="ranker",
    ...     query_R=np.array([2, 0, 0]),
    ...     place_R=np.array([1, 2, 1]),
    ...     listing_R=np.array([7, 8, 7]),
    ... )
    >>> lists.order.tolist()
    [2, 1, 0]
    >>> lists.per_query(np.array([1.0, 10.0, 100.0]), queries=3).tolist()
    [110.0, 0.0, 1.0]

    Attributes:
        model: its name.
        query_R: row of the queries, from 0.
        place_R: place in the list: 1, 2, … without a gap.
        listing_R: code of the listing, from 0; once in a list.

    Raises ``ValueError`` on a list with a gap, two rows in one place or a listing twice, on
    codes below 0, and on columns that are not integers of one length.
    """

    model: str
    query_R: Integers
    place_R: Integers
    listing_R: Integers

    def __post_init__(self) -> None:
        columns = {"query": self.query_R, "place": self.place_R, "listing": self.listing_R}
        for name, column in columns.items():
            if column.shape != (len(self.query_R),) or column.dtype.kind != "i":
                raise ValueError(f"{self}: {name} must be one signed integer per row")
            if len(column) and column.min() < 0:
                raise ValueError(f"{self}: {name} {column.min()} is below 0")
        self._check_places()
        self._check_listings()

    def __str__(self) -> str:
        return f"lists of {self.model}"

    def _check_places(self) -> None:
        query, place = self.query_R[self.order], self.place_R[self.order]
        is_first = np.diff(query, prepend=-1) > 0
        expected = np.where(is_first, 1, np.r_[0, place[:-1]] + 1)
        wrong = np.flatnonzero(place != expected)
        if len(wrong):
            at = wrong[0]
            raise ValueError(
                f"{self}: query {query[at]} has place {place[at]} where {expected[at]} is next; "
                "places run 1, 2, … without a gap"
            )

    def _check_listings(self) -> None:
        order = np.lexsort((self.listing_R, self.query_R))
        query, listing = self.query_R[order], self.listing_R[order]
        twice = np.flatnonzero((np.diff(query) == 0) & (np.diff(listing) == 0))
        if len(twice):
            at = twice[0]
            raise ValueError(f"{self}: query {query[at]} has listing {listing[at]} twice")

    @cached_property
    def order(self) -> Integers:
        """The rows by query and place, so that no sum depends on the order they came in."""
        return np.lexsort((self.place_R, self.query_R))

    def within(self, k: int) -> Mask:
        """The rows in the first ``k`` places; shape (R,)."""
        return np.asarray(self.place_R <= k)

    def per_query(self, values_R: Floats | Mask, *, queries: int) -> Floats:
        """Sum over each list, 0 for an empty one; shape (Q,)."""
        self.check_queries(queries)
        query, values = self.query_R[self.order], np.asarray(values_R)[self.order]
        return np.bincount(query, weights=values, minlength=queries).astype(np.float64)

    def check_queries(self, queries: int) -> None:
        """Raise ``ValueError`` when a list belongs to none of so many queries."""
        if len(self.query_R) and self.query_R.max() >= queries:
            raise ValueError(f"{self}: query {self.query_R.max()} of only {queries}")

    def check_shares(self, name: str, values_R: Floats) -> Floats:
        """The values if they are one number in 0..1 per row; else ``ValueError``."""
        values = np.asarray(values_R, dtype=np.float64)
        if values.shape != self.query_R.shape:
            raise ValueError(
                f"{self}: {name} has shape {values.shape}, the rows {self.query_R.shape}"
            )
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{self}: {name} must lie between 0 and 1")
        return values
