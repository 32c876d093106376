"""The catalogue: every listing known before a day, as the latest search that showed it tells it."""

from __future__ import annotations

import polars as pl

from features.formulas.nightly_price import nightly_price
from models.stay_price.stay_prices import StayPrices
from pipelines.feature_table.arrow_conversion import frame_of

__all__ = ["NIGHTLY_PRICE", "catalogue_of", "with_base_prices"]

NIGHTLY_PRICE = "listing_nightly_price"
_PREFIXES = ("listing_", "x_listing_")


def catalogue_of(before: pl.LazyFrame) -> pl.DataFrame:
    """One row per market and listing of these impressions, sorted by both.

    Columns: the listing columns of the latest search that showed it, without the price of
    that search's nights, and the median of its nightly prices in ``listing_nightly_price``
    (null: no price ever seen).
    """
    columns = before.collect_schema().names()
    # The total price is that of other nights; each candidate gets its own estimate.
    wanted = [c for c in columns if c.startswith(_PREFIXES) and c != "listing_total_price"]
    listing = ["market", "id_listing"]
    has_price = "listing_total_price" in columns
    priced = before
    if has_price:
        nightly = nightly_price(columns).alias(NIGHTLY_PRICE)
        priced = before.with_columns(nightly)
    median = [pl.col(NIGHTLY_PRICE).median()] if has_price else []
    latest = priced.group_by(listing).agg(pl.col("search_s").max(), *median)
    rows = before.select(*listing, "search_s", "id_search", *wanted)
    joined = rows.join(latest, on=[*listing, "search_s"], how="inner")
    described = [*wanted, NIGHTLY_PRICE] if has_price else wanted
    # Two searches of one second: the lower id, the same one in every build.
    first = [pl.col(c).sort_by("id_search").first() for c in described]
    return joined.group_by(listing).agg(first).sort(listing).collect(engine="streaming")


def with_base_prices(catalogue: pl.DataFrame, prices: StayPrices) -> pl.DataFrame:
    """The catalogue with the price of a plain night in place of the median of all nights."""
    key = ["market", "id_listing"]
    bases = frame_of(prices.bases).rename({"base_price": NIGHTLY_PRICE})
    rest = catalogue.drop(NIGHTLY_PRICE, strict=False)
    return rest.join(bases, on=key, how="left", validate="1:1", maintain_order="left")
