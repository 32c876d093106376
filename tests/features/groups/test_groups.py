"""Each group on tiny tables whose right answers a reader can work out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl
import pytest

from data.schema.time import DAY_S
from features.build import available_features, build_features
from tests.features.worlds import FIRST_DAY, impression, typed

NINE, TEN = 9 * 3_600, 10 * 3_600
SATURDAY = 17_572  # 2018-02-10, Carnival Saturday


def built(log: pl.DataFrame, names: Collection[str], past: pl.DataFrame | None = None) -> Any:
    chosen = available_features(log.columns).only(names)
    assert set(chosen.names) == set(names)
    out = build_features(log.lazy(), (log if past is None else past).lazy(), features=chosen)
    native = out.to_native()
    assert isinstance(native, pl.LazyFrame)
    return native.collect().sort("search_s", "id_search", "id_listing").select(names)


def one(log_row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(built(typed([log_row]), names).row(0))


def test_query_counts_nights_weekends_holidays_and_carnival() -> None:
    row = impression(at=NINE, checkin_day=SATURDAY - 1, checkout_day=SATURDAY + 6)
    names = (
        "query_nights",
        "query_lead_time_days",
        "query_checkin_weekday",
        "query_checkin_month",
        "query_weekend_nights",
        "query_carnival_nights",
        "query_is_dateless",
        "query_search_hour",
    )
    assert one(row, *names) == (7, 8, 4, 2, 2, 4, False, 9)


def test_holidays_are_those_of_the_market_s_own_state() -> None:
    # Zumbi, 20 November, was a holiday of the state of Rio in 2018, not of São Paulo's.
    zumbi = 17_855
    stay = {"checkin_day": zumbi, "checkout_day": zumbi + 1}
    assert one(impression(**stay), "query_stay_holidays") == (1,)
    assert one(impression(market="sao_paulo", **stay), "query_stay_holidays") == (0,)
    assert one(impression(market="country_219", **stay), "query_stay_holidays") == (None,)


def test_dateless_search_has_null_nights() -> None:
    row = impression(checkin_day=None, checkout_day=None)
    names = ("query_nights", "query_lead_time_days", "query_weekend_nights", "query_is_dateless")
    assert one(row, *names) == (None, None, None, True)


@pytest.mark.parametrize(
    ("nights", "total", "nightly"),
    [
        (2, 250.0, 100.0),
        (7, 680.0, 100.0),
        (28, 2_010.0, 100.0),
        (1, 40.0, None),
    ],
)
def test_nightly_price_is_recovered_from_fee_and_factors(
    nights: int, total: float, nightly: float | None
) -> None:
    row = impression(
        checkin_day=SATURDAY,
        checkout_day=SATURDAY + nights,
        listing_total_price=total,
        listing_cleaning_fee=50.0,
        listing_weekly_price_factor=0.9,
        listing_monthly_price_factor=0.7,
    )
    (price,) = one(row, "listing_nightly_price")
    assert price == (None if nightly is None else pytest.approx(nightly))


def test_fit_compares_party_nights_and_place() -> None:
    row = impression(
        checkin_day=SATURDAY,
        checkout_day=SATURDAY + 3,
        query_num_guests=3,
        listing_person_capacity=4,
        listing_minimum_nights=5,
        listing_maximum_nights=None,
        listing_lat=-22.97,
        listing_lng=-43.19,
        query_center_lat=-22.98,
        query_center_lng=-43.19,
        query_radius=1.0,
    )
    names = (
        "fit_spare_capacity",
        "fit_nights_above_minimum",
        "fit_nights_below_maximum",
        "fit_is_within_nights",
        "fit_distance_km",
        "fit_is_inside_radius",
    )
    km = pytest.approx(1.1119, abs=1e-4)
    assert one(row, *names) == (1, -2, None, False, km, False)


def test_in_search_standing_of_three_prices() -> None:
    prices = {"l1": 100.0, "l2": 200.0, "l3": 300.0, "l4": None}
    log = typed([impression("s1", k, listing_total_price=p) for k, p in prices.items()])
    names = ["in_search_price_rank", "in_search_price_to_median", "in_search_price_to_best"]
    assert built(log, names).rows() == [(1, 0.5, 1.0), (2, 1.0, 2.0), (3, 1.5, 3.0), (None,) * 3]
    z = built(log, ["in_search_price_z"])["in_search_price_z"].to_list()
    assert z == [pytest.approx(-(1.5**0.5)), 0.0, pytest.approx(1.5**0.5), None]


def test_results_all_alike_have_no_z_score() -> None:
    log = typed([impression("s1", k, listing_review_rating=4.5) for k in ("l1", "l2")])
    names = ["in_search_rating_z", "in_search_rating_rank", "in_search_results"]
    assert built(log, names).rows() == [(None, 1, 2), (None, 1, 2)]


def test_domination_needs_all_three_and_one_strictly() -> None:
    def row(listing: str, price: float, lat: float, rating: float | None) -> dict[str, Any]:
        return impression(
            "s1",
            listing,
            listing_total_price=price,
            listing_lat=lat,
            listing_lng=0.0,
            query_center_lat=0.0,
            query_center_lng=0.0,
            listing_review_rating=rating,
        )

    log = typed(
        [
            row("a", 100.0, 0.01, 4.8),
            row("b", 120.0, 0.02, 4.5),
            row("c", 90.0, 0.03, 4.9),
            row("d", 100.0, 0.01, 4.8),
            row("e", 80.0, 0.01, None),
        ]
    )
    counts = built(log, ["in_search_dominated_by"])["in_search_dominated_by"].to_list()
    assert counts == [0, 2, 0, 0, None]


def test_smoothed_click_rate_is_drawn_to_the_room_type() -> None:
    log = typed(
        [
            impression("s1", "l1", at=0, stage=1),
            impression("s1", "l2", at=0),
            impression("s2", "l1", at=TEN),
        ]
    )
    names = ["listing_past_impressions", "listing_past_clicks", "listing_past_click_rate"]
    rates = built(log, names)
    # prior 1/2 with the weight of 100 impressions: (1 + 50) / (1 + 100)
    assert rates.row(2) == (1, 1, pytest.approx(51 / 101))
    assert rates.row(0) == (0, 0, None)


def test_engagement_counts_guests_and_hours() -> None:
    log = typed(
        [
            impression("s1", user="u1", at=0, stage=1),
            impression("s2", user="u1", at=3_600, stage=1),
            impression("s3", user="u2", at=7_200, stage=3, book_day=FIRST_DAY),
            impression("s4", user="u3", at=DAY_S + 3_600),
        ]
    )
    names = [
        "listing_past_guests_clicked",
        "listing_past_bookings",
        "listing_hours_since_click",
    ]
    assert built(log, names).rows() == [(0, 0, None), (1, 0, 1.0), (1, 0, 1.0), (2, 1, 23.0)]


def test_guest_history_compares_with_what_was_clicked() -> None:
    def row(search: str, listing: str, at: int, price: float, stage: int = 0) -> dict[str, Any]:
        return impression(search, listing, at=at, stage=stage, listing_total_price=price)

    log = typed(
        [
            row("s1", "l1", 0, 100.0, 1),
            row("s1", "l2", 0, 900.0),
            row("s2", "l1", 600, 200.0, 1),
            row("s3", "l1", 1_200, 300.0),
            row("s4", "l9", 9_000, 300.0),
        ]
    )
    names = [
        "guest_past_searches",
        "guest_past_clicks",
        "guest_price_to_clicked",
        "guest_saw_listing",
        "guest_clicked_listing",
        "guest_session_searches",
        "guest_session_minutes",
    ]
    assert built(log, names).rows() == [
        (0, 0, None, 0, 0, 0, 0.0),
        (0, 0, None, 0, 0, 0, 0.0),
        (1, 1, 2.0, 1, 1, 1, 10.0),
        (2, 2, 2.0, 2, 2, 2, 20.0),
        (3, 2, 2.0, 0, 0, 0, 0.0),
    ]


def test_guest_without_id_gets_null_and_never_zero() -> None:
    log = typed(
        [
            impression("s1", user=None, at=0, stage=1),
            impression("s2", user=None, at=TEN, stage=1),
            impression("s3", user="u1", at=TEN),
        ]
    )
    names = [f.name for f in available_features(log.columns) if f.group == "guest_history"]
    rows = built(log, names)
    assert all(value is None for row in rows.rows()[:2] for value in row)
    assert rows.row(2, named=True)["guest_past_searches"] == 0


def test_market_knows_demand_and_price_level() -> None:
    def row(search: str, at: int, price: float) -> dict[str, Any]:
        return impression(
            search,
            at=at,
            listing_total_price=price,
            listing_lat=-22.97,
            listing_lng=-43.19,
            listing_person_capacity=2,
        )

    log = typed([row("s1", 0, 100.0), row("s2", 10, 300.0), row("s3", 3_600, 100.0)])
    names = ["market_searches_24h", "market_comparable_price", "market_price_to_comparable"]
    assert built(log, names).rows() == [(0, None, None), (0, None, None), (2, 200.0, 0.5)]


def test_listing_ratios_and_gaps() -> None:
    row = impression(
        checkin_day=SATURDAY,
        checkout_day=SATURDAY + 2,
        listing_total_price=250.0,
        listing_cleaning_fee=50.0,
        listing_person_capacity=4,
        listing_num_bedrooms=0.0,
        listing_num_beds=2.0,
        listing_review_rating=4.5,
        listing_value_rating=4.0,
        listing_num_books_90day=45,
    )
    names = (
        "listing_price_per_guest",
        "listing_price_per_bedroom",
        "listing_cleaning_fee_share",
        "listing_beds_per_guest",
        "listing_value_gap",
        "listing_bookings_per_day",
    )
    assert one(row, *names) == pytest.approx((25.0, 100.0, 0.2, 0.5, -0.5, 0.5))


def test_fit_compares_price_with_the_filter_and_distance_with_the_radius() -> None:
    row = impression(
        listing_total_price=150.0,
        query_num_guests=3,
        query_price_min=100.0,
        query_price_max=200.0,
        listing_person_capacity=4,
        listing_lat=-22.97,
        listing_lng=-43.19,
        query_center_lat=-22.98,
        query_center_lng=-43.19,
        query_radius=2.0,
    )
    names = (
        "fit_price_to_filter_max",
        "fit_price_above_filter_min",
        "fit_price_per_searching_guest",
        "fit_party_share_of_capacity",
        "fit_distance_to_radius",
    )
    assert one(row, *names) == pytest.approx((0.75, 50.0, 50.0, 0.75, 0.55597), abs=1e-4)
    assert one({**row, "query_price_max": 0.0}, "fit_price_to_filter_max") == (None,)


def test_room_type_share_counts_unknown_types_among_the_results() -> None:
    rooms = {"l1": "entire_home", "l2": "entire_home", "l3": "private_room", "l4": None}
    log = typed([impression("s1", k, listing_room_type=room) for k, room in rooms.items()])
    names = ["in_search_room_type_share", "in_search_results"]
    assert built(log, names).rows() == [(0.5, 4), (0.5, 4), (0.25, 4), (None, 4)]


def test_guest_history_takes_means_of_the_clicks_whose_value_is_known() -> None:
    def row(at: int, listing: str, stage: int = 0, **listed: Any) -> dict[str, Any]:
        return impression(f"s{at}", listing, at=at, stage=stage, **listed)

    columns = ("listing_review_rating", "listing_person_capacity", "listing_room_type")
    described = {
        "l1": (4.0, 2, "entire_home"),
        "l2": (None, 4, "entire_home"),
        "l3": (5.0, 6, "private_room"),
    }
    place = {"listing_lat": -22.97, "listing_lng": -43.19}
    values = {k: {**dict(zip(columns, v, strict=True)), **place} for k, v in described.items()}
    north = {**values["l1"], "listing_lat": -22.96}
    log = typed(
        [
            *(row(at, k, 1, **values[k]) for at, k in enumerate(values)),
            row(7_200, "l1", **north),
        ]
    )
    names = [
        "guest_rating_less_clicked",
        "guest_capacity_less_clicked",
        "guest_room_type_click_share",
        "guest_distance_to_clicked_km",
        "guest_clicked_listing",
        "guest_hours_since_listing_click",
    ]
    # Ratings 4 and 5 are known: mean 4.5. Capacities: mean 4. Two of three clicks: entire homes.
    expected = (-0.5, -2.0, 2 / 3, 1.1119, 1, 2.0)
    assert built(log, names).row(3) == pytest.approx(expected, abs=1e-4)


def test_click_rates_of_a_party_size_are_drawn_to_the_listing_s_own() -> None:
    log = typed(
        [
            impression("s1", "l1", at=0, stage=1, query_num_guests=1),
            impression("s2", "l1", at=10, query_num_guests=6),
            impression("s3", "l1", at=DAY_S + 10, query_num_guests=1),
            impression("s4", "l1", at=DAY_S + 20, query_num_guests=6),
        ]
    )
    names = ["listing_past_click_rate", "listing_past_click_rate_party", "listing_past_click_trend"]
    first, second = built(log, names).rows()[2:]
    # The room type's rate is 1/2, and so is the listing's: (1 + 50) / (2 + 100).
    assert first == pytest.approx((1 / 2, (1 + 15) / (1 + 30), 1.0))
    own = (1 + 50) / (3 + 100)
    trend = (1 + 30 * own) / (2 + 30) / own
    assert second == pytest.approx((own, 30 * own / (1 + 30), trend))


def test_market_counts_check_ins_supply_and_demand_of_a_cell() -> None:
    def row(search: str, listing: str, at: int, checkin: int) -> dict[str, Any]:
        place = {"listing_lat": -22.97, "listing_lng": -43.19}
        return impression(search, listing, at=at, checkin_day=checkin, **place)

    log = typed(
        [
            row("s1", "l1", 0, SATURDAY),
            row("s1", "l2", 0, SATURDAY),
            row("s2", "l1", 10, SATURDAY + 1),
            row("s3", "l1", DAY_S + 3_600, SATURDAY),
        ]
    )
    names = ["market_checkin_share", "cell_listings", "cell_impressions_per_listing"]
    assert built(log, names).rows() == [*[(None, 0, None)] * 3, (0.5, 2, 1.5)]


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
    similarity = built(log, ["guest_clicks_similarity"])["guest_clicks_similarity"].to_list()
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
