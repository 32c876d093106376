"""Charts of what moves the ranker, as artifacts of its MLflow run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.evaluation.sample_size import FEWEST
from models.explanations.lift import ExplainedModel
from models.explanations.shap_dependence import dependences, global_importance
from models.ranking_order import group_codes
from models.row_source import Rows, places_of, read, read_all, read_at
from pipelines.config.palette import GUIDE, model_style
from pipelines.tracking.tracking import Tracking

__all__ = ["first_searches", "log_ranker_charts"]

# Contributions of so many rows take a second or two, and more change no chart.
SAMPLED_ROWS = 4_000
SHOWN_FEATURES = 20
RANKER = model_style("ranker").colour


def log_ranker_charts(
    tracking: Tracking, run_id: str, ranker: ExplainedModel, rows: pa.Table, *, top: int = 8
) -> None:
    """Log ``explained/importance`` and ``explained/dependence_*``, as charts and tables.

    From the first searches of ``rows``; nothing is logged where there are none.
    """
    sample = first_searches(rows)
    if not sample.num_rows:
        return
    importance = global_importance(ranker, sample)
    tracking.log_table(run_id, importance.to_pandas(), "explained/importance.json")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _draw_importance(importance, folder / "importance.png")
        for feature, table in dependences(ranker, sample, top=top).items():
            tracking.log_table(run_id, table.to_pandas(), f"explained/dependence_{feature}.json")
            _draw_dependence(feature, table, folder / f"dependence_{feature}.png")
        tracking.log_artifacts(run_id, folder, "explained")


def first_searches(rows: Rows) -> pa.Table:
    """The first searches, about ``SAMPLED_ROWS`` rows; contributions are taken within a search."""
    codes = group_codes(read(rows, ["id_search"])["id_search"])
    if len(codes) <= SAMPLED_ROWS:
        return read_all(rows)
    last = int(np.sort(codes)[SAMPLED_ROWS])
    first = np.flatnonzero(codes < max(last, 1))
    return read_at(rows, rows.schema.names, [places_of(first, rows.num_rows)])[0]


def _draw_importance(importance: pa.Table, path: Path) -> None:
    best = importance.slice(0, SHOWN_FEATURES)
    figure, axes = _figure(0.6 + 0.28 * best.num_rows)
    places = np.arange(best.num_rows)[::-1]
    axes.barh(places, best["share"].to_numpy(), color=RANKER)
    axes.set_yticks(places, best["feature"].to_pylist())
    axes.set_title("Which features move the ranker's score most", fontsize=10)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("share of all movement within a search (mean absolute contribution)")
    figure.savefig(path)


def _draw_dependence(feature: str, table: pa.Table, path: Path) -> None:
    figure, axes = _figure(3.2)
    words = table["word"].to_pylist()
    if all(word is not None for word in words):
        places: Any = np.arange(table.num_rows)
        axes.set_xticks(places, words, rotation=30, ha="right")
    else:
        # What is unknown has no place on the axis of values; the table has its mean.
        table = table.filter(pa.array([word is None for word in words]))
        places = table["value"].to_numpy()
    mean, low, high = (table[name].to_numpy() for name in ("mean", "low", "high"))
    axes.plot(places, mean, "-", color=RANKER)
    # Hollow: of too few rows to say.
    for is_few, fill in ((False, "full"), (True, "none")):
        some = (table["rows"].to_numpy() < FEWEST) == is_few
        axes.plot(np.asarray(places)[some], mean[some], "o", color=RANKER, fillstyle=fill)
    # No error bars: the mean of a few large contributions lies beyond nine tenths of the rows.
    axes.vlines(places, low, high, color=RANKER)
    axes.axhline(0, color=GUIDE, linewidth=0.8)
    axes.set_title(f"How the ranker's score moves with {feature}", fontsize=10)
    axes.set_xlabel(feature)
    axes.set_ylabel("score over the search's mean (log-odds)")
    figure.savefig(path)


def _figure(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.5, height), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
