"""Exact retrieval within the market, and its recall."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.baselines.exact_retrieval import Catalogue, recall_at_k

CATALOGUE = Catalogue(pa.array(["a", "b", "c", "d"]), pa.array(["rio", "rio", "sao", "rio"]))
VECTORS_ND = np.array([[1.0, 0.0], [0.0, 1.0], [9.0, 9.0], [2.0, 0.0]], dtype=np.float32)


def test_listings_of_the_market_with_the_largest_products_are_found() -> None:
    queries = pa.table({"id_search": ["t", "s"], "market": ["rio", "rio"]})
    vectors_QD = np.array([[0.0, 3.0], [1.0, 0.5]], dtype=np.float32)

    assert CATALOGUE.nearest(queries, vectors_QD, VECTORS_ND, 2).to_pydict() == {
        "id_search": ["s", "s", "t", "t"],
        "id_listing": ["d", "a", "b", "d"],  # a and d tie at 0: the hash of d is lower
        "rank": [1, 2, 1, 2],
        "score": [2.0, 1.0, 3.0, 0.0],
    }


def test_market_with_fewer_listings_gives_them_all_and_an_unknown_one_none() -> None:
    queries = pa.table({"id_search": ["s", "t", "u"], "market": ["sao", "salvador", None]})
    nearest = CATALOGUE.nearest(queries, np.ones((3, 2), np.float32), VECTORS_ND, 5)

    assert nearest.select(["id_search", "id_listing", "rank"]).to_pylist() == [
        {"id_search": "s", "id_listing": "c", "rank": 1}
    ]


def test_no_query_of_a_known_market_gives_an_empty_table_of_the_same_columns() -> None:
    queries = pa.table({"id_search": ["s"], "market": ["salvador"]})
    none = CATALOGUE.nearest(queries, np.ones((1, 2), np.float32), VECTORS_ND, 5)
    some = CATALOGUE.nearest(
        queries.set_column(1, "market", pa.array(["rio"])),
        np.ones((1, 2), np.float32),
        VECTORS_ND,
        5,
    )

    assert none.num_rows == 0
    assert none.schema == some.schema


def test_catalogue_has_each_listing_once_with_its_market() -> None:
    rows = pa.table({"id_listing": ["b", "a", "b", None], "market": ["sao", "rio", "rio", "rio"]})
    catalogue = Catalogue.of(rows)

    assert catalogue.listings.to_pylist() == ["a", "b"]
    # b lies in two markets: the first by name stays.
    assert catalogue.markets.to_pylist() == ["rio", "rio"]


def test_recall_counts_the_taken_listings_that_were_found() -> None:
    rows = pa.table(
        {
            "id_search": ["s", "s", "s", "t"],
            "id_listing": ["a", "b", "c", "a"],
            "id_user": ["u", "u", "u", "v"],
            "market": ["m"] * 4,
            "stage": pa.array([1, 3, 0, 0], pa.int8()),
        }
    )

    def finds_b(queries: pa.Table, k: int) -> pa.Table:
        return pa.table({"id_search": queries["id_search"], "id_listing": ["b"] * queries.num_rows})

    assert recall_at_k(finds_b, rows, 1) == 0.5
