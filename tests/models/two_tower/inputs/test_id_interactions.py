"""Logs of ids alone: as impressions that were all clicked, and what a guest has not taken."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.two_tower.inputs.id_interactions import interaction_rows, seen_mask
from models.two_tower.inputs.vocabulary import Vocabulary

USERS, ITEMS = pa.array(["a", "a", "b"]), pa.array([30, 10, 10])


def test_without_times_a_guest_is_one_search_and_the_events_have_a_random_order() -> None:
    rows, events = interaction_rows(USERS, ITEMS, None, seed=0)
    assert rows.to_pydict() == {
        "id_search": ["a", "a", "b"],
        "id_user": ["a", "a", "b"],
        "id_listing": ["30", "10", "10"],
        "stage": [1, 1, 1],
    }
    assert sorted(events["known_s"].to_pylist()) == [0, 1, 2]
    orders = {
        tuple(interaction_rows(USERS, ITEMS, None, seed=seed)[1]["known_s"].to_pylist())
        for seed in range(40)
    }
    assert len(orders) == 6  # all that three events can have


def test_with_times_each_interaction_is_a_search_at_its_second() -> None:
    rows, events = interaction_rows(USERS, ITEMS, np.array([7, 5, 6]), seed=0)
    assert rows["id_search"].to_pylist() == ["0", "1", "2"]
    assert rows["search_s"].to_pylist() == [7, 5, 6]
    assert events.select(["id_user", "id_listing", "known_s"]).to_pylist() == [
        {"id_user": "a", "id_listing": "30", "known_s": 7},
        {"id_user": "a", "id_listing": "10", "known_s": 5},
        {"id_user": "b", "id_listing": "10", "known_s": 6},
    ]


@pytest.mark.parametrize(
    ("users", "items", "times", "message"),
    [
        (["a"], ["x", "y"], None, "of one length"),
        (["a"], ["x"], np.array([1, 2]), "of one length"),
        (["a", None], ["x", "y"], None, "found a null"),
        (["a", "b"], ["x", None], None, "found a null"),
    ],
)
def test_pairs_that_are_not_whole_are_refused(
    users: list[str | None], items: list[str | None], times: np.ndarray | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        interaction_rows(pa.array(users), pa.array(items), times, seed=0)


def test_a_guest_is_allowed_what_no_event_of_theirs_names() -> None:
    """a took 1 and 4, b took 3 twice, c nothing; item 9 is not known and d not asked for."""
    listings = Vocabulary.from_list(["1", "2", "3", "4", "5"])
    events = pa.table(
        {"id_user": ["a", "b", "a", "b", "a", "d"], "id_listing": ["4", "3", "1", "3", "9", "2"]}
    )
    allowed = seen_mask(pa.array(["b", "c", "a", "b"]), events, listings)
    b, c, a = [1, 1, 0, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 0, 1]
    assert allowed(slice(0, 4), slice(0, 5)).int().tolist() == [b, c, a, b]
    assert allowed(slice(1, 3), slice(2, 4)).int().tolist() == [c[2:4], a[2:4]]
    assert allowed(slice(0, 0), slice(0, 5)).shape == (0, 5)
