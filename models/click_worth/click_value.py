"""What every click leads to: its chance of a booking, and a little of the booking itself.

Clicks are many and bookings few: a click on a stay that is booked once in twenty clicks says
as much as a twentieth of a booking, and there are thirty times as many of them. A ridge
logistic regression learns it from all clicks that the log has; clicks are split into folds by
guest, and each fold is valued by a regression on the others (cross-fitting: Chernozhukov et
al., Econometrics Journal 2018), so that no outcome is its own evidence:

    fold   guest   clicked   booked    valued by a regression on
       0   anna    x, y      x         ben's and carl's clicks
       1   ben     z                   anna's and carl's

No model knows all that makes a click a booking, and what it does not know it cannot credit. So
a share of each value is the outcome itself, λ · booked + (1 - λ) · P(booked | clicked): the
same in the mean, less favour for what the model knows, more noise (as in prediction-powered
inference: Angelopoulos, Duchi & Zrnic 2023). With λ of 0.1 a booked click of a chance of 0.04
is worth 0.1 + 0.9 · 0.04 = 0.136, another one 0.036.

Legend: C clicks, D scaled inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.special import expit

from data.schema.feature_set import FeatureSet
from data.schema.types import BOOKED, CLICKED, CONTACTED
from models.arrow_columns import Numbers, stages
from models.click_worth.config import ClickWorthConfig
from models.linear.booking_mechanics import MECHANICS
from models.linear.cross_validation import guest_folds
from models.linear.ridge_logistic import fit_ridge
from models.linear.scaled_inputs import ScaledInputs
from models.ranking_order import tie_keys

__all__ = ["ClickValue", "click_value"]

_TAIL_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class ClickValue:
    """What each click is worth before examination.

    Attributes:
        value: λ · outcome + (1 - λ) · P(the outcome | clicked), one per click; 1 each where
            ``outcome`` is ``click``.
        outcome: ``book``, or ``contact`` where bookings are too few, or ``click`` where
            contacts are too few as well.
        clicks, outcomes: what it was learnt from.
    """

    value: Numbers
    outcome: str
    clicks: int
    outcomes: int


def click_value(
    judged: pa.Table, other: pa.Table, features: FeatureSet, config: ClickWorthConfig
) -> ClickValue:
    """The value of each of the ``judged`` clicks, learnt from these and the ``other`` clicks.

    Both are rows of stage 1 or further with the columns of ``features``, ``id_user``,
    ``id_search``, ``id_listing`` and ``stage``; ``other`` are clicks outside the window that is
    judged.
    """
    clicks = pa.concat_tables([judged, other.select(judged.column_names)], promote_options="none")
    # In an order of the ids alone: sums of floats depend on their order, and the log's must not.
    order = np.argsort(tie_keys(clicks), kind="stable")
    clicks = clicks.take(pa.array(order))
    of_judged = np.argsort(order, kind="stable")[: judged.num_rows]
    stage = stages(clicks)
    for outcome, reached in (("book", BOOKED), ("contact", CONTACTED)):
        happened = (stage >= int(reached)).astype(np.float64)
        outcomes = int(happened.sum())
        if min(outcomes, len(stage) - outcomes) >= config.fewest_outcomes:
            chance = _cross_fitted(clicks, happened, features, config)
            own = config.outcome_share
            value = (own * happened + (1 - own) * chance)[of_judged]
            return ClickValue(value=value, outcome=outcome, clicks=len(stage), outcomes=outcomes)
    return ClickValue(
        value=np.ones(judged.num_rows),
        outcome="click",
        clicks=len(stage),
        outcomes=int((stage >= int(CLICKED)).sum()),
    )


def _cross_fitted(
    clicks: pa.Table, happened: Numbers, features: FeatureSet, config: ClickWorthConfig
) -> Numbers:
    """The chance of each click, from the folds of other guests."""
    # The scaling sees all clicks: it knows no outcome.
    scaled = ScaledInputs(features)
    x_CD = scaled.fit(clicks, tail_share=_TAIL_SHARE).encode(clicks)
    of_inputs = [
        config.mechanics_penalty if name in MECHANICS else config.penalty for name in scaled.inputs
    ]
    penalty_D = np.array([*of_inputs, *of_inputs])  # values, missingness
    fold, value = guest_folds(clicks, config.folds), np.empty(len(happened))
    for number in range(config.folds):
        valued = np.flatnonzero(fold == number)
        if not len(valued):
            continue
        learnt = fold != number
        fitted = fit_ridge(x_CD[learnt], happened[learnt], penalty_D)
        value[valued] = expit(x_CD[valued] @ fitted[:-1] + fitted[-1])
    return value
