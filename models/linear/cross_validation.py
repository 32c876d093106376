"""Penalties of a ridge logistic regression, chosen by cross-validation over guests.

The rows of one guest are alike, so that a guest's rows are all learnt from or all judged. That
penalty wins under which the rows held out are likeliest, tried from the heaviest to the
lightest; where two in a row are worse than the best the lighter ones are not tried. The few
features that decide whether a stay can be booked at all (:mod:`models.linear.booking_mechanics`)
have a penalty of their own.

A penalty is a statement on how large coefficients are, whatever the number of rows: of many rows
a part chooses it (whole guests), and all are learnt from.

Legend: N rows, C columns of the design.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from data.ranges import ABOVE_0, refuse_outside
from data.schema.feature_set import FeatureSet
from models.arrow_columns import Codes, Numbers, guest_keys, require_columns
from models.linear.booking_mechanics import MECHANICS, MECHANICS_PRODUCTS
from models.linear.ridge_logistic import RidgeLogistic, fit_ridge
from models.linear.scaled_inputs import ScaledInputs
from models.ranking_order import hashed_ids

__all__ = ["CrossValidated", "PenaltyGrid", "cross_validated", "guest_folds"]

_TAIL_SHARE = 0.01
_WORSE_IN_A_ROW = 2
_DRAW = 7  # a seed of its own: the folds are by the hash of seed 0


@dataclass(frozen=True, kw_only=True)
class PenaltyGrid:
    """The candidates.

    Attributes:
        penalties: of every feature.
        mechanics: of the mechanics of booking; ``None``: they are features like any other.
        most_rows: from about so many the penalty is chosen.
    """

    penalties: tuple[float, ...]
    mechanics: float | None = None
    most_rows: int = 20_000

    def __post_init__(self) -> None:
        refuse_outside(self, {"penalties": ABOVE_0, "mechanics": ABOVE_0})


@dataclass(frozen=True, kw_only=True)
class CrossValidated:
    """What cross-validation found.

    Attributes:
        model: fitted on all rows under the best pair of penalties.
        of_fold: for each fold a model that saw no row of it.
        penalty: the best.
        losses: log-loss of the held-out rows, a mean over them, by penalty.
    """

    model: RidgeLogistic
    of_fold: tuple[RidgeLogistic, ...]
    penalty: float
    losses: dict[float, float] = field(default_factory=dict)

    def shifted(self, log_odds: float) -> CrossValidated:
        """The same with so much added to all log-odds."""

        def moved(model: RidgeLogistic) -> RidgeLogistic:
            return replace(model, intercept=model.intercept + log_odds)

        return replace(self, model=moved(self.model), of_fold=tuple(moved(m) for m in self.of_fold))

    def held_out(self, rows: pa.Table, fold_N: Codes, lead: Numbers | None = None) -> Numbers:
        """Log-odds of each row by the model that saw no row of its fold."""
        log_odds = np.empty(rows.num_rows)
        for number, model in enumerate(self.of_fold):
            at = np.flatnonzero(fold_N == number)
            log_odds[at] = model.log_odds(
                rows.take(pa.array(at)), None if lead is None else lead[at]
            )
        return log_odds


def guest_folds(rows: pa.Table, folds: int) -> Codes:
    """The fold of each row by a hash of its guest, of its search where it names none."""
    return (hashed_ids(_guests(rows)) % np.uint64(folds)).astype(np.int64)


def _guests(rows: pa.Table) -> pa.ChunkedArray:
    return guest_keys(rows) if "id_user" in rows.column_names else rows["id_search"]


def cross_validated(
    features: FeatureSet,
    rows: pa.Table,
    happened: Numbers,
    fold_N: Codes,
    grid: PenaltyGrid,
    *,
    lead: Numbers | None = None,
    offset_N: Numbers | None = None,
) -> CrossValidated:
    """Fit on ``rows`` under the best penalties.

    Args:
        features: what is read.
        rows: to learn from.
        happened: 0, or how many outcomes that of a row stands for: 1 where all are known.
        fold_N: fold of each row, from 0; rows of one guest have the same.
        grid: the candidates.
        lead: log-odds of each row that the regression weighs (see
            :mod:`models.linear.ridge_logistic`).
        offset_N: log-odds that each row starts from, which are no part of the model.

    Raises ``ValueError`` when an input is absent.
    """
    scaled = ScaledInputs(features, products=MECHANICS_PRODUCTS if grid.mechanics else ())
    require_columns(rows, scaled.inputs, model="the logistic regression")
    beside = () if lead is None else (lead,)
    x_NC = scaled.fit(rows, tail_share=_TAIL_SHARE).encode(rows, beside=beside)
    design = _Design(x_NC, happened, np.zeros(len(x_NC)) if offset_N is None else offset_N)
    is_mechanics = np.array([name in MECHANICS for name in scaled.columns])

    def penalties(penalty: float) -> Numbers:
        of_mechanics = penalty if grid.mechanics is None else grid.mechanics
        of_columns = np.where(is_mechanics, of_mechanics, penalty)
        return np.asarray(of_columns if lead is None else np.r_[of_columns, 0.0])

    drawn = np.arange(rows.num_rows)
    if rows.num_rows > grid.most_rows:
        share = grid.most_rows / rows.num_rows
        drawn = np.flatnonzero(hashed_ids(_guests(rows), seed=_DRAW) / 2.0**64 < share)
    losses, fits = _losses(design, drawn, fold_N, grid, penalties)
    best = min(losses, key=lambda penalty: losses[penalty])

    def model_of(fitted: Numbers) -> RidgeLogistic:
        *coefficients, weight = fitted[:-1] if lead is not None else (*fitted[:-1], 0.0)
        return RidgeLogistic(scaled, np.asarray(coefficients), float(weight), float(fitted[-1]))

    everything = np.arange(len(x_NC))
    return CrossValidated(
        model=model_of(design.fitted(everything, penalties(best), None)),
        of_fold=tuple(model_of(fitted) for fitted in fits[best]),
        penalty=best,
        losses=losses,
    )


@dataclass(frozen=True)
class _Design:
    """The columns, the outcomes and where each row starts."""

    x_NC: np.ndarray[Any, Any]
    happened: Numbers
    offset_N: Numbers

    def fitted(self, at: Codes, penalty_C: Numbers, start: Numbers | None) -> Numbers:
        is_all = len(at) == len(self.x_NC)
        return fit_ridge(
            self.x_NC if is_all else self.x_NC[at],
            self.happened[at],
            penalty_C,
            offset_N=self.offset_N[at],
            start=start,
        )

    def loss(self, at: Codes, fitted: Numbers) -> float:
        z = self.x_NC[at] @ fitted[:-1] + fitted[-1] + self.offset_N[at]
        return float(np.logaddexp(0, z).sum() - self.happened[at] @ z)


def _losses(
    design: _Design,
    drawn: Codes,
    fold_N: Codes,
    grid: PenaltyGrid,
    penalties: Callable[[float], Numbers],
) -> tuple[dict[float, float], dict[float, list[Numbers]]]:
    """Held-out loss of each penalty that was tried on the rows ``drawn``, and its fits."""
    fold = fold_N[drawn]
    folds = [
        (drawn[fold != number], drawn[fold == number])
        for number in range(int(fold_N.max(initial=0)) + 1)
    ]
    losses: dict[float, float] = {}
    fits: dict[float, list[Numbers]] = {}
    starts: Sequence[Numbers | None] = [None] * len(folds)
    worse = 0
    for penalty in sorted(grid.penalties, reverse=True):
        fits[penalty] = [
            design.fitted(learnt, penalties(penalty), start)
            for (learnt, _), start in zip(folds, starts, strict=True)
        ]
        held_out = [
            design.loss(judged, fit) for (_, judged), fit in zip(folds, fits[penalty], strict=True)
        ]
        loss = sum(held_out) / max(len(drawn), 1)
        worse = 0 if loss < min(losses.values(), default=np.inf) else worse + 1
        losses[penalty], starts = loss, fits[penalty]
        if worse == _WORSE_IN_A_ROW:
            break
    return losses, fits
