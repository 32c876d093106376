"""A search in words: where, which nights, for whom, within which bounds, and when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Self

import polars as pl

from data.counted import counted
from data.schema.market_names import market_in_words
from data.schema.time import date_of, day_number
from data.simulator.area_names import area_name
from features.formulas.calendar import day_table

__all__ = ["Search", "day_in_words", "searches_by_id", "stay_in_words"]


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search as the log has it; what a log does not tell is ``None``.

    Attributes:
        id_search, id_user, market: whose search, and where.
        searched_at: by the market's own clock.
        checkin: the first night; ``None`` of a dateless search.
        nights: from it to the departure.
        guests: adults and children who sleep there, ``children`` of them children.
        radius_km, lat, lng: how far from which point.
        price_min, price_max: of the price filter, per night.
    """

    id_search: str
    id_user: str | None
    market: str
    searched_at: datetime
    checkin: date | None
    nights: int | None
    guests: int | None
    children: int | None
    infants: int | None
    radius_km: float | None
    lat: float | None
    lng: float | None
    price_min: float | None
    price_max: float | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """From a row of impressions, or of queries made from them."""
        checkin, nights = _stay(row.get("checkin_day"), row.get("checkout_day"))
        second = row["local_s"] if row.get("local_s") is not None else row["search_s"]
        return cls(
            id_search=row["id_search"],
            id_user=row.get("id_user"),
            market=row["market"],
            searched_at=datetime.fromtimestamp(second, UTC).replace(tzinfo=None),
            checkin=checkin,
            nights=nights,
            guests=row.get("query_num_guests"),
            children=row.get("query_num_children"),
            infants=row.get("query_num_infants"),
            radius_km=row.get("query_radius"),
            lat=row.get("query_center_lat"),
            lng=row.get("query_center_lng"),
            price_min=row.get("query_price_min"),
            price_max=row.get("query_price_max"),
        )

    def in_words(self) -> str:
        """What was asked for, such as ``São Paulo, without dates, for 2 guests``."""
        parts = (
            market_in_words(self.market),
            stay_in_words(self.market, self.checkin, self.nights),
            self._party(),
            self._place(),
            self._price(),
        )
        return ", ".join(part for part in parts if part)

    def in_short(self) -> str:
        """The same in a few words, for a table: ``13 Feb, 4 nights, 2 guests, Leblon``."""
        dates = "no dates"
        if self.checkin is not None and self.nights is not None:
            dates = f"{self.checkin.day} {self.checkin:%b}, {counted(self.nights, 'night')}"
        party = "" if self.guests is None else counted(self.guests, "guest")
        return ", ".join(part for part in (dates, party, self._point()) if part)

    def when(self) -> str:
        """When it was made."""
        return f"{day_in_words(self.searched_at.date())} at {self.searched_at:%H:%M}"

    def _party(self) -> str:
        if self.guests is None:
            return ""
        others = [f"{self.children} of them children"] if self.children else []
        others += [counted(self.infants, "infant")] if self.infants else []
        words = f"for {counted(self.guests, 'guest')}"
        return f"{words} ({', '.join(others)})" if others else words

    def _place(self) -> str:
        point = self._point()
        if not point or not self.radius_km:
            return f"around {point}" if point else ""
        return f"within {self.radius_km:g} km of {point}"

    def _point(self) -> str:
        """The neighbourhood searched, or the point where it has no name."""
        if self.lat is None or self.lng is None:
            return ""
        return area_name(self.market, self.lat, self.lng) or f"{self.lat:.3f}, {self.lng:.3f}"

    def _price(self) -> str:
        low, high = self.price_min, self.price_max
        if low is not None and high is not None:
            return f"from {low:,.0f} to {high:,.0f} a night"
        if high is not None:
            return f"at most {high:,.0f} a night"
        return f"at least {low:,.0f} a night" if low is not None else ""


def _stay(first: int | None, end: int | None) -> tuple[date | None, int | None]:
    """Check-in and nights; nothing of either where the search is dateless."""
    if first is None or end is None or end <= first:
        return None, None
    return date_of(first), end - first


def stay_in_words(market: str, checkin: date | None, nights: int | None) -> str:
    """The asked nights, and how many of them are Carnival.

    >>> stay_in_words("rio_de_janeiro", date(2026, 2, 13), 4)
    'Friday 13 to Tuesday 17 February 2026 (4 nights, 3 of them Carnival)'
    >>> stay_in_words("lisbon", date(2026, 12, 30), 3), stay_in_words("lisbon", None, None)
    ('Wednesday 30 December 2026 to Saturday 2 January 2027 (3 nights)', 'without dates')
    """
    if checkin is None or nights is None:
        return "without dates"
    end = checkin + timedelta(days=nights)
    first = f"{checkin:%A} {checkin.day}"
    if (checkin.year, checkin.month) != (end.year, end.month):
        first = day_in_words(checkin) if checkin.year != end.year else f"{first} {checkin:%B}"
    carnival = _carnival_nights(market, checkin, end)
    note = f", {'all' if carnival == nights else carnival} of them Carnival" if carnival else ""
    if carnival and nights == 1:
        note = ", of Carnival"
    return f"{first} to {day_in_words(end)} ({counted(nights, 'night')}{note})"


def day_in_words(day: date) -> str:
    """A day with its weekday.

    >>> day_in_words(date(2026, 1, 26))
    'Monday 26 January 2026'
    """
    return f"{day:%A} {day.day} {day:%B %Y}"


def searches_by_id(impressions: pl.LazyFrame, ids: pl.Series) -> dict[str, Search]:
    """These searches by id; those that the log does not hold are left out."""
    rows = (
        impressions.filter(pl.col("id_search").is_in(ids.unique().implode()))
        # A log may contradict itself: the same row is taken in every reading.
        .sort("id_search", "id_listing")
        .unique("id_search", keep="first", maintain_order=True)
        .collect(engine="streaming")
    )
    return {row["id_search"]: Search.of(row) for row in rows.iter_rows(named=True)}


def _carnival_nights(market: str, checkin: date, end: date) -> int:
    """Nights of Carnival from ``checkin`` to before ``end``; 0 where no calendar is known."""
    before = _carnival_before().get(market, {})
    first, last = before.get(day_number(checkin)), before.get(day_number(end))
    return 0 if first is None or last is None else last - first


@cache
def _carnival_before() -> dict[str, dict[int, int]]:
    counts: dict[str, dict[int, int]] = {}
    table = day_table().select(["market", "_day", "_carnival_before"]).to_pydict()
    for market, day, before in zip(*table.values(), strict=True):
        counts.setdefault(market, {})[day] = before
    return counts
