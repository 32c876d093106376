"""The estimated price of a stay, on made-up logs with known factors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.schema.time import DAY_S
from models.stay_price.stay_prices import StayPrices, StayPricesConfig
from models.stay_price.stays import Stays
from tests.models.stay_price.made_up_log import FIRST_DAY, HOLIDAY, multiplier, rows, shown

BASES = {f"l{i}": 80.0 + 40 * i for i in range(8)}
HOLIDAYS = (min(HOLIDAY), max(HOLIDAY) + 1)


def _base(prices: StayPrices, listing: str, market: str = "m") -> float:
    of = {(b["market"], b["id_listing"]): b["base_price"] for b in prices.bases.to_pylist()}
    return of[market, listing]


def _price(prices: StayPrices, base: float, *stay: int, market: str = "m", **parts: float) -> float:
    """The estimate of one stay: first night and day of departure, or dateless."""
    dates = dict(zip(("checkin", "checkout"), (np.array([day]) for day in stay), strict=False))
    code = prices.market_codes(pa.chunked_array([[market]]))
    given = {name: np.array([value]) for name, value in parts.items()}
    return float(prices.estimate(np.array([base]), Stays(market=code, **dates, **given))[0])


def _plain(checkin: int, checkout: int) -> float:
    return sum(multiplier(night) for night in range(checkin, checkout))


def test_known_weekday_and_holiday_factors_are_recovered() -> None:
    prices = StayPrices.fit(shown(BASES, stays_each=60))

    for night in range(FIRST_DAY, FIRST_DAY + 35):
        of_one = _price(prices, 1.0, night, night + 1)
        assert of_one == pytest.approx(multiplier(night), rel=1e-3), night
    assert [_base(prices, name) for name in BASES] == pytest.approx(list(BASES.values()), rel=1e-3)


def test_dateless_search_shows_one_plain_night_plus_fee() -> None:
    prices = StayPrices.fit(shown(BASES, stays_each=60))

    assert _price(prices, 100.0, fee=30.0) == 130.0
    # Of a length that is not known, neither factor counts.
    assert _price(prices, 100.0, fee=30.0, weekly_factor=0.5, monthly_factor=0.5) == 130.0


def test_without_dateless_rows_stays_are_told_as_well() -> None:
    prices = StayPrices.fit(shown(BASES, stays_each=60, dateless_share=0.0))
    base = _base(prices, "l3")

    for checkin, checkout in ((FIRST_DAY, FIRST_DAY + 1), HOLIDAYS, (FIRST_DAY, FIRST_DAY + 7)):
        expected = BASES["l3"] * _plain(checkin, checkout)
        assert _price(prices, base, checkin, checkout) == pytest.approx(expected, rel=1e-3)


def test_listing_seen_only_on_holidays_is_not_told_as_dear_for_a_tuesday() -> None:
    first, last = HOLIDAYS
    only_then = rows(
        {
            "id_listing": "flat",
            "checkin_day": first,
            "checkout_day": last,
            "listing_total_price": 450.0,
        }
    )
    prices = StayPrices.fit(pa.concat_tables([shown(BASES, stays_each=60), only_then]))

    assert _base(prices, "flat") == pytest.approx(100, rel=1e-3)
    tuesday = FIRST_DAY + 1
    assert _price(prices, _base(prices, "flat"), tuesday, tuesday + 1) == pytest.approx(
        90, rel=1e-3
    )


def test_holidays_do_not_make_the_other_nights_of_their_month_dear() -> None:
    prices = StayPrices.fit(shown(BASES, stays_each=60, days_ahead=20))
    unseen_monday = FIRST_DAY + 28

    assert _price(prices, 1.0, unseen_monday, unseen_monday + 1) == pytest.approx(0.9, abs=0.02)


def test_a_night_seen_by_few_is_drawn_to_its_weekday() -> None:
    night = FIRST_DAY + 20
    quiet = shown(BASES, stays_each=60, noise=0.15, factor=lambda _: 1.0)
    covers = pc.and_(
        pc.less_equal(quiet["checkin_day"], night), pc.greater(quiet["checkout_day"], night)
    )
    quiet = quiet.filter(pc.invert(pc.fill_null(covers, False)))
    dear = [
        {
            "id_listing": f"l{i % 8}",
            "checkin_day": night,
            "checkout_day": night + 1,
            "search_s": (FIRST_DAY + i // 8) * DAY_S,
            "listing_total_price": 1.3 * BASES[f"l{i % 8}"],
        }
        for i in range(160)
    ]

    def told(seen: int) -> float:
        prices = StayPrices.fit(pa.concat_tables([quiet, rows(*dear[:seen])]))
        return _price(prices, 1.0, night, night + 1)

    never, once, often = told(0), told(1), told(160)
    # A price is off by 15%, a night by 5%: one price is believed by 5² / (5² + 15²) = a tenth,
    # and as much again by the weekday and season that the night shares with others.
    assert never < once < never + (1.3 - never) / 4
    assert often == pytest.approx(1.3, rel=0.02)


def test_a_night_that_the_log_never_showed_has_the_price_of_its_weekday() -> None:
    prices = StayPrices.fit(shown(BASES, stays_each=60))
    later, earlier = FIRST_DAY + 7 * 40, FIRST_DAY - 7 * 40

    for monday in (later, earlier):
        week = _price(prices, 1.0, monday, monday + 7)
        assert week == pytest.approx(_plain(FIRST_DAY, FIRST_DAY + 7), rel=0.02)
        saturday = _price(prices, 1.0, monday + 5, monday + 6)
        assert saturday == pytest.approx(1.3, rel=0.02)


def test_season_of_one_year_tells_the_next() -> None:
    def seasonal(night: int) -> float:
        return float(multiplier(night) * np.exp(0.3 * np.cos(2 * np.pi * night / 365.2425)))

    year = shown(
        {f"l{i}": 100.0 for i in range(20)}, stays_each=200, days_ahead=365, factor=seasonal
    )
    prices = StayPrices.fit(year)

    for days in range(400, 760, 30):
        week = range(FIRST_DAY + days, FIRST_DAY + days + 7)
        expected = sum(seasonal(night) for night in week)
        assert _price(prices, 1.0, week[0], week[-1] + 1) == pytest.approx(expected, rel=0.05), days


def test_markets_have_nights_of_their_own() -> None:
    here, there = shown(BASES, stays_each=60), shown(BASES, stays_each=60, factor=lambda _: 1.0)
    there = there.set_column(0, "market", pa.array(["other"] * there.num_rows))
    prices = StayPrices.fit(pa.concat_tables([here, there]))

    first, last = HOLIDAYS
    assert _price(prices, 1.0, first, last) == pytest.approx(4.5, rel=1e-3)
    assert _price(prices, 1.0, first, last, market="other") == pytest.approx(2.0, rel=1e-3)
    assert prices.bases.num_rows == 2 * len(BASES)


@pytest.mark.parametrize(
    ("nights", "factor"),
    [(6, 1.0), (7, 0.9), (27, 0.9), (28, 0.7), (40, 0.7)],
)
def test_length_factor_counts_from_a_week_and_from_a_month(nights: int, factor: float) -> None:
    checkout = FIRST_DAY + nights
    total = 100 * _plain(FIRST_DAY, checkout) * factor + 25
    terms = {"fee": 25.0, "weekly_factor": 0.9, "monthly_factor": 0.7}
    long = rows(
        {
            "id_listing": "flat",
            "checkin_day": FIRST_DAY,
            "checkout_day": checkout,
            "listing_total_price": total,
            "listing_cleaning_fee": 25.0,
            "listing_weekly_price_factor": 0.9,
            "listing_monthly_price_factor": 0.7,
        }
    )
    prices = StayPrices.fit(pa.concat_tables([shown(BASES, stays_each=60), long]))

    assert _base(prices, "flat") == pytest.approx(100, rel=2e-3)
    told = _price(prices, _base(prices, "flat"), FIRST_DAY, checkout, **terms)
    assert told == pytest.approx(total, rel=1e-9)


def test_a_month_without_its_own_factor_has_the_weekly_one() -> None:
    prices = StayPrices.fit(shown(BASES, stays_each=60))
    month = (FIRST_DAY, FIRST_DAY + 28)
    whole = _price(prices, 100.0, *month)

    assert _price(prices, 100.0, *month, weekly_factor=0.9) == pytest.approx(0.9 * whole)
    none = {"weekly_factor": 0.9, "monthly_factor": np.nan}
    assert _price(prices, 100.0, *month, **none) == pytest.approx(0.9 * whole)
    assert _price(prices, 100.0, *month, weekly_factor=np.nan) == whole


def test_order_of_the_rows_does_not_matter() -> None:
    log = shown(BASES, stays_each=60, noise=0.1)
    shuffled = log.take(np.random.default_rng(1).permutation(log.num_rows))
    one, other = StayPrices.fit(log), StayPrices.fit(shuffled)

    assert one.bases.drop_columns("base_price") == other.bases.drop_columns("base_price")
    np.testing.assert_allclose(one.bases["base_price"], other.bases["base_price"], rtol=1e-12)
    np.testing.assert_allclose(one.nights.night, other.nights.night, atol=1e-12)


def test_price_that_was_raised_is_told_from_the_next_day_on() -> None:
    before = shown(BASES, stays_each=40)
    after = shown({name: 1.4 * base for name, base in BASES.items()}, stays_each=10, seed=1)
    days = np.repeat(FIRST_DAY + np.arange(4), before.num_rows // 4) * DAY_S
    last = pa.array([(FIRST_DAY + 4) * DAY_S] * after.num_rows)
    place = before.column_names.index("search_s")
    log = pa.concat_tables(
        [
            before.set_column(place, "search_s", pa.array(days)),
            after.set_column(place, "search_s", last),
        ]
    )
    prices = StayPrices.fit(log)

    assert _base(prices, "l2") == pytest.approx(1.4 * BASES["l2"], rel=1e-3)
    # A jump of all prices is not a dear night.
    assert _price(prices, 1.0, FIRST_DAY, FIRST_DAY + 1) == pytest.approx(0.9, rel=2e-3)
    told_by_all = StayPrices.fit(log, StayPricesConfig(half_life_days=float("inf")))
    assert _base(told_by_all, "l2") == pytest.approx(BASES["l2"], rel=1e-3)


def test_mistyped_prices_change_little() -> None:
    log = shown(BASES, stays_each=60)
    price = log["listing_total_price"].to_numpy().copy()
    price[::50] *= 100
    place = log.column_names.index("listing_total_price")
    prices = StayPrices.fit(log.set_column(place, "listing_total_price", pa.array(price)))

    for night in (FIRST_DAY, *HOLIDAY):
        of_one = _price(prices, 1.0, night, night + 1)
        assert of_one == pytest.approx(multiplier(night), rel=0.01), night
    assert _base(prices, "l5") == pytest.approx(BASES["l5"], rel=0.01)


@pytest.mark.parametrize(
    "absent",
    [
        ["search_s"],
        ["listing_cleaning_fee"],
        ["listing_weekly_price_factor", "listing_monthly_price_factor"],
        ["search_s", "listing_cleaning_fee", "listing_weekly_price_factor"],
    ],
)
def test_column_that_the_log_lacks_takes_no_part(absent: list[str]) -> None:
    log = shown(BASES, stays_each=60)
    told, with_nulls = StayPrices.fit(log.drop_columns(absent)), StayPrices.fit(log)

    assert told.bases == with_nulls.bases
    np.testing.assert_array_equal(told.nights.night, with_nulls.nights.night)


def test_day_of_the_search_does_where_there_is_no_second() -> None:
    log = shown(BASES, stays_each=20)
    days = pa.array(log["search_s"].to_numpy() // DAY_S, pa.int32())
    by_day = log.drop_columns("search_s").append_column("search_day", days)

    assert StayPrices.fit(by_day).bases == StayPrices.fit(log).bases


def test_log_without_dates_tells_plain_nights() -> None:
    log = rows(*({"id_listing": "flat", "listing_total_price": p} for p in (90.0, 100.0, 500.0)))
    prices = StayPrices.fit(log.drop_columns(["checkin_day", "checkout_day"]))

    assert _base(prices, "flat") == 100.0
    assert _price(prices, 100.0) == 100.0
    assert _price(prices, 100.0, FIRST_DAY, FIRST_DAY + 3) == pytest.approx(300.0)


def test_one_row_tells_its_own_price() -> None:
    stay = {"checkin_day": FIRST_DAY, "checkout_day": FIRST_DAY + 2}
    prices = StayPrices.fit(rows({"id_listing": "flat", "listing_total_price": 200.0, **stay}))

    told = _price(prices, _base(prices, "flat"), FIRST_DAY, FIRST_DAY + 2)
    assert told == pytest.approx(200.0)
    assert _base(prices, "flat") == pytest.approx(100.0)


def test_no_row_and_no_price_give_no_base() -> None:
    for log in (rows(), rows({"id_listing": "flat", "checkin_day": FIRST_DAY})):
        prices = StayPrices.fit(log)

        assert prices.bases.num_rows == 0
        assert prices.bases.column_names == ["market", "id_listing", "base_price"]
        assert np.isnan(_price(prices, np.nan, FIRST_DAY, FIRST_DAY + 1))


def test_rows_that_show_no_price_of_the_nights_are_left_out() -> None:
    stay = {"checkin_day": FIRST_DAY, "checkout_day": FIRST_DAY + 1}
    log = rows(
        {"id_listing": "none", **stay},
        {"id_listing": "fee", "listing_total_price": 50.0, "listing_cleaning_fee": 50.0, **stay},
        {"id_listing": "nowhere", "listing_total_price": 50.0, "market": None, **stay},
        {
            "id_listing": "backwards",
            "listing_total_price": 50.0,
            "checkin_day": FIRST_DAY,
            "checkout_day": FIRST_DAY,
        },
        {"id_listing": "flat", "listing_total_price": 50.0, **stay},
    )

    assert StayPrices.fit(log).bases["id_listing"].to_pylist() == ["flat"]


def test_what_cannot_be_told_is_nan() -> None:
    prices = StayPrices.fit(shown(BASES, stays_each=20))

    assert np.isnan(_price(prices, np.nan, FIRST_DAY, FIRST_DAY + 1))
    assert np.isnan(_price(prices, 100.0, FIRST_DAY, FIRST_DAY + 1, market="elsewhere"))
    assert np.isnan(_price(prices, 100.0, FIRST_DAY, FIRST_DAY))


def test_one_date_alone_is_dateless() -> None:
    prices = StayPrices.fit(shown(BASES, stays_each=20))
    stays = Stays(
        market=np.zeros(2, dtype=np.int64),
        checkin=np.array([FIRST_DAY, np.nan]),
        checkout=np.array([np.nan, FIRST_DAY + 2.0]),
    )

    assert prices.estimate(np.array([100.0, 80.0]), stays).tolist() == [100.0, 80.0]


def test_many_stays_are_told_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    log = shown(BASES, stays_each=20)
    prices = StayPrices.fit(log)
    stays = Stays.of_rows(log, prices.market_codes(log["market"]))
    base = np.full(log.num_rows, 70.0)
    at_once = prices.estimate(base, stays)
    monkeypatch.setattr("models.stay_price.stays._CHUNK", 7)

    np.testing.assert_allclose(prices.estimate(base, stays), at_once, rtol=1e-12)


def test_saved_and_loaded_tells_the_same(tmp_path: Path) -> None:
    for log in (shown(BASES, stays_each=20), rows()):
        prices = StayPrices.fit(log)
        prices.save(tmp_path)
        loaded = StayPrices.load(tmp_path)

        assert loaded.bases == prices.bases
        assert loaded.markets == prices.markets
        for night in (FIRST_DAY, *HOLIDAYS, FIRST_DAY + 500):
            told = _price(prices, 100.0, night, night + 3)
            assert _price(loaded, 100.0, night, night + 3) == pytest.approx(told, nan_ok=True)


def test_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="listing_total_price"):
        StayPrices.fit(rows().drop_columns("listing_total_price"))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="half_life_days"):
        StayPricesConfig(half_life_days=0)
    with pytest.raises(ValueError, match="stays_per_level"):
        StayPricesConfig(stays_per_level=1)
