"""The rows of one split, sorted once, so that every model is evaluated on the same order.

Legend: N rows, S searches, C clusters (guests), P rows with an outcome,
W places of a padded block.

Rows are sorted by search, and within a search by a pseudo-random tie key (a hash of search
and listing); searches stand in the order of a hash of their id. That order is a function of
the ids alone, so no figure depends on the order in which the rows came. Five rows of two
searches; in search ``a`` the tie key of listing ``z`` happens to be lower than that of ``y``:

    row   id_search  id_listing  stage        place   row   search  listing
      0   a          x           0              0       0     0        0     (a, x)
      1   b          x           3              1       4     0        1     (a, z)
      2   a          y           1       →      2       2     0        2     (a, y)
      3   b          y           0              3       1     1        0     (b, x)
      4   a          z           0              4       3     1        2     (b, y)

>>> rows = pa.table(
...     {
...         "id_search": ["a", "b", "a", "b", "a"],
...         "id_listing": ["x", "x", "y", "y", "z"],
...         "stage": [0, 3, 1, 0, 0],
...     }
... )
>>> arranged = arrange_rows(rows)
>>> arranged.order.tolist(), arranged.search.tolist(), arranged.listing.tolist()
([0, 4, 2, 1, 3], [0, 0, 0, 1, 1], [0, 1, 2, 0, 2])
>>> arranged.starts.tolist(), arranged.sizes.tolist(), arranged.stage.tolist()
([0, 3], [3, 2], [0, 0, 1, 3, 0])

Equal scores keep this order, so a model that scores all rows alike gets a random one. Here
``y`` beats the tied ``x`` and ``z`` of search ``a``; scores come in the order of the rows:

>>> arranged.ranks(np.array([0.1, 0.5, 0.9, 0.5, 0.1]), model="example").tolist()
[2, 3, 1, 1, 2]

:func:`models.ranking_order.rank_within` sorts all rows together. Rows that are arranged
already need only a stable sort inside each search (:func:`ranks_arranged`), five times as
fast for many short searches. Both give the same ranks, which a test holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.evaluation.arrays import Floats, Integers, TieKeys
from models.ranking_order import group_codes, hashed_ids, tie_keys
from models.recommender import Scores

__all__ = [
    "ArrangedRows",
    "arrange_rows",
    "arranged_columns",
    "arrangement",
    "ranks_arranged",
]


@dataclass(frozen=True, kw_only=True)
class ArrangedRows:
    """The rows of one split, sorted by search and tie key.

    Attributes:
        order: row of the caller's table that stands in each place; shape (N,).
        search: search of each row, 0..S-1, ascending; shape (N,).
        starts: first row of each search; shape (S,).
        sizes: number of rows of each search; shape (S,).
        cluster: guest of each search (the search itself where there is no guest), 0..C-1;
            shape (S,).
        stage: furthest action of each row, 0..3; shape (N,).
        listing: code of the listing of each row; shape (N,).
        ties: the tie key of each row; shape (N,).
        guests_known: number of searches that name a guest.
    """

    order: Integers
    search: Integers
    starts: Integers
    sizes: Integers
    cluster: Integers
    stage: Integers
    listing: Integers
    ties: TieKeys
    guests_known: int

    @property
    def searches(self) -> int:
        return len(self.starts)

    @property
    def clusters(self) -> int:
        return int(self.cluster.max()) + 1 if len(self.cluster) else 0

    def arrange(self, values: Scores) -> Floats:
        """Values given in the order of the caller's rows, in the arranged order; shape (N,)."""
        return np.asarray(values, dtype=np.float64)[self.order]

    def ranks(self, scores: Scores, *, model: str) -> Integers:
        """Rank of each arranged row in its search, 1 for the best; shape (N,).

        ``scores`` are in the order of the caller's rows. Raises ``ValueError`` naming the
        model when they are not one finite number per row.
        """
        if np.shape(scores) != self.order.shape:
            raise ValueError(
                f"model {model}: {np.shape(scores)} scores for {len(self.order)} rows; "
                "a model gives one score per row"
            )
        in_order = self.arrange(scores)
        if not np.isfinite(in_order).all():
            raise ValueError(
                f"model {model}: {int((~np.isfinite(in_order)).sum())} scores are not finite"
            )
        return ranks_arranged(self.starts, self.sizes, in_order)

    def per_search(self, values: Floats) -> Floats:
        """Sum over the rows of each search; shape (S,)."""
        return np.bincount(self.search, weights=values, minlength=self.searches).astype(np.float64)

    def reached(self, stage: int) -> Integers:
        """Arranged rows whose furthest action is at least this stage; shape (P,)."""
        return np.flatnonzero(self.stage >= stage)

    def top(self, ranks: Integers, k: int) -> Integers:
        """Arranged row in each place of the top k, -1 past the end; shape (S, k)."""
        places = np.full((self.searches, k), -1, dtype=np.int64)
        in_top = np.flatnonzero(ranks <= k)
        places[self.search[in_top], ranks[in_top] - 1] = in_top
        return places


