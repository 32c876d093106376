"""The query's own features: dates, holidays, party."""

from __future__ import annotations

from data.schema.time import HOUR_S
from tests.features.worlds import features_of_row, impression

NINE = 9 * HOUR_S
SATURDAY = 17_572  # 2018-02-10, Carnival Saturday


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
    assert features_of_row(row, *names) == (7, 8, 4, 2, 2, 4, False, 9)


def test_holidays_are_those_of_the_market_s_own_state() -> None:
    # Zumbi, 20 November, was a holiday of the state of Rio in 2018, not of São Paulo's.
    zumbi = 17_855
    stay = {"checkin_day": zumbi, "checkout_day": zumbi + 1}
    assert features_of_row(impression(**stay), "query_stay_holidays") == (1,)
    assert features_of_row(impression(market="sao_paulo", **stay), "query_stay_holidays") == (0,)
    assert features_of_row(impression(market="country_219", **stay), "query_stay_holidays") == (
        None,
    )


def test_dateless_search_has_null_nights() -> None:
    row = impression(checkin_day=None, checkout_day=None)
    names = ("query_nights", "query_lead_time_days", "query_weekend_nights", "query_is_dateless")
    assert features_of_row(row, *names) == (None, None, None, True)
