"""Every feature is told in words that a person would use, or is known to be untellable."""

from __future__ import annotations

import re
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest

from data.schema.language import Language
from features.all_features import ALL_FEATURES
from features.groups.extra_columns import extras_of
from features.sentences.every_sentence import SENTENCES, Sentences
from features.sentences.sentence import Sentence, Untold

LANGUAGES: tuple[Language, ...] = get_args(Language)
LONGEST = 90
NOT_SAID = re.compile(r"_|ratio|razão|\bz\b|deviation|desvio|nan|none\b(?!\))|null|inf\b|[{}%]{2}")
NUMBER = r"[\d.,]+(?: k?m)?"

FEATURES = {f.name: f for f in ALL_FEATURES}
TOLD = sorted(name for name, entry in SENTENCES.items() if isinstance(entry, Sentence))

# A trait that a guest likes low (price) or high (rating), beside the others of the list.
LOW = {
    "listing_nightly_price",
    "listing_total_price",
    "listing_cleaning_fee",
    "listing_weekly_price_factor",
    "listing_monthly_price_factor",
    "listing_minimum_nights",
    "listing_hours_since_click",
    "listing_hours_since_booking",
    "fit_spare_capacity",
    "fit_price_per_searching_guest",
    "fit_price_to_filter_max",
    "fit_distance_km",
    "guest_distance_to_clicked_km",
    "in_search_price_rank",
    "in_search_rating_rank",
    "in_search_reviews_rank",
    "in_search_distance_rank",
    "in_search_occupancy_rank",
    "in_search_dominated_by",
}
# Cheaper, or nearer, than that with which the feature itself compares.
BELOW_ONE = {
    "in_search_price_to_median",
    "in_search_distance_to_median",
    "market_price_to_comparable",
    "guest_price_to_clicked",
}
ABOVE_ONE = {"in_search_reviews_to_median", "in_search_occupancy_to_median"}
# Of the guest's own doing: said whatever the others are.
OWN = {
    "guest_clicked_listing",
    "guest_contacted_listing",
    "guest_hours_since_listing_click",
    "guest_capacity_less_clicked",
}
HIGH = {
    name
    for name in TOLD
    if FEATURES[name].kind == "number" and name not in LOW | BELOW_ONE | ABOVE_ONE | OWN
}


def drawn(name: str, rng: np.random.Generator, size: int) -> pa.Array:
    """Values over the feature's range, some unknown."""
    feature, unknown = FEATURES[name], rng.random(size) < 0.1
    if name == "listing_room_type":
        rooms = ["entire_home", "private_room", "shared_room", "hotel_room", "4"]
        values: Any = np.asarray(rooms)[rng.integers(len(rooms), size=size)]
    elif feature.kind == "boolean":
        values = rng.random(size) < 0.4
    elif feature.kind == "category":
        values = rng.integers(9, size=size).astype(str)
    elif name == "listing_minimum_nights" or "_rank" in name:
        values = rng.integers(1, 6, size=size)
    elif feature.unit == "stars":
        values = rng.uniform(-4 if "less" in name else 1, 5, size=size)
    elif feature.unit in ("share", "cosine"):
        values = rng.uniform(0, 1, size=size)
    elif feature.unit in ("ratio", "") and ("_to_" in name or "factor" in name):
        values = np.exp(rng.normal(0, 1, size=size))
    elif feature.unit in ("km", "hours", "price per night", "price", "price per stay"):
        values = np.exp(rng.normal(2, 2, size=size))
    elif "less" in name or "spare" in name:
        values = rng.integers(-3, 5, size=size)
    else:
        values = np.floor(np.exp(rng.normal(1, 1.5, size=size)))
    return pa.array(values, mask=unknown)


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    """Lists of one to twelve listings with all features, of no sense together."""
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 13, size=900)
    lists = np.repeat(np.arange(len(sizes)), sizes)
    columns = {name: drawn(name, rng, len(lists)) for name in FEATURES}
    ids = pa.array([f"s{number}" for number in lists])
    table = pa.table({"id_search": ids, **columns})
    return table.take(pa.array(rng.permutation(table.num_rows)))


