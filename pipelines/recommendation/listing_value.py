"""What a listing is worth to any guest: the mean log of P(booked | shown) over recent impressions.

Only impressions before the day to recommend for count, so that the past of a past day is told as
it was then.

They cost a score of 300,000 impressions, whoever is recommended for. So those of the newest day are
kept: one guest who is looked up afterwards is answered without.
"""

from __future__ import annotations

import os

import numpy as np
import polars as pl

from data.schema.tables import FEATURES
from models.arrow_columns import Numbers
from models.funnel.funnel_model import FunnelModel
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.run_context import RunContext
from pipelines.training.exposure_policy import log_scores

__all__ = ["keep_listing_values", "kept_listing_values", "listing_values"]

_FILE = "listing_values.parquet"
_SCHEMA = {
    "market": pl.String,
    "id_listing": pl.String,
    "value": pl.Float64,
    "day": pl.Int32,
    "made_from": pl.String,
}

_IMPRESSIONS = 300_000
"""The latest impressions that are scored: some twenty of each listing in the default log."""

# A listing with few impressions is drawn to the mean of all, as if it had so many of the mean.
_PRIOR_IMPRESSIONS = 5.0


def listing_values(
    context: RunContext, model: FunnelModel, catalogue: pl.DataFrame, day: int
) -> Numbers:
    """Log value of each row of the catalogue; that of a listing never shown is the mean."""
    table = context.lake.scan(FEATURES.name).filter(pl.col("search_day") < day)
    per_day = table.group_by("search_day").len().sort("search_day", descending=True).collect()
    enough = per_day.filter(pl.col("len").cum_sum().shift(1, fill_value=0) < _IMPRESSIONS)
    recent = table.filter(pl.col("search_day").is_in(enough["search_day"].to_list()))
    read = ["id_search", "id_listing", "market", *model.features_read.names]
    rows = recent.select(read).collect(engine="streaming")
    if rows.height > _IMPRESSIONS:
        rows = rows.sort("id_search", "id_listing").sample(_IMPRESSIONS, seed=0)
    if rows.is_empty():
        return np.zeros(catalogue.height)
    key = ["market", "id_listing"]
    log_value = log_scores(model.probabilities(arrow(rows))["book"])
    values = rows.select(*key, "id_search").with_columns(value=log_value)
    # Sorted: files that later days add must not show in the last bit of a sum.
    values = values.sort(*key, "id_search").drop("id_search")
    mean = float(values["value"].to_numpy().mean())
    of_listing = (
        values.group_by(key)
        .agg(total=pl.col("value").sum(), count=pl.len())
        .with_columns(
            value=(pl.col("total") + mean * _PRIOR_IMPRESSIONS)
            / (pl.col("count") + _PRIOR_IMPRESSIONS)
        )
    )
    joined = catalogue.select(key).join(of_listing, on=key, how="left", maintain_order="left")
    return joined["value"].fill_null(mean).to_numpy()


def keep_listing_values(
    context: RunContext, ranker_version: str, catalogue: pl.DataFrame, day: int, value_L: Numbers
) -> None:
    """Keep the values of a day, unless those of a later one are kept already."""
    kept = _read(context)
    if kept is not None and kept.height and kept["day"][0] > day:
        return
    rows = catalogue.select("market", "id_listing").with_columns(
        value=pl.Series(value_L, dtype=pl.Float64),
        day=pl.lit(day, pl.Int32),
        made_from=pl.lit(_made_from(context, ranker_version)),
    )
    path = context.home.root / _FILE
    draft = path.with_name(f".{_FILE}.{os.getpid()}")
    rows.select(*_SCHEMA).write_parquet(draft)
    draft.replace(path)


def kept_listing_values(
    context: RunContext, ranker_version: str, catalogue: pl.DataFrame, day: int
) -> Numbers | None:
    """The kept values, as :func:`listing_values` would give them of this day and catalogue.

    ``None`` where they are of another day, ranker or version of the features table, or the file is
    damaged.
    """
    kept = _read(context)
    if kept is None or not kept.height:
        return None
    if (kept["day"][0], kept["made_from"][0]) != (day, _made_from(context, ranker_version)):
        return None
    key = ["market", "id_listing"]
    if kept.select(key).is_duplicated().any():
        return None
    found = catalogue.select(key).join(kept, on=key, how="left", maintain_order="left")["value"]
    return None if found.null_count() else found.to_numpy()


def _read(context: RunContext) -> pl.DataFrame | None:
    try:
        kept = pl.read_parquet(context.home.root / _FILE, glob=False)
    except (OSError, pl.exceptions.PolarsError):
        return None
    return kept if dict(kept.schema) == _SCHEMA else None


def _made_from(context: RunContext, ranker_version: str) -> str:
    return f"ranker {ranker_version}, features {context.lake.version(FEATURES.name)}"
