"""Scores: P(booked | shown and free) of every candidate, from its features.

Features come in one pass over the log for all guests (:mod:`features.build_candidates`), a block
of candidates at a time. None is kept: a list's order needs a few columns of its contenders, and
the reasons of those that made it into a list are told in a second pass, over the few that did
(:func:`feature_blocks`).

The model learnt from listings that were shown, and the production ranker chose those. Two things
keep that from bending the scores of what was never shown: the features that compare a row with
the other results of its search stand at their medians (:mod:`models.funnel.funnel_model`), and
availability, which being shown implied, is a factor of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from features.build_candidates import build_candidates
from models.arrow_columns import Codes, Numbers
from models.funnel.funnel_model import FunnelModel
from models.row_source import places_of, put_at
from pipelines.candidates.candidate_rows import CandidateSource, candidate_rows
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.recommendation.first_cut import Candidates, Sizes

__all__ = ["ScoredCandidates", "feature_blocks", "scored_candidates", "scored_from"]

_ROWS_AT_ONCE = 100_000

# What the exposure policy and the diversity step read of a contender.
_OF_POLICIES = (
    "id_search",
    "id_listing",
    "listing_is_new",
    "listing_lat",
    "listing_lng",
    "listing_total_price",
    "listing_room_type",
)

Progress = Callable[[int, int], None]


class ScoredCandidates:
    """The candidates with their scores, and what policies read of the best of each query.

    Attributes:
        candidates: the pairs.
        score_C: P(booked | shown and free).
        contender_C: the best of each query by score × availability, which lists are made of.
        contenders: one row per contender, in the order of ``np.flatnonzero(contender_C)``: ids,
            and what the policies of a list read.
    """

    def __init__(
        self,
        candidates: Candidates,
        score_C: Numbers,
        contender_C: np.ndarray,
        contenders: pa.Table,
    ) -> None:
        self.candidates = candidates
        self.score_C, self.contender_C, self.contenders = score_C, contender_C, contenders

    @property
    def values(self) -> Numbers:
        """Score × availability of each candidate; the score alone where nothing is known of it."""
        free_C = self.candidates.availability_C
        return np.asarray(self.score_C * np.where(np.isnan(free_C), 1.0, free_C))


def scored_candidates(
    candidates: Candidates,
    source: CandidateSource,
    impressions: pl.LazyFrame,
    model: FunnelModel,
    sizes: Sizes,
    progress: Progress | None = None,
) -> ScoredCandidates:
    """Build the features of all candidates, score them, and tell the contenders.

    Args:
        candidates: by query.
        source: what they are rows of.
        impressions: the log, of which only what was known before each query counts.
        model: the ranker.
        sizes: how many contenders a query has.
        progress: called with pairs done and in all.
    """
    blocks = feature_blocks(candidates, source, impressions, model.features_read)
    return scored_from(blocks, candidates, model, sizes, progress)


def scored_from(
    blocks: Iterable[tuple[Codes, pl.DataFrame]],
    candidates: Candidates,
    model: FunnelModel,
    sizes: Sizes,
    progress: Progress | None = None,
) -> ScoredCandidates:
    """As :func:`scored_candidates`, from the features as :func:`feature_blocks` gives them."""
    score_C = np.zeros(len(candidates))
    is_contender = np.zeros(len(candidates), dtype=bool)
    kept: list[tuple[Codes, pa.Table]] = []
    done = 0
    for at, rows in blocks:
        table = arrow(rows)
        score_C[at] = model.probabilities(table)["book"]
        free = candidates.availability_C[at]
        value = score_C[at] * np.where(np.isnan(free), 1.0, free)
        is_new = _is_new(rows)
        best = _best_of_each(candidates.query_C[at], value, is_new, sizes)
        is_contender[at[best]] = True
        of_policies = [name for name in _OF_POLICIES if name in table.column_names]
        kept.append((at[best], table.select(of_policies).take(pa.array(best))))
        done += len(at)
        if progress is not None:
            progress(done, len(candidates))
    return ScoredCandidates(candidates, score_C, is_contender, _by_candidate(kept))


def _by_candidate(kept: list[tuple[Codes, pa.Table]]) -> pa.Table:
    """The rows in the order of their candidates; each part is let go of once it is copied."""
    if not kept:
        return pa.table({})
    order = np.argsort(np.concatenate([at for at, _ in kept]))
    schema = kept[0][1].schema
    kept.reverse()
    parts = (kept.pop()[1].cast(schema) for _ in range(len(kept)))
    return put_at(parts, schema, [places_of(order, len(order))])[0]


def _by_time(candidates: Candidates, queries: pl.DataFrame) -> Codes:
    """The candidates in order of their query's time, whole queries together."""
    second_Q = queries["search_s"].to_numpy()
    return np.lexsort((candidates.query_C, second_Q[candidates.query_C]))


