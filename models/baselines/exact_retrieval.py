"""The listings of each market that training saw, and exact retrieval among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrow_columns import Codes, codes_in, sorted_ids, stages
from models.ranking_order import hashed_ids
from models.recommender import Scores
from models.serialization import read_table, write_table

__all__ = ["Catalogue", "recall_at_k"]

# Queries scored at once: 256 × 100,000 listings of float32 are 100 MB.
_BLOCK = 256


@dataclass(frozen=True)
class Catalogue:
    """Listing ids, sorted, and the market of each."""

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

    def save(self, folder: Path, *, guests: pa.Array) -> None:
        """Write the listings, and the guests that a model knows, as Parquet."""
        write_table(
            folder / "listings.parquet",
            pa.table({"id_listing": self.listings, "market": self.markets}),
        )
        write_table(folder / "guests.parquet", pa.table({"id_user": guests}))

    @classmethod
    def load(cls, folder: Path) -> tuple[Self, pa.Array]:
        """Read what :meth:`save` wrote: the catalogue and the guests."""
        table = read_table(folder / "listings.parquet")
        guests = read_table(folder / "guests.parquet")["id_user"].combine_chunks()
        return cls(table["id_listing"].combine_chunks(), table["market"].combine_chunks()), guests

    def nearest(
        self,
        queries: pa.Table,
        vectors_QD: np.ndarray[Any, Any],
        listing_vectors_ND: np.ndarray[Any, Any],
        k: int,
    ) -> pa.Table:
        """The ``k`` listings of each query's market with the largest dot product.

        Ties are broken by a hash of the listing. Returns ``id_search, id_listing, rank,
        score``, sorted by search and rank.
        """
        found = list(self._per_market(queries, vectors_QD, listing_vectors_ND, k))
        rows, listings, ranks, scores = (
            np.concatenate(parts) if parts else np.zeros(0, np.int64)
            for parts in (list(zip(*found, strict=True)) or [(), (), (), ()])
        )
        table = pa.table(
            {
                "id_search": queries["id_search"].take(pa.array(rows.astype(np.int64))),
                "id_listing": self.listings.take(pa.array(listings.astype(np.int64))),
                "rank": pa.array(ranks.astype(np.int32)),
                "score": pa.array(scores.astype(np.float64)),
            }
        )
        return table.sort_by([("id_search", "ascending"), ("rank", "ascending")])

    def _per_market(
        self,
        queries: pa.Table,
        vectors_QD: np.ndarray[Any, Any],
        listing_vectors_ND: np.ndarray[Any, Any],
        k: int,
    ) -> Iterator[tuple[Codes, Codes, Codes, Scores]]:
        ties = hashed_ids(self.listings)
        for market in sorted(pc.drop_null(pc.unique(queries["market"])).to_pylist()):
            asked = np.flatnonzero(pc.fill_null(pc.equal(queries["market"], market), False))
            here = np.flatnonzero(pc.equal(self.markets, market))
            # In the order of the coin, so that a stable sort breaks ties by it.
            here = here[np.argsort(ties[here], kind="stable")]
            if not len(here):
                continue
            for start in range(0, len(asked), _BLOCK):
                block = asked[start : start + _BLOCK]
                logits_QN = vectors_QD[block] @ listing_vectors_ND[here].T
                best_QK = np.argsort(-logits_QN, axis=1, kind="stable")[:, :k]
                n_found = best_QK.shape[1]
                yield (
                    np.repeat(block, n_found),
                    here[best_QK].ravel(),
                    np.tile(np.arange(1, n_found + 1), len(block)),
                    np.take_along_axis(logits_QN, best_QK, axis=1).ravel(),
                )


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
    found = retrieve(queries, k).select(["id_search", "id_listing"])
    hits = found.join(taken, ["id_search", "id_listing"], join_type="inner")
    per_search = taken.group_by("id_search").aggregate([("id_listing", "count")])
    hit_count = hits.group_by("id_search").aggregate([("id_listing", "count")])
    shares = per_search.join(hit_count, "id_search", right_suffix="_hit")
    share = pc.divide(
        pc.fill_null(shares["id_listing_count_hit"], 0).cast(pa.float64()),
        shares["id_listing_count"].cast(pa.float64()),
    )
    return float(np.sort(share.to_numpy()).mean())
