"""One declaration of what a stage is worth, which every model defaults to."""

from __future__ import annotations

import pytest

from models.baselines.popularity import PopularityConfig
from models.evaluation.config import EvaluationConfig
from models.lambdarank import LambdaRankConfig
from models.stage_utilities import UTILITIES, check_utilities


@pytest.mark.parametrize(
    "config",
    [PopularityConfig, LambdaRankConfig, EvaluationConfig],
)
def test_models_default_to_the_published_utilities(config) -> None:
    assert config().utilities == UTILITIES == (0.0, 0.01, 0.25, 1.0)


def test_rankers_gains_are_the_utilities_in_hundredths() -> None:
    assert LambdaRankConfig().parameters()["label_gain"] == [0.0, 1.0, 25.0, 100.0]


@pytest.mark.parametrize(
    ("utilities", "message"),
    [
        ((0.0, 0.5, 1.0), "four finite numbers"),
        ((0.1, 0.2, 0.3, 1.0), "the first 0"),
        ((0.0, 0.1, float("inf"), float("inf")), "four finite numbers"),
        ((0.0, 0.5, 0.2, 1.0), "worth no less than an earlier one"),
    ],
)
def test_utilities_out_of_order_are_refused(utilities, message) -> None:
    with pytest.raises(ValueError, match=message):
        check_utilities(utilities)
