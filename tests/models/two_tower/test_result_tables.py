"""Tables around the vectors: rows grouped by search, and retrieved listings as rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch

from models.ranking_order import tie_keys
from models.two_tower.result_tables import by_search, market_only, ranked_rows


def test_rows_are_sorted_by_search_and_listing_whatever_their_order() -> None:
    rows = pa.table({"id_search": ["t", "s", "t"], "id_listing": ["b", "c", "a"], "n": [0, 1, 2]})
    order, search, searches = by_search(rows)
    assert order.tolist() == [1, 2, 0]
    assert search.tolist() == [0, 1, 1]
    assert searches["id_search"].to_pylist() == ["s", "t"]
    assert searches["n"].to_pylist() == [1, 2]  # the row of t's first listing, not its first row


def test_the_market_alone_is_kept_where_there_is_one() -> None:
    table = pa.table({"query_nights": [3], "market": ["rio"], "id_search": ["s"]})
    assert market_only(table).column_names == ["id_search", "market"]
    assert market_only(table.drop_columns(["market"])).column_names == ["id_search"]


def test_places_become_ranked_rows_and_empty_ones_are_left_out() -> None:
    table = ranked_rows(
        pa.array(["t", "s"]),
        pa.array([10, 20, 30]),
        torch.tensor([[0.9, 0.5], [0.7, float("-inf")]]),
        torch.tensor([[2, 0], [1, -1]]),
    )
    assert table.to_pylist() == [
        {"id_search": "t", "id_listing": "30", "rank": 1, "score": np.float32(0.9)},
        {"id_search": "t", "id_listing": "10", "rank": 2, "score": 0.5},
        {"id_search": "s", "id_listing": "20", "rank": 1, "score": np.float32(0.7)},
    ]


def test_equal_scores_are_ranked_by_the_hash_of_their_ids() -> None:
    """As everywhere in the house, and not by the place in the catalogue."""
    listings = [f"l{n}" for n in range(8)]
    table = ranked_rows(
        pa.array(["s"]), pa.array(listings), torch.zeros(1, 8), torch.arange(8)[None]
    )
    pairs = pa.table({"id_search": ["s"] * 8, "id_listing": listings})
    expected = [listings[place] for place in np.argsort(tie_keys(pairs))]
    assert table["id_listing"].to_pylist() == expected != listings
