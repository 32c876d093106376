"""The scorecard of a run where people find it: files under the home, metrics in MLflow."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from data.plain_text import as_markdown_text
from models.evaluation.scorecard import Score, Scorecard
from pipelines.config.home import write_json
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.evaluation.model_table import (
    NEW_LISTINGS,
    PRICE_LEVEL,
    as_shown,
    cells_of,
    in_words,
    models_view,
    rankers_view,
    rounded,
    sorted_by,
)
from pipelines.evaluation.scorecard_view import (
    headline,
    metrics_shown,
    ndcg_shown,
    primary_metric,
    segments_shown,
    value_in_words,
)
from pipelines.run_context import RunContext
from pipelines.tracking.about_models import about_model
from pipelines.tracking.saved_view import SIMULATED_TAG
from pipelines.training.run_record import RunRecord

__all__ = [
    "describe_training",
    "headline_metrics",
    "log_scorecard",
    "metrics_of",
    "write_scorecard",
]

HEADLINED = ("ranker", "lambdarank", "popularity")
# Logged of every model beside what is shown; of a log without the truth, or of models that
# retrieve nothing, fewer.
BESIDE = (
    "g_taste_at_10",
    "g_observables_at_10",
    NEW_LISTINGS,
    PRICE_LEVEL,
    "catalogue_recall_at_100",
)


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

    About thirty of a model, rounded; all of them stand in the files. A figure of too few
    searches is not logged: MLflow's charts cannot say so.
    """
    tracking, record, scorecard = context.tracking, evaluated.record, evaluated.scorecard
    simulated = {SIMULATED_TAG: "true"} if _is_simulated(scorecard) else {}
    for model, child in record.children.items():
        tracking.log_metrics(child, metrics_of(scorecard, model))
        tracking.set_tags(child, cells_of(scorecard, model) | simulated)
        tracking.describe(child, _description(scorecard, model))
    tracking.log_metrics(record.parent, headline_metrics(scorecard))
    describe_training(context, record, scorecard)
    for name in ("scorecard.json", "scorecard.parquet", "honesty.json"):
        tracking.log_artifacts(record.parent, context.home.report / name)
    for view in (models_view(record.parent, scorecard), rankers_view(scorecard)):
        tracking.save_view(view)


def describe_training(
    context: RunContext, record: RunRecord, scorecard: Scorecard, decision: str = ""
) -> None:
    """The text of a training's page: the headline, the gate's ``decision``, how to read both."""
    simulated = "SIMULATED DATA. " if _is_simulated(scorecard) else ""
    lines = [f"**{simulated}{as_markdown_text(headline(scorecard))}**", as_markdown_text(decision)]
    lines += [as_markdown_text(value_in_words(scorecard)), scorecard.honesty.markdown()]
    context.tracking.describe(record.parent, "\n\n".join(line for line in lines if line))


def headline_metrics(scorecard: Scorecard) -> list[tuple[str, float, int]]:
    """What the list of trainings is sorted by: the primary metric of ranker and rivals.

    Name, value and step; of the ranker by market too; without the figures of too few searches.
    """
    metric = primary_metric(scorecard)
    markets = segments_shown(scorecard)[1:]
    figures: list[tuple[str, float, int]] = []
    for score in scorecard.scores:
        if score.metric != metric or score.is_too_few or score.model not in HEADLINED:
            continue
        if score.segment == "all" or (score.model == "ranker" and score.segment in markets):
            name = f"{score.model}.{metric}{_suffix(score.segment)}"
            figures += _with_ends(name, score)
            figures += _difference(f"{name}_minus_{score.versus}", score)
    return figures


def metrics_of(scorecard: Scorecard, model: str) -> list[tuple[str, float, int]]:
    """Name, value and step of a model's figures that matter.

    What the models are compared by, in the unit in which it is shown and with the difference from
    the reference; it and NDCG with their ends, by market too; what the terminal and the report
    show beside them; and what the order does to new listings, prices and retrieval.
    """
    primary, by_market = primary_metric(scorecard), segments_shown(scorecard)[1:]
    compared, beside = {primary, ndcg_shown(scorecard)}, {*metrics_shown(scorecard), *BESIDE}
    figures: list[tuple[str, float, int]] = []
    for score in scorecard.scores:
        if score.model != model or score.is_too_few:
            continue
        metric, is_all = score.metric, score.segment == "all"
        name = f"{score.split}.{metric}{_suffix(score.segment)}"
        if is_all and metric == primary:
            figures.append((sorted_by(scorecard), as_shown(score), 0))
            figures += _difference(f"{name}_minus_{score.versus}", score)
        if metric in compared and (is_all or score.segment in by_market):
            figures += _with_ends(name, score)
        elif is_all and metric in beside:
            figures.append((name, rounded(score.value), 0))
    return figures


def _with_ends(name: str, score: Score) -> Iterator[tuple[str, float, int]]:
    ends = {"": score.value, "_low": score.low, "_high": score.high}
    return _known(name, ends)


def _difference(name: str, score: Score) -> Iterator[tuple[str, float, int]]:
    """From the reference; nothing of the reference itself."""
    if score.difference is None:
        return iter(())
    ends = {"": score.difference, "_low": score.difference_low, "_high": score.difference_high}
    return _known(name, ends)


def _known(name: str, ends: dict[str, float | None]) -> Iterator[tuple[str, float, int]]:
    for end, value in ends.items():
        if value is not None:
            yield name + end, rounded(value), 0


def _description(scorecard: Scorecard, model: str) -> str:
    """What the model is, and its figures with their intervals."""
    cells = "\n".join(f"| {name} | {value} |" for name, value in in_words(scorecard, model))
    simulated = "Simulated data, not real guests. " if _is_simulated(scorecard) else ""
    table = f"\n\n{simulated}Of the test window:\n\n| | |\n|---|---|\n{cells}" if cells else ""
    return f"{about_model(model)}{table}"


def _is_simulated(scorecard: Scorecard) -> bool:
    return scorecard.honesty.provenance.is_simulated


def _suffix(segment: str) -> str:
    """MLflow takes letters, digits, and ``_-.:/`` in a name, and no ``=`` or ``+``."""
    words = segment.replace("=", ".").replace("+", "_or_more")
    return "" if segment == "all" else "." + re.sub(r"[^\w\-.:/ ]", "_", words)
