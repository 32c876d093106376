"""The stages after a click: a ridge logistic regression led by the log-odds of the click.

Learnt from the rows of both windows that reached the stage before, on days of which enough is
known. An outcome counts for as many as will have come in the end: what grows from day to day,
such as a guest's past searches, would else be learnt to go with fewer outcomes, since fewer of
the younger days' are known.

What makes a listing clicked leads, unpenalised; what decides whether it can be booked at all
(:mod:`models.linear.booking_mechanics`) is nearly free; all else is drawn to 0, as far as
cross-validation over guests says.
"""

from __future__ import annotations

import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, stages
from models.funnel.config import FunnelConfig
from models.lightgbm_core.label_completeness import (
    Completeness,
    expected_outcomes,
    mature_rows,
)
from models.linear.booking_mechanics import INSTANT_BOOKABLE
from models.linear.cross_validation import (
    CrossValidated,
    PenaltyGrid,
    cross_validated,
    guest_folds,
)

__all__ = ["fit_later_stage", "rows_of_stage"]

_LEAD = "_lead"


def rows_of_stage(
    rows: pa.Table, lead: Numbers, stage: int, known: Completeness | None, config: FunnelConfig
) -> tuple[pa.Table, Numbers]:
    """The rows that a stage learns from, in an order of their ids' own, and their lead."""
    numbered = rows.append_column(_LEAD, pa.array(lead))
    reached = numbered.filter(pa.array(stages(rows) >= stage - 1))
    if known is not None:
        reached = mature_rows(reached, stage, known, config.mature_share)
    return reached.drop_columns([_LEAD]), reached[_LEAD].to_numpy()


def fit_later_stage(
    features: FeatureSet,
    rows: pa.Table,
    lead: Numbers,
    stage: int,
    known: dict[int, Completeness],
    config: FunnelConfig,
) -> CrossValidated | None:
    """The regression of reaching ``stage``; ``None`` where too few rows did, or did not."""
    reached = int((stages(rows) >= stage).sum())
    if min(reached, rows.num_rows - reached) < config.fewest_outcomes:
        return None
    outcomes = expected_outcomes(rows, stage, known)
    grid = PenaltyGrid(
        penalties=config.later_penalties,
        # Without it the log does not say what can be booked at once, and the others are
        # features like any other.
        mechanics=config.mechanics_penalty if INSTANT_BOOKABLE in features.names else None,
    )
    folds = guest_folds(rows, config.folds)
    return cross_validated(features, rows, outcomes, folds, grid, lead=lead)
