"""The table of models that MLflow opens on: its columns, and each model's cells.

The first column of figures is a metric, by which the table is sorted; the others are tags of the
same words as in the report, since MLflow has no column for an interval::

    Run Name     standing    bookings per 1000 searches   95 percent interval   over popularity
    ranker       ★ champion                       12.76   11.8–13.8             +14.5% (+11.8% to …)
    lambdarank   -                                12.15   11.2–13.1             +8.7% (+5.9% to …)
    popularity   -                                11.15   10.3–12.0             -
"""

from __future__ import annotations

from collections.abc import Iterator

from models.evaluation.scorecard import Score, Scorecard
from pipelines.evaluation.scorecard_view import (
    VALUE,
    difference_of,
    figure,
    interval_of,
    metrics_shown,
    ndcg_shown,
    primary_metric,
    scale_of,
    too_few,
)
from pipelines.tracking.model_registry import RUN_TAG
from pipelines.tracking.saved_view import (
    MODELS_VIEW,
    STANDING,
    Column,
    SavedView,
    mlflow_name,
)

__all__ = [
    "NEW_LISTINGS",
    "PRICE_LEVEL",
    "as_shown",
    "cells_of",
    "in_words",
    "models_view",
    "rankers_view",
    "rounded",
    "sorted_by",
]

RANKERS_VIEW = "rankers"
INTERVAL = "95 percent interval"
PRICE_LEVEL, NEW_LISTINGS = "price_to_search_median_at_10", "new_listing_exposure_at_10"
# What an order costs: metric → heading, and how its figures are written.
COSTS = {PRICE_LEVEL: ("price level", ".2f"), NEW_LISTINGS: ("new listings", ".1%")}


def rounded(value: float) -> float:
    """Four significant digits: beyond them no figure here is known.

    >>> rounded(0.012757843), rounded(1234.5678)
    (0.01276, 1235.0)
    """
    return float(f"{value:.4g}")


def as_shown(score: Score) -> float:
    """A figure in the unit in which it is shown: 12.76 bookings per 1,000 searches, NDCG 0.5661."""
    value = score.value * scale_of(score.metric)
    return round(value, 2) if abs(value) >= 1 else rounded(value)


def sorted_by(scorecard: Scorecard) -> str:
    """The metric in MLflow that the models are sorted by, in the unit in which it is shown."""
    return _heading(scorecard, primary_metric(scorecard))


def cells_of(scorecard: Scorecard, model: str) -> dict[str, str]:
    """A model's tags in the table; without those of figures that it does not have."""
    cells: dict[str, str] = {}
    primary, ndcg = primary_metric(scorecard), ndcg_shown(scorecard)
    score = _find(scorecard, model, primary)
    if score is not None:
        cells[INTERVAL] = too_few(score) if score.is_too_few else interval_of(score) or "unknown"
        if score.difference is not None and score.versus and not score.is_too_few:
            cells[_over(score.versus)] = _difference(score)
    score = _find(scorecard, model, ndcg)
    if score is not None and ndcg != primary:
        cells[_heading(scorecard, ndcg)] = figure(score)
    for metric, (heading, form) in COSTS.items():
        score = _find(scorecard, model, metric)
        if score is not None:
            cells[heading] = _cost(score, form)
    return cells


def in_words(scorecard: Scorecard, model: str) -> list[tuple[str, str]]:
    """Heading and figure of the table's cells, each with its interval, for a model's own page."""
    primary = _find(scorecard, model, primary_metric(scorecard))
    cells = cells_of(scorecard, model)
    cells.pop(INTERVAL, None)
    first = [] if primary is None else [(sorted_by(scorecard), figure(primary))]
    return first + list(cells.items())


def models_view(parent: str, scorecard: Scorecard) -> SavedView:
    """The models of one training, the best first; ``parent`` is its MLflow run."""
    return SavedView(
        key=MODELS_VIEW,
        name=_name("Newest models", scorecard),
        columns=tuple(_columns(scorecard)),
        sorted_by=f"metrics.`{sorted_by(scorecard)}`",
        where=f"tags.mlflow.parentRunId = '{parent}'",
    )


def rankers_view(scorecard: Scorecard) -> SavedView:
    """The ranker of every training, the newest first: which were champion, which refused.

    Each was judged on its own days: the figures of two rows are not of the same searches.
    """
    return SavedView(
        key=RANKERS_VIEW,
        name=_name("All rankers", scorecard),
        columns=tuple(_columns(scorecard)),
        # the names of runs begin with their time
        sorted_by=f"tags.`{RUN_TAG}`",
        where="attributes.run_name = 'ranker'",
    )


def _name(words: str, scorecard: Scorecard) -> str:
    is_simulated = scorecard.honesty.provenance.is_simulated
    # longer names are cut off on the page
    return f"{words} (SIMULATED)" if is_simulated else words


def _columns(scorecard: Scorecard) -> Iterator[Column]:
    primary, ndcg = primary_metric(scorecard), ndcg_shown(scorecard)
    yield Column(kind="tags", name=STANDING, width=130)
    yield Column(kind="metrics", name=sorted_by(scorecard), width=210)
    yield Column(kind="tags", name=INTERVAL, width=150)
    versus = next((score.versus for score in scorecard.scores if score.versus), None)
    if versus:
        yield Column(kind="tags", name=_over(versus), width=220)
    if ndcg != primary:
        yield Column(kind="tags", name=_heading(scorecard, ndcg), width=160)
    known = {score.metric for score in scorecard.scores}
    for metric, (heading, _) in COSTS.items():
        if metric in known:
            yield Column(kind="tags", name=heading, width=150)


def _heading(scorecard: Scorecard, metric: str) -> str:
    heading = metrics_shown(scorecard)[metric]
    # of "value DCG@10, bookings per 1,000 searches" what it counts
    return mlflow_name(heading.partition(", ")[2] if metric == VALUE else heading)


def _over(versus: str) -> str:
    return mlflow_name(f"over {versus}")


def _difference(score: Score) -> str:
    """``+14.5% (+11.8% to +17.5%)``."""
    difference, interval = difference_of(score)
    return f"{difference} ({interval.removeprefix('95% interval ')})"


def _cost(score: Score, form: str) -> str:
    """``0.97 (0.95–0.99)``, or without brackets where no interval is known."""
    if score.is_too_few:
        return too_few(score)
    if score.low is None or score.high is None:
        return f"{score.value:{form}}"
    return f"{score.value:{form}} ({score.low:{form}}–{score.high:{form}})"


def _find(scorecard: Scorecard, model: str, metric: str) -> Score | None:
    try:
        return scorecard.find(model, metric)
    except KeyError:
        return None
