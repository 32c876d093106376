"""A search asked again, as it was or otherwise, by the way that ``recommend`` takes."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from data.errors import DataError
from data.schema.tables import IMPRESSIONS
from pipelines.config.home_use import using_home
from pipelines.look_up.asking import Asking
from pipelines.look_up.searches import Search
from pipelines.look_up.who import recommends_now
from pipelines.promotion.select_serving_run import run_to_recommend_with
from pipelines.recommendation.one_query import OneQuery, recommended_for_query
from pipelines.run_context import RunContext

__all__ = ["Answer", "ask_again", "own_search"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the search would be recommended.

    Attributes:
        search: as it was asked.
        query: the list and what it was made from.
        who: sentences on who recommends, and what the list does not take into account.
    """

    search: Search
    query: OneQuery
    who: tuple[str, ...]


def own_search(rows: pl.LazyFrame, day: int) -> Search | None:
    """The latest search of these impressions before the day, as it was made."""
    latest = (
        rows.filter(pl.col("search_day") < day)
        .sort("search_s", "id_search", "id_listing", descending=[True, True, False])
        .head(1)
        .collect()
    )
    return Search.of(latest.row(0, named=True)) if latest.height else None


def ask_again(context: RunContext, rows: pl.LazyFrame, asking: Asking, day: int) -> Answer:
    """The list of the latest search of ``rows``, with what is asked in the place of its own.

    Made with the models that the daily batch would take, from what was known on the morning of
    ``day``; no table is written. Raises :class:`pipelines.look_up.asking.AskingError` for what no
    search can ask, ``DataError`` where no search lies before the day or no model is trained.
    """
    before = context.lake.scan(IMPRESSIONS.name).filter(pl.col("search_day") < day)
    own = own_search(rows, day)
    if own is None:
        raise DataError("no search lies before the day asked for; nothing can be recommended")
    asked = asking.applied(rows, before, own, day) if asking else rows
    with using_home(context):
        serving = run_to_recommend_with(context)
        query = recommended_for_query(context, serving.run, day, asked)
    who = recommends_now(context, serving)
    if context.settings.recommendation.allocation and query.prices is None:
        who.append(
            "Which nights other guests want is not known for this day, so that none was left "
            "to them."
        )
    query_row = query.made.source.queries.row(0, named=True)
    return Answer(search=Search.of(query_row), query=query, who=tuple(who))
