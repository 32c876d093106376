"""The rows of a log that a tower learns from: all of them by id, few with their attributes.

Every row says that a listing was shown to a guest; attributes are read of few. Two searches of
one guest, sorted, and which of their rows are described:

    search  listing  stage   described
    s1      a        0       the first of its search and its listing
    s1      b        1       the first of its listing, and clicked
    s2      a        0       the first of its search; the last of its listing
    s2      b        0       the last of its listing
    s1 …    c, d, …  0       c and d: the first of their listings; afterwards not
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from models.row_source import Rows, places_of, read, read_at
from models.two_tower.inputs.arrays import IntArray
from models.two_tower.inputs.encoder import row_order
from models.two_tower.inputs.numeric_inputs import LISTING_CATEGORIES
from models.two_tower.inputs.vocabulary import Vocabulary

__all__ = ["LogRows"]

# Of each the first row of every value is described, so that vocabularies are whole.
_FIRST_OF = ("id_search", "id_listing", "id_user", "market", *LISTING_CATEGORIES)
_SHOWN = ("id_search", "id_listing", "id_user", "market", "search_s", "stage")


@dataclass(frozen=True, kw_only=True)
class LogRows:
    """Rows in the order of :func:`~models.two_tower.inputs.encoder.sorted_rows`.

    Attributes:
        shown: every row: ids, market, second and stage.
        described: with all columns: the first row of each search, guest, market and category of
            listings, the first and the last of each listing, and those clicked or more.
        at: row of ``shown`` that each of ``described`` is.
    """

    shown: pa.Table
    described: pa.Table
    at: IntArray

    @classmethod
    def of(cls, rows: Rows, *, describes_all: bool = False) -> Self:
        """Sort ``rows`` and describe those named above, or all."""
        names = rows.schema.names
        keys = read(rows, [n for n in dict.fromkeys((*_SHOWN, *_FIRST_OF)) if n in names])
        order = row_order(keys)
        keys = keys.take(pa.array(order))
        is_whole = describes_all or "stage" not in names
        at = np.arange(keys.num_rows) if is_whole else _described(keys)
        [described] = read_at(rows, names, [places_of(order[at], rows.num_rows)])
        return cls(shown=keys.select([n for n in _SHOWN if n in names]), described=described, at=at)


def _described(rows: pa.Table) -> IntArray:
    """Rows that are described, ascending; ``rows`` are sorted."""
    is_needed = np.asarray(rows["stage"].to_numpy() > 0)
    for name in _FIRST_OF:
        if name in rows.column_names:
            code = Vocabulary.of([rows[name]]).index(rows[name])
            is_needed[_firsts(code)] = True
    listing = Vocabulary.of([rows["id_listing"]]).index(rows["id_listing"])
    is_needed[len(listing) - 1 - _firsts(listing[::-1])] = True
    return np.flatnonzero(is_needed)


def _firsts(codes: Sequence[int] | IntArray) -> IntArray:
    return np.asarray(np.unique(codes, return_index=True)[1])
