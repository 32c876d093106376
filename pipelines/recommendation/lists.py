"""Lists for all guests together: prices of scarce nights, places for new listings, the first k.

    worth   = score × availability × (1 − prices of the stay's nights)
    order   by worth, then a place or a bonus for new listings, then diversity, where these are on

A price is what a night is worth to the guests who would otherwise get it
(:mod:`models.allocation`). Each row says what placed it: ``score``, its own value; ``exposure``, a
place kept for a new listing; ``spread``, a night that others want was left to them, so that this
listing moved up into the list.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from data.schema.time import DAY_S
from models.allocation import (
    Allocation,
    AllocationConfig,
    AllocationProblem,
    NightPrices,
    allocate,
    worth_at,
)
from models.allocation.problem import NO_LISTING
from models.arrow_columns import Codes, Numbers
from models.ranking_order import rank_within, spread_within
from models.reranking.new_listing_exposure import ExposurePolicy
from pipelines.config.settings import RecommendationSettings
from pipelines.recommendation.day_availability import DayAvailability
from pipelines.recommendation.rerank import rerank
from pipelines.recommendation.scores import ScoredCandidates

__all__ = ["EXPOSURE", "PLACED_BY", "SCORE", "SPREAD", "MadeLists", "examined_places", "make_lists"]

SCORE, EXPOSURE, SPREAD = PLACED_BY = ("score", "exposure", "spread")

_LEAST = 1e-12
_SHOWN_PLACES = 20  # of a search's results, over which P(booked | shown) is a mean


@dataclass(frozen=True, kw_only=True)
class MadeLists:
    """The lists of all queries, by query and place; one entry per row.

    Attributes:
        contender_R: place of the row among the contenders.
        place_R: from 1.
        placed_by_R: index into :data:`PLACED_BY`.
        kept_R: share of the list's expected bookings by score alone that the list keeps.
        allocation: prices and certificate; ``None`` where the policy is off, or prices were given.
    """

    contender_R: Codes
    place_R: Codes
    placed_by_R: Codes
    kept_R: Numbers
    allocation: Allocation | None


def examined_places(count: int) -> Numbers:
    """How much each place of a list is looked at, against the first: 1 / log2(place + 1).

    The discount of DCG; what is measured of real lists falls about as fast.
    """
    return np.asarray(1 / np.log2(np.arange(2, count + 2)))


def make_lists(
    scored: ScoredCandidates,
    availability: DayAvailability,
    exposure: ExposurePolicy,
    settings: RecommendationSettings,
    start: NightPrices | None = None,
    *,
    at_prices: NightPrices | None = None,
) -> MadeLists:
    """Order the contenders of every query, and keep the first ``settings.top``.

    Args:
        scored, availability: candidates of all queries.
        exposure: the policy for new listings.
        settings: which policies are on.
        start: prices from which the search for those of these queries starts.
        at_prices: prices to keep to instead. A guest who is asked for alone competes with nobody
            here, and in the day's lists with all others: those were made at these prices.
    """
    at = np.flatnonzero(scored.contender_C)
    query, value = scored.candidates.query_C[at], scored.values[at]
    allocation = None
    worth = value
    if settings.allocation and len(at):
        problem, places = _problem(scored, availability, at)
        if at_prices is not None:
            worth = worth_at(problem, at_prices)[places]
        else:
            config = AllocationConfig(capacity=settings.night_capacity)
            allocation = allocate(problem, config, start)
            worth = allocation.worth_GK[places]
    tie = scored.candidates.listing_C[at].astype(np.float64)
    own_rank = rank_within(query, value, tie)
    by_worth = rank_within(query, worth, tie)
    final = _after_policies(scored, worth, exposure, settings, at)
    top = min(settings.top, int(final.max(initial=1)))
    placed_by = np.select(
        [_is_new(scored.contenders) & (final < by_worth), own_rank > top],
        [PLACED_BY.index(EXPOSURE), PLACED_BY.index(SPREAD)],
        PLACED_BY.index(SCORE),
    )
    kept = _kept_share(query, value, own_rank, final)
    rows = np.flatnonzero(final <= settings.top)
    rows = rows[np.lexsort((final[rows], query[rows]))]
    return MadeLists(
        contender_R=rows,
        place_R=final[rows],
        placed_by_R=placed_by[rows],
        kept_R=kept[query[rows]],
        allocation=allocation,
    )


def _problem(
    scored: ScoredCandidates, availability: DayAvailability, at: Codes
) -> tuple[AllocationProblem, tuple[Codes, Codes]]:
    """The allocation of these contenders, and each one's row and column in it."""
    query = scored.candidates.query_C[at]
    asked, row = np.unique(query, return_inverse=True)
    firsts = np.flatnonzero(np.diff(query, prepend=-1))
    column = np.arange(len(at)) - np.repeat(firsts, np.diff(firsts, append=len(at)))
    shape = (len(asked), int(column.max()) + 1)
    value_GK, listing_GK = np.zeros(shape), np.full(shape, NO_LISTING)
    examined = examined_places(_SHOWN_PLACES)
    # P(booked | shown) is a mean over the places of a search: at the first it is higher.
    value_GK[row, column] = np.minimum(scored.values[at] / examined.mean(), 1.0)
    listing_GK[row, column] = scored.candidates.listing_C[at]
    checkin, checkout = availability.checkin_Q[asked], availability.checkout_Q[asked]
    is_dated = availability.is_dated_Q[asked]
    first_day = availability.morning_s // DAY_S
    nights = max(1, int(checkout[is_dated].max(initial=first_day)) - first_day)
    problem = AllocationProblem(
        value_GK=value_GK,
        listing_GK=listing_GK,
        first_night_G=np.where(is_dated, checkin - first_day, 0),
        end_night_G=np.where(is_dated, checkout - first_day, 0),
        examined_R=examined[:10],
        nights=nights,
    )
    return problem, (row, column)


