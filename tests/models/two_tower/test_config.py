"""Settings: read from plain values, and refused by name when they cannot be."""

from __future__ import annotations

import json

import pytest

from models.two_tower.config import TowerConfig, TrainConfig


@pytest.mark.parametrize("owner", [TowerConfig, TrainConfig])
def test_an_unknown_setting_is_refused_by_name(owner: type[TowerConfig | TrainConfig]) -> None:
    with pytest.raises(ValueError, match="no setting dimensions"):
        owner.from_mapping({"dimensions": 3})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "hinge"}, "no loss is called 'hinge'"),
        ({"softmax": "flash"}, "no softmax is called 'flash'"),
        ({"epochs": 0}, "epochs = 0: must be at least 1"),
        ({"stage_weights": [1, 2]}, r"stage_weights = \(1, 2\): must be three numbers"),
        ({"stage_weights": [0, 0, 0]}, "stage_weights = .*one above 0"),
    ],
)
def test_an_impossible_setting_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig.from_mapping(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dimension": 0}, "dimension = 0: must be at least 1"),
        ({"id_dropout": 1.0}, "id_dropout = 1.0: must be at least 0 and below 1"),
        ({"head_shares": [0.5, 0.5]}, "head_shares = .*clicked, contacted, booked"),
        ({"head_shares": [0, 0, 0]}, "head_shares = .*one above 0"),
        ({"temperature": 0.0}, "temperature = 0.0: must be above 0"),
    ],
)
def test_an_impossible_shape_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TowerConfig.from_mapping(values)


def test_settings_are_whole_after_json() -> None:
    towers = TowerConfig(head_shares=(0.5, 0.2, 0.3), extra_query_numbers=("x_a",))
    training = TrainConfig(stage_weights=(1.0, 0.0, 3.0), resident_bytes=5)
    for config in (towers, training):
        values = json.loads(json.dumps(config.to_mapping()))
        assert type(config).from_mapping(values) == config
    assert (towers.heads, TowerConfig().heads) == (3, 1)
