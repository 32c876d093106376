"""What the tables of the log come to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from data.counted import counted
from data.schema.market_names import market_in_words
from features.formulas.calendar import MARKET_STATE, carnival_nights
from models.evaluation.sample_size import FEWEST, is_too_few, share_in_words, too_few
from pipelines.analysis.conclusions.conclusion import Conclusion, by_market, listed, per_cent

__all__ = [
    "about_funnel",
    "about_lead_times",
    "about_places",
    "about_quality",
    "about_rows",
    "about_seasons",
]

FRIDAY, SATURDAY = 5, 6
WEEKEND_BY_CHANCE = 2 / 7


def about_funnel(days: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.search_log.daily_funnel`: the whole, then its days."""
    shown, searches = int(days["impressions"].sum()), int(days["searches"].sum())
    if not shown:
        return Conclusion("The log has no search.")
    clicks, bookings = int(days["clicks"].sum()), int(days["bookings"].sum())
    whole = (
        f"Of {counted(shown, 'result')} shown in {counted(searches, 'search')}, "
        f"{share_in_words(clicks, shown)} were clicked and {share_in_words(bookings, shown)} booked"
    )
    if bookings:
        whole += f": one booking in {searches / bookings:,.0f} searches"
    rates = days.filter(pl.col("impressions") >= FEWEST).with_columns(
        rate=pl.col("clicks") / pl.col("impressions")
    )
    if rates.height < 2:
        return Conclusion(f"{whole}.")
    low, high = rates.sort("rate").row(0, named=True), rates.sort("rate").row(-1, named=True)
    return Conclusion(
        f"{whole}. By day the share clicked runs from {per_cent(low['rate'])} "
        f"({market_in_words(low['market'])}, {low['ds_search']:%d %b}) to {per_cent(high['rate'])} "
        f"({market_in_words(high['market'])}, {high['ds_search']:%d %b})."
    )


