"""Measure what guests are given: by the truth, where it is known, and by what followed.

The scorecard of the models judges the order of the listings that a search showed. This one judges
the recommended lists, which are drawn from the whole catalogue.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import polars as pl

from data.schema.tables import IMPRESSIONS
from models.evaluation.recommended_lists import ListScoreSettings, scores_of
from models.evaluation.scorecard import Score
from pipelines.config.home import write_json
from pipelines.config.home_use import uses_home
from pipelines.evaluation.list_truth import ListTruth, metrics_by_model, open_truth
from pipelines.evaluation.recommendations_view import REPLAY, SCORES_FILE, TRUTH
from pipelines.evaluation.replay import replay
from pipelines.evaluation.rival_lists import OURS, RIVALS, rival_lists
from pipelines.recommendation.recommended import Recommended
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record

__all__ = ["evaluate_recommendations", "truth_scores"]

# The lists and figures that stand in MLflow; those of all rivals are in the file beside them.
LOGGED_LISTS = (OURS, "popularity", "shown_before")
LOGGED = (*TRUTH, *REPLAY)
COMPARED = ("catalogue_g_taste_at_10", "catalogue_bookings_together_per_1000")


@uses_home
def evaluate_recommendations(context: RunContext, run: str, made: Recommended) -> tuple[Score, ...]:
    """Write ``reports/latest/recommendations.json``, and log the figures to the run in MLflow.

    Empty where the log is no simulated one and names no guests: nothing can be told then.
    """
    with context.console.step("measuring the recommendations"):
        scores = (*truth_scores(context, made), *replay(context, run))
    folder = context.home.report
    folder.mkdir(parents=True, exist_ok=True)
    records = [asdict(score) for score in scores]
    write_json(folder / SCORES_FILE, records)
    figures = [
        (f"{score.split}.{score.model}.{score.metric}", score.value, 0)
        for score in scores
        if score.model in LOGGED_LISTS and score.metric in LOGGED
    ]
    if scores:
        parent = read_record(context.home, run).parent
        context.tracking.log_metrics(parent, figures)
        context.tracking.log_artifacts(parent, folder / SCORES_FILE)
    return scores


def truth_scores(context: RunContext, made: Recommended) -> tuple[Score, ...]:
    """What the lists are worth by the simulator's truth, beside the rivals'; SIMULATED."""
    sample = open_truth(context, made)
    if sample is None or not len(sample.rows):
        return ()
    truth = ListTruth(made, sample)
    before = context.lake.scan(IMPRESSIONS.name).filter(pl.col("search_day") < made.day)
    lists = rival_lists(made, before, seed=context.settings.seed)
    settings = ListScoreSettings(
        rivals=RIVALS,
        reference=OURS,
        compared=COMPARED,
        split="simulated_truth",
        replicates=context.settings.evaluation.replicates,
        seed=context.settings.seed,
    )
    return scores_of(metrics_by_model(truth, lists), np.arange(len(truth.guests)), settings)
