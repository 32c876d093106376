"""The scorecard of a run where people find it: files under the home, metrics in MLflow."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from models.evaluation.scorecard import Scorecard
from pipelines.config.home import write_json
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.evaluation.scorecard_view import primary_metric
from pipelines.run_context import RunContext

__all__ = ["headline_metrics", "log_scorecard", "metrics_of", "write_scorecard"]

HEADLINED = ("ranker", "lambdarank", "popularity")


def write_scorecard(context: RunContext, evaluated: EvaluatedRun) -> None:
    """Write ``scorecard.json``, ``scorecard.parquet`` and ``honesty.json``."""
    scorecard, folder = evaluated.scorecard, context.home.report
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "scorecard.json", scorecard.to_records())
    write_json(folder / "honesty.json", scorecard.honesty.to_dict())
    # Beside the run too: the next run's report says what changed since this one.
    run = context.home.run_folder(evaluated.record.name)
    write_json(run / "scorecard.json", scorecard.to_records())
    write_json(run / "honesty.json", scorecard.honesty.to_dict())
    pl.DataFrame(pl.from_arrow(scorecard.to_arrow())).write_parquet(folder / "scorecard.parquet")


def log_scorecard(context: RunContext, evaluated: EvaluatedRun) -> None:
    """Log each model's figures to its own MLflow run, the headline and the files to the parent.

    A figure of too few searches is not logged: MLflow's tables and charts cannot say so.
    """
    tracking, record, scorecard = context.tracking, evaluated.record, evaluated.scorecard
    for model, child in record.children.items():
        tracking.log_metrics(child, metrics_of(scorecard, model))
    tracking.log_metrics(record.parent, headline_metrics(scorecard))
    tracking.describe(record.parent, scorecard.honesty.markdown())
    for name in ("scorecard.json", "scorecard.parquet", "honesty.json"):
        tracking.log_artifacts(record.parent, context.home.report / name)


def headline_metrics(scorecard: Scorecard) -> list[tuple[str, float, int]]:
    """What the list of runs is sorted by: the primary metric of ranker and rivals by market.

    Name, value and step; without the figures of too few searches.
    """
    metric = primary_metric(scorecard)
    figures: list[tuple[str, float, int]] = []
    for score in scorecard.scores:
        is_market = score.segment == "all" or score.segment.startswith("market=")
        is_shown = score.metric == metric and not score.is_too_few
        if is_shown and score.model in HEADLINED and is_market:
            name = f"{score.model}.{metric}{_suffix(score.segment)}"
            ends = {"": score.value, "_low": score.low, "_high": score.high}
            if score.difference is not None:
                ends |= {
                    f"_minus_{score.versus}": score.difference,
                    f"_minus_{score.versus}_low": score.difference_low,
                    f"_minus_{score.versus}_high": score.difference_high,
                }
            figures += [(name + end, value, 0) for end, value in ends.items() if value is not None]
    return figures


def metrics_of(scorecard: Scorecard, model: str) -> list[tuple[str, float, int]]:
    """Name, value and step of a model's figures and ends, but of too few searches."""
    figures: list[tuple[str, float, int]] = []
    for score in scorecard.scores:
        if score.model != model or score.is_too_few:
            continue
        name = f"{score.split}.{score.metric}" + _suffix(score.segment)
        ends: dict[str, Any] = {"": score.value, "_low": score.low, "_high": score.high}
        figures += [(name + end, value, 0) for end, value in ends.items() if value is not None]
    return figures


def _suffix(segment: str) -> str:
    """MLflow takes letters, digits, and ``_-.:/`` in a name, and no ``=`` or ``+``."""
    words = segment.replace("=", ".").replace("+", "_or_more")
    return "" if segment == "all" else "." + re.sub(r"[^\w\-.:/ ]", "_", words)
