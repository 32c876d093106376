"""Value DCG in the scorecard: by hand, in segments, and against what it must not depend on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation import EvaluationConfig, EvaluationInputs, evaluate
from models.evaluation.validation_metric import CLICK_WORTH, validation_value

CONFIG = EvaluationConfig(ks=(1, 10), replicates=50)


def _rows() -> pa.Table:
    return pa.table(
        {
            "id_search": ["a", "a", "a", "b", "b", "c"],
            "id_listing": ["x", "y", "z", "x", "y", "x"],
            "id_user": ["g", "g", "g", "h", "h", "i"],
            "market": ["rio"] * 3 + ["sao_paulo"] * 3,
            "stage": pa.array([1, 1, 0, 3, 0, 1], pa.int8()),
            "listing_is_new": [True, False, False, False, False, True],
        }
    )


WORTH = np.array([0.04, 0.08, 0.0, 0.5, 0.0, 9.0])
# a: x first, y third; b: y first, x second; c shows one result.
SCORES = np.array([3.0, 1.0, 2.0, 1.0, 2.0, 1.0])


def _figure(metric: str, segment: str = "all") -> float:
    card = evaluate(
        _rows(),
        {"model": SCORES, "other": -SCORES},
        split="test",
        reference="other",
        config=CONFIG,
        context=EvaluationInputs(worth=WORTH),
    )
    return card.find("model", metric, segment=segment).value


def test_is_the_mean_over_searches_of_several_results() -> None:
    a, b = 0.04 + 0.08 / 2, 0.5 / np.log2(3)

    assert _figure("value_dcg_at_10") == pytest.approx((a + b) / 2)
    assert _figure("value_dcg_at_1") == pytest.approx(0.04 / 2)


def test_a_segment_has_its_own_searches_or_its_own_rows() -> None:
    assert _figure("value_dcg_at_10", "market=rio") == pytest.approx(0.04 + 0.08 / 2)
    assert _figure("value_dcg_at_10", "listing=new") == pytest.approx(0.04)


def test_variants_are_chosen_by_the_same_figure() -> None:
    rows = _rows().append_column(CLICK_WORTH, pa.array(WORTH))

    assert validation_value(rows, SCORES) == pytest.approx(_figure("value_dcg_at_10"))
    assert validation_value(rows, SCORES, k=1) == pytest.approx(_figure("value_dcg_at_1"))


def test_is_absent_without_the_worth_of_clicks() -> None:
    card = evaluate(_rows(), {"m": SCORES}, split="test", reference="m", config=CONFIG)

    assert not any(score.metric.startswith("value_dcg") for score in card.scores)


@pytest.mark.parametrize("worth", [np.full(6, np.nan), np.full(6, -1.0), np.ones(5)])
def test_refuses_what_is_no_worth(worth: np.ndarray) -> None:
    with pytest.raises(ValueError, match="worth"):
        evaluate(
            _rows(),
            {"m": SCORES},
            split="test",
            reference="m",
            config=CONFIG,
            context=EvaluationInputs(worth=worth),
        )
