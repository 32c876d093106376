"""How well scores separate the stages, and how far predicted probabilities can be believed.

AUC takes any score. Log loss and calibration take probabilities: a score that is none
(a price, a lambdarank margin) has no log loss, and none is printed for it.

Legend: N rows, S searches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers, Mask
from models.evaluation.config import EvaluationConfig
from models.evaluation.ranking_metrics import STAGE_NAMES
from models.evaluation.ratio_metric import Figure, Measure
from models.evaluation.significance import jackknife_interval

__all__ = [
    "auc_measures",
    "calibration_error",
    "calibration_figures",
    "log_loss",
    "placements",
    "probability_measures",
]

SHARE = (0.0, 1.0)

# a probability of exactly 0 or 1 that fails would cost infinity
_SMALLEST = 1e-15


def placements(scores: Floats, is_positive: Mask) -> Floats:
    """Share of the other class that each row stands right against; shape (N,).

    For a positive, the share of negatives scored below it; for a negative, the share of
    positives scored above it; ties count half. The mean over either class is the AUC
    (DeLong et al. 1988).

    One positive at 0.8, negatives at 0.9 and 0.1: it beats one of two.

    >>> placements(np.array([0.8, 0.9, 0.1]), np.array([True, False, False])).tolist()
    [0.5, 0.0, 1.0]
    """
    ascending = _ascending(scores)
    placed = np.empty(len(scores))
    placed[ascending.order] = _placed(ascending, is_positive[ascending.order])
    return placed


@dataclass(frozen=True, kw_only=True)
class _Ascending:
    """Scores sorted once, so that several stages can be placed against them.

    Attributes:
        order: rows by rising score; shape (N,).
        below: for each place of that order, rows with a lower score; shape (N,).
        upto: the same, the tied ones and itself included; shape (N,).
    """

    order: Integers
    below: Integers
    upto: Integers


def _ascending(scores: Floats) -> _Ascending:
    order = np.argsort(scores)
    ascending = scores[order]
    places = np.arange(len(scores))
    is_first = np.concatenate([[True], ascending[1:] != ascending[:-1]])
    if is_first.all():
        return _Ascending(order=order, below=places, upto=places + 1)
    starts = np.flatnonzero(is_first)
    lengths = np.diff(np.concatenate([starts, [len(scores)]]))
    below = np.repeat(starts, lengths)
    return _Ascending(order=order, below=below, upto=below + np.repeat(lengths, lengths))


def _placed(ascending: _Ascending, positive: Mask) -> Floats:
    """Placements in the ascending order; ``positive`` in that order; shape (N,)."""
    running = np.concatenate([[0], np.cumsum(positive)])
    positives_below = (running[ascending.below] + running[ascending.upto]) / 2
    rows_below = (ascending.below + ascending.upto) / 2
    positives = int(running[-1])
    negatives = len(positive) - positives
    placed = np.where(
        positive,
        (rows_below - positives_below) / max(negatives, 1),
        1 - positives_below / max(positives, 1),
    )
    return np.asarray(placed, dtype=np.float64)


def auc_measures(judged: ArrangedRows, scores: Floats) -> list[Measure]:
    """``auc_click``, ``auc_contact``, ``auc_book`` over all rows of all searches.

    A pooled AUC is no ratio of sums. Its bootstrap runs on the first-order influence of
    each search (Obuchowski 1997, clustered AUC), written so that the ratio of the whole
    is the AUC itself. A stage that no row or every row reached has none.
    """
    ascending = _ascending(scores)
    search, stages = judged.search[ascending.order], judged.stage[ascending.order]
    ones = np.ones(judged.searches)
    measures = []
    for name, stage in STAGE_NAMES.items():
        positive = stages >= stage
        positives = int(positive.sum())
        negatives = len(positive) - positives
        if not positives or not negatives:
            continue
        placed = _placed(ascending, positive)
        auc = float(placed[positive].mean())
        weight = np.where(positive, 1 / positives, 1 / negatives)
        influence = np.bincount(search, weights=(placed - auc) * weight, minlength=judged.searches)
        measures.append(
            Measure(
                metric=f"auc_{name}",
                k=None,
                numerator=np.asarray(auc + judged.searches * influence),
                denominator=ones,
                scored=ones,
                is_for_segments=False,
            )
        )
    return measures


def log_loss(probabilities: Floats, is_positive: Mask) -> Floats:
    """−log of the probability given to what happened; shape (N,).

    Booked at 0.25, not booked at 0.5: log 4 and log 2.

    >>> log_loss(np.array([0.25, 0.5]), np.array([True, False])).round(4).tolist()
    [1.3863, 0.6931]
    """
    clipped = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return -np.log(np.where(is_positive, clipped, 1 - clipped))


def probability_measures(judged: ArrangedRows, predicted: Mapping[str, Floats]) -> list[Measure]:
    """``log_loss_*`` and ``calibration_ratio_*`` of each predicted stage.

    ``predicted`` maps ``click``, ``contact`` or ``book`` to P(the row reaches at least
    that stage), arranged. The ratio is Σ predicted over the number that did: 1.1 promises
    a tenth too much.
    """
    measures = []
    ones = np.ones(judged.searches)
    sizes = judged.sizes.astype(np.float64)
    for name, probabilities in predicted.items():
        happened = judged.stage >= STAGE_NAMES[name]
        loss = judged.per_search(log_loss(probabilities, happened))
        outcomes = judged.per_search(happened.astype(np.float64))
        promised = judged.per_search(probabilities)
        for metric, numerator, denominator in (
            (f"log_loss_{name}", loss, sizes),
            (f"calibration_ratio_{name}", promised, outcomes),
        ):
            measures.append(
                Measure(
                    metric=metric, k=None, numerator=numerator, denominator=denominator, scored=ones
                )
            )
    return measures


def calibration_error(excess: Floats, rows: Floats) -> Floats:
    """Mean over the rows of |predicted − observed rate| of their bin.

    ``excess`` is Σ predicted − number that happened per bin, ``rows`` the bin's rows;
    both of shape (..., bins).

    Two bins of 10 rows, one promising 1 too many, one 3 too few: (1 + 3) / 20.

    >>> float(calibration_error(np.array([1.0, -3.0]), np.array([10.0, 10.0])))
    0.2
    """
    return np.asarray(np.abs(excess).sum(axis=-1) / rows.sum(axis=-1))


def calibration_figures(
    judged: ArrangedRows, predicted: Mapping[str, Floats], config: EvaluationConfig
) -> tuple[list[Measure], list[Figure]]:
    """``calibration_error_*`` over equal-sized bins of the prediction, and each bin's own.

    ``calibration_error_book_bin_10`` is mean predicted minus observed rate among the tenth
    of the rows with the highest prediction.
    """
    measures: list[Measure] = []
    figures: list[Figure] = []
    for name, probabilities in predicted.items():
        happened = judged.stage >= STAGE_NAMES[name]
        bins = _bins(probabilities, config.decile_count)
        excess = probabilities - happened
        figures.append(_overall(judged, name, bins, excess, config))
        for number in range(config.decile_count):
            inside = bins == number
            rows = judged.per_search(inside.astype(np.float64))
            measures.append(
                Measure(
                    metric=f"calibration_error_{name}_bin_{number + 1}",
                    k=None,
                    numerator=judged.per_search(np.where(inside, excess, 0.0)),
                    denominator=rows,
                    scored=(rows > 0).astype(np.float64),
                    is_for_segments=False,
                )
            )
    return measures, figures


def _bins(probabilities: Floats, count: int) -> Integers:
    """Bin of each row, 0 for the lowest predictions; bins differ by at most one row."""
    bins = np.empty(len(probabilities), dtype=np.int64)
    order = np.argsort(probabilities, kind="stable")
    bins[order] = np.arange(len(order)) * count // len(order)
    return bins


def _overall(
    judged: ArrangedRows,
    name: str,
    bins: Integers,
    excess: Floats,
    config: EvaluationConfig,
) -> Figure:
    groups, count = config.jackknife_groups, config.decile_count
    cell = (judged.cluster % groups)[judged.search] * count + bins
    excess_GB = np.bincount(cell, weights=excess, minlength=groups * count).reshape(groups, count)
    rows_GB = np.bincount(cell, minlength=groups * count).reshape(groups, count).astype(np.float64)
    value = float(calibration_error(excess_GB.sum(axis=0), rows_GB.sum(axis=0)))
    left_out = calibration_error(excess_GB.sum(axis=0) - excess_GB, rows_GB.sum(axis=0) - rows_GB)
    interval = jackknife_interval(value, left_out, confidence=config.confidence, bounds=SHARE)
    return Figure(metric=f"calibration_error_{name}", k=None, interval=interval)
