"""How well scores separate the stages, and how far predicted probabilities can be believed.

AUC takes any score. Log loss and calibration take probabilities: a score that is none
(a price, a lambdarank margin) has no log loss, and none is printed for it.

Legend: N rows, S searches, G groups of guests, B bins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers, Mask
from models.evaluation.config import EvaluationConfig
from models.evaluation.ranking_metrics import STAGE_NAMES
from models.evaluation.ratio_metric import ListMetric, RatioMetric
from models.evaluation.significance import UNIT_INTERVAL, jackknife_interval

__all__ = [
    "auc_metrics",
    "calibration_error",
    "calibration_metrics",
    "log_loss",
    "probability_metrics",
]

# a probability of exactly 0 or 1 that fails would cost infinity
_SMALLEST = 1e-15


@dataclass(frozen=True, kw_only=True)
class _SortedScores:
    """Scores sorted once, so that the AUC of several stages can be read off them.

    Attributes:
        order: rows by rising score; shape (N,).
        below: for each place of that order, rows with a lower score; shape (N,).
        upto: the same, the tied ones and itself included; shape (N,).
    """

    order: Integers
    below: Integers
    upto: Integers


def _sorted_scores(scores: Floats) -> _SortedScores:
    """The scores in rising order.

    Of 0.5, 0.1 and 0.5 the second comes first, with no row below it; the tied ones both have
    one row below and three up to them.

    >>> in_order = _sorted_scores(np.array([0.5, 0.1, 0.5]))
    >>> in_order.below.tolist(), in_order.upto.tolist()
    ([0, 1, 1], [1, 3, 3])
    """
    order = np.argsort(scores)
    ascending = scores[order]
    places = np.arange(len(scores))
    is_first = np.concatenate([[True], ascending[1:] != ascending[:-1]])
    if is_first.all():
        return _SortedScores(order=order, below=places, upto=places + 1)
    starts = np.flatnonzero(is_first)
    lengths = np.diff(np.concatenate([starts, [len(scores)]]))
    below = np.repeat(starts, lengths)
    return _SortedScores(order=order, below=below, upto=below + np.repeat(lengths, lengths))


def _placements(in_order: _SortedScores, positive: Mask) -> Floats:
    """Share of the other class that each row stands right against; shape (N,).

    For a positive, the share of negatives scored below it; for a negative, the share of
    positives scored above it; ties count half. The mean over either class is the AUC
    (DeLong et al. 1988). ``positive`` and the result are in rising order of the score.

    A positive at 0.8, negatives at 0.1 and 0.9: it beats one of two, so the AUC is 1/2.

    >>> _placements(_sorted_scores(np.array([0.1, 0.8, 0.9])), np.array([0, 1, 0], bool)).tolist()
    [1.0, 0.5, 0.0]

    Tied with one of the negatives, above the other: (1/2 + 1) / 2 = 3/4.

    >>> _placements(_sorted_scores(np.array([0.1, 0.8, 0.8])), np.array([0, 1, 0], bool)).tolist()
    [1.0, 0.75, 0.5]
    """
    running = np.concatenate([[0], np.cumsum(positive)])
    # of the rows tied with a row (itself included) half count as below it
    positives_below = (running[in_order.below] + running[in_order.upto]) / 2
    rows_below = (in_order.below + in_order.upto) / 2
    positives = int(running[-1])
    negatives = len(positive) - positives
    shares = np.where(
        positive,
        (rows_below - positives_below) / max(negatives, 1),
        1 - positives_below / max(positives, 1),
    )
    return np.asarray(shares, dtype=np.float64)


def auc_metrics(arranged: ArrangedRows, scores: Floats) -> list[RatioMetric]:
    """``auc_click``, ``auc_contact``, ``auc_book`` over all rows of all searches.

    ``scores`` are arranged. A stage that no row or every row reached has no AUC.

    A pooled AUC compares rows of different searches, so it is no sum over searches. What a
    search contributes to first order is Σ over its rows of (placement − AUC) / rows of its
    class (DeLong et al. 1988, clustered as in Obuchowski 1997). These influences sum to 0
    over all searches; with the AUC added to each, their mean is the AUC itself, and under
    reweighted guests it moves as the AUC does to first order.
    """
    in_order = _sorted_scores(scores)
    search, stages = arranged.search[in_order.order], arranged.stage[in_order.order]
    ones = np.ones(arranged.searches)
    metrics = []
    for name, stage in STAGE_NAMES.items():
        positive = stages >= stage
        positives = int(positive.sum())
        negatives = len(positive) - positives
        if not positives or not negatives:
            continue
        placements = _placements(in_order, positive)
        auc = float(placements[positive].mean())
        weight = np.where(positive, 1 / positives, 1 / negatives)
        influence = np.bincount(
            search, weights=(placements - auc) * weight, minlength=arranged.searches
        )
        metrics.append(
            RatioMetric(
                metric=f"auc_{name}",
                k=None,
                numerator=np.asarray(auc + arranged.searches * influence),
                denominator=ones,
                scored=ones,
                denominator_name="searches",
                scored_name="searches",
                is_for_segments=False,
            )
        )
    return metrics


def log_loss(probabilities: Floats, is_positive: Mask) -> Floats:
    """−log of the probability given to what happened; shape (N,).

    Booked at 0.25, not booked at 0.5: log 4 and log 2.

    >>> log_loss(np.array([0.25, 0.5]), np.array([True, False])).round(4).tolist()
    [1.3863, 0.6931]
    """
    clipped = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return -np.log(np.where(is_positive, clipped, 1 - clipped))


def probability_metrics(
    arranged: ArrangedRows, predicted: Mapping[str, Floats]
) -> list[RatioMetric]:
    """``log_loss_*`` and ``calibration_ratio_*`` of each predicted stage.

    ``predicted`` maps ``click``, ``contact`` or ``book`` to P(the row reaches at least
    that stage), arranged. The log loss is a mean over rows. The ratio is Σ predicted over
    the number that did reach it: 1.1 promises a tenth too much.
    """
    metrics = []
    ones = np.ones(arranged.searches)
    sizes = arranged.sizes.astype(np.float64)
    for name, probabilities in predicted.items():
        happened = arranged.stage >= STAGE_NAMES[name]
        loss = arranged.per_search(log_loss(probabilities, happened))
        outcomes = arranged.per_search(happened.astype(np.float64))
        expected = arranged.per_search(probabilities)
        metrics += [
            RatioMetric(
                metric=f"log_loss_{name}",
                k=None,
                numerator=loss,
                denominator=sizes,
                scored=ones,
                denominator_name="rows",
                scored_name="predicted searches",
            ),
            RatioMetric(
                metric=f"calibration_ratio_{name}",
                k=None,
                numerator=expected,
                denominator=outcomes,
                scored=ones,
                scored_name="predicted searches",
            ),
        ]
    return metrics


def calibration_error(excess: Floats, rows: Floats) -> Floats:
    """Mean over the rows of |predicted − observed rate| of their bin.

    ``excess`` is Σ predicted − number that happened per bin, ``rows`` the bin's rows;
    both of shape (..., bins).

    Two bins of 10 rows, one promising 1 too many, one 3 too few: (1 + 3) / 20.

    >>> float(calibration_error(np.array([1.0, -3.0]), np.array([10.0, 10.0])))
    0.2
    """
    return np.asarray(np.abs(excess).sum(axis=-1) / rows.sum(axis=-1))


def calibration_metrics(
    arranged: ArrangedRows, predicted: Mapping[str, Floats], config: EvaluationConfig
) -> tuple[list[RatioMetric], list[ListMetric]]:
    """``calibration_error_*`` over equal-sized bins of the prediction, and each bin's own.

    ``calibration_error_book_bin_10`` is mean predicted minus observed rate among the tenth
    of the rows with the highest prediction.
    """
    bin_errors: list[RatioMetric] = []
    errors: list[ListMetric] = []
    for name, probabilities in predicted.items():
        happened = arranged.stage >= STAGE_NAMES[name]
        bins = _bins(probabilities, config.decile_count)
        excess = probabilities - happened
        errors.append(_error_over_bins(arranged, name, bins, excess, config))
        for number in range(config.decile_count):
            inside = bins == number
            rows = arranged.per_search(inside.astype(np.float64))
            bin_errors.append(
                RatioMetric(
                    metric=f"calibration_error_{name}_bin_{number + 1}",
                    k=None,
                    numerator=arranged.per_search(np.where(inside, excess, 0.0)),
                    denominator=rows,
                    scored=(rows > 0).astype(np.float64),
                    is_for_segments=False,
                )
            )
    return bin_errors, errors


def _bins(probabilities: Floats, count: int) -> Integers:
    """Bin of each row, 0 for the lowest predictions; bins differ by at most one row.

    >>> _bins(np.array([0.9, 0.1, 0.5, 0.3, 0.2]), 2).tolist()
    [1, 0, 1, 0, 0]
    """
    bins = np.empty(len(probabilities), dtype=np.int64)
    order = np.argsort(probabilities, kind="stable")
    bins[order] = np.arange(len(order)) * count // len(order)
    return bins


def _error_over_bins(
    arranged: ArrangedRows,
    name: str,
    bins: Integers,
    excess: Floats,
    config: EvaluationConfig,
) -> ListMetric:
    """The calibration error with its jackknife interval over groups of guests.

    Not by bootstrap: noise has no sign under |·|, so a resampled log looks worse
    calibrated than the log itself.
    """
    groups, count = config.jackknife_groups, config.decile_count
    cell = (arranged.cluster % groups)[arranged.search] * count + bins
    excess_GB = np.bincount(cell, weights=excess, minlength=groups * count).reshape(groups, count)
    rows_GB = np.bincount(cell, minlength=groups * count).reshape(groups, count).astype(np.float64)
    value = float(calibration_error(excess_GB.sum(axis=0), rows_GB.sum(axis=0)))
    # row g of the total minus each group: the log without group g
    left_out = calibration_error(excess_GB.sum(axis=0) - excess_GB, rows_GB.sum(axis=0) - rows_GB)
    interval = jackknife_interval(
        value, left_out, confidence=config.confidence, bounds=UNIT_INTERVAL
    )
    return ListMetric(metric=f"calibration_error_{name}", k=None, interval=interval)
