"""A market whose taste is the other's opposite: training there must hurt, and show."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.transfer import transfer_matrix

QUICK = EvaluationConfig(replicates=100)


def _market(rng, name, liking, *, searches=300, size=10):
    appeal = rng.normal(size=(searches, size))
    chosen = (liking * appeal + 0.5 * rng.normal(size=appeal.shape)).argmax(axis=1)
    stage = np.zeros((searches, size), np.int8)
    stage[np.arange(searches), chosen] = 3
    search = np.repeat(np.arange(searches), size)
    return pa.table(
        {
            "id_search": [f"{name}{i}" for i in search],
            "id_listing": [f"{name}l{i}" for i in range(len(search))],
            "market": [name] * len(search),
            "stage": stage.ravel(),
            "appeal": appeal.ravel(),
        }
    )


def _fit(train):
    """Scores by the sign of what booked listings have more of."""
    appeal, booked = np.asarray(train["appeal"]), np.asarray(train["stage"]) == 3
    slope = appeal[booked].mean() - appeal.mean()
    return lambda rows: slope * np.asarray(rows["appeal"])


def test_matrix_shows_what_does_not_transfer(rng):
    train, test = (
        pa.concat_tables([_market(rng, "rio", 1.0), _market(rng, "sampa", -1.0)]) for _ in range(2)
    )
    cells = {(c.train, c.test): c.score for c in transfer_matrix(train, test, _fit, config=QUICK)}
    assert set(cells) == {
        (t, m) for t in ("rio", "sampa", "joint", "separate") for m in ("rio", "sampa")
    }
    assert cells["rio", "rio"].value == cells["separate", "rio"].value > 0.8
    assert cells["sampa", "rio"].difference_high < -0.2
    assert cells["rio", "rio"].difference == 0


def test_several_metrics_come_from_one_fit_each(rng):
    """The truth is each market's own taste: who learnt there has a G near 1, the other near -1."""
    train, test = (
        pa.concat_tables([_market(rng, "rio", 1.0), _market(rng, "sampa", -1.0)]) for _ in range(2)
    )
    likes = np.where(np.asarray(test["market"]) == "rio", 1.0, -1.0)
    chance = 1 / (1 + np.exp(-likes * np.asarray(test["appeal"])))
    worth = np.where(np.asarray(test["stage"]) == 3, 0.5, 0.0)
    fitted = []

    def fit(rows):
        fitted.append(rows.num_rows)
        return _fit(rows)

    cells = transfer_matrix(
        train,
        test,
        fit,
        metrics=("value_dcg_at_10", "g_taste_at_10"),
        config=QUICK,
        truth={"p_book_taste": chance},
        context=EvaluationInputs(worth=worth),
    )
    assert fitted == [3_000, 3_000, 6_000]
    found = {(c.score.metric, c.train, c.test): c.score.value for c in cells}
    assert len(found) == len(cells) == 2 * 4 * 2
    assert found["g_taste_at_10", "separate", "rio"] == pytest.approx(1.0)
    assert found["g_taste_at_10", "sampa", "rio"] < -0.9
    # one booking of worth 1/2 in each search: half of what the NDCG of bookings is
    ndcg = transfer_matrix(train, test, _fit, config=QUICK)
    by_ndcg = {(c.train, c.test): c.score.value for c in ndcg}
    for (metric, *cell), value in found.items():
        if metric == "value_dcg_at_10":
            assert value == pytest.approx(by_ndcg[tuple(cell)] / 2)


def test_one_market_has_nothing_to_transfer(rng):
    rows = _market(rng, "rio", 1.0, searches=5)
    with pytest.raises(ValueError, match="two or more"):
        transfer_matrix(rows, rows, _fit)
