"""Draw all charts of a run, once, for the report's page and for MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from data.schema.tables import IMPRESSIONS, QUALITY, RECOMMENDATIONS
from data.simulator.parameters import SIMULATED_CURRENCY
from models.evaluation.scorecard import Scorecard
from pipelines.config.palette import MarketColours
from pipelines.evaluation.diagnostics import read_diagnostic
from pipelines.evaluation.scorecard_view import (
    metrics_shown,
    name_of,
    ndcg_shown,
    primary_metric,
    segments_shown,
)
from pipelines.reporting.charts.axes import narrow_page
from pipelines.reporting.charts.canvas import Chart
from pipelines.reporting.charts.diagnostic_charts import (
    ablation_bars,
    beeswarm,
    calibration_curves,
    importance_bars,
    recall_curves,
    trade_off_curve,
)
from pipelines.reporting.charts.log_charts import (
    drift_by_day,
    funnel_by_market,
    price_distribution,
    rates_by_day,
)
from pipelines.reporting.charts.maps import exposure_map
from pipelines.reporting.charts.scorecard_charts import g_bars, metric_by_cutoff, metric_by_model
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord

__all__ = ["draw_charts", "log_charts"]

PRICED_ROWS = 200_000

# chart → the diagnostic that it is drawn from
FROM_DIAGNOSTICS: dict[str, tuple[str, Callable[[pl.DataFrame], Chart | None]]] = {
    "ablation": ("ablation", ablation_bars),
    "importance": ("shap", importance_bars),
    "beeswarm": ("shap", beeswarm),
    "trade_off": ("trade_off", trade_off_curve),
    "recall": ("retrieval", recall_curves),
}
BY_MARKET: dict[str, tuple[str, Callable[[pl.DataFrame, MarketColours], Chart | None]]] = {
    "calibration": ("calibration", calibration_curves),
    "exposure_map": ("exposure", exposure_map),
}


def draw_charts(
    context: RunContext, record: RunRecord, scorecard: Scorecard, funnel: list[dict[str, Any]]
) -> dict[str, Chart | None]:
    """Name → chart; ``None`` where the log or the run has nothing to show.

    Each as wide as a page, with the same as narrow as a phone. ``funnel`` has every market,
    the largest first, which gives each its colour.
    """
    wide = _drawn(context, record, scorecard, funnel)
    with narrow_page():
        narrow = _drawn(context, record, scorecard, funnel)
    return {name: _in_both_widths(chart, narrow[name]) for name, chart in wide.items()}


def _in_both_widths(wide: Chart | None, narrow: Chart | None) -> Chart | None:
    if wide is None or narrow is None:
        return wide
    # Both stand in one page, where no two elements may share an id.
    return replace(wide, narrow=replace(narrow, name=f"{narrow.name}-narrow"))


def _drawn(
    context: RunContext, record: RunRecord, scorecard: Scorecard, funnel: list[dict[str, Any]]
) -> dict[str, Chart | None]:
    metric, ndcg = primary_metric(scorecard), ndcg_shown(scorecard)
    colours = MarketColours.of(market["market"] for market in funnel)
    charts: dict[str, Chart | None] = {
        "funnel": funnel_by_market(funnel, colours),
        "models": metric_by_model(
            scorecard.scores,
            metric=metric,
            title=metrics_shown(scorecard)[metric],
            segments=segments_shown(scorecard),
            colours=colours,
        ),
        "by_cutoff": metric_by_cutoff(
            scorecard.scores,
            prefix=ndcg.rpartition("_at_")[0],
            title=name_of(ndcg).rpartition("@")[0],
        ),
        "g_bars": g_bars(scorecard.scores),
        "prices": price_distribution(
            _prices(context), colours, currency=_currency(context, scorecard)
        ),
        "drift": None,
        "rates_by_day": None,
    }
    quality = (
        context.lake.scan(QUALITY.name).collect() if context.lake.exists(QUALITY.name) else None
    )
    if quality is not None:
        charts["drift"] = drift_by_day(quality, colours)
        charts["rates_by_day"] = rates_by_day(quality, colours)
    return charts | _from_diagnostics(context, record, colours)


def _from_diagnostics(
    context: RunContext, record: RunRecord, colours: MarketColours
) -> dict[str, Chart | None]:
    charts: dict[str, Chart | None] = {}
    for name, (diagnostic, draw_chart) in FROM_DIAGNOSTICS.items():
        frame = read_diagnostic(context.home, record.name, diagnostic)
        charts[name] = None if frame is None or frame.is_empty() else draw_chart(frame)
    for name, (diagnostic, draw_by_market) in BY_MARKET.items():
        frame = read_diagnostic(context.home, record.name, diagnostic)
        charts[name] = None if frame is None or frame.is_empty() else draw_by_market(frame, colours)
    return charts


def _currency(context: RunContext, scorecard: Scorecard) -> str:
    """The currency of the log's prices; empty where nothing says it."""
    is_simulated = scorecard.honesty.provenance.is_simulated
    return context.settings.currency or (SIMULATED_CURRENCY if is_simulated else "")


def log_charts(context: RunContext, record: RunRecord, charts: Mapping[str, Chart | None]) -> Path:
    """Write each chart as a PNG into the run's folder, and log the folder to MLflow."""
    folder = context.home.runs / record.name / "pictures"
    for chart in charts.values():
        if chart is not None:
            chart.write_png(folder)
    context.tracking.log_artifacts(record.parent, folder, "pictures")
    return folder


def _prices(context: RunContext) -> pl.DataFrame:
    """Prices of shown and recommended listings, at most about ``PRICED_ROWS`` of each."""
    schema = {"market": pl.String, "kind": pl.String, "price": pl.Float64}
    frames = [pl.DataFrame(schema=schema)]
    lake = context.lake
    for table, kind, column in (
        (IMPRESSIONS.name, "shown", "listing_total_price"),
        (RECOMMENDATIONS.name, "recommended", "estimated_total_price"),
    ):
        if lake.exists(table) and column in lake.columns(table):
            every = max(1, lake.rows(table) // PRICED_ROWS)
            prices = lake.scan(table).select(
                "market", kind=pl.lit(kind), price=pl.col(column).cast(pl.Float64)
            )
            frames.append(prices.gather_every(every).collect())
    return pl.concat(frames)
