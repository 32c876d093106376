"""Tables of the log itself: funnel per day, check-in dates, lead times, listings."""

from __future__ import annotations

from itertools import pairwise

import polars as pl

from data.schema.tables import BOOKED, CLICKED, CONTACTED, Stage
from features.formulas.nightly_price import nightly_price
from models.evaluation.sample_size import FEWEST
from pipelines.candidates.catalogue import NIGHTLY_PRICE, catalogue_of

__all__ = [
    "checkin_seasonality",
    "daily_funnel",
    "ingested_files",
    "latest_listings",
    "lead_times",
]

LEAD_DAYS = (4, 15, 61)
DATELESS = "dateless"


def daily_funnel(impressions: pl.LazyFrame) -> pl.DataFrame:
    """Per market and day: searches, guests, impressions, and rows that reached each stage."""
    stage = pl.col("stage")
    guests = (
        {"guests": pl.col("id_user").n_unique()}
        if "id_user" in impressions.collect_schema().names()
        else {}
    )
    return (
        impressions.group_by("market", "ds_search")
        .agg(
            searches=pl.col("id_search").n_unique(),
            **guests,
            impressions=pl.len(),
            clicks=(stage >= int(CLICKED)).sum(),
            contacts_or_bookings=(stage >= int(CONTACTED)).sum(),
            bookings=(stage >= int(BOOKED)).sum(),
        )
        .sort("market", "ds_search")
        .collect(engine="streaming")
    )


def ingested_files(ingests: pl.LazyFrame) -> pl.DataFrame:
    """One row per file taken in, by name: ``rows_in``, ``rows_accepted``, ``rows_quarantined``.

    ``file`` is the name alone, without the folder that it lay in.
    """
    name = pl.col("source_file").str.replace(r"^.*[/\\]", "")
    counts = ("rows_in", "rows_accepted", "rows_quarantined")
    return ingests.select(name.alias("file"), *counts).sort("file").collect()


def checkin_seasonality(impressions: pl.LazyFrame) -> pl.DataFrame:
    """Per market and searched check-in date: searches, and the median nightly price shown.

    Dateless searches are left out.
    """
    return (
        _nightly(impressions)
        .filter(pl.col("query_checkin").is_not_null())
        .group_by("market", "query_checkin")
        .agg(
            searches=pl.col("id_search").n_unique(),
            nightly_price=pl.col("nightly_price").median(),
        )
        .sort("market", "query_checkin")
        .collect(engine="streaming")
    )


def lead_times(impressions: pl.LazyFrame) -> pl.DataFrame:
    """Searches and the share that led to a booking, by market and days to check-in.

    The bands stand in the order of their days, searches without dates last. ``clicked`` and
    ``booked`` are null where a band has too few searches.
    """
    lead = pl.col("checkin_day") - pl.col("search_day")
    starts = (0, *LEAD_DAYS)
    names = [f"{start}-{end - 1} days" for start, end in pairwise(starts)]
    names += [f"{starts[-1]}+ days", DATELESS]
    # From the last band to the first, so that the narrowest condition is asked first.
    band = pl.lit(names[-2])
    for name, end in reversed(list(zip(names[:-2], LEAD_DAYS, strict=True))):
        band = pl.when(lead < end).then(pl.lit(name)).otherwise(band)
    band = pl.when(lead.is_null()).then(pl.lit(DATELESS)).otherwise(band)
    # An enumeration sorts by its own order: as texts, "15-60 days" come before "4-14 days".
    band = band.cast(pl.Enum(names))
    searches = impressions.group_by("market", "id_search").agg(
        pl.col("stage").max(), band.first().alias("lead_time")
    )
    return (
        searches.group_by("market", "lead_time")
        .agg(
            searches=pl.len(),
            clicked=_share_reached(CLICKED),
            booked=_share_reached(BOOKED),
        )
        .sort("market", "lead_time")
        .collect(engine="streaming")
    )


def _share_reached(stage: Stage) -> pl.Expr:
    """Share of the rows that reached a stage; null of too few rows."""
    return pl.when(pl.len() >= FEWEST).then((pl.col("stage") >= int(stage)).mean())


def latest_listings(impressions: pl.LazyFrame) -> pl.DataFrame:
    """One row per market and listing: its latest attributes, and its median nightly price.

    ``nightly_price`` is null where no price was ever seen; ``impressions``, ``clicks`` and
    ``bookings`` are counts of rows.
    """
    key = ["market", "id_listing"]
    catalogue = catalogue_of(impressions)
    if NIGHTLY_PRICE not in catalogue.columns:
        catalogue = catalogue.with_columns(pl.lit(None, pl.Float64).alias(NIGHTLY_PRICE))
    counts = (
        impressions.group_by(key)
        .agg(
            impressions=pl.len(),
            clicks=(pl.col("stage") >= int(CLICKED)).sum(),
            bookings=(pl.col("stage") >= int(BOOKED)).sum(),
        )
        .collect(engine="streaming")
    )
    named = catalogue.rename({NIGHTLY_PRICE: "nightly_price"})
    return named.join(counts, on=key, how="left", validate="1:1", maintain_order="left")


def _nightly(impressions: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with ``nightly_price`` as the features have it; null without a price."""
    names = impressions.collect_schema().names()
    if "listing_total_price" not in names:
        return impressions.with_columns(nightly_price=pl.lit(None, pl.Float64))
    return impressions.with_columns(nightly_price(names).alias("nightly_price"))
