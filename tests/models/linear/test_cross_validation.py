"""Penalties chosen on guests that were not learnt from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from data.schema.feature_set import Feature, FeatureSet
from models.linear.booking_mechanics import INSTANT_BOOKABLE
from models.linear.cross_validation import PenaltyGrid, cross_validated, guest_folds

NOISE = tuple(f"x_{i}" for i in range(30))
FEATURES = FeatureSet(
    tuple(
        Feature(name=n, kind="number", meaning=n, null="never") for n in (*NOISE, INSTANT_BOOKABLE)
    )
)
GRID = PenaltyGrid(penalties=(1.0, 10.0, 100.0, 1_000.0))


def _rows(guests: int, *, weight: float, seed: int) -> tuple[pa.Table, np.ndarray]:
    """Four rows a guest; outcomes of log-odds ``weight`` · x of every feature but one."""
    rng = np.random.default_rng(seed)
    n = 4 * guests
    x = rng.normal(size=(n, len(NOISE)))
    instant = rng.integers(2, size=n).astype(np.float64)
    happened = (rng.random(n) < expit(-1 + weight * x.sum(axis=1))).astype(np.float64)
    columns = {name: pa.array(x[:, d]) for d, name in enumerate(NOISE)}
    ids = {
        "id_user": pa.array([f"g{i // 4}" for i in range(n)]),
        "id_search": pa.array([f"s{i // 2}" for i in range(n)]),
    }
    return pa.table(ids | columns | {INSTANT_BOOKABLE: pa.array(instant)}), happened


def test_noise_is_penalised_more_than_what_matters() -> None:
    chosen = {}
    for weight in (0.0, 0.6):
        rows, happened = _rows(300, weight=weight, seed=1)
        found = cross_validated(FEATURES, rows, happened, guest_folds(rows, 5), GRID)
        chosen[weight] = found.penalty

    assert chosen[0.0] == 1_000.0
    assert chosen[0.6] < 100.0


def test_rows_of_a_guest_are_in_one_fold() -> None:
    rows, _ = _rows(200, weight=0.0, seed=2)
    folds = guest_folds(rows, 5)

    assert (folds.reshape(-1, 4) == folds.reshape(-1, 4)[:, :1]).all()
    assert set(folds) == set(range(5))


def test_held_out_log_odds_come_from_models_that_saw_no_row_of_the_fold() -> None:
    rows, happened = _rows(200, weight=0.3, seed=3)
    folds = guest_folds(rows, 5)
    found = cross_validated(FEATURES, rows, happened, folds, GRID)
    # Other outcomes in a fold change nothing of what is said of that fold.
    flipped = np.where(folds == 2, 1 - happened, happened)
    other = cross_validated(FEATURES, rows, flipped, folds, PenaltyGrid(penalties=(found.penalty,)))

    at = folds == 2
    np.testing.assert_allclose(
        other.held_out(rows, folds)[at], found.held_out(rows, folds)[at], rtol=1e-6, atol=1e-6
    )
    assert not np.allclose(other.held_out(rows, folds)[~at], found.held_out(rows, folds)[~at])


def test_mechanics_have_a_penalty_of_their_own() -> None:
    rows, _ = _rows(400, weight=0.0, seed=4)
    rng = np.random.default_rng(5)
    instant = rows[INSTANT_BOOKABLE].to_numpy()
    happened = (rng.random(len(instant)) < expit(-2 + 2 * instant)).astype(np.float64)
    folds = guest_folds(rows, 5)
    weights = {}
    for mechanics in (None, 3.0):
        grid = PenaltyGrid(penalties=(3_000.0,), mechanics=mechanics)
        model = cross_validated(FEATURES, rows, happened, folds, grid).model
        weights[mechanics] = model.coefficients[model.scaled.inputs.index(INSTANT_BOOKABLE)]

    assert weights[3.0] > 3 * weights[None] > 0


def test_penalty_is_chosen_on_a_part_of_many_rows_and_all_are_learnt_from() -> None:
    rows, happened = _rows(2_000, weight=0.3, seed=6)
    folds = guest_folds(rows, 5)
    part = PenaltyGrid(penalties=(10.0,), most_rows=800)
    whole = PenaltyGrid(penalties=(10.0,), most_rows=10**9)
    few, all_rows = (
        cross_validated(FEATURES, rows, happened, folds, grid) for grid in (part, whole)
    )

    np.testing.assert_array_equal(few.model.coefficients, all_rows.model.coefficients)
    assert not np.allclose(few.of_fold[0].coefficients, all_rows.of_fold[0].coefficients)


def test_grid_without_a_penalty_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        PenaltyGrid(penalties=(0.0,))
