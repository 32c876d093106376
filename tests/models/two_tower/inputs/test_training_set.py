"""Which rows of a log are positives, with which weight, and which are their journey negatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.inputs.encoder import Encoder, sorted_rows
from models.two_tower.inputs.guest_history import GuestEvents, events_of
from models.two_tower.inputs.training_set import TrainingSet, encode_log

TRAINING = TrainConfig()


def fitted(log: pa.Table) -> tuple[pa.Table, Encoder, GuestEvents]:
    rows = sorted_rows(log)
    encoder = Encoder.fit(rows, TowerConfig(history_length=3), guest_ids=False)
    return rows, encoder, GuestEvents.of(events_of(rows), encoder.listings)


def test_positives_carry_the_weight_of_their_stage(world: Callable[..., pa.Table]) -> None:
    rows, encoder, past = fitted(world(searches=60))
    data = encode_log(rows, encoder, past, TrainConfig(stage_weights=(1.0, 2.0, 0.0)))
    stage = rows["stage"].to_numpy()
    assert len(data.positives) == int(((stage == 1) | (stage == 2)).sum())
    assert set(data.positives.weight_P.tolist()) == {1.0, 2.0}


def test_weak_positives_are_rows_that_were_shown_and_not_clicked(
    world: Callable[..., pa.Table],
) -> None:
    rows, encoder, past = fitted(world(searches=60))
    config = TrainConfig(shown_weight=0.1, shown_per_positive=0.5)
    weights = encode_log(rows, encoder, past, config).positives.weight_P
    clicked = int((rows["stage"].to_numpy() > 0).sum())
    assert int((weights == np.float32(0.1)).sum()) == round(0.5 * clicked)
    assert len(weights) == clicked + round(0.5 * clicked)


def furthest_of(rows: pa.Table) -> dict[tuple[str, str], int]:
    """How far each guest went with each listing, over all searches."""
    furthest: dict[tuple[str, str], int] = {}
    for row in rows.select(["id_user", "id_listing", "stage"]).to_pylist():
        pair = (row["id_user"], row["id_listing"])
        furthest[pair] = max(furthest.get(pair, 0), row["stage"])
    return furthest


def test_journey_negatives_went_less_far_than_the_positive(
    world: Callable[..., pa.Table],
) -> None:
    rows, encoder, past = fitted(world(searches=60))
    data = encode_log(rows, encoder, past, TRAINING)
    positive = rows.filter(pa.array(rows["stage"].to_numpy() > 0))
    furthest = furthest_of(rows)
    reached = set()
    for place in range(len(data.positives)):
        guest, stage = positive["id_user"][place].as_py(), positive["stage"][place].as_py()
        start = data.positives.hard_start_P[place]
        negatives = data.hard[start : start + data.positives.hard_count_P[place]]
        less_far = {pair[1] for pair, s in furthest.items() if pair[0] == guest and s < stage}
        assert set(encoder.listings.ids(negatives).to_pylist()) == less_far
        reached.add(stage)
    assert reached == {1, 2, 3}


def test_with_a_head_per_stage_a_row_teaches_each_stage_it_reached(
    world: Callable[..., pa.Table],
) -> None:
    rows, encoder, past = fitted(world(searches=60))
    config = TrainConfig(stage_weights=(1.0, 2.0, 3.0))
    positives = encode_log(rows, encoder, past, config, heads=3).positives
    stage = rows["stage"].to_numpy()
    for head in range(3):
        here = positives.head_P == head
        assert int(here.sum()) == int((stage > head).sum())
        assert set(positives.weight_P[here].tolist()) == {head + 1.0}


def test_a_log_without_a_click_is_refused(world: Callable[..., pa.Table]) -> None:
    log = world(searches=5)
    silent = log.set_column(
        log.column_names.index("stage"), "stage", pa.array(np.zeros(log.num_rows, np.int8))
    )
    with pytest.raises(ValueError, match="nothing to learn from"):
        encode_log(*fitted(silent), TRAINING)


# One guest searches Rio twice and Natal once; two searches without a guest follow.
LOG = pa.table(
    {
        "id_search": ["s1", "s1", "s1", "s2", "s2", "s3", "s3", "s4", "s4", "s5", "s5"],
        "id_user": ["g", "g", "g", "g", "g", "g", "g", None, None, None, None],
        "market": ["rio", "rio", "rio", "rio", "rio", "natal", "natal", "rio", "rio", "rio", "rio"],
        "id_listing": ["a", "b", "c", "b", "d", "x", "y", "a", "b", "c", "d"],
        "search_s": [1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
        "stage": pa.array([0, 1, 0, 3, 0, 0, 1, 0, 1, 0, 1], pa.int8()),
    }
)


def described(
    data: TrainingSet, encoder: Encoder
) -> list[tuple[str | None, float, set[str | None]]]:
    """Listing, weight and journey negatives of each positive."""
    positives = data.positives
    listings = encoder.listings.ids(positives.listing_P).to_pylist()
    spans = zip(positives.hard_start_P, positives.hard_count_P, strict=True)
    negatives = [set(encoder.listings.ids(data.hard[s : s + n]).to_pylist()) for s, n in spans]
    return list(zip(listings, positives.weight_P.tolist(), negatives, strict=True))


def test_a_journey_is_a_guest_in_a_market_and_a_search_without_guest_is_its_own() -> None:
    """b was clicked in s1 and booked in s2: in the journey it went as far as the booking.

    Of the booking the negatives are what was never booked. y and x are of another market;
    of the two searches without a guest each has a negative of its own.
    """
    rows, encoder, events = fitted(LOG)
    data = encode_log(rows, encoder, events, TRAINING)
    assert described(data, encoder) == [
        ("b", 1.0, {"a", "c", "d"}),
        ("b", 4.0, {"a", "c", "d"}),
        ("y", 1.0, {"x"}),
        ("b", 1.0, {"a"}),
        ("d", 1.0, {"c"}),
    ]
    assert data.queries.history_SH[data.positives.search_P].tolist() == [
        [0, 0, 0],  # s1 knows nothing
        [2, 0, 0],  # s2 knows the click on b
        [2, 2, 0],  # s3 knows both clicks on b; the booking has no day, so nobody knows when
        [0, 0, 0],  # no guest, no history
        [0, 0, 0],
    ]


def test_listings_that_the_encoder_does_not_know_are_no_positives() -> None:
    for of_fit, known in ((LOG.slice(5, 4), ["b", "b", "y", "b"]), (LOG.slice(5, 2), ["y"])):
        _, encoder, events = fitted(of_fit)
        data = encode_log(sorted_rows(LOG), encoder, events, TRAINING)
        assert [listing for listing, _, _ in described(data, encoder)] == known


def test_searches_without_a_positive_are_left_out() -> None:
    rows, encoder, events = fitted(LOG.slice(0, 7))
    bookings_alone = TrainConfig(stage_weights=(0.0, 0.0, 1.0))
    data = encode_log(rows, encoder, events, bookings_alone)
    assert len(data.queries) == 1
    assert described(data, encoder) == [("b", 1.0, {"a", "c", "d"})]