def feature_blocks(
    candidates: Candidates,
    source: CandidateSource,
    impressions: pl.LazyFrame,
    features: FeatureSet,
) -> Iterator[tuple[Codes, pl.DataFrame]]:
    """Places of some candidates, and their features: block by block, whole queries together.

    In order of the queries' time; the candidates of a query in their own order.
    """
    queries = source.queries
    order = _by_time(candidates, queries)
    has_guest = "id_user" in queries.columns
    guests = (
        queries["id_user"] if has_guest else pl.Series([None] * queries.height, dtype=pl.String)
    )
    blocks = list(_cut(queries["search_s"].to_numpy()[candidates.query_C[order]]))
    listings = source.catalogue["id_listing"]
    pairs = pl.DataFrame(
        {
            "id_user": guests.gather(candidates.query_C),
            "id_listing": listings.gather(candidates.listing_C),
        }
    )

    def rows_of(part: slice) -> pl.DataFrame:
        at = order[part]
        keys = {
            "id_search": queries["id_search"].gather(candidates.query_C[at]),
            "id_listing": listings.gather(candidates.listing_C[at]),
        }
        return candidate_rows(source, pl.DataFrame(keys))

    built = build_candidates(
        (rows_of(part) for part in blocks),
        impressions,
        pairs=pairs,
        features=features,
    )
    for part, rows in zip(blocks, built, strict=True):
        yield order[part], rows


def _cut(seconds: Numbers) -> Iterator[slice]:
    """Blocks of about so many rows; a second is never cut in two."""
    start = 0
    while start < len(seconds):
        end = min(start + _ROWS_AT_ONCE, len(seconds))
        end = int(np.searchsorted(seconds, seconds[end - 1], side="right"))
        yield slice(start, end)
        start = end


def _best_of_each(query_N: Codes, value_N: Numbers, is_new_N: np.ndarray, sizes: Sizes) -> Codes:
    """Places of the contenders of each query, sorted."""
    keep = _places_within(query_N, value_N) < sizes.contenders
    new = np.flatnonzero(is_new_N)
    keep[new[_places_within(query_N[new], value_N[new]) < sizes.new_contenders]] = True
    return np.flatnonzero(keep)


def _places_within(query_N: Codes, value_N: Numbers) -> Codes:
    """Place of each row among those of its query, best first, from 0."""
    order = np.lexsort((-value_N, query_N))
    sorted_query = query_N[order]
    firsts = np.flatnonzero(np.diff(sorted_query, prepend=-1))
    sizes = np.diff(firsts, append=len(sorted_query))
    place_N = np.empty(len(query_N), dtype=np.int64)
    place_N[order] = np.arange(len(query_N)) - np.repeat(firsts, sizes)
    return place_N


def _is_new(rows: pl.DataFrame) -> np.ndarray:
    if "listing_is_new" not in rows.columns:
        return np.zeros(rows.height, dtype=bool)
    return rows["listing_is_new"].cast(pl.Boolean).fill_null(value=False).to_numpy()
