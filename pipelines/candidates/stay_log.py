"""The log's evidence on stays, as arrays over a catalogue."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from data.schema.tables import BOOKED
from data.schema.time import DAY_S
from models.availability.stays import Booked, DatedSearches, Listings, ShownStays, StayLog

__all__ = [
    "ATTRIBUTES",
    "STAY_COLUMNS",
    "has_stays",
    "listings_of",
    "market_codes",
    "read_stay_log",
]

STAY_COLUMNS = ("id_search", "market", "id_listing", "search_s", "checkin_day", "checkout_day")
"""Columns of the impressions without which nothing is known of nights."""

ATTRIBUTES = (
    "listing_review_rating",
    "listing_review_count",
    "listing_num_books_90day",
    "listing_is_new",
    "listing_has_pro_pictures",
    "listing_instant_bookable",
    "listing_nightly_price",
)
"""By which searches may rank a listing; those that the log has are used."""


def _own_clock(names: Collection[str]) -> pl.Expr:
    """Seconds by the market's own clock: nights, mornings and lead times are days of that clock."""
    return pl.col("local_s" if "local_s" in names else "search_s").alias("_shown_s")


def has_stays(impressions: pl.LazyFrame) -> bool:
    """Whether the log has dated searches at all."""
    if not set(STAY_COLUMNS) <= set(impressions.collect_schema().names()):
        return False
    dated = impressions.select(pl.col("checkin_day").is_not_null().any()).collect()
    return bool(dated.item())


def market_codes(catalogue: pl.DataFrame) -> dict[str, int]:
    """A code for every market of the catalogue, in alphabetical order."""
    return {name: code for code, name in enumerate(catalogue["market"].unique().sort())}


def listings_of(catalogue: pl.DataFrame) -> Listings:
    """The catalogue's rows as arrays, in their order."""
    codes = market_codes(catalogue)
    attributes = [name for name in ATTRIBUTES if name in catalogue.columns]
    columns = [_numbers(catalogue[name]) for name in attributes]
    empty = np.empty((catalogue.height, 0))
    return Listings(
        market_L=catalogue["market"].replace_strict(codes, return_dtype=pl.Int64).to_numpy(),
        occupancy_L=_or_unknown(catalogue, "listing_occupancy_rate"),
        attributes_LA=np.stack(columns, axis=1) if columns else empty,
        fewest_L=_or_unknown(catalogue, "listing_minimum_nights"),
        most_L=_or_unknown(catalogue, "listing_maximum_nights"),
    )


def read_stay_log(impressions: pl.LazyFrame, catalogue: pl.DataFrame) -> StayLog:
    """All dated rows of the log, with listings and markets as codes of the catalogue.

    Rows of listings that the catalogue lacks are left out.
    """
    dated = impressions.filter(pl.col("checkout_day") > pl.col("checkin_day"))
    known = catalogue.lazy().select("market", "id_listing").with_row_index("listing")
    names = impressions.collect_schema().names()
    outcome = [name for name in ("stage", "book_day") if name in names]
    rows = (
        dated.select(*STAY_COLUMNS, *outcome, _own_clock(names))
        .join(known, on=["market", "id_listing"], how="inner")
        .select(
            "id_search",
            "market",
            pl.col("listing", "_shown_s", "checkin_day", "checkout_day").cast(pl.Int64),
            *outcome,
        )
        .collect(engine="streaming")
    )
    return StayLog(
        shown=ShownStays(
            listing_R=rows["listing"].to_numpy(),
            checkin_R=rows["checkin_day"].to_numpy(),
            checkout_R=rows["checkout_day"].to_numpy(),
            second_R=rows["_shown_s"].to_numpy(),
        ),
        searches=_searches(rows, catalogue),
        booked=_booked(rows),
    )


def _searches(rows: pl.DataFrame, catalogue: pl.DataFrame) -> DatedSearches:
    searches = rows.select("id_search", "market", "_shown_s", "checkin_day", "checkout_day").unique(
        "id_search"
    )
    searches = searches.sort("_shown_s", "id_search")
    market = searches["market"].replace_strict(market_codes(catalogue), return_dtype=pl.Int64)
    return DatedSearches(
        market_S=market.to_numpy(),
        checkin_S=searches["checkin_day"].to_numpy(),
        checkout_S=searches["checkout_day"].to_numpy(),
        second_S=searches["_shown_s"].to_numpy(),
    )


def _booked(rows: pl.DataFrame) -> Booked:
    if not {"stage", "book_day"} <= set(rows.columns):
        booked = rows.head(0).with_columns(book_day=pl.lit(None, pl.Int64))
    else:
        booked = rows.filter(pl.col("stage") == int(BOOKED), pl.col("book_day").is_not_null())
    return Booked(
        listing_B=booked["listing"].to_numpy(),
        checkin_B=booked["checkin_day"].to_numpy(),
        checkout_B=booked["checkout_day"].to_numpy(),
        # known from the day after, as every outcome
        known_B=(booked["book_day"].cast(pl.Int64).to_numpy() + 1) * DAY_S,
    )


def _or_unknown(catalogue: pl.DataFrame, name: str) -> np.ndarray:
    """A column, NaN where the log lacks it."""
    if name not in catalogue.columns:
        return np.full(catalogue.height, np.nan)
    return _numbers(catalogue[name])


def _numbers(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
