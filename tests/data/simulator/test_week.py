"""The simulated week: columns, order of events, one guest per night, reproducibility."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from data.schema.tables import TRUTH
from data.simulator import SimulationConfig, simulate
from tests.data.simulator.conftest import Week, simulated_week

RAW_COLUMNS = [
    "id_search",
    "label",
    "id_user",
    "id_listing",
    "ts_search",
    "ds_search",
    "ds_book",
    "ds_contact",
    "query_market",
    "query_checkin",
    "query_checkout",
    "query_num_guests",
    "query_num_children",
    "query_num_infants",
    "query_radius",
    "query_price_min",
    "query_price_max",
    "query_center_lat",
    "query_center_lng",
    "listing_is_new",
    "listing_total_price",
    "listing_instant_bookable",
    "listing_lat",
    "listing_lng",
    "listing_review_rating",
    "listing_review_count",
    "listing_property_type",
    "listing_room_type",
    "listing_num_beds",
    "listing_num_bedrooms",
    "listing_num_bathrooms",
    "listing_person_capacity",
    "listing_has_pro_pictures",
    "listing_num_recent_reservations",
    "listing_location_rating",
    "listing_cleanliness_rating",
    "listing_checkin_rating",
    "listing_value_rating",
    "listing_communication_rating",
    "listing_accuracy_rating",
    "listing_num_books_90day",
    "listing_occupancy_rate",
    "listing_monthly_discount",
    "listing_weekly_discount",
    "listing_cleaning_fee",
    "listing_monthly_price_factor",
    "listing_weekly_price_factor",
    "listing_minimum_nights",
    "listing_maximum_nights",
]
EXPOSURE = ["position", "is_random_order", "propensity"]


def test_log_has_exactly_the_raw_columns_of_the_contract(week: Week) -> None:
    plain = next(iter(simulate(SimulationConfig(searches=50)))).log
    assert plain.column_names == RAW_COLUMNS
    assert week.log.column_names == RAW_COLUMNS + EXPOSURE


def test_truth_has_the_contracts_schema_and_the_logs_rows(week: Week) -> None:
    assert week.truth.schema == TRUTH.schema
    for name in ("id_search", "id_listing", "ds_search"):
        assert week.truth[name].equals(week.log[name])
    assert all(week.truth[name].null_count == 0 for name in TRUTH.names)


def test_ids_say_that_they_are_simulated_and_a_key_occurs_once(week: Week) -> None:
    for name, start in (("id_search", "simS"), ("id_user", "simU"), ("id_listing", "simL")):
        assert all(str(value).startswith(start) for value in np.unique(week.of(name)))
    keys = week.log.select(["id_search", "id_listing"]).group_by(["id_search", "id_listing"])
    assert keys.aggregate([]).num_rows == week.log.num_rows


def test_search_has_one_guest_one_time_and_one_query(week: Week) -> None:
    names = ["id_user", "ts_search", "query_market", "query_checkin", "query_radius"]
    per_search = week.log.select(["id_search", *names]).group_by(["id_search", *names])
    assert per_search.aggregate([]).num_rows == len(np.unique(week.of("id_search")))


def test_log_covers_seven_days_and_its_times_agree_with_its_dates(week: Week) -> None:
    days = np.unique(week.of("ds_search"))
    assert days[0] == np.datetime64("2026-01-19")
    assert (np.diff(days) == np.timedelta64(1)).all()
    assert len(days) == 7
    assert (week.of("ts_search").astype("datetime64[D]") == week.of("ds_search")).all()


def test_row_order_within_a_search_does_not_tell_the_position(week: Week) -> None:
    position = week.of("position")
    adjacent = np.flatnonzero(week.of("id_search")[1:] == week.of("id_search")[:-1])
    rises = (position[adjacent + 1] > position[adjacent]).mean()
    assert rises == pytest.approx(0.5, abs=0.02)


def test_contact_and_booking_never_come_before_the_search(week: Week) -> None:
    searched, checkin = week.of("ds_search"), week.of("query_checkin")
    for name in ("ds_contact", "ds_book"):
        day = week.of(name)
        known = ~np.isnat(day)
        assert (day[known] >= searched[known]).all()
        dated = known & ~np.isnat(checkin)
        assert (day[dated] <= checkin[dated]).all()
    both = ~np.isnat(week.of("ds_contact")) & ~np.isnat(week.of("ds_book"))
    assert (week.of("ds_book")[both] >= week.of("ds_contact")[both]).all()


def test_some_bookings_arrive_days_later_and_after_the_log_ends(week: Week) -> None:
    day = week.of("ds_book")
    booked = ~np.isnat(day)
    delay = (day - week.of("ds_search"))[booked].astype(int)
    assert 0.3 < (delay == 0).mean() < 0.7
    assert (day[booked] > week.of("ds_search").max()).any()


def test_label_agrees_with_the_dates(week: Week) -> None:
    label, booked = week.of("label"), ~np.isnat(week.of("ds_book"))
    assert ((label == "booked") == booked).all()
    contacted = ~np.isnat(week.of("ds_contact"))
    assert contacted[label == "contact host"].all()
    assert not contacted[(label == "impressed") | (label == "clicked")].any()
    direct = booked & ~contacted
    assert direct.any()
    assert week.of("listing_instant_bookable")[direct].all()


def test_no_night_of_a_listing_is_booked_twice_and_no_guest_books_twice(week: Week) -> None:
    booked = (week.of("label") == "booked") & ~np.isnat(week.of("query_checkin"))
    stays = defaultdict(list)
    columns = ("id_listing", "query_checkin", "query_checkout")
    for listing, start, end in zip(*(week.of(name)[booked] for name in columns), strict=True):
        stays[listing].append((start, end))
    for of_listing in stays.values():
        of_listing.sort()
        assert all(one[1] <= other[0] for one, other in pairwise(of_listing))
    guests = week.of("id_user")[week.of("label") == "booked"]
    assert len(np.unique(guests)) == len(guests)


def test_booked_stay_leaves_the_results_of_later_overlapping_searches() -> None:
    crowded = simulated_week(
        searches=4_000, seed=3, listings=200, scenario="bookers_oversampled", start=date(2026, 2, 2)
    )
    booked = np.flatnonzero(crowded.of("label") == "booked")
    names = ("id_listing", "query_checkin", "query_checkout")
    listing, start, end = (crowded.of(name) for name in names)
    book_day, day = crowded.of("ds_book"), crowded.of("ds_search")
    later = overlapping = 0
    for row in booked:
        if np.isnat(start[row]):
            continue
        shown = (listing == listing[row]) & (day > book_day[row])
        later += int(shown.sum())
        overlapping += int((shown & (start < end[row]) & (start[row] < end)).sum())
    assert later > 100
    assert overlapping == 0


def test_results_fit_the_query(week: Week) -> None:
    nights = (week.of("query_checkout") - week.of("query_checkin")).astype(float)
    nights = np.where(np.isnan(nights) | (nights < 0), np.nan, nights)
    per_night = week.of("listing_total_price") / np.where(np.isnan(nights), 1, nights)
    assert (week.of("listing_person_capacity") >= week.of("query_num_guests")).all()
    assert not (per_night > week.of("query_price_max") + 0.01).any()
    assert not (per_night < week.of("query_price_min") - 0.01).any()
    assert not (week.of("listing_minimum_nights") > nights).any()
    assert not (week.of("listing_maximum_nights") < nights).any()
    north = (week.of("listing_lat") - week.of("query_center_lat")) * 111.19
    east = (week.of("listing_lng") - week.of("query_center_lng")) * 111.19 * np.cos(np.radians(23))
    assert (np.hypot(north, east) <= 1.02 * week.of("query_radius") + 0.01).all()


def test_random_orders_carry_their_propensity_and_no_other_does(week: Week) -> None:
    is_random = week.of("is_random_order")
    size = np.bincount(np.unique(week.of("id_search"), return_inverse=True)[1])
    shown = size[np.unique(week.of("id_search"), return_inverse=True)[1]]
    assert 0.05 < is_random.mean() < 0.10
    assert np.isnan(week.of("propensity")[~is_random]).all()
    np.testing.assert_allclose(week.of("propensity")[is_random], 1 / shown[is_random])


def test_guests_come_back_over_days_with_a_heavy_tail(week: Week) -> None:
    user, search, day = (week.of(name) for name in ("id_user", "id_search", "ds_search"))
    first = np.unique(search, return_index=True)[1]
    user, day = user[first], day[first]
    searches = np.unique(user, return_counts=True)[1]
    assert 6.5 < searches.mean() < 9.5
    assert np.quantile(searches, 0.99) > 4 * searches.mean()
    days = len({*zip(user.tolist(), day.tolist(), strict=True)}) / len(searches)
    assert days > 1.5


def test_lead_times_stays_and_parties_are_as_assumed(week: Week) -> None:
    first = np.unique(week.of("id_user"), return_index=True)[1]
    rio = week.of("query_market")[first] == "Rio de Janeiro"
    lead = (week.of("query_checkin") - week.of("ds_search"))[first].astype("timedelta64[D]")
    known = ~np.isnat(lead)
    days = lead.astype(int)
    assert 17 <= np.median(days[rio & known]) <= 28
    assert 8 <= np.median(days[~rio & known]) <= 16
    nights = (week.of("query_checkout") - week.of("query_checkin"))[first][known].astype(int)
    assert 2 <= np.median(nights) <= 3
    assert 0.005 < (nights >= 28).mean() < 0.03
    party = week.of("query_num_guests")[first]
    shares = np.histogram(party, [1, 2, 3, 5, 99])[0] / len(party)
    np.testing.assert_allclose(shares, [0.15, 0.50, 0.25, 0.10], atol=0.03)
    assert 0.03 < (~known).mean() < 0.25


def _bytes(settings: dict[str, int]) -> list[pa.Table]:
    chunks = list(simulate(SimulationConfig(searches=1_500, seed=9, **settings)))
    return [pa.concat_tables([c.log for c in chunks]), pa.concat_tables([c.truth for c in chunks])]


def test_same_seed_gives_the_same_week_on_any_number_of_threads() -> None:
    chunked = {"searches_per_chunk": 100}
    alone = _bytes({"threads": 1, **chunked})
    assert _bytes({"threads": 4, **chunked}) == alone
    assert _bytes({"threads": 4, **chunked}) == alone


def test_another_seed_gives_another_week() -> None:
    first, second = (
        next(iter(simulate(SimulationConfig(searches=200, seed=seed)))).log for seed in (1, 2)
    )
    assert not first["listing_total_price"].equals(second["listing_total_price"])


def test_progress_ends_at_the_number_of_searches_asked_for() -> None:
    calls: list[tuple[int, int]] = []
    for _ in simulate(SimulationConfig(searches=777), lambda done, of: calls.append((done, of))):
        pass
    assert calls[-1] == (777, 777)
    assert calls == sorted(calls)
    # a chunk never spans two days
    assert len(calls) == 7


def test_a_single_search_is_a_week_too() -> None:
    chunks = list(simulate(SimulationConfig(searches=1, seed=4)))
    (chunk,) = chunks
    assert chunk.searches == 1
    assert set(chunk.log["id_search"].to_pylist()) == {"simS00000000"}
    listings = chunk.log["id_listing"].to_pylist()
    assert len(set(listings)) == len(listings) <= 20
