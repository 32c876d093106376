"""Figures of a scorecard side by side, each with its interval and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from models.evaluation.scorecard import Score, Scorecard
from pipelines.evaluation.scorecard_view import figure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["figures", "of_orders"]

ORACLE = "oracle_"


def of_orders(scores: Sequence[Score]) -> list[Score]:
    """The figures of orders that somebody could show, without those by the simulator's truth.

    An order by the true chances is a ceiling of what can be expected. What is logged is one draw
    of it, on which luck can put a model above the order by the truth: beside outcomes it would be
    taken for a ceiling and is none. How close a model comes to it is G's matter, which no order
    can have above 1.
    """
    return [score for score in scores if not score.model.startswith(ORACLE)]


def figures(
    evaluation: Scorecard,
    metrics: Mapping[str, str],
    segments: Sequence[str] = ("all",),
    models: Sequence[str] | None = None,
    *,
    weakest_first: bool = False,
) -> pd.DataFrame:
    """A row per segment and model; per metric its figure in words, and the searches behind it.

    ``metrics`` → the heading of each. A figure of too few searches says so in the place of its
    value. Without ``models`` every order is there, but none by the simulator's truth
    (:func:`of_orders`). ``weakest_first`` sorts by the first metric, too few at the end.
    """
    import pandas as pd

    known = {(s.segment, s.model, s.metric): s for s in of_orders(evaluation.scores)}
    shown = (
        list(models) if models is not None else [m for m in evaluation.models if ORACLE not in m]
    )
    rows = []
    for segment in segments:
        for model in shown:
            found = [known.get((segment, model, metric)) for metric in metrics]
            if any(score is not None and score.searches for score in found):
                rows.append((segment, model, found))
    if weakest_first:
        rows.sort(key=lambda row: _strength(row[2][0]))
    table = []
    for segment, model, found in rows:
        cells: dict[str, str | int] = {"segment": segment, "model": model}
        for heading, score in zip(metrics.values(), found, strict=True):
            cells |= {
                heading: figure(score),
                f"{heading}: searches": score.searches if score else 0,
            }
        table.append(cells)
    return pd.DataFrame(table)


def _strength(score: Score | None) -> tuple[bool, float]:
    return (True, 0.0) if score is None or score.is_too_few else (False, score.value)
