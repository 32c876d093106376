"""What stands in the table ``recommendations``: the published day, else the newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from data.schema.time import day_number
from pipelines.look_up.found import Section
from pipelines.look_up.searches import Search, day_in_words
from pipelines.look_up.stays import (
    chance_in_words,
    free_in_words,
    listing_in_words,
    placed_in_words,
    price_in_words,
    reasons_of,
)
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext

__all__ = ["DayOfLists", "day_of_lists", "day_to_ask", "entries", "entry", "latest_listings"]


@dataclass(frozen=True, kw_only=True)
class DayOfLists:
    """The recommendations that are looked up.

    Attributes:
        ds: their day.
        rows: of that day.
        is_published: guests are shown them.
        unpublished: the newest day of the table, where it is a later one.
    """

    ds: date
    rows: pl.LazyFrame
    is_published: bool
    unpublished: date | None

    @property
    def day(self) -> int:
        """Days since 1970: what was known on its morning made the lists."""
        return day_number(self.ds)

    def in_words(self) -> str:
        """The day, and whether guests are shown it."""
        note = "published" if self.is_published else "not published"
        later = f"; those of {day_in_words(self.unpublished)} are not" if self.unpublished else ""
        return f"{day_in_words(self.ds)} ({note}{later})"


def day_of_lists(context: RunContext) -> DayOfLists | None:
    """The published day, else the newest of the table; ``None`` where nothing is recommended."""
    if not context.lake.exists(RECOMMENDATIONS.name):
        return None
    newest = context.lake.scan(RECOMMENDATIONS.name)
    last = newest.select(pl.col("ds").max()).collect().item()
    published = read_published(context.home)
    if published is not None:
        ds = date.fromisoformat(published.ds)
        rows = context.lake.scan(RECOMMENDATIONS.name, version=published.version)
        later = last if last is not None and last > ds else None
        return DayOfLists(
            ds=ds, rows=rows.filter(pl.col("ds") == ds), is_published=True, unpublished=later
        )
    if last is None:
        return None
    rows = newest.filter(pl.col("ds") == last)
    return DayOfLists(ds=last, rows=rows, is_published=False, unpublished=None)


def day_to_ask(context: RunContext, lists: DayOfLists | None) -> int:
    """The day that a what-if is asked on: that of the lists, else the day after the log."""
    if lists is not None:
        return lists.day
    log = context.lake.scan(IMPRESSIONS.name)
    return int(log.select(pl.col("search_day").max()).collect().item() or 0) + 1


def latest_listings(
    before: pl.LazyFrame, market: str, ids: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """Listings of a market by id, as the latest search that showed each describes it."""
    rows = (
        before.filter(pl.col("market") == market, pl.col("id_listing").is_in(list(ids)))
        .sort("search_s", "id_search")
        .unique("id_listing", keep="last", maintain_order=True)
        .collect(engine="streaming")
    )
    return {row["id_listing"]: row for row in rows.iter_rows(named=True)}


def entries(
    rows: pl.DataFrame, search: Search, listings: Mapping[str, Mapping[str, Any]], heading: str
) -> Section:
    """Recommended listings, one after the other: what, price, free or not, chance, place, reasons.

    ``rows`` are those of ``recommendations`` of one search, in the order of ``rank``.
    """
    lines: list[str] = []
    for row in rows.iter_rows(named=True):
        lines += entry(row, search, listings.get(row["id_listing"]))
    return Section(heading=heading, sentences=tuple(lines))


def entry(row: Mapping[str, Any], search: Search, listing: Mapping[str, Any] | None) -> list[str]:
    what = "not in the log any more" if listing is None else listing_in_words(listing)
    shown = " (the search showed it)" if row["was_shown"] else ""
    price = price_in_words(row["estimated_total_price"], search)
    lines = [
        f"{row['rank']:>2}  {row['id_listing']}{shown}: {what}",
        f"    {price}; {free_in_words(row, search)}",
        f"    {chance_in_words(row['score'])}; {placed_in_words(row['placed_by'])}",
    ]
    reasons = reasons_of(row)
    return [*lines, f"    why: {'; '.join(reasons)}"] if reasons else lines
