"""Which columns are read, what null becomes, and that any subset of them works."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.inputs.encoder import Encoder, one_per, sorted_rows
from models.two_tower.inputs.guest_history import GuestEvents, events_of
from models.two_tower.inputs.location_inputs import LocationInputs
from models.two_tower.inputs.numeric_inputs import NumberScaler, column_values
from models.two_tower.inputs.training_set import encode_log
from models.two_tower.inputs.vocabulary import Vocabulary

TRAINING = TrainConfig()


def fitted(log: pa.Table) -> tuple[pa.Table, Encoder, GuestEvents]:
    rows = sorted_rows(log)
    encoder = Encoder.fit(rows, TowerConfig(history_length=3), guest_ids=False)
    return rows, encoder, GuestEvents.of(events_of(rows), encoder.listings)


def test_vocabulary_keeps_index_zero_for_the_unseen_and_null() -> None:
    words = Vocabulary.of([pa.array(["b", None, "a"])])
    assert words.index(pa.array(["a", "b", "c", None])).tolist() == [1, 2, 0, 0]
    assert words.size == 3


def test_a_dictionary_typed_column_is_read_as_its_values() -> None:
    words = Vocabulary.of([pa.array(["b", "a"]).dictionary_encode()])
    assert words.to_list() == ["a", "b"]


def test_null_becomes_the_mean_and_an_indicator() -> None:
    table = pa.table({"listing_review_rating": [3.0, 5.0, None]})
    scaler = NumberScaler.fit(table, ["listing_review_rating"])
    np.testing.assert_allclose(scaler.transform(table), [[-1, 0], [1, 0], [0, 1]], atol=1e-6)


def test_nan_and_infinity_count_as_missing() -> None:
    table = pa.table({"listing_review_rating": [3.0, 5.0, float("nan"), float("inf")]})
    scaler = NumberScaler.fit(table, ["listing_review_rating"])
    assert scaler.transform(table)[:, 1].tolist() == [0, 0, 1, 1]


def test_a_constant_column_becomes_zeros_and_a_wholly_missing_one_its_indicator() -> None:
    table = pa.table({"a": [2.0, 2.0], "b": pa.array([None, None], pa.float64())})
    inputs = NumberScaler.fit(table, ["a", "b"]).transform(table)
    assert inputs.tolist() == [[0, 0, 0, 1], [0, 0, 0, 1]]


def test_nights_and_lead_time_are_derived_from_the_days() -> None:
    table = pa.table(
        {
            "search_day": pa.array([10, 10], pa.int32()),
            "checkin_day": pa.array([14, None], pa.int32()),
            "checkout_day": pa.array([16, None], pa.int32()),
        }
    )
    np.testing.assert_array_equal(column_values(table, "query_nights"), [2, np.nan])
    np.testing.assert_array_equal(column_values(table, "query_lead_time_days"), [4, np.nan])


def test_nightly_price_leaves_out_fee_and_long_stay_factor() -> None:
    table = pa.table(
        {
            "query_nights": [2, 7, 28, None],
            "listing_total_price": [220.0, 650.0, 1420.0, 120.0],
            "listing_cleaning_fee": [20.0, 20.0, 20.0, None],
            "listing_weekly_price_factor": [0.9, 0.9, 0.9, 0.9],
            "listing_monthly_price_factor": [0.5, 0.5, 0.5, 0.5],
        }
    )
    np.testing.assert_allclose(column_values(table, "listing_nightly_price"), [100, 100, 100, 120])


def test_the_weekday_of_the_first_of_january_1970_is_a_thursday() -> None:
    table = pa.table({"checkin_day": pa.array([0], pa.int32())})
    angle = 2 * np.pi * 3 / 7
    np.testing.assert_allclose(column_values(table, "checkin_weekday_sine"), [np.sin(angle)])


def test_near_places_are_encoded_alike_and_far_ones_not() -> None:
    lat, lng = np.array([0.0, 0.0, 0.0]), np.array([0.0, 0.002, 0.3])
    places = LocationInputs.fit(lat, lng, np.ones(3, dtype=np.int64), 2)
    waves = places.transform(lat, lng, np.ones(3, dtype=np.int64))[:, 3:]
    near, far = waves[0] @ waves[1], waves[0] @ waves[2]
    assert near > 0.9 * (waves[0] @ waves[0])
    assert far < 0.5 * near


def test_a_missing_coordinate_gives_zeros_and_an_indicator() -> None:
    places = LocationInputs(latitudes=(0.0, 0.0), longitudes=(0.0, 0.0))
    inputs = places.transform(np.array([np.nan]), np.array([1.0]), np.array([1]))
    assert inputs[0, 2] == 1
    assert np.count_nonzero(inputs) == 1


def test_the_training_catalogue_holds_each_listing_as_it_was_first_seen() -> None:
    log = pa.table(
        {
            "id_search": ["s1", "s2"],
            "id_listing": ["a", "a"],
            "search_s": [10, 20],
            "stage": pa.array([0, 1], pa.int8()),
            "listing_review_count": [1, 100],
        }
    )
    encoder = Encoder.fit(log, TowerConfig(), guest_ids=False)
    assert encoder.catalogue_rows(log, last=False)["listing_review_count"][1].as_py() == 1
    assert encoder.catalogue_rows(log, last=True)["listing_review_count"][1].as_py() == 100


def test_one_per_keeps_the_first_or_the_last_row() -> None:
    rows = pa.table({"id": ["b", "a", "b", None], "place": [0, 1, 2, 3]})
    assert one_per(rows, "id")["place"].to_pylist() == [1, 0]
    assert one_per(rows, "id", last=True)["place"].to_pylist() == [1, 2]


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
    found: dict[tuple[str, str], int] = {}
    for row in rows.select(["id_user", "id_listing", "stage"]).to_pylist():
        pair = (row["id_user"], row["id_listing"])
        found[pair] = max(found.get(pair, 0), row["stage"])
    return found


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
        found = data.hard[start : start + data.positives.hard_count_P[place]]
        less_far = {pair[1] for pair, s in furthest.items() if pair[0] == guest and s < stage}
        assert set(encoder.listings.ids(found).to_pylist()) == less_far
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


@pytest.mark.parametrize(
    "column", ["listing_review_rating", "listing_lat", "listing_room_type", "query_nights"]
)
def test_a_column_of_the_fit_that_is_absent_later_is_named(
    world: Callable[..., pa.Table], column: str
) -> None:
    rows, encoder, past = fitted(world(searches=20))
    lacking = rows.drop_columns([column])
    encode = encoder.listing_rows
    if column.startswith("query_"):
        encode = partial(encoder.queries, events=past)
    with pytest.raises(ValueError, match=re.escape(column)):
        encode(lacking)


def test_an_encoder_is_whole_after_json(world: Callable[..., pa.Table]) -> None:
    rows, encoder, past = fitted(world(searches=20))
    again = Encoder.from_mapping(
        encoder.to_mapping(), listings=encoder.listings, guests=encoder.guests
    )
    np.testing.assert_array_equal(
        again.listing_rows(rows).dense_LF, encoder.listing_rows(rows).dense_LF
    )
    np.testing.assert_array_equal(
        again.queries(rows, past).dense_SF, encoder.queries(rows, past).dense_SF
    )
