"""Charts of the log: rates beside counts, units on axes, and no figure of a tiny sample."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl

from pipelines.config.palette import GUIDE, MARKETS, MarketColours
from pipelines.reporting.charts.axes import narrow_page
from pipelines.reporting.charts.log_charts import (
    drift_by_day,
    funnel_by_market,
    price_distribution,
    rates_by_day,
)
from pipelines.reporting.charts.maps import lines_by_date

DAY = date(2026, 2, 12)


def market(name: str, *counts: int, after_contact: int | None = None) -> dict[str, Any]:
    stages = ("impressions", "clicks", "contacts", "bookings")
    row: dict[str, Any] = {"market": name, **dict(zip(stages, counts, strict=True))}
    return row if after_contact is None else {**row, "bookings_after_contact": after_contact}


def words_of(chart: Any) -> str:
    return "\n".join(chart.in_words)


def test_funnel_shows_each_step_as_a_share_of_the_one_before() -> None:
    chart = funnel_by_market([market("rio_de_janeiro", 10_000, 500, 100, 60, after_contact=40)])
    labels = [text.get_text() for text in chart.figure.axes[0].texts]
    assert labels == [
        "10,000",
        "500 (5.0% of impressions)",
        "100 (20% of clicks)",
        "60 (40% of contacts)",
    ]
    assert "20 of the 60 bookings were made without a contact" in chart.note
    assert "Rio de Janeiro, bookings: 60 (40% of contacts)" in words_of(chart)


def test_a_rate_of_too_few_is_not_given() -> None:
    chart = funnel_by_market([market("rio", 10_000, 9, 2, 1, after_contact=1)])
    assert "Rio, contacts: 2 (too few (n = 9))" in words_of(chart)
    assert "Rio, bookings: 1 (too few (n = 2))" in words_of(chart)


def test_without_contacts_bookings_are_a_share_of_the_clicks() -> None:
    chart = funnel_by_market([market("rio", 10_000, 500, 0, 50, after_contact=0)])
    assert "Rio, bookings: 50 (10% of clicks)" in words_of(chart)
    assert "contacts" not in words_of(chart)
    assert chart.note.endswith("The log has no contacts.")


def test_logarithmic_axes_have_numbers_that_people_write() -> None:
    prices = pl.DataFrame(
        {
            "market": ["rio"] * 200,
            "kind": ["shown"] * 200,
            "price": [50.0 * n for n in range(1, 201)],
        }
    )
    for chart in (
        funnel_by_market([market("rio", 596_399, 27_751, 1_368, 693)]),
        price_distribution(prices),
    ):
        assert chart is not None
        assert "mathdefault" not in chart.svg()


def prices_of(shown: int, recommended: int) -> pl.DataFrame:
    kinds = ["shown"] * shown + ["recommended"] * recommended
    prices = [100.0 + 10 * n for n in range(len(kinds))]
    return pl.DataFrame({"market": ["sao_paulo"] * len(kinds), "kind": kinds, "price": prices})


def test_prices_have_their_currency_or_say_that_the_log_has_none() -> None:
    for currency, unit in (("R$", "R$"), ("", "in the log's currency")):
        chart = price_distribution(prices_of(50, 50), currency=currency)
        assert chart is not None
        assert chart.figure.axes[0].get_xlabel() == f"price of the whole stay ({unit})"


def test_prices_of_too_few_stays_are_named_and_not_drawn() -> None:
    chart = price_distribution(prices_of(50, 2))
    assert chart is not None
    assert "Not drawn: São Paulo recommended: too few (n = 2)." in chart.note
    assert [line.split(":")[0] for line in chart.in_words] == ["São Paulo, shown"]


def quality(clicks: int, markets: tuple[str, ...] = ("rio_de_janeiro",)) -> pl.DataFrame:
    """Three days of a thousand impressions, the last with two clicks."""
    rows = []
    for name in markets:
        for at in range(3):
            of_day = clicks if at < 2 else 2
            base = {"market": name, "ds": DAY + timedelta(days=at), "low": 0.01, "high": 0.1}
            for kind, measure, value in (
                ("rows", "impressions", 1_000.0),
                ("rate", "click per impression", of_day / 1_000),
                ("rate", "booking per click, same day", 0.5),
                ("psi", "query_nights", 0.02 + at / 100),
            ):
                is_flagged = kind == "psi" and at == 2
                rows.append(
                    base | {"kind": kind, "name": measure, "value": value, "is_flagged": is_flagged}
                )
    return pl.DataFrame(rows)


def test_a_day_of_too_few_clicks_has_no_rate_per_click() -> None:
    chart = rates_by_day(quality(clicks=50))
    assert chart is not None
    words = words_of(chart)
    assert "booking per click, same day: 12 Feb 50.00%; 13 Feb 50.00%" in words
    assert "14 Feb 50.00%" not in words
    assert "click per impression: 12 Feb 5.00%; 13 Feb 5.00%; 14 Feb 0.20%" in words


def test_carnival_is_marked_where_there_is_one() -> None:
    drawn = {
        name: chart.svg().count("Carnival")
        for name in ("rio_de_janeiro", "lisbon")
        if (chart := drift_by_day(quality(50, (name,)))) is not None
    }
    assert drawn == {"rio_de_janeiro": 1, "lisbon": 0}
    days = [DAY + timedelta(days=n) for n in range(-5, 5)]
    frame = pl.DataFrame(
        {
            "market": ["rio_de_janeiro"] * 10,
            "day": days,
            "searches": [*[2] * 5, *[90] * 5],
            "price": range(10),
        }
    )
    chart = lines_by_date(frame, "day", "price", title="Prices", label="price (R$)")
    assert "Carnival" in chart.svg()
    assert chart.note == "Dates of fewer than 10 searches are left out."
    assert len(chart.figure.axes[0].lines[0].get_xdata()) == 5


def test_words_for_those_who_cannot_hover_are_few_enough_to_read() -> None:
    chart = drift_by_day(quality(50))
    assert chart is not None
    assert chart.in_words == [
        "query_nights: furthest in Rio de Janeiro on 14 Feb, PSI 0.040 of a limit of 0.100"
    ]


def colours_in(chart: Any) -> dict[str, str]:
    """Market → colour, of the lines that have a name."""
    lines = chart.figure.axes[0].lines
    return {line.get_label(): line.get_color() for line in lines if line.get_label()[0] != "_"}


def test_a_market_has_one_colour_though_a_chart_lacks_another() -> None:
    home = MarketColours.of(["sao_paulo", "rio_de_janeiro"])
    alone = rates_by_day(quality(50, ("sao_paulo",)), home)
    both = rates_by_day(quality(50, ("rio_de_janeiro", "sao_paulo")), home)
    assert colours_in(alone)["São Paulo"] == MARKETS[1]
    assert colours_in(both) == {"Rio de Janeiro": MARKETS[0], "São Paulo": MARKETS[1]}


def test_what_a_chart_has_no_room_for_is_named() -> None:
    cities = [
        market(f"city_{letter}", 1_000 - at, 100, 50, 20) for at, letter in enumerate("abcdfg")
    ]
    chart = funnel_by_market(cities)
    assert chart.note.endswith("Not drawn, being smaller: City F, City G.")


def test_on_a_phone_panels_lie_below_each_other() -> None:
    wide = price_distribution(
        prices_of(50, 50).vstack(prices_of(50, 50).with_columns(market=pl.lit("rio")))
    )
    with narrow_page():
        narrow = price_distribution(
            prices_of(50, 50).vstack(prices_of(50, 50).with_columns(market=pl.lit("rio")))
        )
    assert wide is not None
    assert narrow is not None
    assert wide.figure.get_size_inches()[0] > wide.figure.get_size_inches()[1]
    assert narrow.figure.get_size_inches()[0] < narrow.figure.get_size_inches()[1]
    assert GUIDE.lower() in narrow.svg()
