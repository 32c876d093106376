"""Draw all charts of a run, once, for the report's page and for MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from data.schema.tables import IMPRESSIONS, QUALITY, RECOMMENDATIONS
from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.diagnostics import read_diagnostic
from pipelines.evaluation.scorecard_view import (
    metrics_shown,
    name_of,
    ndcg_shown,
    primary_metric,
    segments_shown,
)
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
    exposure_map,
    funnel_by_market,
    price_distribution,
    rates_by_day,
)
from pipelines.reporting.charts.scorecard_charts import g_bars, metric_by_cutoff, metric_by_model
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord

__all__ = ["draw_charts", "log_charts"]

PRICED_ROWS = 200_000
MARKETS_DRAWN = 6

# chart → the diagnostic that it is drawn from
FROM_DIAGNOSTICS: dict[str, tuple[str, Callable[[pl.DataFrame], Chart | None]]] = {
    "ablation": ("ablation", ablation_bars),
    "importance": ("shap", importance_bars),
    "beeswarm": ("shap", beeswarm),
    "trade_off": ("trade_off", trade_off_curve),
    "calibration": ("calibration", calibration_curves),
    "recall": ("retrieval", recall_curves),
    "exposure_map": ("exposure", exposure_map),
}


def draw_charts(
    context: RunContext, record: RunRecord, scorecard: Scorecard, funnel: list[dict[str, Any]]
) -> dict[str, Chart | None]:
    """Name → chart; ``None`` where the log or the run has nothing to show."""
    metric, ndcg = primary_metric(scorecard), ndcg_shown(scorecard)
    charts: dict[str, Chart | None] = {
        "funnel": funnel_by_market(funnel[:MARKETS_DRAWN]),
        "models": metric_by_model(
            scorecard.scores,
            metric=metric,
            title=metrics_shown(scorecard)[metric],
            segments=segments_shown(scorecard),
        ),
        "by_cutoff": metric_by_cutoff(
            scorecard.scores,
            prefix=ndcg.rpartition("_at_")[0],
            title=name_of(ndcg).rpartition("@")[0],
        ),
        "g_bars": g_bars(scorecard.scores),
        "prices": price_distribution(_prices(context)),
        "drift": None,
        "rates_by_day": None,
    }
    for name, (diagnostic, draw_chart) in FROM_DIAGNOSTICS.items():
        frame = read_diagnostic(context.home, record.name, diagnostic)
        charts[name] = None if frame is None or frame.is_empty() else draw_chart(frame)
    quality = (
        context.lake.scan(QUALITY.name).collect() if context.lake.exists(QUALITY.name) else None
    )
    charts["drift"] = None if quality is None else drift_by_day(quality)
    charts["rates_by_day"] = None if quality is None else rates_by_day(quality)
    return charts


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
