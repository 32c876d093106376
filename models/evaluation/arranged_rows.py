"""The judged table: the rows of one split, arranged once, ready to be ranked by any model.

Legend: N rows, S searches, C clusters (guests), P rows with an outcome,
W places of a padded block.

Rows are arranged by search, and within a search by the tie coin; searches stand in the
order of a hash of their id. The arrangement is a function of the ids alone, so no figure
depends on the order in which the rows came.

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

from models.evaluation.arrays import Coins, Floats, Integers, Mask
from models.ranking_order import group_codes, hashed_ids, tie_keys
from models.recommender import Scores

__all__ = [
    "ArrangedRows",
    "Floats",
    "Integers",
    "Mask",
    "arrange_rows",
    "arranged_columns",
    "ranks_arranged",
]


@dataclass(frozen=True, kw_only=True)
class ArrangedRows:
    """The rows of one split in their canonical arrangement.

    Attributes:
        order: position in the given table of each arranged row; shape (N,).
        search: search of each row, 0..S-1, ascending; shape (N,).
        starts: first row of each search; shape (S,).
        sizes: number of rows of each search; shape (S,).
        cluster: guest of each search (the search itself where there is no guest), 0..C-1;
            shape (S,).
        stage: furthest action of each row, 0..3; shape (N,).
        listing: code of the listing of each row; shape (N,).
        ties: the coin of each row; shape (N,).
        guests_known: number of searches that name a guest.
    """

    order: Integers
    search: Integers
    starts: Integers
    sizes: Integers
    cluster: Integers
    stage: Integers
    listing: Integers
    ties: Coins
    guests_known: int

    @property
    def searches(self) -> int:
        return len(self.starts)

    @property
    def clusters(self) -> int:
        return int(self.cluster.max()) + 1 if len(self.cluster) else 0

    def arrange(self, values: Scores) -> Floats:
        """Values of the given rows, in this arrangement; shape (N,)."""
        return np.asarray(values, dtype=np.float64)[self.order]

    def ranks(self, scores: Scores, *, model: str) -> Integers:
        """Rank of each arranged row in its search, 1 for the best; ``scores`` as given.

        Raises ``ValueError`` naming the model when the scores are not one finite number
        per row.
        """
        if np.shape(scores) != self.order.shape:
            raise ValueError(
                f"model {model}: {np.shape(scores)} scores for {len(self.order)} rows; "
                "a model gives one score per row"
            )
        arranged = self.arrange(scores)
        if not np.isfinite(arranged).all():
            raise ValueError(
                f"model {model}: {int((~np.isfinite(arranged)).sum())} scores are not finite"
            )
        return ranks_arranged(self.starts, self.sizes, arranged)

    def per_search(self, values: Floats) -> Floats:
        """Sum over the rows of each search; shape (S,)."""
        return np.bincount(self.search, weights=values, minlength=self.searches).astype(np.float64)

    def reached(self, stage: int) -> Integers:
        """Arranged rows whose furthest action is at least this stage; shape (P,)."""
        return np.flatnonzero(self.stage >= stage)

    def top(self, ranks: Integers, k: int) -> Integers:
        """Arranged row in each place of the top k, -1 past the end; shape (S, k)."""
        places = np.full((self.searches, k), -1, dtype=np.int64)
        shown = np.flatnonzero(ranks <= k)
        places[self.search[shown], ranks[shown] - 1] = shown
        return places


def arrange_rows(rows: pa.Table) -> ArrangedRows:
    """Arrange the rows of a split.

    ``rows`` needs ``id_search``, ``id_listing`` and ``stage``; ``id_user`` may be absent.
    Raises ``ValueError`` when there are no rows, an outcome is null, or a search holds a
    listing twice.
    """
    _check(rows)
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
    cluster, known = _clusters(rows, firsts)
    return ArrangedRows(
        order=order,
        search=search,
        starts=starts,
        sizes=np.diff(np.r_[starts, len(order)]),
        cluster=cluster,
        stage=np.asarray(rows["stage"].combine_chunks(), dtype=np.int64)[order],
        listing=_first_seen(group_codes(rows["id_listing"])[order]),
        ties=arranged_ties,
        guests_known=known,
    )


def _check(rows: pa.Table) -> None:
    missing = {"id_search", "id_listing", "stage"} - set(rows.column_names)
    if missing:
        raise ValueError(f"cannot evaluate: the rows lack {', '.join(sorted(missing))}")
    if rows.num_rows == 0:
        raise ValueError("cannot evaluate: the split has no rows")
    if rows["stage"].null_count:
        raise ValueError(f"cannot evaluate: {rows['stage'].null_count} rows have no stage")


def _renumbered(codes: Integers, hashes: Coins) -> Integers:
    """Codes numbered in the order of their hashes, whatever the order of the rows."""
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


def arranged_columns(judged: ArrangedRows, columns: Mapping[str, Scores]) -> dict[str, Floats]:
    """Several columns given row by row, in the arrangement; raises on a wrong length."""
    wrong = [name for name, values in columns.items() if np.shape(values) != judged.order.shape]
    if wrong:
        raise ValueError(f"not one value per row: {', '.join(sorted(wrong))}")
    return {name: judged.arrange(values) for name, values in columns.items()}


def arrangement(search: Integers, ties: Coins) -> Integers:
    """The order of rows by search, then by tie coin; shape (N,).

    Search and coin share one 64-bit key, the coin without its last bits; where two keys
    then meet, the rows are sorted by the whole coin.
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

    Equal scores keep the arrangement, which is that of the coin. Searches are sorted as
    rows of padded blocks, one block per power of two, so that one long search does not
    pad all the others.

    >>> ranks_arranged(np.array([0, 2]), np.array([2, 1]), np.array([0.1, 0.9, 0.5]))
    array([2, 1, 1])
    """
    ranks = np.empty(len(scores), dtype=np.int64)
    classes = np.ceil(np.log2(sizes)).astype(np.int64)
    for number in np.unique(classes):
        inside = classes == number
        first, length = starts[inside], sizes[inside]
        width = int(length.max())
        places = np.arange(width)
        is_row_SW = places < length[:, None]
        rows_SW = first[:, None] + places
        worst_last = np.full(rows_SW.shape, np.inf)
        worst_last[is_row_SW] = -scores[rows_SW[is_row_SW]]
        order_SW = np.argsort(worst_last, axis=1, kind="stable")
        ranks_SW = np.empty_like(order_SW)
        np.put_along_axis(ranks_SW, order_SW, np.broadcast_to(places + 1, order_SW.shape), axis=1)
        ranks[rows_SW[is_row_SW]] = ranks_SW[is_row_SW]
    return ranks
