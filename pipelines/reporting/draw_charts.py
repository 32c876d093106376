"""All pictures of a run: drawn once, for the report's page and for MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from data.schema.tables import IMPRESSIONS, QUALITY, RECOMMENDATIONS
from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.diagnostics import read_diagnostic
from pipelines.evaluation.scorecard_view import metrics_shown, segments_shown
from pipelines.reporting.charts.canvas import Picture
from pipelines.reporting.charts.log_charts import (
    drift_by_day,
    exposure_map,
    funnel_by_market,
    price_distribution,
    rates_by_day,
)
from pipelines.reporting.charts.model_charts import (
    ablation_bars,
    beeswarm,
    calibration_curves,
    importance_bars,
    recall_curves,
    trade_off_curve,
)
from pipelines.reporting.charts.scorecard_charts import g_bars, metric_by_cutoff, metric_by_model
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord

__all__ = ["draw", "log_pictures"]

PRICED_ROWS = 200_000
MARKETS_DRAWN = 6

# picture → the evidence it is drawn from
FROM_EVIDENCE: dict[str, tuple[str, Callable[[pl.DataFrame], Picture | None]]] = {
    "ablation": ("ablation", ablation_bars),
    "importance": ("shap", importance_bars),
    "beeswarm": ("shap", beeswarm),
    "trade_off": ("trade_off", trade_off_curve),
    "calibration": ("calibration", calibration_curves),
    "recall": ("retrieval", recall_curves),
    "exposure_map": ("exposure", exposure_map),
}


def draw(
    context: RunContext, record: RunRecord, scorecard: Scorecard, funnel: list[dict[str, Any]]
) -> dict[str, Picture | None]:
    """Name → picture; ``None`` where the log or the run has nothing to show."""
    metrics = metrics_shown(scorecard)
    metric, heading = list(metrics.items())[1]
    prefix = metric.rpartition("_at_")[0]
    drawn: dict[str, Picture | None] = {
        "funnel": funnel_by_market(funnel[:MARKETS_DRAWN]),
        "models": metric_by_model(
            scorecard.scores, metric=metric, title=heading, segments=segments_shown(scorecard)
        ),
        "by_cutoff": metric_by_cutoff(
            scorecard.scores, prefix=prefix, title=heading.rpartition("@")[0]
        ),
        "g_bars": g_bars(scorecard.scores),
        "prices": price_distribution(_prices(context)),
        "drift": None,
        "rates_by_day": None,
    }
    for name, (evidence, picture_of) in FROM_EVIDENCE.items():
        frame = read_diagnostic(context.home, record.name, evidence)
        drawn[name] = None if frame is None or frame.is_empty() else picture_of(frame)
    quality = (
        context.lake.scan(QUALITY.name).collect() if context.lake.exists(QUALITY.name) else None
    )
    drawn["drift"] = None if quality is None else drift_by_day(quality)
    drawn["rates_by_day"] = None if quality is None else rates_by_day(quality)
    return drawn


def log_pictures(
    context: RunContext, record: RunRecord, drawn: Mapping[str, Picture | None]
) -> Path:
    """Write each picture as a PNG into the run's folder, and log the folder to MLflow."""
    folder = context.home.runs / record.name / "pictures"
    for picture in drawn.values():
        if picture is not None:
            picture.write_png(folder)
    context.tracking.log_artifacts(record.parent, folder, "pictures")
    return folder


def _prices(context: RunContext) -> pl.DataFrame:
    """A sample of shown and recommended prices per market."""
    schema = {"market": pl.String, "kind": pl.String, "price": pl.Float64}
    frames = [pl.DataFrame(schema=schema)]
    lake = context.lake
    for table, kind, column in (
        (IMPRESSIONS.name, "shown", "listing_total_price"),
        (RECOMMENDATIONS.name, "recommended", "estimated_total_price"),
    ):
        if lake.exists(table) and column in lake.columns(table):
            every = max(1, lake.rows(table) // PRICED_ROWS)
            found = lake.scan(table).select(
                "market", kind=pl.lit(kind), price=pl.col(column).cast(pl.Float64)
            )
            frames.append(found.gather_every(every).collect())
    return pl.concat(frames)
