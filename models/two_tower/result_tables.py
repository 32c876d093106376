"""Arrow tables in and out: rows to score grouped by search, retrieved listings as rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from torch import Tensor

from models.ranking_order import rank_within, tie_keys
from models.two_tower.inputs.arrays import IntArray
from models.two_tower.inputs.vocabulary import Vocabulary, as_text

__all__ = ["by_search", "market_only", "ranked_rows"]


def by_search(rows: pa.Table) -> tuple[IntArray, IntArray, pa.Table]:
    """Rows sorted by search and listing, so that their order in the table cannot change a bit.

    Returns that order, the place of each ordered row's search, and one row per search.
    """
    search = Vocabulary.of([rows["id_search"]]).index(rows["id_search"]) - 1
    listing = Vocabulary.of([rows["id_listing"]]).index(rows["id_listing"])
    order = np.lexsort((listing, search))
    ordered = search[order]
    # rows without a search stand first, at -1
    firsts = np.flatnonzero((ordered >= 0) & (np.diff(ordered, prepend=-2) != 0))
    return order, ordered, rows.take(pa.array(order[firsts]))


def market_only(table: pa.Table) -> pa.Table:
    """Only ids and market: :class:`Eligibility` of it binds by market and nothing else."""
    return table.select(
        [n for n in ("id_search", "id_listing", "market") if n in table.column_names]
    )


def ranked_rows(
    searches: pa.Array | pa.ChunkedArray,
    listings: pa.Array | pa.ChunkedArray,
    score_QK: Tensor,
    place_QK: Tensor,
) -> pa.Table:
    """One row per retrieved listing: ``id_search``, ``id_listing``, ``rank`` from 1, ``score``.

    Empty places (-1) are left out. Listings of equal score are ranked as everywhere in the
    house (:mod:`models.ranking_order`).
    """
    place = place_QK.cpu().numpy()
    row, column = np.nonzero(place >= 0)
    listing_row = place[row, column]
    table = pa.table(
        {
            "id_search": as_text(searches).take(pa.array(row)),
            "id_listing": as_text(listings).take(pa.array(listing_row)),
            "score": pa.array(score_QK.cpu().numpy().astype(np.float64)[row, column]),
        }
    )
    # not the column: equal scores stand in the order of the catalogue there
    ranks = rank_within(row, table["score"].to_numpy(), tie_keys(table))
    order = pa.array(np.lexsort((ranks, row)))
    table = table.append_column("rank", pa.array(ranks.astype(np.int32)))
    return table.select(["id_search", "id_listing", "rank", "score"]).take(order)
