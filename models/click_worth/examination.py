"""How likely each result was looked at: from the places, or from what betrays the places.

A click needs a look first, so that clicks flatter whoever orders as the log did. Each click
counts 1 / P(looked at) (inverse propensity: Joachims, Swaminathan & Schnabel, WSDM 2017), up
to a factor that is the same for all models. Three sources, the first that the log has:

- ``random order``: places, and searches whose results stood in random order: what a place
  gets there is how much it is looked at (:mod:`models.lightgbm_core.position_bias`).
- ``position``: places alone: a click's log-odds are learnt as the sum of two terms that share
  no feature, one of guest, search and listing, one of the place (trees under interaction
  constraints). The second is the logarithm of the examination, but for a constant.
- ``other results``: no places. What compares a result with the others of its search carries
  the order in which they stood (the cheapest was shown first, say) and takes the place's part.
  In a log where a listing is clicked *because* it is cheaper than its neighbours this term is
  appeal, and correcting by it is too much of a good thing; it never reverses an order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, numbers, stages
from models.click_worth.config import ClickWorthConfig
from models.lightgbm_core.boosting import Booster, LabelledRows, RoundLimits, train_booster
from models.lightgbm_core.feature_matrix import FeatureMatrix, of_other_results
from models.lightgbm_core.position_bias import estimate_examination, examination_of
from models.lightgbm_core.search_groups import downsample_unclicked
from models.ranking_order import tie_keys

__all__ = ["Examination", "examination"]

POSITION = "position"
RANDOM_ORDER = "is_random_order"
_NAME = "the examination of results"


@dataclass(frozen=True, kw_only=True)
class Examination:
    """P(looked at) of each judged row, as a share of the best place.

    Attributes:
        chance: one per row, between ``least_examination`` and 1.
        source: ``random order``, ``position``, ``other results`` or ``none`` (all 1).
    """

    chance: Numbers
    source: str


def examination(
    judged: pa.Table, learnt: pa.Table, features: FeatureSet, config: ClickWorthConfig
) -> Examination:
    """How likely each ``judged`` row was looked at, learnt from the rows of ``learnt``.

    Both have the columns of ``features``, the two ids and ``stage``, and ``position`` and
    ``is_random_order`` where the log has them. Without clicks nothing is corrected.
    """
    if not (stages(learnt) > 0).any():
        return Examination(chance=np.ones(judged.num_rows), source="none")
    if _has(POSITION, learnt, judged):
        if _has_random_order(learnt):
            chance = examination_of(judged, estimate_examination(learnt))
            return Examination(chance=_bounded(chance, config), source="random order")
        return _by_bias_term(judged, learnt, features, (), config)
    apart = of_other_results(features)
    if not apart or len(apart) == len(features):
        return Examination(chance=np.ones(judged.num_rows), source="none")
    return _by_bias_term(judged, learnt, features, apart, config)


def _by_bias_term(
    judged: pa.Table,
    learnt: pa.Table,
    features: FeatureSet,
    apart: tuple[str, ...],
    config: ClickWorthConfig,
) -> Examination:
    """From the second term of a sum: of the columns ``apart``, of the place where none is named."""
    matrix = FeatureMatrix(features).fit(learnt)
    names = [*features.names, *(() if apart else (POSITION,))]
    is_bias = [name in apart or name == POSITION for name in names]
    booster = _two_terms(learnt, matrix, is_bias, config)
    encoded = _encoded(matrix, judged, with_place=not apart)
    neutral = encoded
    for place in np.flatnonzero(is_bias).tolist():
        # What the other term reads does not matter: it is the same in both and cancels.
        middle = pa.array(np.full(judged.num_rows, _median(encoded[names[place]])))
        neutral = neutral.set_column(place, names[place], middle)
    term = _raw(booster, encoded, config) - _raw(booster, neutral, config)
    # Not the highest: a single result that stands out would make all others look unseen.
    chance = np.exp(term - np.quantile(term, config.full_examination))
    source = "other results" if apart else "position"
    return Examination(chance=_bounded(chance, config), source=source)


def _two_terms(
    learnt: pa.Table, matrix: FeatureMatrix, is_bias: list[bool], config: ClickWorthConfig
) -> Booster:
    rows = downsample_unclicked(learnt, share=config.unclicked_share, seed=config.seed)
    # In an order of the ids alone, so that the order of the log cannot change a tree.
    rows = rows.take(pa.array(np.argsort(tie_keys(rows), kind="stable")))
    terms = (np.flatnonzero(~np.array(is_bias)).tolist(), np.flatnonzero(is_bias).tolist())
    parameters = {
        "objective": "binary",
        "boosting": "gbdt",
        "learning_rate": config.learning_rate,
        "num_leaves": config.num_leaves,
        "min_data_in_leaf": config.min_rows_per_leaf,
        "lambda_l2": config.lambda_l2,
        "feature_fraction": config.feature_share,
        "interaction_constraints": list(terms),
        "seed": config.seed,
        "num_threads": config.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    labelled = LabelledRows(
        matrix=_encoded(matrix, rows, with_place=len(is_bias) > len(matrix.features)),
        labels=(stages(rows) > 0).astype(np.int64),
        categories=matrix.features.categories,
    )
    limits = RoundLimits(most=config.rounds, patience=config.rounds)
    return train_booster(parameters, labelled, None, limits=limits).booster


def _encoded(matrix: FeatureMatrix, rows: pa.Table, *, with_place: bool) -> pa.Table:
    encoded = matrix.encode(rows, model=_NAME)
    return encoded.append_column(POSITION, rows[POSITION]) if with_place else encoded


def _raw(booster: Booster, rows: pa.Table, config: ClickWorthConfig) -> Numbers:
    raw = booster.predict(rows, raw_score=True, num_threads=config.threads)
    return np.asarray(raw, dtype=np.float64)


def _median(column: pa.ChunkedArray) -> float:
    values = column.cast(pa.float64()).to_numpy()
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _bounded(chance: Numbers, config: ClickWorthConfig) -> Numbers:
    return np.clip(chance, config.least_examination, 1.0)


def _has(column: str, *tables: pa.Table) -> bool:
    return all(
        column in rows.column_names and np.isfinite(numbers(rows, column)).any() for rows in tables
    )


def _has_random_order(learnt: pa.Table) -> bool:
    if RANDOM_ORDER not in learnt.column_names:
        return False
    is_random = np.nan_to_num(numbers(learnt, RANDOM_ORDER)) > 0
    return bool((is_random & (stages(learnt) > 0)).any())
