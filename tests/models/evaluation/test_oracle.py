"""G and the expected DCG under known probabilities."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.oracle import expected_dcg, random_dcg


def test_oracle_has_g_of_one_random_none_and_no_model_more(card):
    for ceiling in ("taste", "observables"):
        metric = f"g_{ceiling}_at_10"
        oracle = card.find(f"oracle_{ceiling}", metric)
        assert (oracle.low, oracle.value, oracle.high) == pytest.approx((1, 1, 1))
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
