"""Measure every day of the log beside the training window, and flag what is out of limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from math import isfinite

import polars as pl

from data.errors import DataError
from data.schema.market_names import market_in_words
from data.schema.tables import FEATURES, IMPRESSIONS, QUALITY, QUARANTINE
from data.schema.time import date_of
from data.time_split import SplitError
from pipelines.config.home_use import uses_home
from pipelines.evaluation.log_maturity import maturity_of_log
from pipelines.feature_table.build_table import feature_set_of
from pipelines.feature_table.training_rows import windows_of
from pipelines.monitoring.config import MonitoringConfig, monitoring_config
from pipelines.monitoring.data_quality import null_shares, quarantined_rows
from pipelines.monitoring.feature_drift import feature_drift
from pipelines.monitoring.funnel_rates import funnel_rates, searches_per_day
from pipelines.monitoring.measures import Measure, as_frame, measure_in_words
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record

__all__ = ["flagged_lines", "monitor"]

LINES = 8


@uses_home
def monitor(
    context: RunContext, run: str | None = None, config: MonitoringConfig | None = None
) -> int:
    """Write the ``quality`` table; returns how many measures are flagged.

    With a ``run`` its training window is the reference and its MLflow run gets the
    figures; without one the window is cut as for training.
    """
    config = config or monitoring_config(context.settings)
    last_training = _last_training_day(context, run)
    with context.console.step("measuring data quality and drift"):
        quality = as_frame(_measures(context, last_training, config))
        context.lake.replace_all(QUALITY.name, quality.lazy())
        if run is not None:
            _log(context, run, quality)
    flagged = quality.filter("is_flagged")
    for line in flagged_lines(flagged)[:LINES]:
        context.console.say(f"  odd: {line}")
    return flagged.height


def flagged_lines(flagged: pl.DataFrame) -> list[str]:
    """One sentence per market and flagged measure, the first day it was flagged on."""
    first = flagged.sort("ds").group_by("market", "kind", "name", maintain_order=True).first()
    lines = []
    for row in first.sort("ds", "market", "kind", "name").iter_rows(named=True):
        limits = _between(row["low"], row["high"])
        what = measure_in_words(row["kind"], row["name"])
        value = f"PSI {row['value']:.4g}" if row["kind"] == "psi" else f"{row['value']:.4g}"
        market = market_in_words(row["market"])
        lines.append(f"{market} from {row['ds']}: {what} is off: {value}, {limits}")
    return lines


def _between(low: float | None, high: float | None) -> str:
    if low is None:
        return f"limit {high:.4g}"
    return f"limits {low:.4g} to {high:.4g}"


def _last_training_day(context: RunContext, run: str | None) -> date:
    if run is not None:
        return date_of(read_record(context.home, run).windows["train"][1])
    try:
        return date_of(windows_of(context).train[1])
    except (DataError, SplitError):
        # Too short to be cut: every day is compared with those before it.
        last = context.lake.scan(IMPRESSIONS.name).select(pl.col("ds_search").max()).collect()
        return date.fromisoformat(str(last.item()))


def _measures(
    context: RunContext, last_training: date, config: MonitoringConfig
) -> Iterator[Measure]:
    impressions = context.lake.scan(IMPRESSIONS.name)
    counts = list(searches_per_day(impressions, last_training, config))
    yield from counts
    yield from funnel_rates(impressions, last_training, config)
    yield from null_shares(impressions, last_training, config)
    if context.lake.exists(QUARANTINE.name):
        rows = {(m.market, m.ds): int(m.value) for m in counts if m.name == "impressions"}
        yield from quarantined_rows(context.lake.scan(QUARANTINE.name).collect(), rows, config)
    yield from feature_drift(
        _sample(context, config), feature_set_of(context), last_training, config
    )


def _sample(context: RunContext, config: MonitoringConfig) -> pl.DataFrame:
    """Whole searches of every market and day, about as many rows as asked for."""
    features = context.lake.scan(FEATURES.name)
    sizes = features.group_by("market", "ds_search").len().collect()
    keep = sizes.with_columns(
        (pl.lit(config.rows_per_day) / pl.col("len")).clip(0, 1).alias("_share")
    ).select("market", "ds_search", "_share")
    coin = (pl.col("id_search").hash(seed=0) % 10_000) / 10_000
    joined = features.join(keep.lazy(), on=["market", "ds_search"], how="left")
    return joined.filter(coin < pl.col("_share")).collect(engine="streaming")


def _log(context: RunContext, run: str, quality: pl.DataFrame) -> None:
    """Flags and the largest shift of each day as metrics, step by day; the table whole."""
    parent = read_record(context.home, run).parent
    tracking = context.tracking
    flagged = quality.filter("is_flagged")
    counts = Counter(flagged["ds"].to_list())
    days = quality["ds"].unique().sort().to_list()
    metrics = [("quality.flagged", float(counts[day]), step) for step, day in enumerate(days)]
    rates = quality.filter(pl.col("kind").is_in(["rate", "rows"]))
    for row in rates.iter_rows(named=True):
        name = f"quality.{row['kind']}.{row['name']}.{row['market']}".replace(",", "")
        metrics.append((name, row["value"], days.index(row["ds"])))
    largest = quality.filter((pl.col("kind") == "psi") & pl.col("is_flagged").is_not_null())
    for market, day, value in (
        largest.group_by("market", "ds").agg(pl.col("value").max()).sort("market", "ds").iter_rows()
    ):
        metrics.append((f"quality.largest_psi.{market}", value, days.index(day)))
    metrics += [(name, value, days.index(day)) for name, day, value in _maturity(context)]
    tracking.log_metrics(parent, metrics)
    tracking.set_tags(parent, {"quality.flagged": str(flagged.height)})
    table = flagged.with_columns(pl.col("ds").cast(pl.String)).to_pandas()
    tracking.log_table(parent, table, "quality/flagged.json")


def _maturity(context: RunContext) -> Iterator[tuple[str, date, float]]:
    """How complete each day's contacts and bookings are, with the ends of the interval."""
    for day in maturity_of_log(context.lake):
        values = {"": day.completeness, "_low": day.low, "_high": day.high}
        for end, value in values.items():
            if isfinite(value):
                yield (
                    f"label_maturity.{day.outcome}{end}",
                    date_of(day.search_day),
                    value,
                )
