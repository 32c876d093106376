"""A recorded step: its inputs are copies in a fixed order, and it learns what the step learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pytest
import torch

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower
from models.two_tower.training.minibatches import Minibatch
from models.two_tower.training.step_graph import copied, tensors_in


def step(first: int) -> Minibatch:
    """A step whose tensors are numbered from ``first``."""
    numbers = iter(range(first, first + 100))

    def tensor() -> torch.Tensor:
        return torch.tensor([next(numbers)])

    return Minibatch(
        queries={"dense": tensor(), "market": tensor()},
        listings={"id": tensor()},
        history_place_BH=tensor(),
        positive_place_B=tensor(),
        hard_place_BH=tensor(),
        is_hard_BH=tensor(),
        own_place_C=slice(1, None),
        positives={"id": tensor(), "weight": tensor()},
        candidate_id_C=tensor(),
        candidate_market_C=tensor(),
        log_count_C=tensor(),
        search_B=tensor(),
        is_full=True,
    )


def test_another_step_can_be_copied_over_the_inputs_of_the_first() -> None:
    first, second = step(0), step(100)
    own = copied(first)
    torch._foreach_copy_(tensors_in(own), tensors_in(second))
    assert [int(t) for t in tensors_in(own)] == list(range(100, 113))
    assert [int(t) for t in tensors_in(first)] == list(range(13))
    assert own.queries["market"].item() == 101
    assert own.own_place_C == slice(1, None)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_replayed_steps_train_to_the_curve_of_launched_ones(
    world: Callable[..., pa.Table], towers: TowerConfig, training: TrainConfig, loss: str
) -> None:
    log = world(searches=100)
    config = replace(training, loss=loss, autocast=False)
    curves = [
        TwoTower(towers, replace(config, cuda_graph=is_on)).fit(log, log.slice(0, 0)).trained.losses
        for is_on in (True, False)
    ]
    assert curves[0] == pytest.approx(curves[1], rel=2e-3)
