"""Where candidates come from: the whole catalogue, or what the two-tower proposes of it.

Where a market is small enough every listing that a search allows is considered. In a larger one
the two-tower proposes some thousand, and what the guest was shown before is added; both are
then treated alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from models.arrow_columns import Codes
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.retrieval.retriever import Retriever
from pipelines.candidates.candidate_rows import CandidateSource
from pipelines.candidates.catalogue import NIGHTLY_PRICE
from pipelines.candidates.eligible_pairs import PairBlock, eligible_pairs
from pipelines.feature_table.arrow_conversion import arrow, frame_of

__all__ = ["candidate_pairs", "large_markets"]

# Queries whose proposals are in memory at one time.
_QUERIES_AT_ONCE = 5_000


def large_markets(source: CandidateSource, most_listings: int) -> tuple[str, ...]:
    """Markets with more listings than are considered one by one."""
    sizes = source.catalogue.group_by("market").len().filter(pl.col("len") > most_listings)
    return tuple(sizes["market"].sort())


def candidate_pairs(
    source: CandidateSource,
    seen: list[Codes],
    large: Sequence[str],
    retriever: Retriever | None,
    *,
    proposals: int,
) -> Iterator[PairBlock]:
    """Pairs of every query and the listings to consider for it, whole queries together.

    Args:
        source: queries and catalogue.
        seen: of each query the listings that the guest was shown before, sorted.
        large: markets that are not considered whole.
        retriever: over the same catalogue; needed where a market is large.
        proposals: listings that it proposes for a query.
    """
    known = source.catalogue["market"].unique().sort()
    # Prices of the asked nights decide on the price filter later, not those of a plain night.
    bounds = source.catalogue.drop(NIGHTLY_PRICE, strict=False)
    small = [market for market in known if market not in large]
    yield from eligible_pairs(source.queries, bounds, small)
    if retriever is None or not large:
        return
    numbered = source.queries.with_row_index("query").filter(pl.col("market").is_in(large))
    for part in numbered.iter_slices(_QUERIES_AT_ONCE):
        yield _proposed(part, source, seen, retriever, proposals)


def _proposed(
    part: pl.DataFrame,
    source: CandidateSource,
    seen: list[Codes],
    retriever: Retriever,
    proposals: int,
) -> PairBlock:
    """What the retriever proposes for these queries, and what their guests saw before."""
    found = frame_of(retriever.retrieve(arrow(part.drop("query")), proposals))
    known = source.catalogue.select("market", "id_listing").with_row_index("listing")
    rows = (
        found.join(part.select("id_search", "query", "market"), on="id_search")
        .join(known, on=["market", "id_listing"])
        .select(pl.col("query", "listing").cast(pl.Int64))
    )
    bounds = Eligibility.of(
        arrow(source.queries), arrow(source.catalogue.drop(NIGHTLY_PRICE, strict=False))
    )
    parts = [rows.to_numpy()]
    for query in part["query"].cast(pl.Int64).to_list():
        met = seen[query][bounds.mask(np.array([query]), seen[query])[0]]
        parts.append(np.stack([np.full(len(met), query), met], axis=1))
    pairs = np.unique(np.concatenate(parts), axis=0)
    return PairBlock(query_P=pairs[:, 0], listing_P=pairs[:, 1])
