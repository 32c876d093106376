"""What a guest has seen: strictly before the search, and merged without a listing twice."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch

from models.two_tower.retrieval.previously_seen import PreviouslySeen, merge_seen

CATALOGUE = pa.table({"id_listing": ["c", "a", "b"]})
IMPRESSIONS = pa.table(
    {
        "id_user": ["g", "g", "g", "h", None, "g"],
        "id_listing": ["a", "a", "b", "b", "c", "gone"],
        "search_s": [10, 20, 20, 5, 1, 1],
        "stage": [0, 1, 0, 3, 1, 1],
    }
)


def seen_by(guest: str | None, second: int) -> dict[int, float]:
    seen = PreviouslySeen.of(IMPRESSIONS, CATALOGUE).before(
        pa.chunked_array([pa.array([guest], pa.string())]),
        np.array([second]),
        shown=1.0,
        clicked=0.5,
    )
    pairs = zip(seen.place_QM[0].tolist(), seen.bonus_QM[0].tolist(), strict=True)
    return {place: bonus for place, bonus in pairs if place >= 0}


def test_a_listing_is_seen_strictly_after_it_was_shown() -> None:
    assert seen_by("g", 10) == {}
    assert seen_by("g", 11) == {1: 1.0}
    assert seen_by("g", 20) == {1: 1.0}
    assert seen_by("g", 21) == {1: 1.5, 2: 1.0}


def test_what_one_guest_saw_is_not_seen_by_another() -> None:
    assert seen_by("h", 6) == {2: 1.5}
    assert seen_by(None, 100) == {}
    assert seen_by("stranger", 100) == {}


def test_in_an_empty_log_nothing_was_seen() -> None:
    seen = PreviouslySeen.of(IMPRESSIONS.slice(0, 0), CATALOGUE).before(
        pa.chunked_array([["g", None]]), np.array([9, 9]), shown=1.0, clicked=1.0
    )
    assert (seen.place_QM.tolist(), seen.bonus_QM.tolist()) == ([[], []], [[], []])


def test_merging_keeps_each_listing_once_and_the_best_first() -> None:
    retrieved = torch.tensor([[0.9, 0.8, 0.7]]), torch.tensor([[4, 5, 6]])
    seen = torch.tensor([[0.95, 0.75, float("-inf")]]), torch.tensor([[5, 8, -1]])
    scores, places = merge_seen(retrieved, seen)
    assert places.tolist() == [[5, 4, 8]]
    torch.testing.assert_close(scores, torch.tensor([[0.95, 0.9, 0.75]]))


def test_merging_nothing_changes_nothing() -> None:
    retrieved = torch.tensor([[0.9, float("-inf")]]), torch.tensor([[4, -1]])
    nothing = torch.zeros((1, 0)), torch.zeros((1, 0), dtype=torch.int64)
    torch.testing.assert_close(merge_seen(retrieved, nothing), retrieved)
