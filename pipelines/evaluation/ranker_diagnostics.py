"""The ranker looked into: feature groups left out, contributions, whole searches with reasons."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from data.schema.tables import BOOKED, CLICKED, IMPRESSIONS
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.ranker.explanations import over_the_search, reasons_in_words
from models.ranking_order import group_codes, rank_within, tie_keys
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.run_context import RunContext

__all__ = ["ablation", "contributions", "examples"]

ABLATED_SEARCHES = 2_000
SHAP_ROWS = 1_500
SHAP_FEATURES = 14
TOP = 10
EXAMPLES = 4
METRICS = ("ndcg_at_10", "graded_ndcg_at_10")


def ablation(context: RunContext, judged: EvaluatedRun) -> pl.DataFrame | None:
    """NDCG lost when a feature group's values are dealt out among the rows at random.

    The trained model is asked without the group; it is not trained again without it.
    """
    ranker = judged.ranker
    rows = _searches_with_an_action(judged.rows.test, ABLATED_SEARCHES)
    if ranker is None or not rows.num_rows:
        return None
    rng = np.random.default_rng(judged.record.seed)
    scores = {"ranker": ranker.score(rows)}
    for group in ranker.features.groups:
        names = [f.name for f in ranker.features if f.group == group]
        dealt = rows.select(names).take(pa.array(rng.permutation(rows.num_rows)))
        changed = rows
        for name in names:
            at = changed.schema.get_field_index(name)
            changed = changed.set_column(at, name, dealt[name])
        scores[group] = ranker.score(changed)
    config = EvaluationConfig(
        ks=(TOP,), compared=METRICS, replicates=context.settings.evaluation.replicates
    )
    scorecard = evaluate(rows, scores, split="test", reference="ranker", config=config)
    found = [s for s in scorecard.scores if s.segment == "all" and s.difference is not None]
    wanted = ("model", "metric", "difference", "difference_low", "difference_high", "searches")
    return pl.DataFrame([{name: getattr(s, name) for name in wanted} for s in found]).rename(
        {"model": "group", "difference_low": "low", "difference_high": "high"}
    )


def contributions(context: RunContext, judged: EvaluatedRun) -> pl.DataFrame | None:
    """Contributions of the strongest features to a sample of rows, beside their values.

    ``place`` is the value's rank among the sample's, 0 to 1; null for categories and nulls.
    """
    del context
    ranker = judged.ranker
    rows = _searches_with_an_action(judged.rows.test, SHAP_ROWS // 10).slice(0, SHAP_ROWS)
    if ranker is None or not rows.num_rows:
        return None
    lift_NF = over_the_search(rows, ranker.contributions(rows))
    strength = np.abs(lift_NF).mean(axis=0)
    frames = []
    frame = frame_of(rows)
    for at in np.argsort(-strength, kind="stable")[:SHAP_FEATURES]:
        feature = ranker.features.features[int(at)]
        value = frame[feature.name]
        is_ordered = feature.kind != "category"
        number = value.cast(pl.Float64, strict=False) if is_ordered else None
        place = (number.rank() - 1) / max(frame.height - 1, 1) if number is not None else None
        frames.append(
            pl.DataFrame(
                {
                    "feature": [feature.name] * frame.height,
                    "meaning": [feature.meaning] * frame.height,
                    "lift": lift_NF[:, at],
                    "value": value.cast(pl.String),
                    "place": place if place is not None else [None] * frame.height,
                },
                schema_overrides={"place": pl.Float64},
            )
        )
    return pl.concat(frames)


def examples(context: RunContext, judged: EvaluatedRun) -> pl.DataFrame | None:
    """Whole searches of the test window, as they were shown and as the ranker orders them.

    One booked search of each market and others until there are enough; ``shown`` is the
    position where the log has it, else the order of the log's lines.
    """
    ranker = judged.ranker
    if ranker is None:
        return None
    test = frame_of(judged.rows.test)
    rank = rank_within(
        group_codes(judged.rows.test["id_search"]),
        judged.scores["ranker"],
        tie_keys(judged.rows.test),
    )
    test = test.with_columns(rank=pl.Series(rank), score=pl.Series(judged.scores["ranker"]))
    furthest = test.group_by("id_search", "market").agg(pl.col("stage").max(), n=pl.len())
    booked = furthest.filter((pl.col("stage") >= int(BOOKED)) & (pl.col("n") >= TOP))
    ordered = booked.sort("id_search").group_by("market", maintain_order=True)
    chosen = ordered.head(max(1, EXAMPLES // max(1, booked["market"].n_unique())))
    rows = test.join(chosen.select("id_search").head(EXAMPLES), on="id_search", how="semi")
    if rows.is_empty():
        return None
    reasons = reasons_in_words(ranker, arrow(rows.drop("rank", "score")))
    rows = rows.with_columns(reasons=pl.Series(reasons.to_pylist(), dtype=pl.String))
    told = ("listing_total_price", "listing_review_rating", "listing_room_type", "listing_is_new")
    kept = [c for c in told if c in rows.columns]
    shown = _shown_order(context, rows.select("id_search", "id_listing"))
    return (
        rows.select("id_search", "market", "id_listing", "stage", "rank", "score", *kept, "reasons")
        .join(shown, on=["id_search", "id_listing"], how="left")
        .sort("id_search", "rank")
    )


def _shown_order(context: RunContext, keys: pl.DataFrame) -> pl.DataFrame:
    lake = context.lake
    by = "position" if "position" in lake.columns(IMPRESSIONS.name) else "source_line"
    found = lake.scan(IMPRESSIONS.name).select("id_search", "id_listing", by)
    rows = keys.lazy().join(found, on=["id_search", "id_listing"], how="left").collect()
    place = pl.col(by).rank("ordinal").over("id_search").cast(pl.Int32)
    return rows.select("id_search", "id_listing", shown=place, shown_by=pl.lit(by))


def _searches_with_an_action(rows: pa.Table, most: int) -> pa.Table:
    """At most so many searches with an action, those with a booking first."""
    frame = frame_of(rows.select(["id_search", "stage"]))
    furthest = frame.group_by("id_search").agg(pl.col("stage").max())
    acted = furthest.filter(pl.col("stage") >= int(CLICKED))
    chosen = acted.sort("stage", "id_search", descending=[True, False])["id_search"].head(most)
    return rows.filter(pa.array(frame["id_search"].is_in(chosen.implode()).to_numpy()))
