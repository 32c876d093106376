"""Diagnostics of the ranker: feature groups shuffled, contributions, example searches."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from data.lake.store import Lake
from data.schema.language import Language
from data.schema.tables import BOOKED, CLICKED, IMPRESSIONS
from features.sentences.every_sentence import Sentences
from models.evaluation.arrays import Mask
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.explanations.lift import over_the_search
from models.explanations.reasons import reasons_in_words
from models.ranking_order import group_codes, rank_within, tie_keys
from pipelines.evaluation.evaluated_run import EvaluatedRun
from pipelines.feature_table.arrow_conversion import arrow, frame_of

__all__ = ["ablation", "contributions", "examples"]

ABLATED_SEARCHES = 2_000
SHAP_ROWS = 1_500
SHAP_FEATURES = 14
TOP = 10
EXAMPLES = 4
METRICS = ("value_dcg_at_10", "ndcg_at_10", "graded_ndcg_at_10")


def ablation(evaluated: EvaluatedRun, *, replicates: int) -> pl.DataFrame | None:
    """What is lost when a feature group's values are shuffled among the rows.

    Permutation importance: the trained model is asked without the group; it is not trained
    again without it, and of the groups that scoring does not read there is no row. ``low`` and
    ``high`` are null where no interval is known. ``None`` where too few searches can be ordered
    better or worse.
    """
    ranker = evaluated.ranker
    is_ablated = _searches_with_an_action(evaluated.rows.test, ABLATED_SEARCHES)
    rows = evaluated.rows.test.filter(pa.array(is_ablated))
    if ranker is None or not rows.num_rows:
        return None
    worth = None if evaluated.worth is None else evaluated.worth[is_ablated]
    rng = np.random.default_rng(evaluated.record.seed)
    scores = {"ranker": ranker.score(rows)}
    for group in ranker.features_read.groups:
        names = [f.name for f in ranker.features_read if f.group == group]
        shuffled = rows.select(names).take(pa.array(rng.permutation(rows.num_rows)))
        changed = rows
        for name in names:
            at = changed.schema.get_field_index(name)
            changed = changed.set_column(at, name, shuffled[name])
        scores[group] = ranker.score(changed)
    config = EvaluationConfig(ks=(TOP,), compared=METRICS, replicates=replicates)
    scorecard = evaluate(
        rows,
        scores,
        split="test",
        reference="ranker",
        config=config,
        context=EvaluationInputs(worth=worth),
    )
    scores_of_groups = [
        s
        for s in scorecard.scores
        if s.segment == "all" and s.difference is not None and not s.is_too_few
    ]
    if not scores_of_groups:
        return None
    wanted = ("model", "metric", "difference", "difference_low", "difference_high", "searches")
    return pl.DataFrame(
        [{name: getattr(s, name) for name in wanted} for s in scores_of_groups],
        schema_overrides={"difference_low": pl.Float64, "difference_high": pl.Float64},
    ).rename({"model": "group", "difference_low": "low", "difference_high": "high"})


def contributions(evaluated: EvaluatedRun) -> pl.DataFrame | None:
    """Contributions of the strongest features to a sample of rows, beside their values.

    Of the features that scoring reads: the others stand at one value. ``place`` is the value's
    rank among the sample's, 0 to 1; null for categories and nulls.
    """
    ranker = evaluated.ranker
    is_sampled = _searches_with_an_action(evaluated.rows.test, SHAP_ROWS // 10)
    rows = evaluated.rows.test.filter(pa.array(is_sampled)).slice(0, SHAP_ROWS)
    if ranker is None or not rows.num_rows:
        return None
    lift_NF = over_the_search(rows, ranker.contributions(rows))
    read = set(ranker.features_read.names)
    places = [at for at, name in enumerate(ranker.features.names) if name in read]
    strength = np.abs(lift_NF[:, places]).mean(axis=0)
    frames = []
    frame = frame_of(rows)
    for strongest in np.argsort(-strength, kind="stable")[:SHAP_FEATURES]:
        at = places[int(strongest)]
        feature = ranker.features.features[at]
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


def examples(lake: Lake, evaluated: EvaluatedRun, language: Language = "en") -> pl.DataFrame | None:
    """Whole searches of the test window, as they were shown and as the ranker orders them.

    One booked search of each market and others until there are enough; ``shown`` is the
    position where the log has it, else the order of the log's lines.
    """
    ranker = evaluated.ranker
    if ranker is None:
        return None
    test = frame_of(evaluated.rows.test)
    rank = rank_within(
        group_codes(evaluated.rows.test["id_search"]),
        evaluated.scores["ranker"],
        tie_keys(evaluated.rows.test),
    )
    test = test.with_columns(rank=pl.Series(rank), score=pl.Series(evaluated.scores["ranker"]))
    furthest = test.group_by("id_search", "market").agg(pl.col("stage").max(), n=pl.len())
    booked = furthest.filter((pl.col("stage") >= int(BOOKED)) & (pl.col("n") >= TOP))
    ordered = booked.sort("id_search").group_by("market", maintain_order=True)
    chosen = ordered.head(max(1, EXAMPLES // max(1, booked["market"].n_unique())))
    rows = test.join(chosen.select("id_search").head(EXAMPLES), on="id_search", how="semi")
    if rows.is_empty():
        return None
    reasons = reasons_in_words(ranker, arrow(rows.drop("rank", "score")), Sentences(language))
    rows = rows.with_columns(reasons=pl.Series(reasons.to_pylist(), dtype=pl.String))
    attributes = (
        "listing_total_price",
        "listing_review_rating",
        "listing_room_type",
        "listing_is_new",
    )
    present = [c for c in attributes if c in rows.columns]
    order = _shown_order(lake, rows.select("id_search", "id_listing"))
    return (
        rows.select(
            "id_search", "market", "id_listing", "stage", "rank", "score", *present, "reasons"
        )
        .join(order, on=["id_search", "id_listing"], how="left")
        .sort("id_search", "rank")
    )


def _shown_order(lake: Lake, keys: pl.DataFrame) -> pl.DataFrame:
    """Each row's place among the results as shown, 1 for the first, and what says so."""
    columns = lake.columns(IMPRESSIONS.name)
    by = "position" if "position" in columns else "source_line"
    order = [by, *(n for n in ("source_item",) if by == "source_line" and n in columns)]
    log = lake.scan(IMPRESSIONS.name).select("id_search", "id_listing", *order)
    rows = keys.lazy().join(log, on=["id_search", "id_listing"], how="left").collect()
    place = pl.struct(order).rank("ordinal").over("id_search").cast(pl.Int32)
    return rows.select("id_search", "id_listing", shown=place, shown_by=pl.lit(by))


def _searches_with_an_action(rows: pa.Table, most: int) -> Mask:
    """The rows of at most so many searches with an action, those with a booking first."""
    frame = frame_of(rows.select(["id_search", "stage"]))
    furthest = frame.group_by("id_search").agg(pl.col("stage").max())
    acted = furthest.filter(pl.col("stage") >= int(CLICKED))
    chosen = acted.sort("stage", "id_search", descending=[True, False])["id_search"].head(most)
    return frame["id_search"].is_in(chosen.implode()).to_numpy()
