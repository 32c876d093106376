"""Judge a run's models on its test window, and write the scorecard."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from data.time_split import Windows
from models.evaluation.scorecard import Scorecard
from models.recommender import Scores
from pipelines.config.home import write_json
from pipelines.evaluation.diagnostics import write_diagnostics
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.evaluation.retrieval_recall import retrieval_scores
from pipelines.evaluation.score_windows import score_windows
from pipelines.evaluation.scorecard_view import metrics_shown
from pipelines.evaluation.test_window import evaluate_test_window
from pipelines.feature_table.build_table import feature_set_of
from pipelines.feature_table.training_rows import SplitRows, evaluation_rows
from pipelines.promotion.promote import Challenge, judge_challenger
from pipelines.recommendation.candidate_retrieval import listing_prior, write_prior
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord, load_models, read_record

__all__ = ["evaluate"]

HEADLINED = ("ranker", "popularity")


def evaluate(context: RunContext, run: str) -> Scorecard:
    """Judge a run's models on its test window, on all listings that each search showed.

    Writes the ``scores`` table (validation and test windows) and the scorecard as
    ``reports/latest/scorecard.json`` and ``.parquet``, and names the ranker champion or
    challenger.
    """
    record, step = read_record(context.home, run), context.console.step
    with step("loading the rows to judge"):
        models = load_models(context, record)
        rows = evaluation_rows(context, Windows(**record.windows), feature_set_of(context))
    with step("scoring"):
        scores = score_windows(context, models, rows)
    with step("measuring, with intervals"):
        shown = evaluate_test_window(context, record, rows.test, scores["test"])
    with step("measuring retrieval over the catalogue"):
        retrieved = retrieval_scores(
            context, models, rows, prior=_priors(context, record, rows, scores)
        )
    scorecard = Scorecard(scores=(*shown.scores, *retrieved), honesty=shown.honesty)
    _write(context, record, scorecard)
    _log(context, record, scorecard)
    with step("looking closer"):
        write_diagnostics(
            context,
            EvaluatedRun(record=record, models=models, rows=rows, scores=scores["test"]),
        )
    if "ranker" in record.children:
        with step("judging the challenger"):
            decision = judge_challenger(
                context,
                Challenge(
                    record=record,
                    models=models,
                    rows=rows,
                    scores=scores["test"]["ranker"],
                    scorecard=scorecard,
                ),
            )
        context.console.say(f"ranker against {decision.against}: {decision.reason}")
    return scorecard


def _priors(
    context: RunContext, record: RunRecord, rows: SplitRows, scores: dict[str, dict[str, Scores]]
) -> pl.DataFrame | None:
    """What the ranker makes of each listing: of validation to judge by, of both to keep."""
    if "ranker" not in scores["valid"]:
        return None
    columns = ["id_listing"]
    both = pa.concat_tables([rows.valid.select(columns), rows.test.select(columns)])
    known = np.concatenate([scores[split]["ranker"] for split in ("valid", "test")])
    write_prior(context.home, record.name, listing_prior(both, known))
    return listing_prior(rows.valid, scores["valid"]["ranker"])


def _write(context: RunContext, record: RunRecord, scorecard: Scorecard) -> None:
    folder = context.home.report
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "scorecard.json", scorecard.to_records())
    write_json(folder / "honesty.json", scorecard.honesty.to_dict())
    # The next run's report says what changed since this one.
    write_json(context.home.runs / record.name / "scorecard.json", scorecard.to_records())
    pl.DataFrame(pl.from_arrow(scorecard.to_arrow())).write_parquet(folder / "scorecard.parquet")


def _log(context: RunContext, record: RunRecord, scorecard: Scorecard) -> None:
    """Each model's figures to its own run, the panel to the parent."""
    tracking = context.tracking
    for model, child in record.children.items():
        tracking.log_metrics(child, _metrics_of(scorecard, model))
    tracking.log_metrics(record.parent, _headline_metrics(scorecard))
    tracking.describe(record.parent, scorecard.honesty.markdown())
    for name in ("scorecard.json", "scorecard.parquet", "honesty.json"):
        tracking.log_artifacts(record.parent, context.home.report / name)


def _headline_metrics(scorecard: Scorecard) -> list[tuple[str, float, int]]:
    """What the list of runs is sorted by: the primary metric of ranker and rival by market."""
    metric = list(metrics_shown(scorecard))[1]
    found = []
    for score in scorecard.scores:
        is_market = score.segment == "all" or score.segment.startswith("market=")
        if score.metric == metric and score.model in HEADLINED and is_market:
            name = f"{score.model}.{metric}{_suffix(score.segment)}"
            ends = {"": score.value, "_low": score.low, "_high": score.high}
            if score.difference is not None:
                ends |= {
                    f"_minus_{score.versus}": score.difference,
                    f"_minus_{score.versus}_low": score.difference_low,
                    f"_minus_{score.versus}_high": score.difference_high,
                }
            found += [(name + end, value, 0) for end, value in ends.items() if value is not None]
    return found


def _metrics_of(scorecard: Scorecard, model: str) -> list[tuple[str, float, int]]:
    found: list[tuple[str, float, int]] = []
    for score in scorecard.scores:
        if score.model != model:
            continue
        name = f"{score.split}.{score.metric}" + _suffix(score.segment)
        ends: dict[str, Any] = {"": score.value, "_low": score.low, "_high": score.high}
        found += [(name + end, value, 0) for end, value in ends.items() if value is not None]
    return found


def _suffix(segment: str) -> str:
    """MLflow takes letters, digits, and ``_-.:/`` in a name, and no ``=`` or ``+``."""
    words = segment.replace("=", ".").replace("+", "_or_more")
    return "" if segment == "all" else "." + re.sub(r"[^\w\-.:/ ]", "_", words)
