"""What to pick from: guests with a list, and dates that people ask about."""

from __future__ import annotations

from datetime import date

import pandas as pd
import polars as pl

from data.schema.market_names import market_in_words
from data.schema.tables import IMPRESSIONS
from data.schema.time import date_of, day_number
from features.formulas.calendar import day_table
from pipelines.look_up.recommended_rows import day_of_lists, day_to_ask
from pipelines.look_up.searches import searches_by_id
from pipelines.run_context import RunContext

__all__ = ["day_asked", "friday_before_carnival", "guests_to_pick"]


def guests_to_pick(context: RunContext, most: int = 12) -> pd.DataFrame:
    """Guests of the looked-up day, those who have searched most before first.

    Columns: ``guest``; ``searches`` and ``clicks`` before the day; ``latest search`` in words. Of
    each market as many as of the others. Empty where nothing is recommended to guests with an id.
    """
    lists = day_of_lists(context)
    names = ["guest", "searches", "clicks", "latest search"]
    if lists is None:
        return pd.DataFrame(columns=names)
    log = context.lake.scan(IMPRESSIONS.name).filter(pl.col("search_day") < lists.day)
    with_id = lists.rows.filter(pl.col("id_user").is_not_null(), pl.col("rank") == 1)
    guests = with_id.select("id_user", "id_search", "market").collect()
    if guests.is_empty():
        return pd.DataFrame(columns=names)
    past = log.group_by("id_user").agg(
        searches=pl.col("id_search").n_unique(), clicks=(pl.col("stage") > 0).sum()
    )
    ordered = guests.join(past.collect(), on="id_user", how="inner").sort(
        "searches", "clicks", "id_user", descending=[True, True, False]
    )
    each = max(1, most // ordered["market"].n_unique())
    chosen = ordered.group_by("market", maintain_order=True).head(each).head(most)
    asked = searches_by_id(log, chosen["id_search"])
    words = [
        f"{market_in_words(asked[search].market)}, {asked[search].in_short()}"
        if search in asked
        else "not in the log any more"
        for search in chosen["id_search"]
    ]
    frame = chosen.select("id_user", "searches", "clicks").with_columns(pl.Series(words).alias("w"))
    return frame.rename({"id_user": "guest", "w": "latest search"}).to_pandas()


def day_asked(context: RunContext) -> date:
    """The day that lists are looked up for, on whose morning a what-if is asked."""
    return date_of(day_to_ask(context, day_of_lists(context)))


def friday_before_carnival(after: date) -> date:
    """The eve of the first Carnival whose eve is this day or a later one.

    >>> friday_before_carnival(date(2026, 1, 26)), friday_before_carnival(date(2026, 2, 14))
    (datetime.date(2026, 2, 13), datetime.date(2027, 2, 5))

    After the years that the calendar covers it is the day two weeks later.
    """
    table = day_table().select(["_day", "_carnival_before"]).to_pydict()
    before = dict(zip(table["_day"], table["_carnival_before"], strict=True))
    # A night of Carnival is counted on the day after it, so that the count rises two days after
    # the eve of the first.
    eves = (
        day
        for day in sorted(before)
        if before.get(day + 1) == before[day] and before.get(day + 2) == before[day] + 1
    )
    found = next((day for day in eves if day >= day_number(after)), day_number(after) + 14)
    return date_of(found)