def arrange_rows(rows: pa.Table) -> ArrangedRows:
    """Arrange the rows of a split.

    ``rows`` needs ``id_search``, ``id_listing`` and ``stage``; ``id_user`` may be absent.
    Raises ``ValueError`` when there are no rows, an outcome is null, or a search holds a
    listing twice.
    """
    _check_columns(rows)
    codes = group_codes(rows["id_search"])
    ties = tie_keys(rows)
    numbers = _renumbered(codes, hashed_ids(rows["id_search"]))
    order = arrangement(numbers, ties)
    search, arranged_ties = numbers[order], ties[order]
    starts = np.flatnonzero(np.r_[True, search[1:] != search[:-1]])
    if ((search[1:] == search[:-1]) & (arranged_ties[1:] == arranged_ties[:-1])).any():
        raise ValueError(
            "a search holds the same listing twice; (id_search, id_listing) is the key"
        )
    firsts = pa.array(order[starts])
    cluster, guests_known = _clusters(rows, firsts)
    return ArrangedRows(
        order=order,
        search=search,
        starts=starts,
        sizes=np.diff(np.r_[starts, len(order)]),
        cluster=cluster,
        stage=np.asarray(rows["stage"].combine_chunks(), dtype=np.int64)[order],
        listing=_first_seen(group_codes(rows["id_listing"])[order]),
        ties=arranged_ties,
        guests_known=guests_known,
    )


def _check_columns(rows: pa.Table) -> None:
    missing = {"id_search", "id_listing", "stage"} - set(rows.column_names)
    if missing:
        raise ValueError(f"cannot evaluate: the rows lack {', '.join(sorted(missing))}")
    if rows.num_rows == 0:
        raise ValueError("cannot evaluate: the split has no rows")
    if rows["stage"].null_count:
        raise ValueError(f"cannot evaluate: {rows['stage'].null_count} rows have no stage")


def _renumbered(codes: Integers, hashes: TieKeys) -> Integers:
    """Codes numbered in the order of their hashes, whatever the order of the rows.

    Codes 0, 1 and 2 with hashes 70, 10 and 40: code 1 comes first, then 2, then 0.

    >>> _renumbered(np.array([0, 1, 0, 2]), np.array([70, 10, 70, 40], dtype=np.uint64)).tolist()
    [2, 0, 2, 1]
    """
    _, first = np.unique(codes, return_index=True)
    position = np.empty(len(first), dtype=np.int64)
    position[np.argsort(hashes[first], kind="stable")] = np.arange(len(first))
    return position[codes]


def _first_seen(codes: Integers) -> Integers:
    """Codes renumbered by first appearance in the arrangement."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    position = np.empty(len(first), dtype=np.int64)
    position[np.argsort(first)] = np.arange(len(first))
    return position[inverse]


def _clusters(rows: pa.Table, firsts: pa.Array) -> tuple[Integers, int]:
    """Cluster of each search, and how many searches name a guest."""
    searches = len(firsts)
    if "id_user" not in rows.column_names:
        return np.arange(searches), 0
    guests = rows["id_user"].take(firsts)
    anonymous = np.asarray(pc.is_null(guests).combine_chunks())
    codes = group_codes(guests)
    # a search without a guest is a cluster of its own
    codes = np.where(anonymous, searches + np.arange(searches), codes)
    return _first_seen(codes), int((~anonymous).sum())


def arranged_columns(arranged: ArrangedRows, columns: Mapping[str, Scores]) -> dict[str, Floats]:
    """Columns given in the order of the caller's rows, in the arranged order; each (N,).

    Raises ``ValueError`` naming the columns that have not one value per row.
    """
    wrong = [name for name, values in columns.items() if np.shape(values) != arranged.order.shape]
    if wrong:
        raise ValueError(f"not one value per row: {', '.join(sorted(wrong))}")
    return {name: arranged.arrange(values) for name, values in columns.items()}


def arrangement(search: Integers, ties: TieKeys) -> Integers:
    """The order of rows by search, then by tie key; shape (N,).

    One sort of one 64-bit key is about three times as fast as a sort by two keys. The search
    fills the upper bits, the tie key loses as many of its lower ones: with 3 searches (2 bits)

        key = search · 2^62 + tie // 2^2

    Where two shortened keys are equal, which next to never happens, the rows are sorted
    again by search and whole tie key.
    """
    bits = int(search.max()).bit_length()
    if bits == 0:
        return np.lexsort((ties, search))
    key = (search.astype(np.uint64) << np.uint64(64 - bits)) | (ties >> np.uint64(bits))
    order = np.argsort(key)
    ascending = key[order]
    if (ascending[1:] == ascending[:-1]).any():
        return np.lexsort((ties, search))
    return order


def ranks_arranged(starts: Integers, sizes: Integers, scores: Floats) -> Integers:
    """Rank of each arranged row in its search, 1 for the highest score; shape (N,).

    ``scores`` are arranged; equal scores keep the arranged order, which is random. Searches
    of 5 to 8 rows, say, are sorted at once as a block of 8 columns, the short ones padded
    with +∞: one block per power of two, so that one long search does not pad all the others.

    >>> ranks_arranged(np.array([0, 2]), np.array([2, 1]), np.array([0.1, 0.9, 0.5]))
    array([2, 1, 1])
    """
    ranks = np.empty(len(scores), dtype=np.int64)
    size_class = np.ceil(np.log2(sizes)).astype(np.int64)
    for number in np.unique(size_class):
        inside = size_class == number
        first, length = starts[inside], sizes[inside]
        width = int(length.max())
        places = np.arange(width)
        is_row_SW = places < length[:, None]
        rows_SW = first[:, None] + places
        worst_last = np.full(rows_SW.shape, np.inf)
        worst_last[is_row_SW] = -scores[rows_SW[is_row_SW]]
        order_SW = np.argsort(worst_last, axis=1, kind="stable")
        # the inverse of the order: who stands in place p has rank p + 1
        ranks_SW = np.empty_like(order_SW)
        np.put_along_axis(ranks_SW, order_SW, np.broadcast_to(places + 1, order_SW.shape), axis=1)
        ranks[rows_SW[is_row_SW]] = ranks_SW[is_row_SW]
    return ranks