def about_lead_times(bands: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.search_log.lead_times`: when most search, when most book."""
    parts = []
    for market, rows in by_market(bands):
        most = rows.sort("searches").row(-1, named=True)
        share = most["searches"] / rows["searches"].sum()
        text = f"in {market} most searches ({share:.0%}) are {_band(most['lead_time'])}"
        known = rows.filter((pl.col("searches") >= FEWEST) & pl.col("booked").is_not_null())
        if known.height > 1:
            best = known.sort("booked").row(-1, named=True)
            least = known.sort("booked").row(0, named=True)
            text += (
                f", those {_band(best['lead_time'])} are booked most often "
                f"({share_of(best['booked'])}), those {_band(least['lead_time'])} least "
                f"({share_of(least['booked'])})"
            )
        parts.append(text)
    return Conclusion(_sentence("; ".join(parts)))


def _band(band: str) -> str:
    return "without dates" if band == "dateless" else f"{band} before the stay"


def share_of(rate: float) -> str:
    """A rate of a table in percent."""
    return per_cent(rate, 1 if rate >= 0.1 else 2)


def about_seasons(season: pl.DataFrame) -> Conclusion:
    """Of :func:`pipelines.analysis.search_log.checkin_seasonality`: weekends, and Carnival.

    A market without a Carnival in the calendar, or with too few searches for it, says nothing of
    it.
    """
    parts = []
    for market, rows in by_market(season):
        searches = int(rows["searches"].sum())
        if is_too_few(searches):
            parts.append(f"{market}: {too_few(searches)}")
            continue
        weekday = rows["query_checkin"].dt.weekday()
        weekend = rows.filter(weekday.is_in([FRIDAY, SATURDAY]))["searches"].sum() / searches
        busiest = rows.sort("searches").row(-1, named=True)
        parts.append(
            f"{market}: {weekend:.0%} of the searches arrive on a Friday or Saturday (two days of "
            f"seven would be {WEEKEND_BY_CHANCE:.0%}), most on {busiest['query_checkin']:%d %b}"
            + _carnival(rows)
        )
    return Conclusion(_sentence("; ".join(parts)))


def _carnival(rows: pl.DataFrame) -> str:
    """Price and searches of the nights of Carnival beside the other dates of the same weeks."""
    market, days = rows["market"][0], rows["query_checkin"]
    if market not in MARKET_STATE:
        return ""
    nights = [night for year in range(days.min().year, days.max().year + 1)  # type: ignore[union-attr]
              for night in carnival_nights(year)]  # fmt: skip
    return _beside(rows, nights)


def _beside(rows: pl.DataFrame, nights: Sequence[date]) -> str:
    there = pl.col("query_checkin").is_in(list(nights))
    around = pl.col("query_checkin").is_in(
        [night + timedelta(weeks=weeks) for night in nights for weeks in (-2, -1, 1, 2)]
    )
    inside, outside = rows.filter(there), rows.filter(around & ~there)
    found, others = int(inside["searches"].sum()), int(outside["searches"].sum())
    if is_too_few(found) or is_too_few(others):
        return ""
    text = f"; Carnival's nights get {found / (others / 4):.1f} times the searches"
    price, usual = (_weighted_price(part) for part in (inside, outside))
    if price is None or usual is None:
        return f"{text} of the same weekdays in the weeks around"
    change = price / usual - 1
    return (
        f"{text} of the same weekdays in the weeks around, at prices {abs(change):.0%} "
        f"{'higher' if change >= 0 else 'lower'}"
    )


def _weighted_price(rows: pl.DataFrame) -> float | None:
    known = rows.drop_nulls("nightly_price")
    searches = float(known["searches"].sum())
    paid = float((known["nightly_price"] * known["searches"]).sum())
    return paid / searches if searches else None


def about_places(listings: pl.DataFrame, unit: str) -> Conclusion:
    """Of :func:`pipelines.analysis.search_log.latest_listings`: how dear, and how unequally."""
    parts = []
    for market, rows in by_market(listings):
        price = rows["nightly_price"].drop_nulls()
        if is_too_few(len(price)):
            parts.append(
                f"{market}: {counted(rows.height, 'listing')}, prices {too_few(len(price))}"
            )
            continue
        middle, dear = float(price.median() or 0), float(price.quantile(0.9) or 0)  # type: ignore[arg-type]
        parts.append(
            f"{market}: {counted(rows.height, 'listing')}, half of them below {middle:,.0f} a "
            f"night ({unit}), the dearest tenth above {dear:,.0f}"
            + (f", {dear / middle:.1f} times as much" if middle else "")
        )
    return Conclusion(_sentence("; ".join(parts)))


def about_rows(funnel: pl.DataFrame) -> Conclusion:
    """Of ``rows_in``, ``rows_accepted`` and ``rows_quarantined`` of every file: the balance."""
    read, kept, refused = (
        int(funnel[name].sum()) for name in ("rows_in", "rows_accepted", "rows_quarantined")
    )
    balance = f"{read:,} rows read = {kept:,} accepted + {refused:,} quarantined"
    if read != kept + refused:
        return Conclusion(
            f"The rows do not add up: {read:,} read, {kept + refused:,} accounted for."
        )
    return Conclusion(
        f"{balance}, in {counted(funnel.height, 'file')}: every row is accounted for."
    )


def about_quality(quality: pl.DataFrame) -> Conclusion:
    """Of the quality table: how many of its checked measures are outside their limits."""
    checked = quality.filter(pl.col("is_flagged").is_not_null())
    flagged = checked.filter("is_flagged")
    if checked.is_empty():
        return Conclusion("Nothing could be checked: the log has too few days or rows for limits.")
    if flagged.is_empty():
        return Conclusion(
            f"None of the {counted(checked.height, 'checked measure')} is outside its limits."
        )
    names = [
        f"{row['name']} in {market_in_words(row['market'])} on {row['ds']:%d %b}"
        for row in flagged.sort("ds", "market", "name").head(3).iter_rows(named=True)
    ]
    more = f" and {flagged.height - 3} more" if flagged.height > 3 else ""
    are = "is" if flagged.height == 1 else "are"
    return Conclusion(
        f"{flagged.height} of the {counted(checked.height, 'checked measure')} {are} outside the "
        f"limits: {', '.join(names) if more else listed(names)}{more}."
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else "The log has nothing to show here."
