"""Recommend listings of the whole market for every guest's most recent search.

One row's way, stage by stage::

    queries      every guest's last search, asked again on the day   (pipelines.candidates.queries)
    sources      the listings to consider for it                     (sources)
    first cut    those worth a closer look: value × availability     (first_cut)
    scores       P(booked | shown, free) from features               (scores)
    lists        all lists together: a night can be sold once        (lists)
    reasons      what speaks for each row                            (models.explanations.reasons)
    table        the rows of ``recommendations``                     (table)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from data.counted import counted
from data.errors import DataError
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from models.arrow_columns import Codes, Numbers
from models.two_tower.retrieval.retriever import Retriever
from pipelines.candidates.candidate_rows import CandidateSource, candidate_source
from pipelines.config.console import ProgressCall
from pipelines.config.home_use import uses_home
from pipelines.recommendation.allocation_prices import read_prices, write_prices
from pipelines.recommendation.candidate_retrieval import retriever_of
from pipelines.recommendation.day_availability import DayAvailability, day_availability
from pipelines.recommendation.first_cut import Candidates, Sizes, first_cut, seen_before
from pipelines.recommendation.listing_value import keep_listing_values, listing_values
from pipelines.recommendation.lists import make_lists
from pipelines.recommendation.recommended import Recommended
from pipelines.recommendation.scores import ScoredCandidates, scored_candidates
from pipelines.recommendation.serving_models import ServingModels, serving_models_of
from pipelines.recommendation.sources import candidate_pairs, large_markets
from pipelines.recommendation.table import recommendation_rows
from pipelines.run_context import RunContext

__all__ = [
    "ChosenCandidates",
    "candidates_of_day",
    "chosen_candidates",
    "recommend",
    "recommended_on",
    "sizes_of",
    "try_recommending",
    "write_recommendations",
]

RetrieverOf = Callable[[RunContext, CandidateSource, ServingModels, Numbers], Retriever]


@dataclass(frozen=True, kw_only=True)
class ChosenCandidates:
    """What goes on to be scored.

    Attributes:
        availability: of the day.
        seen: of each query the listings that its guest was shown before.
        candidates: what the first cut kept.
    """

    availability: DayAvailability
    seen: list[Codes]
    candidates: Candidates


@uses_home
def recommend(
    context: RunContext, run: str, *, day: int | None = None, top: int | None = None
) -> int:
    """Write the ``recommendations`` of one day; returns the number of rows.

    A day's recommendations replace those of an earlier run for that day in one commit.

    Args:
        context: home and settings.
        run: the training run whose models are used.
        day: days since 1970; default: the day after the log's last search.
        top: listings per guest; default from the settings.

    Raises ``DataError`` when there is nothing to recommend for.
    """
    return len(write_recommendations(context, run, day=day, top=top).lists.place_R)


@uses_home
def write_recommendations(
    context: RunContext, run: str, *, day: int | None = None, top: int | None = None
) -> Recommended:
    """As :func:`recommend`, but returns what was written with what it was made from."""
    context, made = _made(context, run, day, top)
    with context.console.step("writing reasons and rows"):
        table = recommendation_rows(made, context.settings.recommendation.language)
        context.lake.replace_partitions(
            RECOMMENDATIONS.name,
            table.lazy(),
            # Of all markets that were asked for: one without a row left has none of an earlier run.
            [(market, table["ds"][0]) for market in made.source.queries["market"].unique().sort()],
        )
    write_prices(context.home, made)
    version, catalogue = made.serving.ranker_version, made.source.catalogue
    keep_listing_values(context, version, catalogue, made.day, made.value_L)
    return made


@uses_home
def try_recommending(
    context: RunContext, run: str, *, day: int | None = None, top: int | None = None
) -> pl.DataFrame:
    """The rows that :func:`recommend` would write, and nothing is written.

    The prices of scarce nights stay too: tomorrow's search for them starts at those in force.
    """
    context, made = _made(context, run, day, top)
    with context.console.step("writing reasons"):
        return recommendation_rows(made, context.settings.recommendation.language)


def _made(
    context: RunContext, run: str, day: int | None, top: int | None
) -> tuple[RunContext, Recommended]:
    """The lists, with the settings that they were made by."""
    if top is not None:
        context = _with_top(context, top)
    return context, recommended_on(
        context, run, _day_after_the_log(context) if day is None else day
    )


def recommended_on(
    context: RunContext, run: str, day: int, *, guests: pl.Series | None = None
) -> Recommended:
    """The lists of a day from what was known on its morning, nothing written.

    ``guests``: of these alone; by default of all who have searched before. Raises
    ``DataError`` when there is nothing to recommend for, or a model was never trained.
    """
    impressions = context.lake.scan(IMPRESSIONS.name)
    with context.console.step("reading the latest searches and the catalogue"):
        source = candidate_source(impressions, day)
    if guests is not None:
        queries = source.queries.filter(pl.col("id_user").is_in(guests.implode()))
        source = replace(source, queries=queries)
    if source.queries.is_empty():
        raise DataError("no search lies before the day asked for; nothing can be recommended")
    serving = serving_models_of(context, run, impressions.filter(pl.col("search_day") < day))
    listings = counted(source.catalogue.height, "listing")
    title = f"scoring {listings} for {counted(source.queries.height, 'guest')}"
    with context.console.step(title) as moved:
        value_L = listing_values(context, serving.ranker, source.catalogue, day)
        made = candidates_of_day(context, source, serving, day, value_L, moved)
    availability, seen, scored = made
    with context.console.step("making all lists together"):
        lists = make_lists(
            scored,
            availability,
            serving.exposure,
            context.settings.recommendation,
            read_prices(context.home, source, day),
        )
    return Recommended(
        day=day,
        before=impressions.filter(pl.col("search_day") < day),
        source=source,
        serving=serving,
        value_L=value_L,
        availability=availability,
        seen=seen,
        scored=scored,
        lists=lists,
    )


def candidates_of_day(
    context: RunContext,
    source: CandidateSource,
    serving: ServingModels,
    day: int,
    value_L: Numbers,
    progress: ProgressCall,
) -> tuple[DayAvailability, list[Codes], ScoredCandidates]:
    """Availability of the day, what guests have seen, and all candidates with their scores."""
    impressions = context.lake.scan(IMPRESSIONS.name)
    before = impressions.filter(pl.col("search_day") < day)
    chosen = chosen_candidates(context, source, serving, day, value_L, retriever_of)
    if not len(chosen.candidates):
        raise DataError("no search allows any listing of its market; nothing can be recommended")
    scored = scored_candidates(
        chosen.candidates, source, before, serving.ranker, sizes_of(context), progress
    )
    return chosen.availability, chosen.seen, scored


def chosen_candidates(
    context: RunContext,
    source: CandidateSource,
    serving: ServingModels,
    day: int,
    value_L: Numbers,
    make_retriever: RetrieverOf,
) -> ChosenCandidates:
    """What the first cut keeps of all listings that the queries of ``source`` allow.

    ``make_retriever``: called where a market is large.
    """
    settings = context.settings.recommendation
    before = context.lake.scan(IMPRESSIONS.name).filter(pl.col("search_day") < day)
    availability = day_availability(
        before, source, day, serving.availability, seed=context.settings.seed
    )
    seen = seen_before(before, source)
    large = large_markets(source, settings.whole_catalogue)
    retriever = make_retriever(context, source, serving, value_L) if large else None
    pairs = candidate_pairs(source, seen, large, retriever, proposals=settings.proposals)
    candidates = first_cut(pairs, source, availability, value_L, seen, sizes_of(context))
    return ChosenCandidates(availability=availability, seen=seen, candidates=candidates)


def sizes_of(context: RunContext) -> Sizes:
    """How many listings of a query go on from stage to stage, by the settings."""
    settings = context.settings.recommendation
    return Sizes(candidates=settings.candidates, contenders=max(50, settings.top))


def _day_after_the_log(context: RunContext) -> int:
    last = context.lake.scan(IMPRESSIONS.name).select(pl.col("search_day").max()).collect().item()
    # Of an empty log: a day before which nothing lies.
    return 0 if last is None else int(last) + 1


def _with_top(context: RunContext, top: int) -> RunContext:
    recommendation = context.settings.recommendation.model_copy(update={"top": top})
    settings = context.settings.model_copy(update={"recommendation": recommendation})
    return replace(context, settings=settings)
