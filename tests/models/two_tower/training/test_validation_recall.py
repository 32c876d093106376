"""Recall on held-out positives: of later searches, and of a log of ids alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.inputs.encoder import Encoder
from models.two_tower.inputs.guest_history import GuestEvents, events_of
from models.two_tower.inputs.id_interactions import interaction_rows
from models.two_tower.inputs.vocabulary import Vocabulary
from models.two_tower.training import validation_recall
from models.two_tower.training.validation_recall import HeldOutInteractions, HeldOutSearches

CONFIG = TrainConfig(stage_weights=(1.0, 2.0, 4.0))
TRAIN = pa.table(
    {
        "id_search": ["s1", "s1"],
        "id_user": ["g", "g"],
        "id_listing": ["b", "a"],
        "search_s": [1, 1],
        "stage": pa.array([1, 0], pa.int8()),
        "query_num_guests": [2, 2],
        "listing_person_capacity": [2, 4],
    }
)
# c is new; s2 chooses a, s3 chooses c, s4 chooses nothing
LATER = pa.table(
    {
        "id_search": ["s2", "s2", "s3", "s4"],
        "id_user": ["g", "g", "h", "h"],
        "id_listing": ["a", "b", "c", "a"],
        "search_s": [5, 5, 6, 7],
        "stage": pa.array([3, 0, 1, 0], pa.int8()),
        "query_num_guests": [2, 2, 4, 1],
        "listing_person_capacity": [4, 2, 4, 4],
    }
)


def drawn(config: TrainConfig = CONFIG, later: pa.Table = LATER) -> HeldOutSearches | None:
    encoder = Encoder.fit(TRAIN, TowerConfig(history_length=2), guest_ids=False)
    both = pa.concat_tables([TRAIN, later], promote_options="default")
    events = GuestEvents.of(
        events_of(both) if "stage" in later.column_names else events_of(TRAIN), encoder.listings
    )
    return HeldOutSearches.draw(later, both, encoder, events, config)


def recall_of(
    held_out: HeldOutSearches, scores_PL: list[list[float]], k: int, monkeypatch: pytest.MonkeyPatch
) -> float:
    """Recall where positive p gives listing l this score."""
    encoded = {
        "query_vectors": lambda *_: torch.tensor(scores_PL),
        "listing_vectors": lambda *_: torch.eye(len(scores_PL[0])),
    }
    for name, vectors in encoded.items():
        monkeypatch.setattr(validation_recall, name, vectors)
    net: Any = nn.Linear(1, 1)
    return held_out.recall(net, Tensor(), k)


def test_the_positives_of_later_searches_are_looked_for_in_the_whole_catalogue() -> None:
    held_out = drawn()
    assert held_out is not None
    assert held_out.candidates.id_L.tolist() == [1, 2, 0]  # a and b are known, c is not
    assert held_out.chosen_P.tolist() == [0, 2]
    assert held_out.weight_P.tolist() == [4.0, 1.0]
    assert held_out.queries.history_SH.tolist() == [[2, 0], [0, 0]]  # g clicked b before
    everything = slice(None), slice(None)
    assert held_out.bounds(*everything).tolist() == [[True, True, True], [True, False, True]]


def test_recall_is_the_weighted_share_of_the_choices_among_the_first_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """s2 (weight 4) chose a, s3 (weight 1) chose c; b is too small for s3 and in nobody's way."""
    held_out = drawn()
    assert held_out is not None
    scores = [[2.0, 3.0, 1.0], [1.0, 3.0, 2.0]]  # s2: b, a, c; s3: (b,) c, a
    assert recall_of(held_out, scores, 1, monkeypatch) == pytest.approx(1 / 5)
    assert recall_of(held_out, scores, 2, monkeypatch) == pytest.approx(5 / 5)
    other_way = [[3.0, 2.0, 1.0], [3.0, 0.0, 2.0]]  # s2: a first; s3: a before c
    assert recall_of(held_out, other_way, 1, monkeypatch) == pytest.approx(4 / 5)


def test_there_is_no_recall_without_later_positives() -> None:
    assert drawn(later=LATER.slice(0, 0)) is None
    assert drawn(later=LATER.slice(3)) is None
    assert drawn(later=LATER.drop_columns(["stage"])) is None


def test_at_most_so_many_positives_are_drawn_and_always_the_same() -> None:
    later = pa.concat_tables([LATER.slice(0, 1)] * 20)
    later = later.set_column(0, "id_search", pa.array([f"t{n:02d}" for n in range(20)]))
    later = later.set_column(3, "search_s", pa.array(range(20)))
    config = TrainConfig(valid_positives=5, seed=3)
    first, again = drawn(config, later), drawn(config, later)
    assert first is not None
    assert again is not None
    assert len(first.chosen_P) == len(first.queries) == 5
    np.testing.assert_array_equal(first.queries.dense_SF, again.queries.dense_SF)


def test_recall_counts_the_held_out_items_among_the_first_unseen() -> None:
    """Two guests; a has taken x, so y and z are left for it; held out: a y, a w, b x."""
    users, items = pa.array(["a", "b"]), pa.array(["x", "y"])
    listings = Vocabulary.of([pa.array(["x", "y", "z"])])
    _, events = interaction_rows(users, items, None, seed=0)
    held_out_pairs = pa.array(["a", "a", "b"]), pa.array(["y", "w", "x"])
    held = HeldOutInteractions.of(*held_out_pairs, events, listings, seed=0)
    assert held.users.to_pylist() == ["a", "b"]
    item_ND = torch.eye(3)
    likes_all = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    assert held.recall(likes_all, item_ND, 1) == (1 / 2 + 0 / 1) / 2
    assert held.recall(likes_all, item_ND, 2) == (1 / 2 + 1 / 1) / 2
    # two are unseen by each: the empty third place is no hit of the unknown w
    assert held.recall(likes_all, item_ND, 3) == (1 / 2 + 1 / 1) / 2


def test_the_recall_of_many_guests_is_measured_on_some_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten guests, two of them drawn: their pairs alone are counted."""
    monkeypatch.setattr(validation_recall, "_MOST_USERS", 2)
    users = pa.array([f"u{n}" for n in range(10)])
    listings = Vocabulary.of([pa.array(["x", "y"])])
    _, events = interaction_rows(users, pa.array(["x"] * 10), None, seed=0)
    held = HeldOutInteractions.of(users, pa.array(["y"] * 10), events, listings, seed=0)
    assert held.count_U.tolist() == [1, 1]
    assert set(held.users.to_pylist()) < set(users.to_pylist())
    assert held.recall(torch.zeros(2, 1), torch.zeros(2, 1), 1) == 1.0  # y is all that is left
