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

TRAINING = TrainConfig()


def fitted(log: pa.Table) -> tuple[pa.Table, Encoder, GuestEvents]:
    rows = sorted_rows(log)
    encoder = Encoder.fit(rows, TowerConfig(history_length=3), guest_ids=False)
    return rows, encoder, GuestEvents.of(events_of(rows), encoder.listings)


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


def test_each_dense_input_has_a_name(world: Callable[..., pa.Table]) -> None:
    rows, encoder, past = fitted(world(searches=20))
    assert len(encoder.query_inputs) == encoder.queries(rows, past).dense_SF.shape[1]
    assert len(encoder.listing_inputs) == encoder.listing_rows(rows).dense_LF.shape[1]
    guests = encoder.query_inputs.index("query_num_guests")
    dense = encoder.queries(rows, past).dense_SF[:, guests]
    logs = np.log1p(rows["query_num_guests"].to_numpy())
    assert np.corrcoef(dense, logs)[0, 1] == pytest.approx(1)


def test_row_zero_of_the_catalogue_says_nothing(world: Callable[..., pa.Table]) -> None:
    rows, encoder, _ = fitted(world(searches=20))
    catalogue = encoder.catalogue(rows, last=True)
    assert catalogue.id_L.tolist() == list(range(encoder.listings.size))
    assert not catalogue.dense_LF[0].any()
    assert (catalogue.category_LK[0].tolist(), catalogue.market_L[0]) == ([0, 0], 0)


def test_without_markets_everything_is_one_market_and_not_an_unseen_one() -> None:
    log = pa.table({"id_search": ["s"], "id_listing": ["a"], "stage": pa.array([1], pa.int8())})
    encoder = Encoder.fit(log, TowerConfig(), guest_ids=False)
    assert encoder.market_count == 2
    assert encoder.listing_rows(log).market_L.tolist() == [1]
    queries = encoder.queries(log, GuestEvents.of(events_of(log), encoder.listings))
    assert queries.market_S.tolist() == [1]
