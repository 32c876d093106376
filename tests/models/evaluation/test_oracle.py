"""G and the expected DCG under known probabilities."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.oracle import (
    PERSONAL,
    ceilings_of,
    expected_dcg,
    oracle_scores,
    random_dcg,
)


def test_oracle_has_g_of_one_random_none_and_no_model_more(card):
    for ceiling in ("taste", "observables"):
        metric = f"g_{ceiling}_at_10"
        oracle = card.find(f"oracle_{ceiling}", metric)
        # 1 by definition, whoever is drawn: no interval
        assert (oracle.low, oracle.value, oracle.high) == (None, pytest.approx(1), None)
        random = card.find("random", metric)
        assert random.low <= 0 <= random.high
        assert all(s.value <= 1 + 1e-12 for s in card.scores if s.metric == metric)


@pytest.mark.parametrize("k", [2, 4, 9])
def test_random_dcg_is_the_mean_over_all_orders(k):
    rows = pa.table({"id_search": ["s"] * 4, "id_listing": list("abcd"), "stage": [0] * 4})
    arranged, truth = arrange_rows(rows), np.array([0.1, 0.5, 0.0, 0.3])
    of_orders = [
        expected_dcg(arranged, np.array(ranks), truth, k) for ranks in permutations(range(1, 5))
    ]
    assert random_dcg(arranged, truth, k) == pytest.approx(np.mean(of_orders, axis=0))


def test_ceilings_are_those_whose_probabilities_are_given_the_highest_first():
    rows = pa.table({"id_search": ["s"] * 2, "id_listing": list("ab"), "stage": [0, 0]})
    chance = np.array([0.1, 0.2])
    columns = ("p_book_observables", PERSONAL, "p_click_taste", "p_book_taste")
    given = ceilings_of(arrange_rows(rows), dict.fromkeys(columns, chance))
    assert [ceiling.name for ceiling in given] == ["taste", "personal", "observables"]
    assert [c.name for c in ceilings_of(arrange_rows(rows), {PERSONAL: chance})] == ["personal"]
    with pytest.raises(ValueError, match="unknown truth: p_book_guess"):
        ceilings_of(arrange_rows(rows), {"p_book_guess": chance})


def test_an_oracle_orders_by_clicks_what_cannot_be_booked():
    chances, clicks = np.array([0.01, 0.02, 0.0, 0.0]), np.array([0.9, 0.1, 0.2, 0.5])
    assert np.argsort(-oracle_scores(chances, clicks)).tolist() == [1, 0, 3, 2]