def _after_policies(
    scored: ScoredCandidates,
    worth: Numbers,
    exposure: ExposurePolicy,
    settings: RecommendationSettings,
    at: Codes,
) -> Codes:
    """Rank of each contender after the places for new listings and diversity."""
    # Logarithms: a bonus is in standard deviations of a query's scores, and chances are skewed.
    log_worth, log_score = (np.log(np.maximum(of, _LEAST)) for of in (worth, scored.score_C[at]))
    # Of the scores, as the bonus was chosen. A night that others want makes a worth next to
    # nothing, and the worths of a query spread over twenty times as much.
    spread = spread_within(scored.contenders, log_score)
    order = rerank(scored.contenders, log_worth, exposure, settings, spread=spread)
    query = scored.candidates.query_C[at]
    if order is log_worth:
        return rank_within(query, worth, scored.candidates.listing_C[at].astype(np.float64))
    # Worth below the least has one logarithm: what takes most from others still stands last.
    return rank_within(query, order, -worth)


def _kept_share(query: Codes, value: Numbers, own_rank: Codes, final: Codes) -> Numbers:
    """Per query: expected bookings of its first ten, over those of the ten best by value."""
    examined = np.r_[0.0, examined_places(10)]

    def expected(rank: Codes) -> Numbers:
        weight = np.where(rank <= 10, examined[np.minimum(rank, 10)], 0.0)
        sums = np.bincount(query, value * weight, minlength=int(query.max(initial=-1)) + 1)
        return np.asarray(sums, dtype=np.float64)

    best = expected(own_rank)
    return np.where(best > 0, expected(final) / np.maximum(best, _LEAST), 1.0)


def _is_new(features: pa.Table) -> np.ndarray:
    if "listing_is_new" not in features.column_names:
        return np.zeros(features.num_rows, dtype=bool)
    column = pl.Series(features["listing_is_new"]).cast(pl.Boolean)
    return column.fill_null(value=False).to_numpy()
