"""Candidate rows: a query beside a listing, with the columns that an impression has.

With them the same features can be computed for what was never shown. A query of 3 nights for
which a listing costs 120, 120 and 156 gets a ``listing_total_price`` of 396, and the listing's
cleaning fee on top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from models.arrow_columns import Codes, Numbers, numbers
from models.stay_price.stay_prices import StayPrices
from models.stay_price.stays import Stays
from pipelines.candidates.catalogue import NIGHTLY_PRICE, catalogue_of, with_base_prices
from pipelines.candidates.queries import NIGHTS, latest_queries
from pipelines.feature_table.arrow_conversion import arrow

__all__ = ["CandidateSource", "candidate_rows", "candidate_source", "estimated_prices"]

_PRICE_COLUMNS = (
    "market",
    "id_listing",
    "search_s",
    "checkin_day",
    "checkout_day",
    "listing_total_price",
    "listing_cleaning_fee",
    "listing_weekly_price_factor",
    "listing_monthly_price_factor",
)


@dataclass(frozen=True)
class CandidateSource:
    """What recommendations are made from.

    Attributes:
        queries: one row per guest: the most recent search with its query columns and
            ``nights``, its time moved to the day to recommend for.
        catalogue: one row per market and listing: its latest listing columns, and the price of
            a plain night in ``listing_nightly_price`` (null: no price ever seen).
        prices: what nights cost, by market, weekday and season; ``None`` in a log without
            prices.
        shown: ``id_search`` and ``id_listing`` of what those searches showed, as they were made.
    """

    queries: pl.DataFrame
    catalogue: pl.DataFrame
    prices: StayPrices | None
    shown: pl.DataFrame


def candidate_source(
    impressions: pl.LazyFrame, day: int, *, asking: pl.LazyFrame | None = None
) -> CandidateSource:
    """Every guest's most recent search before ``day``, and every listing known by then.

    ``asking``: the impressions whose searches are asked, such as those of one guest, with other
    dates perhaps; by default all of the log.
    """
    before = impressions.filter(pl.col("search_day") < day)
    catalogue, prices = catalogue_of(before), _prices_of(before)
    if prices is not None:
        catalogue = with_base_prices(catalogue, prices)
    asked = before if asking is None else asking.filter(pl.col("search_day") < day)
    queries = latest_queries(asked, day)
    shown = before.select("id_search", "id_listing").join(
        queries.lazy().select("id_search"), on="id_search", how="semi"
    )
    return CandidateSource(
        queries=queries,
        catalogue=catalogue,
        prices=prices,
        shown=shown.unique().collect(engine="streaming"),
    )


def candidate_rows(source: CandidateSource, pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per ``id_search, id_listing`` of ``pairs``, in their order.

    In the columns of impressions, with the estimated price of the stay in
    ``listing_total_price``.
    """
    rows = pairs.join(
        source.queries, on="id_search", how="left", validate="m:1", maintain_order="left"
    )
    key = ["market", "id_listing"]
    rows = rows.join(source.catalogue, on=key, how="left", validate="m:1", maintain_order="left")
    if NIGHTLY_PRICE not in rows.columns:
        return rows.drop(NIGHTS)
    total = pl.Series("listing_total_price", _estimated(source, rows), nan_to_null=True)
    return rows.with_columns(total).drop(NIGHTS, NIGHTLY_PRICE)


def estimated_prices(source: CandidateSource, query_P: Codes, listing_P: Codes) -> Numbers:
    """Price of the asked nights, for rows of the queries and the catalogue; NaN where unknown."""
    if source.prices is None:
        return np.full(len(query_P), np.nan)
    queries, catalogue = arrow(source.queries), arrow(source.catalogue)

    def column(table: pa.Table, name: str, rows: Codes) -> Numbers | None:
        return numbers(table, name)[rows] if name in table.column_names else None

    stays = Stays(
        market=source.prices.market_codes(queries["market"])[query_P],
        checkin=column(queries, "checkin_day", query_P),
        checkout=column(queries, "checkout_day", query_P),
        fee=column(catalogue, "listing_cleaning_fee", listing_P),
        weekly_factor=column(catalogue, "listing_weekly_price_factor", listing_P),
        monthly_factor=column(catalogue, "listing_monthly_price_factor", listing_P),
    )
    return source.prices.estimate(numbers(catalogue, NIGHTLY_PRICE)[listing_P], stays)


def _estimated(source: CandidateSource, rows: pl.DataFrame) -> Numbers:
    """Price of the asked nights of each row; NaN where unknown."""
    if source.prices is None:
        return np.full(rows.height, np.nan)
    table = arrow(rows)
    stays = Stays.of_rows(table, source.prices.market_codes(table["market"]))
    return source.prices.estimate(numbers(table, NIGHTLY_PRICE), stays)


def _prices_of(before: pl.LazyFrame) -> StayPrices | None:
    names = before.collect_schema().names()
    if "listing_total_price" not in names:
        return None
    read = [name for name in _PRICE_COLUMNS if name in names]
    return StayPrices.fit(arrow(before.select(read).collect(engine="streaming")))
