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
_SCHEMA = {"listing": pl.String, "night": pl.Int32, "price": pl.Float64, "day": pl.Int32}
_SEPARATOR = "/"


def read_prices(home: Home, source: CandidateSource, day: int) -> NightPrices | None:
    """The prices that were last kept, on the nights from ``day`` on.

    ``None`` where there are none, they are of a later day, which a past one must not know, or the
    file is damaged: where the search starts changes how long it takes, and what it finds by less
    than its tolerance.
    """
    kept = _kept(home)
    if kept is None or kept["day"][0] > day:
        return None
    days_later, prices = day - kept["day"][0], arrow(kept.drop("day"))
    try:
        return NightPrices.from_table(prices, _ids(source.catalogue), days_later=days_later)
    except ValueError:
        return None


def write_prices(home: Home, made: Recommended) -> None:
    """Keep the prices of a day, unless those of a later one are kept already."""
    allocation, path, kept = made.lists.allocation, home.root / _FILE, _kept(home)
    if allocation is None or (kept is not None and kept["day"][0] > made.day):
        return
    table = frame_of(allocation.prices.to_table(_ids(made.source.catalogue)))
    staged = path.with_suffix(".partial")
    table.with_columns(day=pl.lit(made.day, pl.Int32)).write_parquet(staged)
    staged.replace(path)


def _kept(home: Home) -> pl.DataFrame | None:
    """The file's rows; ``None`` where it holds none, or is no file of prices."""
    try:
        kept = pl.read_parquet(home.root / _FILE, glob=False)
    except (OSError, pl.exceptions.PolarsError):
        return None
    is_whole = dict(kept.schema) == _SCHEMA and not any(kept.null_count().row(0))
    return kept if is_whole and kept.height else None


def _ids(catalogue: pl.DataFrame) -> pa.Array:
    """A word for each row of the catalogue: an id alone may stand in two markets."""
    words = catalogue.select(pl.concat_str("market", "id_listing", separator=_SEPARATOR))
    return arrow(words).column(0).combine_chunks()
