"""What one search would be recommended: the way of a day's lists, for one query, nothing written.

``recommend`` and this take the same steps with the same models, so that a guest's own search asked
here gives the list that stands in the table. Two things are other for the sake of one query:

- the prices of scarce nights are those of the day's lists (:mod:`allocation_prices`) instead of
  being sought anew: alone, a guest competes with nobody;
- the features of the candidates are kept, so that reasons need no second pass over the log.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from data.errors import DataError
from data.schema.language import Language
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from models.allocation import NightPrices
from models.arrow_columns import Codes
from pipelines.candidates.candidate_rows import candidate_source
from pipelines.recommendation.allocation_prices import read_prices
from pipelines.recommendation.candidate_retrieval import exact_retriever_of
from pipelines.recommendation.day_availability import DayAvailability
from pipelines.recommendation.listing_value import (
    keep_listing_values,
    kept_listing_values,
    listing_values,
)
from pipelines.recommendation.lists import MadeLists, make_lists
from pipelines.recommendation.recommend import chosen_candidates, sizes_of
from pipelines.recommendation.recommended import Recommended
from pipelines.recommendation.scores import ScoredCandidates, feature_blocks, scored_from
from pipelines.recommendation.serving_models import ServingModels, serving_models_of
from pipelines.recommendation.table import recommendation_rows
from pipelines.run_context import RunContext

__all__ = ["OneQuery", "recommended_for_query"]


@dataclass(frozen=True, kw_only=True)
class OneQuery:
    """The list of one query, and what it was made from.

    Attributes:
        made: as of a whole day, with one query.
        table: its rows of ``recommendations``; empty where the search allows no listing.
        prices: of the nights that other guests want; ``None`` where they are not known.
    """

    made: Recommended
    table: pl.DataFrame
    prices: NightPrices | None


def recommended_for_query(
    context: RunContext, run: str, day: int, asking: pl.LazyFrame
) -> OneQuery:
    """The list of the latest search of ``asking``, asked again on ``day``.

    Args:
        context: home and settings.
        run: the training run whose models are used.
        day: days since 1970; only what was known on its morning counts.
        asking: impressions of one guest or one search, perhaps with other dates, party or market
            than the log has.

    Raises ``DataError`` where no search of ``asking`` lies before the day, or a model is missing.
    """
    impressions = context.lake.scan(IMPRESSIONS.name)
    before = impressions.filter(pl.col("search_day") < day)
    source = candidate_source(impressions, day, asking=asking)
    if source.queries.height != 1:
        raise DataError("no search lies before the day asked for; nothing can be recommended")
    serving = serving_models_of(context, run, before)
    version, catalogue = serving.ranker_version, source.catalogue
    value_L = kept_listing_values(context, version, catalogue, day)
    if value_L is None:
        value_L = listing_values(context, serving.ranker, catalogue, day)
        keep_listing_values(context, version, catalogue, day, value_L)
    chosen = chosen_candidates(context, source, serving, day, value_L, exact_retriever_of)
    candidates, features_read = chosen.candidates, serving.ranker.features_read
    # None are asked for where the search allows no listing.
    blocks = (
        list(feature_blocks(candidates, source, before, features_read)) if len(candidates) else []
    )
    scored = scored_from(blocks, candidates, serving.ranker, sizes_of(context))
    prices = read_prices(context.home, source, day)
    made = Recommended(
        day=day,
        before=before,
        source=source,
        serving=serving,
        value_L=value_L,
        availability=chosen.availability,
        seen=chosen.seen,
        scored=scored,
        lists=_lists(context, scored, chosen.availability, serving, prices),
    )
    table = _table(made, context.settings.recommendation.language, blocks)
    return OneQuery(made=made, table=table, prices=prices)


def _lists(
    context: RunContext,
    scored: ScoredCandidates,
    availability: DayAvailability,
    serving: ServingModels,
    prices: NightPrices | None,
) -> MadeLists:
    if not len(scored.candidates):
        none, no_share = np.empty(0, dtype=np.int64), np.empty(0)
        return MadeLists(
            contender_R=none, place_R=none, placed_by_R=none, kept_R=no_share, allocation=None
        )
    return make_lists(
        scored,
        availability,
        serving.exposure,
        context.settings.recommendation,
        at_prices=NightPrices.none() if prices is None else prices,
    )


def _table(
    made: Recommended, language: Language, blocks: list[tuple[Codes, pl.DataFrame]]
) -> pl.DataFrame:
    if not blocks:
        return pl.DataFrame(RECOMMENDATIONS.schema.empty_table())
    return recommendation_rows(made, language, blocks=blocks)
