"""Prices of scarce nights, kept from day to day: the next day's search for them starts there."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from models.allocation import NightPrices
from pipelines.candidates.candidate_rows import CandidateSource
from pipelines.config.home import Home
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.recommendation.recommended import Recommended

__all__ = ["read_prices", "write_prices"]

_FILE = "night_prices.parquet"
_SEPARATOR = "/"


def read_prices(home: Home, source: CandidateSource, day: int) -> NightPrices | None:
    """The prices that were last kept, on the nights from ``day`` on; ``None`` where there are none.

    Where they stand changes how long the search takes and not what it finds.
    """
    path = home.root / _FILE
    try:
        kept = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        return None
    if kept.is_empty() or set(kept.columns) != {"listing", "night", "price", "day"}:
        return None
    days_later = day - int(kept["day"][0])
    if days_later < 0:
        return None  # of a later day, which a past one must not know
    return NightPrices.from_table(
        arrow(kept.drop("day")), _ids(source.catalogue), days_later=days_later
    )


def write_prices(home: Home, made: Recommended) -> None:
    """Keep the prices of a day, unless those of a later one are kept already."""
    allocation, path = made.lists.allocation, home.root / _FILE
    if allocation is None:
        return
    table = frame_of(allocation.prices.to_table(_ids(made.source.catalogue)))
    staged = path.with_suffix(".partial")
    table.with_columns(day=pl.lit(made.day, pl.Int32)).write_parquet(staged)
    staged.replace(path)


def _ids(catalogue: pl.DataFrame) -> pa.Array:
    """A word for each row of the catalogue: an id alone may stand in two markets."""
    words = catalogue.select(pl.concat_str("market", "id_listing", separator=_SEPARATOR))
    return arrow(words).column(0).combine_chunks()
