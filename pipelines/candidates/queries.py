"""Queries: every guest's most recent search, asked again on the day to recommend for.

With ``day`` = 21 January and these searches::

    search  guest  searched at    check-in   query
    s1      ann    19 Jan  08:00  25 Jan     none: ann has searched since
    s2      ann    20 Jan  09:15  29 Jan     21 January 09:15
    s3      bob    20 Jan  10:00  20 Jan     20 January 10:00: its check-in has passed

A search whose check-in has passed cannot be repeated and keeps its own time: what is
recommended for it knows no more than its own day did.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from data.schema.time import DAY_S

__all__ = ["NIGHTS", "latest_queries"]

NIGHTS = "nights"
STAY = ("checkin_day", "checkout_day")
_QUERY_PREFIXES = ("query_", "x_query_")
_IDENTITY = ("id_search", "id_user", "market", "ds_search", "search_s", "local_s", "search_day")


def latest_queries(before: pl.LazyFrame, day: int) -> pl.DataFrame:
    """One row per guest: the most recent of these searches, moved to ``day`` where it can be.

    ``before`` are the impressions of earlier days. Columns: identity and query columns, and
    ``nights`` (1 for a dateless search). Sorted by ``id_search``. A search without a guest is
    a guest of its own.
    """
    columns = before.collect_schema().names()
    queries = _move_to_day(_latest_searches(before, columns), columns, day)
    return queries.sort("id_search").collect(engine="streaming")


def _latest_searches(before: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    wanted = [c for c in columns if c in _IDENTITY or c in STAY or c.startswith(_QUERY_PREFIXES)]
    # The prefixes keep the id of a search without a guest from meeting a guest's id that is
    # the same word.
    alone = pl.concat_str(pl.lit("search "), "id_search")
    guest = pl.coalesce(pl.concat_str(pl.lit("guest "), "id_user"), alone)
    latest = before.group_by(guest.alias("_guest") if "id_user" in columns else alone).agg(
        pl.col("id_search").sort_by("search_s", "id_search").last()
    )
    of_latest = before.join(latest.select("id_search"), on="id_search", how="semi")
    # Query columns are the same on every row of a search; sorted, should a log contradict itself.
    first = [pl.col(c).sort_by("id_listing").first() for c in wanted if c != "id_search"]
    return of_latest.group_by("id_search").agg(first)


def _move_to_day(queries: pl.LazyFrame, columns: Sequence[str], day: int) -> pl.LazyFrame:
    """The searches moved to ``day``, at their own time of the day, where they can be repeated."""
    repeatable = pl.lit(value=True)
    if "checkin_day" in columns:
        repeatable = pl.col("checkin_day").is_null() | (pl.col("checkin_day") >= day)
    by_s = (pl.lit(day, pl.Int64) - pl.col("search_day")) * DAY_S
    moved_day = pl.when(repeatable).then(pl.lit(day, pl.Int32)).otherwise("search_day")
    return queries.with_columns(
        *(
            pl.when(repeatable).then(pl.col(name) + by_s).otherwise(name).alias(name)
            for name in ("search_s", "local_s")
            if name in columns
        ),
        moved_day.alias("search_day"),
        moved_day.cast(pl.Date).alias("ds_search"),
        _nights(columns).alias(NIGHTS),
    )


def _nights(columns: Sequence[str]) -> pl.Expr:
    if not set(STAY) <= set(columns):
        return pl.lit(1, pl.Int32)
    return (pl.col("checkout_day") - pl.col("checkin_day")).fill_null(1)
