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
    primary_metric,
    too_few,
)
from pipelines.tracking.saved_view import Column, SavedView, mlflow_name
from pipelines.training.run_record import RunRecord

__all__ = [
    "MODELS_VIEW",
    "STANDING",
    "cells_of",
    "in_words",
    "models_view",
    "rankers_view",
    "rounded",
    "sorted_by",
]

MODELS_VIEW = "models"
RANKERS_VIEW = "rankers"
# The tag that says what became of a ranker: the champion, refused, …
STANDING = "standing"
INTERVAL = "95 percent interval"


def rounded(value: float) -> float:
    """Four significant digits: beyond them no figure here is known.

    >>> rounded(0.012757843), rounded(1234.5678)
    (0.01276, 1235.0)
    """
    return float(f"{value:.4g}")


def sorted_by(scorecard: Scorecard) -> str:
    """The metric in MLflow that the models are sorted by, in the unit in which it is shown."""
    return _heading(scorecard, primary_metric(scorecard))


def cells_of(scorecard: Scorecard, model: str) -> dict[str, str]:
    """A model's tags in the table; without those of figures that it does not have."""
    cells: dict[str, str] = {}
    primary = primary_metric(scorecard)
    for metric in metrics_shown(scorecard):
        score = _find(scorecard, model, metric)
        if score is None:
            continue
        if metric != primary:
            cells[_heading(scorecard, metric)] = figure(score)
            continue
        cells[INTERVAL] = too_few(score) if score.is_too_few else interval_of(score) or "unknown"
        if score.difference is not None and score.versus and not score.is_too_few:
            cells[_over(score.versus)] = _difference(score)
    return cells


def in_words(scorecard: Scorecard, model: str) -> list[tuple[str, str]]:
    """Heading and figure of the table's cells, each with its interval, for a model's own page."""
    primary = _find(scorecard, model, primary_metric(scorecard))
    cells = cells_of(scorecard, model)
    cells.pop(INTERVAL, None)
    first = [] if primary is None else [(sorted_by(scorecard), figure(primary))]
    return first + list(cells.items())


def models_view(record: RunRecord, scorecard: Scorecard) -> SavedView:
    """The models of one training, the best first."""
    return SavedView(
        key=MODELS_VIEW,
        name=_name("Models of the newest training", scorecard),
        columns=tuple(_columns(scorecard)),
        sorted_by=sorted_by(scorecard),
        where=f"tags.mlflow.parentRunId = '{record.parent}'",
    )


def rankers_view(scorecard: Scorecard) -> SavedView:
    """The ranker of every training, the newest first: which were champion, which refused.

    Each was judged on its own days: the figures of two rows are not of the same searches.
    """
    return SavedView(
        key=RANKERS_VIEW,
        name=_name("Every ranker, newest first", scorecard),
        columns=tuple(_columns(scorecard)),
        sorted_by="",
        where="attributes.run_name = 'ranker'",
    )


def _name(words: str, scorecard: Scorecard) -> str:
    is_simulated = scorecard.honesty.provenance.is_simulated
    return f"{words} · SIMULATED DATA" if is_simulated else words


def _columns(scorecard: Scorecard) -> Iterator[Column]:
    primary = primary_metric(scorecard)
    yield Column(kind="tags", name=STANDING, width=120)
    yield Column(kind="metrics", name=sorted_by(scorecard), width=210)
    yield Column(kind="tags", name=INTERVAL, width=150)
    versus = next((score.versus for score in scorecard.scores if score.versus), None)
    if versus:
        yield Column(kind="tags", name=_over(versus), width=200)
    for metric in metrics_shown(scorecard):
        if metric != primary:
            yield Column(kind="tags", name=_heading(scorecard, metric), width=160)


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


def _find(scorecard: Scorecard, model: str, metric: str) -> Score | None:
    try:
        return scorecard.find(model, metric)
    except KeyError:
        return None
