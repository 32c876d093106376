"""Where the ids of an interaction log start: near what is taken together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower
from models.two_tower.training.spectral_init import spectral_vectors

SHAPE = TowerConfig(dimension=8, id_dropout=0.0)
TRAINING = TrainConfig(epochs=2, batch_size=64, learning_rate=0.005, threads=1, valid_k=3)


def blocks(guests: int = 30, items: int = 30, groups: int = 3) -> tuple[pa.Array, pa.Array]:
    """Guest and item numbers; a guest takes half of the items of the own group."""
    chance = np.random.default_rng(0)
    pairs = [
        (guest, item)
        for guest in range(guests)
        for item in range(items)
        if guest % groups == item % groups and chance.random() < 0.5
    ]
    users, taken = zip(*pairs, strict=True)
    return pa.array([f"u{u}" for u in users]), pa.array([f"i{i:02d}" for i in taken])


def test_the_start_puts_together_what_is_taken_together() -> None:
    guest_E = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    item_E = torch.tensor([0, 1, 0, 1, 2, 3, 2, 3])
    guest_GD, item_ND = spectral_vectors(guest_E, item_E, (4, 5), 2)
    unit_ND = functional.normalize(item_ND[:4], dim=1)
    torch.testing.assert_close(
        (unit_ND @ unit_ND.T).round(decimals=3),
        torch.block_diag(torch.ones(2, 2), torch.ones(2, 2)),
    )
    assert float((guest_GD[0] * item_ND[0]).sum()) > 0.5
    assert not item_ND[4].any()  # nobody took it


def test_a_log_smaller_than_the_dimension_is_filled_with_zeros() -> None:
    """Two guests took one item each: two directions at a right angle, and nothing beside."""
    guest_GD, item_ND = spectral_vectors(torch.tensor([0, 1]), torch.tensor([0, 1]), (2, 2), 5)
    for vectors in (guest_GD, item_ND):
        torch.testing.assert_close(vectors @ vectors.T, torch.eye(2))
        assert not vectors[:, 2:].any()
    torch.testing.assert_close(guest_GD @ item_ND.T, torch.eye(2))


def test_training_from_the_graph_starts_nearer_than_from_noise() -> None:
    users, items = blocks()

    def first_loss(start: bool) -> float:
        shape = replace(SHAPE, spectral_start=start)
        return TwoTower(shape, TRAINING).fit_interactions(users, items).trained.losses[0]

    assert first_loss(True) < first_loss(False)


def test_inner_products_are_the_normalised_graph_up_to_the_mean_lengths() -> None:
    """With as many dimensions as the graph has ranks nothing of it is lost.

    Guest 0 took items 0 and 1, guest 1 item 1: entries 1 / sqrt(degree x degree).
    """
    pairs = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])
    guest_GD, item_ND = spectral_vectors(*pairs, (2, 2), 2)
    products_GN = guest_GD @ item_ND.T
    graph_GN = torch.tensor([[1 / 2**0.5, 1 / 2], [0.0, 1 / 2**0.5]])
    torch.testing.assert_close(products_GN / products_GN[0, 0], graph_GN / graph_GN[0, 0])
    for vectors in (guest_GD, item_ND):
        torch.testing.assert_close(vectors.norm(dim=1).mean(), torch.tensor(1.0))
