"""A saved model: whole or refused, without pickles, under names that old files keep."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors import safe_open

from models.two_tower.config import TowerConfig
from models.two_tower.model import InputShape, TwoTowerNet
from models.two_tower.recommender import TwoTower


def test_what_is_saved_scores_the_same_when_loaded(
    model: TwoTower, log: pa.Table, tmp_path: Path
) -> None:
    model.save(tmp_path / "m")
    again = TwoTower.load(tmp_path / "m")
    np.testing.assert_array_equal(again.score(log), model.score(log))
    assert (again.config, again.training) == (model.config, model.training)


def test_no_pickle_is_written(model: TwoTower, tmp_path: Path) -> None:
    model.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors", ".arrow"}


@pytest.mark.parametrize("missing", ["model.json", "weights.safetensors", "listings.arrow"])
def test_half_a_model_is_refused(model: TwoTower, tmp_path: Path, missing: str) -> None:
    model.save(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(ValueError, match="does not hold a whole two-tower"):
        TwoTower.load(tmp_path)


def test_another_kind_of_model_is_refused(model: TwoTower, tmp_path: Path) -> None:
    model.save(tmp_path)
    settings = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**settings, "name": "ranker"}))
    with pytest.raises(ValueError, match="holds a model called 'ranker'"):
        TwoTower.load(tmp_path)


def names_in(path: Path) -> set[str]:
    with safe_open(path, framework="numpy") as file:
        return set(file.keys())


def test_the_names_in_saved_files_stay_what_they_were(model: TwoTower, tmp_path: Path) -> None:
    """A renamed module or field would leave every model saved before unreadable."""
    model.save(tmp_path)
    assert names_in(tmp_path / "catalogue.safetensors") == {
        "category_LK",
        "dense_LF",
        "id_L",
        "market_L",
    }
    assert set(json.loads((tmp_path / "model.json").read_text())["encoder"]) == {
        "categories",
        "has_query_place",
        "history_length",
        "listing_numbers",
        "listing_place",
        "markets",
        "query_numbers",
    }
    assert names_in(tmp_path / "weights.safetensors") == set(model.net.state_dict())
    shape = InputShape(
        listings=3, guests=2, markets=2, query_width=1, listing_width=1, categories=(2,)
    )
    everything = TowerConfig(head_shares=(1.0, 1.0, 1.0), cross_layers=1)
    assert set(TwoTowerNet(shape, everything).state_dict()) == {
        "listing.id_table.weight",
        "listing.appeal_table.weight",
        "listing.category_tables.0.weight",
        "listing.market_table.weight",
        "listing.trunk.0.layers.0.weight",
        "listing.trunk.0.layers.0.bias",
        "listing.trunk.1.weight",
        "listing.trunk.1.bias",
        "listing.place.weight",
        "listing.place.bias",
        "listing.appeal.weight",
        "query.context_table.weight",
        "query.guest_table.weight",
        "query.trunk.0.layers.0.weight",
        "query.trunk.0.layers.0.bias",
        "query.trunk.1.weight",
        "query.trunk.1.bias",
        "query.place.weight",
        "query.place.bias",
        "query.stage_table.weight",
        "query.slot_bias",
        "query.ask.weight",
        "query.ask.bias",
        "query.nothing",
        "query.gain",
        "query.turn.weight",
        "query.turn.bias",
    }
