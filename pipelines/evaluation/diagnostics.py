"""What the charts, the report and the notebooks show beside the scorecard, kept per run.

Computed once, while rows and models are in memory, into ``runs/<run>/evidence/``: small
Parquet files, so that a report can be written again without loading a model.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pyarrow as pa

from data.schema.tables import CLICKED
from models.evaluation.validation_metric import CLICK_WORTH
from models.ranking_order import group_codes, rank_within, tie_keys
from models.reranking.new_listing_exposure import ExposurePolicy, exposure_curve
from models.row_source import read
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.evaluation.kept_diagnostics import diagnostics_folder, read_diagnostic
from pipelines.evaluation.ranker_diagnostics import ablation, contributions, examples
from pipelines.evaluation.retrieval_recall import CANDIDATES
from pipelines.feature_table.arrow_conversion import frame_of
from pipelines.run_context import RunContext
from pipelines.training.exposure_policy import log_scores

__all__ = ["read_diagnostic", "write_diagnostics"]

BONUSES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0)
TOP = 10
DECILES = 10


def write_diagnostics(context: RunContext, evaluated: EvaluatedRun) -> None:
    """Write every diagnostic that the run's models allow, a Parquet file each."""
    folder = diagnostics_folder(context.home, evaluated.record.name)
    folder.mkdir(parents=True, exist_ok=True)
    diagnostics: dict[str, Callable[[], pl.DataFrame | None]] = {
        "ablation": lambda: ablation(evaluated, replicates=context.settings.evaluation.replicates),
        "shap": lambda: contributions(evaluated),
        "trade_off": lambda: _trade_off(context, evaluated),
        "calibration": lambda: _calibration(evaluated),
        "retrieval": lambda: _retrieval(evaluated),
        "exposure": lambda: _exposure(evaluated),
        "examples": lambda: examples(
            context.lake, evaluated, context.settings.recommendation.language
        ),
    }
    for name, compute in diagnostics.items():
        frame = compute()
        if frame is not None:
            frame.write_parquet(folder / f"{name}.parquet")


def _trade_off(context: RunContext, evaluated: EvaluatedRun) -> pl.DataFrame | None:
    """What each exposure policy for new listings costs and brings; and the most it may cost."""
    rows = evaluated.rows.test
    if evaluated.ranker is None or "listing_is_new" not in rows.column_names:
        return None
    if evaluated.worth is not None:
        rows = rows.append_column(CLICK_WORTH, pa.array(evaluated.worth))
    policies = [ExposurePolicy(bonus=bonus, k=TOP) for bonus in BONUSES]
    curve = frame_of(exposure_curve(rows, log_scores(evaluated.scores["ranker"]), policies))
    return curve.with_columns(most_loss=pl.lit(context.settings.recommendation.most_loss))


def _calibration(evaluated: EvaluatedRun) -> pl.DataFrame | None:
    """Predicted and actual share of each stage by decile of the prediction and market."""
    if evaluated.ranker is None:
        return None
    test = evaluated.rows.test
    probabilities = evaluated.ranker.probabilities(test)
    frame = frame_of(test.select(["market", "stage"]))
    frames = []
    for reached, (stage, values) in enumerate(probabilities.items(), start=1):
        predicted = frame.with_columns(
            predicted=pl.Series(values), actual=(pl.col("stage") >= reached).cast(pl.Float64)
        )
        decile = (pl.col("predicted").rank("ordinal") - 1) * DECILES // pl.len()
        frames.append(
            predicted.with_columns(decile.over("market").alias("decile"))
            .group_by("market", "decile")
            .agg(pl.col("predicted").mean(), pl.col("actual").mean(), rows=pl.len())
            .with_columns(stage=pl.lit(stage))
        )
    return pl.concat(frames).sort("stage", "market", "decile")


def _retrieval(evaluated: EvaluatedRun) -> pl.DataFrame | None:
    """Rank at which each taken listing was retrieved, by model; null below the first 100.

    The models alone, without the candidates that are made of one of them.

    ``decile`` is of the listing's popularity (clicks before the test window) among the
    market's catalogue, 10 the most popular.
    """
    retrieval = evaluated.retrieval
    if retrieval is None:
        return None
    earlier = pl.concat(
        [
            frame_of(read(part, ["market", "id_listing", "stage"]))
            for part in (evaluated.rows.train, evaluated.rows.valid)
        ],
        how="vertical_relaxed",
    )
    clicks = earlier.group_by("market", "id_listing").agg(
        clicks=(pl.col("stage") >= int(CLICKED)).sum()
    )
    popular = (
        retrieval.catalogue.select("market", "id_listing")
        .join(clicks, on=["market", "id_listing"], how="left")
        .with_columns(pl.col("clicks").fill_null(0))
        .with_columns(
            decile=(
                (pl.col("clicks").rank("ordinal").over("market") - 1)
                * DECILES
                // pl.len().over("market")
                + 1
            )
        )
    )
    taken = retrieval.taken.select("id_search", "id_listing", "market", "stage").join(
        popular.select("market", "id_listing", "decile"), on=["market", "id_listing"], how="left"
    )
    key = ["id_search", "id_listing"]
    return pl.concat(
        [
            taken.join(frame_of(table).select(*key, "rank"), on=key, how="left").with_columns(
                model=pl.lit(model)
            )
            for model, table in retrieval.retrieved.items()
            if model != CANDIDATES
        ]
    )


def _exposure(evaluated: EvaluatedRun) -> pl.DataFrame | None:
    """Per listing: places in the top 10, as shown by chance and under the ranker.

    ``expected`` is what a random order of the same results would have given it.
    """
    test = evaluated.rows.test
    needed = ("market", "id_listing", "listing_lat", "listing_lng")
    if evaluated.ranker is None or not set(needed) <= set(test.column_names):
        return None
    ranks = rank_within(group_codes(test["id_search"]), evaluated.scores["ranker"], tie_keys(test))
    frame = frame_of(test.select([*needed, "id_search"])).with_columns(
        rank=pl.Series(ranks), results=pl.len().over("id_search")
    )
    chance = pl.min_horizontal(pl.lit(TOP) / pl.col("results"), pl.lit(1.0))
    return (
        frame.group_by("market", "id_listing")
        .agg(
            pl.col("listing_lat", "listing_lng").first(),
            ranked=(pl.col("rank") <= TOP).sum(),
            expected=chance.sum(),
        )
        .sort("market", "id_listing")
    )
