"""The two-tower as a case of the contract suite."""

from __future__ import annotations

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower

__all__ = ["TWO_TOWER"]


def _make() -> TwoTower:
    training = TrainConfig(epochs=1, batch_size=256, device="cpu", threads=1)
    return TwoTower(TowerConfig(), training)


TWO_TOWER = (_make, "id_listing", TwoTower.load)
