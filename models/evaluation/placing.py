"""Ranks of rows that are arranged already: the order of ``models.order``, sorted faster.

:func:`models.order.rank_within` sorts all rows together. Rows arranged by search and by
tie coin need only a stable sort inside each search, five times as fast for many short
searches. Both give the same ranks, which a test holds.

Legend: N rows, S searches, W places of a padded block.
"""

from __future__ import annotations

import numpy as np

from models.evaluation.arrays import Coins, Floats, Integers

__all__ = ["arrangement", "ranks_arranged"]


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
