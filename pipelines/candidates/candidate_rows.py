"""Queries, catalogue, and the candidate rows that join them.

A guest is recommended to for the last search in the log, as if it were repeated on the day
asked for. With ``day`` = 21 January and these impressions::

    search  guest  searched at    check-in  listing  price of the stay
    s1      ann    19 Jan  08:00  25 Jan    flat     250  (2 nights)
    s2      ann    20 Jan  09:15  29 Jan    flat     450  (3 nights)
    s3      bob    20 Jan  10:00  20 Jan    loft     130  (1 night)

the queries are s2, moved to 21 January 09:15, and s3, which keeps its time: a search whose
check-in has passed cannot be repeated. The catalogue is ``flat``, at 137.50 a night, and
``loft``, at 130. A candidate row is a query beside a listing, with the columns that an
impression has, so that the same features can be computed for it: s2 beside ``loft`` has a
price of 390 for its 3 nights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import narwhals as nw
import polars as pl

from data.schema.time import DAY_S
from features.formulas.nightly_price import nightly_price, stay_price

__all__ = ["NIGHTLY_PRICE", "CandidateSource", "candidate_rows", "candidate_source"]

NIGHTLY_PRICE = "listing_nightly_price"
_LISTING_PREFIXES = ("listing_", "x_listing_")
_QUERY_PREFIXES = ("query_", "x_query_")
_STAY = ("checkin_day", "checkout_day")
_IDENTITY = ("id_search", "id_user", "market", "ds_search", "search_s", "search_day")


@dataclass(frozen=True)
class CandidateSource:
    """What recommendations are made from.

    Attributes:
        queries: one row per guest: the most recent search with its query columns and
            ``nights``, its time moved to the day to recommend for.
        catalogue: one row per market and listing: its latest listing columns, and its
            median nightly price in ``listing_nightly_price`` (null: no price ever seen).
    """

    queries: pl.DataFrame
    catalogue: pl.DataFrame


def candidate_source(impressions: pl.LazyFrame, day: int) -> CandidateSource:
    """Every guest's most recent search before ``day``, and every listing known by then."""
    before = impressions.filter(pl.col("search_day") < day)
    columns = before.collect_schema().names()
    queries = _move_to_day(_latest_searches(before, columns), columns, day)
    return CandidateSource(
        queries=queries.sort("id_search").collect(engine="streaming"),
        catalogue=_catalogue(before, columns).collect(engine="streaming"),
    )


def candidate_rows(source: CandidateSource, pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per ``id_search, id_listing`` of ``pairs``, in the columns of impressions.

    The total price is estimated from the listing's nightly price and the query's nights.
    """
    rows = pairs.join(source.queries, on="id_search", how="left", validate="m:1")
    rows = rows.join(source.catalogue, on=["market", "id_listing"], how="left", validate="m:1")
    if NIGHTLY_PRICE not in rows.columns:
        return rows.drop("nights")
    total = stay_price(rows.columns, nightly=NIGHTLY_PRICE).alias("listing_total_price")
    return nw.from_native(rows).with_columns(total).to_native().drop("nights", NIGHTLY_PRICE)


def _latest_searches(before: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """One row per guest, or per search where no guest is named."""
    wanted = [c for c in columns if c in _IDENTITY or c in _STAY or c.startswith(_QUERY_PREFIXES)]
    # A search without a guest is a guest of its own. The prefixes keep its id from meeting a
    # guest's id that is the same word.
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
    """The searches moved to ``day``, at their own time of the day, where they can be repeated.

    A search whose check-in has passed cannot; it keeps its time.
    """
    repeatable = pl.lit(value=True)
    if "checkin_day" in columns:
        repeatable = pl.col("checkin_day").is_null() | (pl.col("checkin_day") >= day)
    moved_s = pl.lit(day, pl.Int64) * DAY_S + pl.col("search_s") % DAY_S
    moved_day = pl.when(repeatable).then(pl.lit(day, pl.Int32)).otherwise("search_day")
    return queries.with_columns(
        pl.when(repeatable).then(moved_s).otherwise("search_s").alias("search_s"),
        moved_day.alias("search_day"),
        moved_day.cast(pl.Date).alias("ds_search"),
        _nights(columns).alias("nights"),
    )


def _nights(columns: Sequence[str]) -> pl.Expr:
    if not set(_STAY) <= set(columns):
        return pl.lit(1, pl.Int32)
    return (pl.col("checkout_day") - pl.col("checkin_day")).fill_null(1)


def _catalogue(before: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """One row per listing: its columns in the latest search that showed it, its median price."""
    # The total price is that of other nights; each candidate gets its own estimate.
    wanted = [c for c in columns if c.startswith(_LISTING_PREFIXES) and c != "listing_total_price"]
    listing = ["market", "id_listing"]
    has_price = "listing_total_price" in columns
    priced = before
    if has_price:
        nightly = nightly_price(columns).alias(NIGHTLY_PRICE)
        priced = nw.from_native(before).with_columns(nightly).to_native()
    median = [pl.col(NIGHTLY_PRICE).median()] if has_price else []
    latest = priced.group_by(listing).agg(pl.col("search_s").max(), *median)
    rows = before.select(*listing, "search_s", "id_search", *wanted)
    joined = rows.join(latest, on=[*listing, "search_s"], how="inner")
    described = [*wanted, NIGHTLY_PRICE] if has_price else wanted
    # Two searches of one second: the lower id, the same one in every build.
    first = [pl.col(c).sort_by("id_search").first() for c in described]
    return joined.group_by(listing).agg(first).sort(listing)
