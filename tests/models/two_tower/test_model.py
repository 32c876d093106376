"""The towers: lengths, appeal, history and heads, worked out by hand where they can be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.two_tower.config import TowerConfig
from models.two_tower.model import CrossLayers, InputShape, QueryTower, TwoTowerNet

SHAPE = InputShape(listings=5, guests=1, markets=2, query_width=0, listing_width=0, categories=())


def test_cross_layers_multiply_with_the_inputs_and_add_what_came_in() -> None:
    """DCN-v2 by hand, W = 2 I and b = 1: x1 = x0 (2 x0 + 1) + x0, x2 = x0 (2 x1 + 1) + x1."""
    crosses = CrossLayers(2, layers=2)
    with torch.no_grad():
        for layer in crosses.layers:
            layer.weight.copy_(2 * torch.eye(2))
            layer.bias.fill_(1.0)
    assert crosses(torch.tensor([[1.0, 3.0]])).tolist() == [[13.0, 171.0]]


def queries(stage_BH: list[list[int]]) -> dict[str, Tensor]:
    """Searches of market 1 with these stages in their history slots."""
    count = len(stage_BH)
    return {
        "dense": torch.zeros(count, 0),
        "market": torch.ones(count, dtype=torch.int64),
        "guest": torch.zeros(count, dtype=torch.int64),
        "history_stage": torch.tensor(stage_BH),
    }


@pytest.fixture
def tower() -> QueryTower:
    """One dimension, two slots; the attention reads the context as it is."""
    tower = QueryTower(SHAPE, TowerConfig(dimension=1, history_length=2))
    with torch.no_grad():
        tower.context_table.weight.fill_(1.0)
        tower.stage_table.weight.zero_()
        tower.ask.weight.fill_(1.0)
        tower.ask.bias.zero_()
    return tower


@torch.no_grad()
def test_history_is_pooled_by_attention_and_an_empty_slot_takes_no_part(tower: QueryTower) -> None:
    """Context 1, "no history" has logit 0; ln 3 has odds 3 to its 1, ln 2 has 2.

    The first search has one event: 3/4 of ln 3, whatever stands in the empty slot. The
    second has two: 3/6 of ln 3 and 2/6 of ln 2. The third has none: the learned value.
    """
    history_BHD = torch.tensor([[math.log(3), 1e9], [math.log(3), math.log(2)], [7.0, 7.0]])[
        ..., None
    ]
    pooled_BD = tower._pool(torch.ones(3, 1), history_BHD, torch.tensor([[1, 0], [1, 3], [0, 0]]))
    expected = [3 / 4 * math.log(3), 3 / 6 * math.log(3) + 2 / 6 * math.log(2), 0.0]
    torch.testing.assert_close(pooled_BD[:, 0], torch.tensor(expected))
    tower.nothing[1] = 12.0
    alone_BD = tower._pool(torch.ones(1, 1), history_BHD[2:], torch.tensor([[0, 0]]))
    assert alone_BD.tolist() == [[12.0]]


@torch.no_grad()
def test_the_stage_of_an_event_is_read_by_the_attention(tower: QueryTower) -> None:
    """Of two events alike, the booked one (stage 3, worth ln 4 more) weighs four times."""
    tower.stage_table.weight[3] = math.log(4)
    pooled_BD = tower._pool(
        torch.ones(1, 1), torch.tensor([[[0.0], [0.0]]]), torch.tensor([[1, 3]])
    )
    assert pooled_BD.item() == 0
    history_BHD = torch.tensor([[[1.0], [2.0]]])
    clicked, booked, none = math.exp(1), math.exp(2 + math.log(4)), 1.0
    pooled_BD = tower._pool(torch.ones(1, 1), history_BHD, torch.tensor([[1, 3]]))
    expected = (clicked * 1 + booked * 2) / (clicked + booked + none)
    assert pooled_BD.item() == pytest.approx(expected)


@torch.no_grad()
def test_a_score_is_the_cosine_plus_the_listings_appeal() -> None:
    """Lengths do not count: listing (3, 4) has cosine 0.6 with (1, 0); its appeal is 0.5 x 0.1."""
    net = TwoTowerNet(SHAPE, TowerConfig(dimension=2, history_length=0, temperature=0.1))
    net.query.context_table.weight[1] = torch.tensor([9.0, 0.0])
    net.listing.id_table.weight[4] = torch.tensor([3.0, 4.0])
    net.listing.appeal_table.weight[4] = 0.5
    one = torch.tensor([4])
    listing_UD = net.listing(one, torch.zeros(1, 0), torch.zeros(1, 0, dtype=torch.int64), one)
    query_BD = net.encode_queries(queries([[]]), torch.zeros(1, 0, 3))
    torch.testing.assert_close(listing_UD, torch.tensor([[0.6, 0.8, 0.05]]))
    assert (query_BD * listing_UD).sum().item() == pytest.approx(0.65)


@torch.no_grad()
def test_heads_start_equal_and_their_weighted_sum_is_the_vector_without_a_head() -> None:
    shares = torch.tensor([0.5, 0.2, 0.3])
    tower = QueryTower(
        SHAPE, TowerConfig(dimension=2, history_length=0, head_shares=(0.5, 0.2, 0.3))
    )
    searches, nothing = queries([[]] * 3), torch.zeros(3, 0, 5)
    per_head_EX = tower(searches, nothing, torch.arange(3))
    torch.testing.assert_close(per_head_EX[:, :2], per_head_EX[:1, :2].expand(3, 2))
    assert per_head_EX[:, 2:].tolist() == torch.eye(3).tolist()
    torch.nn.init.normal_(tower.turn.weight)
    per_head_EX = tower(searches, nothing, torch.arange(3))
    torch.testing.assert_close(per_head_EX[:, :2].norm(dim=1), torch.ones(3))
    torch.testing.assert_close(tower(searches, nothing)[0], shares @ per_head_EX)
