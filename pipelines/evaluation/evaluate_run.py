"""Evaluate a run: score its windows, measure, write the scorecard, log it, run diagnostics.

The steps stand in :func:`evaluate` in the order in which they run, and each is a function of
its own. None of them changes who the champion is: :mod:`pipelines.promotion.promote` does,
with the :class:`EvaluatedRun` that comes out here.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from data.time_split import Windows
from models.evaluation.scorecard import Scorecard
from models.funnel.funnel_model import FunnelModel
from models.recommender import Recommender, Scores
from models.row_source import read
from pipelines.evaluation.diagnostics import write_diagnostics
from pipelines.evaluation.evaluate_test_window import evaluate_test_window
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.evaluation.publish_scorecard import log_scorecard, write_scorecard
from pipelines.evaluation.retrieval_recall import retrieval_of, retrieval_scores
from pipelines.evaluation.score_windows import score_windows
from pipelines.feature_table.build_table import feature_set_of
from pipelines.feature_table.judged_rows import judge_test
from pipelines.feature_table.training_rows import SplitRows, evaluation_rows
from pipelines.recommendation.candidate_retrieval import listing_prior
from pipelines.run_context import RunContext
from pipelines.training.exposure_policy import log_scores
from pipelines.training.run_record import load_models, read_record

__all__ = ["evaluate"]


def evaluate(context: RunContext, run: str) -> EvaluatedRun:
    """Evaluate a run's models on its test window, on all listings that each search showed.

    Writes the ``scores`` table (validation and test windows), the scorecard as
    ``reports/latest/scorecard.json`` and ``.parquet``, the figures in MLflow, and the run's
    diagnostics.
    """
    evaluated = measure(context, run)
    with context.console.step("writing the scorecard"):
        write_scorecard(context, evaluated)
        log_scorecard(context, evaluated)
    with context.console.step("looking closer"):
        write_diagnostics(context, evaluated)
    return evaluated


def measure(context: RunContext, run: str) -> EvaluatedRun:
    """Score the windows with every model of the run, and measure ranking and retrieval."""
    record, step = read_record(context.home, run), context.console.step
    with step("loading the rows to judge"):
        models = load_models(context, record)
        rows = evaluation_rows(context, Windows(**record.windows), feature_set_of(context))
    with step("scoring"):
        scores = score_windows(context, models, rows)
    with step("valuing clicks"):
        worth = judge_test(context, rows)
    with step("measuring, with intervals"):
        ranking = evaluate_test_window(context, record, rows.test, scores["test"], worth)
    with step("measuring retrieval over the catalogue"):
        retrieval = retrieval_of(context, models, rows, prior=_listing_priors(models, rows, scores))
        recall = retrieval_scores(context, retrieval)
    return EvaluatedRun(
        record=record,
        models=models,
        rows=rows,
        scores=scores["test"],
        worth=None if worth is None else worth.worth,
        retrieval=retrieval,
        scorecard=Scorecard(scores=(*ranking.scores, *recall), honesty=ranking.honesty),
    )


def _listing_priors(
    models: Mapping[str, Recommender], rows: SplitRows, scores: dict[str, dict[str, Scores]]
) -> pl.DataFrame | None:
    """What the ranker makes of each listing, as a prior of retrieval: of the validation window.

    That of the test window would know the answers. ``None`` without a ranker.
    """
    if "ranker" not in models:
        return None
    of_rows = scores["valid"]["ranker"]
    # Scores of an earlier version's lambdarank are of any sign.
    is_funnel = isinstance(models["ranker"], FunnelModel)
    shown = read(rows.valid, ["id_listing"])
    return listing_prior(shown, log_scores(of_rows) if is_funnel else of_rows)
