"""Rows of the ``scores`` table: each model's score of every impression of a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa

from data.lake.store import streamed
from data.schema.tables import SCORES
from models.recommender import Recommender, Scores
from models.row_source import read, read_all
from models.two_tower.recommender import TwoTower
from pipelines.feature_table.arrow_conversion import frame_of
from pipelines.feature_table.training_rows import SplitRows
from pipelines.run_context import RunContext

KEYS = ["id_search", "id_listing", "market", "ds_search"]

__all__ = ["score_of_window", "score_rows", "score_windows"]


def score_windows(
    context: RunContext, models: Mapping[str, Recommender], rows: SplitRows
) -> dict[str, dict[str, Scores]]:
    """Write the ``scores`` table; returns split → model → one score per row of the window."""
    scores = {split: _scores_of(models, rows, split) for split in ("valid", "test")}
    frames = (
        score_rows(read(window, KEYS), split, name, scores[split][name])
        for split, window in (("valid", rows.valid), ("test", rows.test))
        for name in models
    )
    context.lake.replace_all(SCORES.name, streamed(frames))
    return scores


def _scores_of(models: Mapping[str, Recommender], rows: SplitRows, split: str) -> dict[str, Scores]:
    """By model; the window is in memory only as long as it takes."""
    window = replace(rows, valid=read_all(rows.valid)) if split == "valid" else rows
    return {name: score_of_window(model, window, split) for name, model in models.items()}


def score_of_window(model: Recommender, rows: SplitRows, split: str) -> Scores:
    """Scores of a window; the two-tower also knows what happened earlier in the test window."""
    window = read_all(rows.valid) if split == "valid" else rows.test
    if isinstance(model, TwoTower) and split == "test":
        model = model.remembering(window)
    return model.score(window)


def score_rows(rows: pa.Table, split: str, model: str, scores: Scores) -> pl.DataFrame:
    """One model's scores of these impressions, as rows of the ``scores`` table."""
    keys = frame_of(rows.select(KEYS))
    return keys.with_columns(
        pl.lit(split).alias("split"),
        pl.lit(model).alias("model"),
        pl.Series("score", np.asarray(scores, dtype=np.float64)),
    )
