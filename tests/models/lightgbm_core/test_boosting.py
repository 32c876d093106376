"""What would crash LightGBM is refused, and training ends where it should."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.lightgbm_core.boosting import LabelledRows, RoundLimits, train_booster

PARAMETERS = {"objective": "binary", "boosting": "gbdt", "metric": "auc", "verbosity": -1}


def test_dictionary_typed_matrix_is_refused_before_lightgbm_aborts() -> None:
    coded = pa.table({"room": pa.array(["a", "b"]).dictionary_encode()})

    with pytest.raises(ValueError, match="dictionary-typed columns abort LightGBM: room"):
        LabelledRows(matrix=coded, labels=np.zeros(2, dtype=np.int64))


def test_empty_group_is_refused_before_lightgbm_crashes() -> None:
    with pytest.raises(ValueError, match="1 to 10000 rows"):
        LabelledRows(
            matrix=pa.table({"x": [1.0]}),
            labels=np.zeros(1, dtype=np.int64),
            groups=np.array([0, 1]),
        )


def test_training_stops_after_its_patience_and_the_curve_says_where_it_was_best() -> None:
    rng = np.random.default_rng(1)
    noise = [
        LabelledRows(matrix=pa.table({"x": rng.normal(size=300)}), labels=rng.integers(2, size=300))
        for _ in range(2)
    ]
    trained = train_booster(PARAMETERS, *noise, limits=RoundLimits(most=80, patience=5))
    curve = trained.curves["auc"]

    assert len(curve) < 80
    assert trained.booster.best_iteration == int(np.argmax(curve)) + 1
    assert len(curve) == trained.booster.best_iteration + 5


def test_without_validation_rows_all_the_trees_are_trained() -> None:
    rows = LabelledRows(
        matrix=pa.table({"x": np.arange(100.0)}), labels=(np.arange(100) > 50).astype(np.int64)
    )
    done: list[tuple[int, int]] = []
    trained = train_booster(
        PARAMETERS,
        rows,
        None,
        limits=RoundLimits(most=7, patience=1),
        after_round=lambda number, total: done.append((number, total)),
    )

    assert trained.booster.num_trees() == 7
    assert trained.curves == {}
    assert done == [(number, 7) for number in range(1, 8)]
