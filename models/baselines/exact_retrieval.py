"""Exact retrieval: every listing of the query's market is scored, the k best are taken.

Legend: Q queries, N listings, D factors, K results per query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrow_columns import codes_in, sorted_ids, stages
from models.ranking_order import hashed_ids
from models.serialization import read_table, write_table

__all__ = ["Catalogue", "recall_at_k"]

# Queries scored at once: 256 × 100,000 listings of float32 are 100 MB.
_BLOCK = 256


@dataclass(frozen=True)
class Catalogue:
    """The listings that training saw: ids, sorted, and the market of each, side by side."""

    listings: pa.Array
    markets: pa.Array

    @classmethod
    def empty(cls) -> Self:
        return cls(pa.array([], pa.string()), pa.array([], pa.string()))

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """Every listing of ``rows``; of two markets of one listing the first by name stays."""
        pairs = rows.select(["id_listing", "market"]).group_by("id_listing")
        first = pairs.aggregate([("market", "min")])
        listings = sorted_ids(rows["id_listing"])
        at = codes_in(pa.chunked_array([listings]), first["id_listing"].combine_chunks())
        return cls(listings, first["market_min"].combine_chunks().take(pa.array(at)))

    def save(self, folder: Path) -> None:
        """Write ``listings.parquet``."""
        table = pa.table({"id_listing": self.listings, "market": self.markets})
        write_table(folder / "listings.parquet", table)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        table = read_table(folder / "listings.parquet")
        return cls(table["id_listing"].combine_chunks(), table["market"].combine_chunks())

    def nearest(
        self,
        queries: pa.Table,
        vectors_QD: np.ndarray[Any, Any],
        listing_vectors_ND: np.ndarray[Any, Any],
        k: int,
    ) -> pa.Table:
        """The ``k`` listings of each query's market with the largest dot product.

        Ties are broken by a hash of the listing. Returns ``id_search, id_listing, rank,
        score``, sorted by search and rank: fewer than ``k`` rows of a query whose market has
        fewer listings, none where the market is unknown.
        """
        schema = pa.schema(
            [
                ("id_search", queries["id_search"].type),
                ("id_listing", self.listings.type),
                ("rank", pa.int32()),
                ("score", pa.float64()),
            ]
        )
        blocks = self._blocks(queries, vectors_QD, listing_vectors_ND, k)
        table = pa.concat_tables(
            [schema.empty_table(), *(pa.table(columns, schema=schema) for columns in blocks)]
        )
        return table.sort_by([("id_search", "ascending"), ("rank", "ascending")])

    def _blocks(
        self,
        queries: pa.Table,
        vectors_QD: np.ndarray[Any, Any],
        listing_vectors_ND: np.ndarray[Any, Any],
        k: int,
    ) -> Iterator[dict[str, pa.Array]]:
        """The columns of the result, for some queries of one market at a time."""
        ties = hashed_ids(self.listings)
        for market in sorted(pc.drop_null(pc.unique(queries["market"])).to_pylist()):
            is_here = pc.fill_null(pc.equal(queries["market"], market), False)
            queries_here = np.flatnonzero(is_here)
            listings_here = np.flatnonzero(pc.equal(self.markets, market))
            # In the order of their hash, so that a stable sort breaks ties by it.
            listings_here = listings_here[np.argsort(ties[listings_here], kind="stable")]
            if not len(listings_here):
                continue
            for start in range(0, len(queries_here), _BLOCK):
                block = queries_here[start : start + _BLOCK]
                logits_QN = vectors_QD[block] @ listing_vectors_ND[listings_here].T
                best_QK = np.argsort(-logits_QN, axis=1, kind="stable")[:, :k]
                n_best = best_QK.shape[1]
                score_QK = np.take_along_axis(logits_QN, best_QK, axis=1).astype(np.float64)
                rank = np.tile(np.arange(1, n_best + 1, dtype=np.int32), len(block))
                yield {
                    "id_search": queries["id_search"].take(pa.array(np.repeat(block, n_best))),
                    "id_listing": self.listings.take(pa.array(listings_here[best_QK].ravel())),
                    "rank": pa.array(rank),
                    "score": pa.array(score_QK.ravel()),
                }


def recall_at_k(retrieve: Callable[[pa.Table, int], pa.Table], rows: pa.Table, k: int) -> float:
    """Mean share of the listings taken in a search that are among the ``k`` retrieved for it.

    Taken: clicked or further. Searches in which nothing was taken do not count; 0.0 where
    none is left.
    """
    taken = rows.filter(pa.array(stages(rows) > 0)).select(
        ["id_search", "id_listing", "id_user", "market"]
    )
    if not taken.num_rows:
        return 0.0
    firsts = taken.group_by("id_search").aggregate([("id_user", "min"), ("market", "min")])
    queries = firsts.rename_columns(["id_search", "id_user", "market"])
    retrieved = retrieve(queries, k).select(["id_search", "id_listing"])
    hits = retrieved.join(taken, ["id_search", "id_listing"], join_type="inner")
    per_search = taken.group_by("id_search").aggregate([("id_listing", "count")])
    hit_count = hits.group_by("id_search").aggregate([("id_listing", "count")])
    shares = per_search.join(hit_count, "id_search", right_suffix="_hit")
    share = pc.divide(
        pc.fill_null(shares["id_listing_count_hit"], 0).cast(pa.float64()),
        shares["id_listing_count"].cast(pa.float64()),
    )
    # Sorted, since a join gives its rows in no fixed order and a sum depends on it.
    return float(np.sort(share.to_numpy()).mean())
