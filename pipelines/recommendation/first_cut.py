"""The first cut: of all listings that a search allows, those worth a closer look.

A search allows a thousand listings and more; features and a model for each of them cost a
hundred times what this does. Kept are, of each query,

- the ``candidates`` with the highest log value of the listing for any guest + log P(free),
- every listing that the guest was shown before,
- the ``new_candidates`` best new ones, which have no value of their own yet.

How little that loses is measured (docs/results.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from models.arrow_columns import Codes, Numbers, numbers
from pipelines.candidates.candidate_rows import CandidateSource, estimated_prices
from pipelines.candidates.eligible_pairs import PairBlock
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.recommendation.day_availability import DayAvailability

__all__ = [
    "Candidates",
    "Sizes",
    "cut_scores",
    "first_cut",
    "seen_before",
    "within_price_filter",
]

_LEAST = 1e-3  # of P(free), so that its logarithm is finite
_IS_NEW = "listing_is_new"


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Pairs of a query and a listing, by query; one entry per pair.

    Attributes:
        query_C, listing_C: rows of the queries and of the catalogue.
        availability_C: P(free); NaN where the log does not tell.
        cut_C: the score by which the pair was kept.
        was_seen_C: the guest was shown the listing before.
    """

    query_C: Codes
    listing_C: Codes
    availability_C: Numbers
    cut_C: Numbers
    was_seen_C: np.ndarray

    def __len__(self) -> int:
        return len(self.query_C)

    def at(self, places: Codes) -> Candidates:
        """Those at these places, in their order."""
        arrays = {field.name: getattr(self, field.name)[places] for field in fields(self)}
        return Candidates(**arrays)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many listings of a query go on from stage to stage.

    Attributes:
        candidates, new_candidates: get features and a score: the best of all, and of the new.
        contenders, new_contenders: may stand in a list: the best of these, and of the new.
    """

    candidates: int = 200
    new_candidates: int = 10
    contenders: int = 50
    new_contenders: int = 3


def first_cut(
    blocks: Iterable[PairBlock],
    source: CandidateSource,
    availability: DayAvailability,
    value_L: Numbers,
    seen: list[Codes],
    sizes: Sizes,
) -> Candidates:
    """The kept pairs of all blocks, by query.

    Args:
        blocks: allowed pairs, whole queries together.
        source: queries, catalogue and prices.
        availability: of the day.
        value_L: log value of each listing for any guest.
        seen: of each query the listings that the guest was shown before, sorted.
        sizes: how many are kept.
    """
    is_new_L = _is_new(source.catalogue)
    parts: list[tuple[np.ndarray, ...]] = []
    for block in blocks:
        pairs = within_price_filter(block, source)
        free_P, cut_P = cut_scores(pairs, availability, value_L)
        for at, was_seen in _kept(pairs, cut_P, is_new_L, seen, sizes):
            row = (pairs.query_P[at], pairs.listing_P[at], free_P[at], cut_P[at], was_seen)
            parts.append(row)
    if not parts:
        none = np.empty(0, dtype=np.int64)
        parts = [(none, none, np.empty(0), np.empty(0), np.empty(0, dtype=bool))]
    columns: tuple[Any, ...] = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((columns[1], columns[0]))
    query, listing, free, cut, was_seen = (column[order] for column in columns)
    return Candidates(
        query_C=query, listing_C=listing, availability_C=free, cut_C=cut, was_seen_C=was_seen
    )


def cut_scores(
    pairs: PairBlock, availability: DayAvailability, value_L: Numbers
) -> tuple[Numbers, Numbers]:
    """P(free) of each pair, NaN where it is not known, and the score that the cut keeps by."""
    free_P = availability.of_pairs(pairs.query_P, pairs.listing_P)
    known_P = np.where(np.isnan(free_P), 1.0, free_P)
    return free_P, np.asarray(value_L[pairs.listing_P] + np.log(known_P + _LEAST))


def seen_before(before: pl.LazyFrame, source: CandidateSource) -> list[Codes]:
    """Of each query the rows of the catalogue that its guest was shown before, sorted."""
    queries, catalogue = source.queries, source.catalogue
    if "id_user" not in queries.columns:
        return [np.empty(0, dtype=np.int64)] * queries.height
    asking = queries.lazy().select("id_user").with_row_index("query").drop_nulls()
    known = catalogue.lazy().select("market", "id_listing").with_row_index("listing")
    shown = (
        before.select("id_user", "market", "id_listing")
        .unique()
        .join(asking, on="id_user", how="inner")
        .join(known, on=["market", "id_listing"], how="inner")
        .select(pl.col("query", "listing").cast(pl.Int64))
        .sort("query", "listing")
        .collect(engine="streaming")
    )
    starts = np.searchsorted(shown["query"].to_numpy(), np.arange(queries.height + 1))
    listing = shown["listing"].to_numpy()
    return [listing[start:end] for start, end in pairwise(starts.tolist())]


def _kept(
    pairs: PairBlock, cut_P: Numbers, is_new_L: np.ndarray, seen: list[Codes], sizes: Sizes
) -> Iterator[tuple[Codes, np.ndarray]]:
    """Per query the places of the pairs that are kept, and which of them the guest has seen."""
    starts = np.flatnonzero(np.diff(pairs.query_P, prepend=-1))
    for start, end in pairwise([*starts.tolist(), len(pairs)]):
        listing, cut = pairs.listing_P[start:end], cut_P[start:end]
        was_seen = np.zeros(end - start, dtype=bool)
        met = seen[pairs.query_P[start]]
        place = np.minimum(np.searchsorted(listing, met), end - start - 1)
        was_seen[place[listing[place] == met]] = True
        keep = was_seen.copy()
        keep[_best(cut, sizes.candidates)] = True
        new = np.flatnonzero(is_new_L[listing])
        keep[new[_best(cut[new], sizes.new_candidates)]] = True
        at = np.flatnonzero(keep)
        yield start + at, was_seen[at]


def _best(values: Numbers, count: int) -> Codes:
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(-values, count - 1)[:count] if count else np.empty(0, dtype=np.int64)


def within_price_filter(block: PairBlock, source: CandidateSource) -> PairBlock:
    """The pairs whose estimated price per night the query's price filter lets through."""
    names = [n for n in ("query_price_min", "query_price_max") if n in source.queries.columns]
    if not names or source.prices is None or not len(block):
        return block
    queries = arrow(source.queries.select(*names, "nights"))
    filters = [numbers(queries, name) for name in names]
    has_filter = np.asarray(np.isfinite(np.stack(filters)).any(axis=0))
    at = np.flatnonzero(has_filter[block.query_P])
    query, listing = block.query_P[at], block.listing_P[at]
    per_night = estimated_prices(source, query, listing) / numbers(queries, "nights")[query]
    out: Any = np.zeros(len(at), dtype=bool)
    for name, bound in zip(names, filters, strict=True):
        # a comparison with NaN is false: what is not known forbids nothing
        beyond = per_night < bound[query] if name.endswith("min") else per_night > bound[query]
        out |= np.asarray(beyond)
    keep = np.ones(len(block), dtype=bool)
    keep[at[out]] = False
    return PairBlock(query_P=block.query_P[keep], listing_P=block.listing_P[keep])


def _is_new(catalogue: pl.DataFrame) -> np.ndarray:
    if _IS_NEW not in catalogue.columns:
        return np.zeros(catalogue.height, dtype=bool)
    return catalogue[_IS_NEW].cast(pl.Boolean).fill_null(value=False).to_numpy()
