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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, numbers, stages
from models.click_worth.config import ClickWorthConfig
from models.lightgbm_core.boosting import Booster, LabelledRows, RoundLimits, train_booster
from models.lightgbm_core.feature_matrix import FeatureMatrix, of_other_results
from models.lightgbm_core.position_bias import (
    EXAMINATION_COLUMNS,
    estimate_examination,
    examination_of,
)
from models.lightgbm_core.search_groups import is_clicked_or_drawn
from models.ranking_order import tie_keys
from models.row_source import Rows, by_batches, places_of, read, read_at

__all__ = ["Examination", "examination"]

POSITION = "position"
RANDOM_ORDER = "is_random_order"
_NAME = "the examination of results"
_KEYS = ("id_search", "id_listing", "stage")


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
    judged: Rows, learnt: Rows, features: FeatureSet, config: ClickWorthConfig
) -> Examination:
    """How likely each ``judged`` row was looked at, learnt from the rows of ``learnt``.

    Both have the columns of ``features``, the two ids and ``stage``, and ``position`` and
    ``is_random_order`` where the log has them. Without clicks nothing is corrected.
    """
    if not (stages(read(learnt, ["stage"])) > 0).any():
        return Examination(chance=np.ones(judged.num_rows), source="none")
    if _has(POSITION, learnt, judged):
        if _has_random_order(learnt):
            of_places = estimate_examination(read(learnt, EXAMINATION_COLUMNS))
            chance = examination_of(read(judged, [POSITION]), of_places)
            return Examination(chance=_bounded(chance, config), source="random order")
        return _by_bias_term(judged, learnt, features, (), config)
    apart = of_other_results(features)
    if not apart or len(apart) == len(features):
        return Examination(chance=np.ones(judged.num_rows), source="none")
    return _by_bias_term(judged, learnt, features, apart, config)


def _by_bias_term(
    judged: Rows,
    learnt: Rows,
    features: FeatureSet,
    apart: tuple[str, ...],
    config: ClickWorthConfig,
) -> Examination:
    """From the second term of a sum: of the columns ``apart``, of the place where none is named."""
    matrix = FeatureMatrix(features).fit(learnt)
    names = [*features.names, *(() if apart else (POSITION,))]
    is_bias = [name in apart or name == POSITION for name in names]
    booster = _two_terms(learnt, matrix, is_bias, config)
    of_bias = [name for name, is_one in zip(names, is_bias, strict=True) if is_one]
    middle = _medians(judged, matrix, of_bias)

    def term_of(rows: pa.Table) -> Numbers:
        encoded = neutral = _encoded(matrix, rows, with_place=not apart)
        for place in np.flatnonzero(is_bias).tolist():
            # What the other term reads does not matter: it is the same in both and cancels.
            values = pa.array(np.full(rows.num_rows, middle[names[place]]))
            neutral = neutral.set_column(place, names[place], values)
        return _raw(booster, encoded, config) - _raw(booster, neutral, config)

    term = by_batches(judged, names, term_of)
    # Not the highest: a single result that stands out would make all others look unseen.
    chance = np.exp(term - np.quantile(term, config.full_examination))
    source = "other results" if apart else "position"
    return Examination(chance=_bounded(chance, config), source=source)


def _two_terms(
    learnt: Rows, matrix: FeatureMatrix, is_bias: list[bool], config: ClickWorthConfig
) -> Booster:
    keys = read(learnt, _KEYS)
    is_drawn = is_clicked_or_drawn(keys, share=config.unclicked_share, seed=config.seed)
    # In an order of the ids alone, so that the order of the log cannot change a tree.
    order = np.argsort(tie_keys(keys), kind="stable")
    with_place = len(is_bias) > len(matrix.features)
    columns = [*_KEYS, *matrix.features.names, *([POSITION] if with_place else [])]
    drawn = places_of(order[is_drawn[order]], learnt.num_rows)
    [rows] = read_at(learnt, columns, [drawn], narrows=True)
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
        matrix=_encoded(matrix, rows, with_place=with_place),
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


def _medians(rows: Rows, matrix: FeatureMatrix, names: Sequence[str]) -> dict[str, float]:
    """The median of each of these columns as the trees read it, NaN where it has no value."""
    columns = read(rows, names)
    features = FeatureSet(tuple(f for f in matrix.features if f.name in names))
    if len(features):
        encoded = FeatureMatrix(features, matrix.vocabulary).encode(columns, model=_NAME)
        for place, name in enumerate(encoded.column_names):
            columns = columns.set_column(columns.schema.get_field_index(name), name, encoded[place])
    return {name: _median(columns[name]) for name in names}


def _median(column: pa.ChunkedArray) -> float:
    values = column.cast(pa.float64()).to_numpy()
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _bounded(chance: Numbers, config: ClickWorthConfig) -> Numbers:
    return np.clip(chance, config.least_examination, 1.0)


def _has(column: str, *windows: Rows) -> bool:
    return all(
        column in rows.schema.names and np.isfinite(numbers(read(rows, [column]), column)).any()
        for rows in windows
    )


def _has_random_order(learnt: Rows) -> bool:
    if RANDOM_ORDER not in learnt.schema.names:
        return False
    shown = read(learnt, [RANDOM_ORDER, "stage"])
    is_random = np.nan_to_num(numbers(shown, RANDOM_ORDER)) > 0
    return bool((is_random & (stages(shown) > 0)).any())
