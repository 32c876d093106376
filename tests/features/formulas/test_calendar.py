from __future__ import annotations

from datetime import date

from data.schema.time import day_number
from features.formulas.calendar import day_table


def counts_on(day: date, market: str) -> dict[str, int]:
    number = day_number(day)
    (row,) = (
        row for row in day_table().to_pylist() if row["_day"] == number and row["market"] == market
    )
    return row


def test_carnival_of_2018_is_the_four_nights_from_10_to_13_february() -> None:
    before = counts_on(date(2018, 2, 10), "rio_de_janeiro")["_carnival_before"]
    nights = [
        counts_on(date(2018, 2, day), "rio_de_janeiro")["_carnival_before"] - before
        for day in (11, 13, 14, 15)
    ]
    assert nights == [1, 3, 4, 4]


def test_saint_george_is_a_holiday_of_rio_alone() -> None:
    # 23 April, by a law of the state of Rio de Janeiro.
    def holidays(market: str) -> int:
        first, next_day = (counts_on(date(2018, 4, day), market) for day in (23, 24))
        return next_day["_holidays_before"] - first["_holidays_before"]

    assert (holidays("rio_de_janeiro"), holidays("sao_paulo")) == (1, 0)


def test_months_are_those_of_the_day() -> None:
    assert counts_on(date(2018, 12, 31), "sao_paulo")["_month"] == 12
    assert counts_on(date(2019, 1, 1), "sao_paulo")["_month"] == 1
