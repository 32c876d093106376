"""What if: the same guest, with other nights, another party or another market.

The guest's latest search stays as it was in all that is not asked otherwise. In another market its
point, radius and price filter say nothing: the search is then made around the point that searches
of that market are made around, with no bounds.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

import polars as pl

from data.errors import DataError
from data.schema.market_names import market_in_words
from data.schema.time import date_of, day_number
from pipelines.look_up.searches import Search, day_in_words

__all__ = ["Asking", "AskingError"]

MOST_NIGHTS = 365
MOST_GUESTS = 100
# A stay further ahead than this is a typing error rather than a plan.
MOST_DAYS_AHEAD = 3 * 365
_BOUNDS = ("query_radius", "query_price_min", "query_price_max")
_POINT = ("query_center_lat", "query_center_lng")
_COMPANIONS = ("query_num_children", "query_num_infants")


class AskingError(ValueError):
    """Something is asked that no search can ask; the message is one sentence (exit code 2)."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What is asked otherwise than the guest's search does; ``None`` leaves it as it is.

    Attributes:
        checkin: the first night.
        nights: how many.
        guests: adults who sleep there; children and infants are none then.
        market: slug of a market of the home.
    """

    checkin: date | None = None
    nights: int | None = None
    guests: int | None = None
    market: str | None = None

    def __post_init__(self) -> None:
        for name, value, most in (
            ("nights", self.nights, MOST_NIGHTS),
            ("guests", self.guests, MOST_GUESTS),
        ):
            if value is not None and not 1 <= value <= most:
                raise AskingError(f"{name} is from 1 to {most}; found {value}")

    @classmethod
    def of(
        cls,
        *,
        checkin: date | str | None = None,
        nights: int | None = None,
        guests: int | None = None,
        market: str | None = None,
    ) -> Self:
        """From words; raises :class:`AskingError` for a date that is none."""
        if isinstance(checkin, str):
            try:
                checkin = date.fromisoformat(checkin)
            except ValueError:
                raise AskingError(f"{checkin!r} is not a date like 2026-02-13") from None
        return cls(checkin=checkin, nights=nights, guests=guests, market=market)

    def __bool__(self) -> bool:
        return any(value is not None for value in (*vars(self).values(),))

    def applied(
        self, rows: pl.LazyFrame, before: pl.LazyFrame, own: Search, day: int
    ) -> pl.LazyFrame:
        """The impressions of a search with what is asked in the place of their own.

        Args:
            rows: of the guest, or of the search.
            before: the log until the morning.
            own: the search that is asked otherwise.
            day: days since 1970, to recommend for.

        Raises :class:`AskingError` where the nights lie before the day or cannot be told, or the
        market is none of the home's, and ``DataError`` where the log has no such columns.
        """
        changed = [*self._stay(own, day), *self._party()]
        names = rows.collect_schema().names()
        lacking = [column.meta.output_name() for column in changed]
        lacking = [name for name in lacking if name not in names]
        if missing := [name for name in lacking if name not in _COMPANIONS]:
            raise DataError(f"the log of this home has no {missing[0]}: no other can be asked for")
        changed = [column for column in changed if column.meta.output_name() in names]
        return rows.with_columns(*changed, *self._place(before, own))

    def _stay(self, own: Search, day: int) -> list[pl.Expr]:
        if self.checkin is None and self.nights is None:
            return []
        checkin, nights = self.checkin or own.checkin, self.nights or own.nights
        if checkin is None:
            raise AskingError("the search has no dates: say the first night too, --checkin")
        if nights is None:
            raise AskingError("the search has no dates: say how many nights too, --nights")
        first = day_number(checkin)
        if first < day:
            raise AskingError(
                f"{day_in_words(checkin)} has passed: this home recommends for "
                f"{day_in_words(date_of(day))}; ask for a check-in from then on, --checkin"
            )
        if first > day + MOST_DAYS_AHEAD:
            raise AskingError(f"{day_in_words(checkin)} is more than three years ahead")
        end = checkin + timedelta(days=nights)
        days = {"checkin_day": first, "checkout_day": first + nights}
        dates = {"query_checkin": checkin, "query_checkout": end}
        return [
            *(pl.lit(number, pl.Int32).alias(name) for name, number in days.items()),
            *(pl.lit(value, pl.Date).alias(name) for name, value in dates.items()),
        ]

    def _party(self) -> list[pl.Expr]:
        if self.guests is None:
            return []
        none = [pl.lit(0, pl.Int32).alias(name) for name in _COMPANIONS]
        return [pl.lit(self.guests, pl.Int32).alias("query_num_guests"), *none]

    def _place(self, before: pl.LazyFrame, own: Search) -> list[pl.Expr]:
        if self.market is None:
            return []
        market = _known_market(before, self.market)
        if market == own.market:
            return []
        schema = before.collect_schema()
        here = before.filter(pl.col("market") == market)
        point = [name for name in _POINT if name in schema]
        middle = here.select(pl.col(point).median()).collect().row(0, named=True) if point else {}
        return [
            pl.lit(market).alias("market"),
            *(pl.lit(middle[name], schema[name]).alias(name) for name in point),
            *(pl.lit(None, schema[name]).alias(name) for name in _BOUNDS if name in schema),
        ]


def _known_market(before: pl.LazyFrame, given: str) -> str:
    """The slug of a market given as slug or as people write it."""
    slugs = before.select(pl.col("market").unique().sort()).collect()["market"].to_list()
    meant = {_key(slug): slug for slug in slugs}
    meant |= {_key(market_in_words(slug)): slug for slug in slugs}
    if found := meant.get(_key(given)):
        return str(found)
    near = [word for word in meant if _key(given) and word.startswith(_key(given))]
    near = near or difflib.get_close_matches(_key(given), meant, n=1)
    hint = f"did you mean {meant[near[0]]}?" if near else f"there are {', '.join(slugs)}"
    raise AskingError(f"{given!r} is no market of this home; {hint}")


def _key(word: str) -> str:
    return word.strip().casefold().replace("_", " ").replace("-", " ")
