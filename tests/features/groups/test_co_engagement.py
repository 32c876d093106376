"""Similarity by common clicks: two crowds of guests that share no listing."""

from __future__ import annotations

import pytest

from data.schema.time import DAY_S
from tests.features.worlds import features_of, impression, typed


def test_listing_is_similar_to_clicks_that_the_same_guests_made_on_earlier_days() -> None:
    crowds = {crowd: [f"{crowd}{number}" for number in range(12)] for crowd in ("b", "m")}
    day_one = [
        impression(f"{crowd}{guest}", listing, user=f"{crowd}{guest}", at=guest, stage=1)
        for crowd, listings in crowds.items()
        for guest in range(12)
        for listing in listings
        if listing != listings[guest]
    ]
    day_two = [
        impression("click", "b0", user="new", at=DAY_S, stage=1),
        *(impression("later", k, user="new", at=DAY_S + 60) for k in ("b0", "b1", "m1", "z")),
        *(impression("other", k, user="idle", at=DAY_S + 60) for k in ("b0", "b1")),
    ]
    log = typed([*day_one, *day_two])
    similarity = features_of(log, ["guest_clicks_similarity"])["guest_clicks_similarity"].to_list()
    first_day, (click, own, same_crowd, other_crowd, unseen, *idle) = (
        similarity[: len(day_one)],
        similarity[len(day_one) :],
    )
    assert set(first_day) == {None}  # no earlier day to learn from
    assert click is None  # its own click is not before it
    assert own == pytest.approx(1.0, abs=1e-5)
    assert same_crowd > 0.4
    assert abs(other_crowd) < 0.05
    assert unseen is None
    assert idle == [None, None]