def test_every_feature_has_a_sentence_or_a_reason_to_have_none() -> None:
    missing = sorted(FEATURES.keys() - SENTENCES.keys())
    assert not missing, f"write a sentence, or why there is none, in features/sentences: {missing}"
    assert SENTENCES.keys() <= FEATURES.keys()
    reasons = [entry.because for entry in SENTENCES.values() if isinstance(entry, Untold)]
    assert reasons
    assert all(len(reason) > 10 for reason in reasons)


def test_what_all_results_of_a_search_share_is_never_told() -> None:
    of_query = [name for name, feature in FEATURES.items() if feature.group == "query"]
    assert of_query
    assert not set(of_query) & set(TOLD)


def test_codes_coordinates_deviations_and_smoothed_shares_of_outcomes_are_never_told() -> None:
    untold = {name for name in FEATURES if name.endswith(("_z", "_lat", "_lng", "_book_rate"))}
    assert len(untold) > 8
    assert not (untold | {"listing_property_type"}) & set(TOLD)


def test_each_told_feature_has_a_side_in_this_test() -> None:
    sides = (LOW, BELOW_ONE, ABOVE_ONE, OWN, HIGH)
    numbers = {name for name in TOLD if FEATURES[name].kind == "number"}
    assert set.union(*sides) == numbers
    assert sum(map(len, sides)) == len(numbers)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", TOLD)
def test_over_its_range_a_feature_is_told_in_a_short_plain_sentence(
    rows: pa.Table, name: str, language: Language
) -> None:
    told = Sentences(language).of(rows)
    at = np.flatnonzero(told.may_say(name))
    assert len(at), "said of no row: the range drawn here never reaches it"
    assert len(at) < rows.num_rows
    assert rows[name].take(pa.array(at)).null_count == 0
    for text in set(told.say(name, at)):
        assert len(text) <= LONGEST, text
        assert text == text.strip()
        assert text[0].islower() or text[0].isdigit()
        assert not NOT_SAID.search(text.lower()), text
        beside = re.search(rf"({NUMBER}).*\((?:others|outras): ({NUMBER})\)", text)
        assert beside is None or beside[1] != beside[2], text


@pytest.mark.parametrize("name", TOLD)
def test_a_feature_is_told_only_of_the_side_that_guests_like(rows: pa.Table, name: str) -> None:
    at = pa.array(np.flatnonzero(Sentences("en").of(rows).may_say(name)))
    of_row = rows.append_column("value", rows[name]).select(["id_search", "value"])
    lists: dict[str, list[Any]] = {}
    for search, value in zip(*(c.to_pylist() for c in of_row.columns), strict=True):
        lists.setdefault(search, []).append(value)
    for search, value in zip(*(c.to_pylist() for c in of_row.take(at).columns), strict=True):
        others = [other for other in lists[search] if other is not None]
        others.remove(value)
        if FEATURES[name].kind == "boolean":
            assert value
        elif FEATURES[name].kind == "category":
            assert value in ("entire_home", "private_room", "hotel_room")
        elif name in LOW:
            assert others
            assert value < np.median(others)
        elif name in HIGH:
            assert others
            assert value > np.median(others)
        elif name in BELOW_ONE | ABOVE_ONE:
            assert value < 1 if name in BELOW_ONE else value > 1


def test_features_of_one_topic_have_one_word_for_it() -> None:
    telling = Sentences("en")
    prices = [name for name in FEATURES if "price" in name and FEATURES[name].group == "in_search"]
    assert len(prices) == 4
    assert {telling.topic(name) for name in prices} == {"price"}
    assert telling.topic("query_nights") == "query_nights"


def test_an_extra_column_of_a_log_is_never_told() -> None:
    rows = pa.table({"id_search": ["s", "s"], "x_pool": [1.0, 0.0]})
    for feature in extras_of(["x_pool"]):
        assert Sentences("en").topic(feature.name) == feature.name
        assert not Sentences("en").of(rows).may_say(feature.name).any()


def test_no_rows_are_told_nothing(rows: pa.Table) -> None:
    told = Sentences("pt").of(rows.slice(0, 0))
    assert all(told.may_say(name).tolist() == [] for name in FEATURES)


def test_an_untold_feature_cannot_be_said(rows: pa.Table) -> None:
    with pytest.raises(ValueError, match="listing_property_type is never told: a code"):
        Sentences("en").of(rows).say("listing_property_type", np.array([0]))
