"""The numeric columns a tower reads, and how they become standardised inputs.

Whichever of the declared columns a log has are used. A column that was there when the
model was fitted must be there when it scores; null stays visible as an indicator.

Ratings 3, 5 and null: mean 4, deviation 1, so -1 and 1; null is at the mean and marked:

>>> rows = pa.table({"listing_review_rating": [3.0, 5.0, None]})
>>> NumberScaler.fit(rows, ["listing_review_rating"]).transform(rows).tolist()
[[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.schema.long_stay import MONTH_NIGHTS, WEEK_NIGHTS
from models.two_tower.inputs.arrays import FloatArray

__all__ = [
    "LISTING_CATEGORIES",
    "LISTING_NUMBERS",
    "QUERY_NUMBERS",
    "NumberScaler",
    "column_values",
]

_Values = np.ndarray[Any, np.dtype[np.float64]]

# Standardised values are held within this many standard deviations: one absurd price
# must not drown a whole batch.
_CLIP = 5.0
_MONTHS = 12
_WEEKDAYS = 7
# 1970-01-01, day 0, was a Thursday; days are turned so that Monday is 0.
_EPOCH_WEEKDAY = 3

LISTING_CATEGORIES = ("listing_property_type", "listing_room_type")

QUERY_NUMBERS = (
    "query_num_guests",
    "query_num_children",
    "query_num_infants",
    "query_radius",
    "query_price_min",
    "query_price_max",
    "query_nights",
    "query_lead_time_days",
    "season_sine",
    "season_cosine",
    "checkin_weekday_sine",
    "checkin_weekday_cosine",
)
LISTING_NUMBERS = (
    "listing_is_new",
    "listing_nightly_price",
    "listing_instant_bookable",
    "listing_review_rating",
    "listing_review_count",
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
)

# Amounts and counts with a long tail are read on a log scale.
_LOGGED = frozenset(
    {
        "query_num_guests",
        "query_radius",
        "query_price_min",
        "query_price_max",
        "query_nights",
        "query_lead_time_days",
        "listing_nightly_price",
        "listing_review_count",
        "listing_num_beds",
        "listing_person_capacity",
        "listing_num_recent_reservations",
        "listing_num_books_90day",
        "listing_cleaning_fee",
        "listing_minimum_nights",
        "listing_maximum_nights",
    }
)


def _raw(table: pa.Table, name: str) -> _Values:
    column = table[name].combine_chunks()
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    filled = pc.fill_null(column.cast(pa.float64()), float("nan"))
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.float64)


def _first_of(table: pa.Table, names: tuple[str, ...]) -> _Values | None:
    name = next((name for name in names if name in table.column_names), None)
    return None if name is None else _raw(table, name)


def _checkin(table: pa.Table) -> _Values | None:
    return _first_of(table, ("checkin_day", "query_checkin"))


def _nights(table: pa.Table) -> _Values | None:
    """Searched nights; null for a dateless search."""
    arrives, leaves = _checkin(table), _first_of(table, ("checkout_day", "query_checkout"))
    if arrives is None or leaves is None:
        return _first_of(table, ("nights",))
    return leaves - arrives


def _lead_time(table: pa.Table) -> _Values | None:
    arrives = _checkin(table)
    if arrives is None or "search_day" not in table.column_names:
        return None
    return arrives - _raw(table, "search_day")


def _month(table: pa.Table) -> _Values | None:
    if "query_checkin_month" in table.column_names:
        return _raw(table, "query_checkin_month")
    arrives = _checkin(table)
    if arrives is None:
        return None
    # NaN is no date: day 0 stands in for it until the months are read
    days = pa.array(np.nan_to_num(arrives).astype(np.int32)).cast(pa.date32())
    return np.where(np.isnan(arrives), np.nan, np.asarray(pc.month(days), dtype=np.float64))


def _weekday(table: pa.Table) -> _Values | None:
    if "query_checkin_weekday" in table.column_names:
        return _raw(table, "query_checkin_weekday")
    arrives = _checkin(table)
    return None if arrives is None else (arrives + _EPOCH_WEEKDAY) % _WEEKDAYS


def _cycle(
    read: Callable[[pa.Table], _Values | None], wave: Callable[[_Values], _Values], length: int
) -> Callable[[pa.Table], _Values | None]:
    """A place in a cycle (month, weekday) as one coordinate of a circle."""

    def values(table: pa.Table) -> _Values | None:
        place = read(table)
        return None if place is None else wave(2 * np.pi * place / length)

    return values


def _long_stay_factor(table: pa.Table, nights: _Values) -> _Values:
    """The host's factor on the nightly price of a stay this long; 1 where none is stated."""
    one = np.ones(table.num_rows)
    weekly = _first_of(table, ("listing_weekly_price_factor",))
    weekly = one if weekly is None else np.where(np.isnan(weekly), one, weekly)
    monthly = _first_of(table, ("listing_monthly_price_factor",))
    monthly = weekly if monthly is None else np.where(np.isnan(monthly), weekly, monthly)
    by_week = np.where(nights >= WEEK_NIGHTS, weekly, one)
    return np.where(nights >= MONTH_NIGHTS, monthly, by_week)


def _nightly_price(table: pa.Table) -> _Values | None:
    """``(stay - cleaning fee) / (nights x factor)``; one night where the search is dateless.

    The formula of ``features.formulas.nightly_price``, which a model may not import.
    """
    total = _first_of(table, ("listing_total_price",))
    nights = column_values(table, "query_nights")
    if total is None or nights is None:
        return None
    nights = np.where(np.isnan(nights), 1.0, nights)
    fee = _first_of(table, ("listing_cleaning_fee",))
    paid = total if fee is None else total - np.nan_to_num(fee)
    price = paid / (nights * _long_stay_factor(table, nights))
    return np.where(price > 0, price, np.nan)


_DERIVED: dict[str, Callable[[pa.Table], _Values | None]] = {
    "query_nights": _nights,
    "query_lead_time_days": _lead_time,
    "season_sine": _cycle(_month, np.sin, _MONTHS),
    "season_cosine": _cycle(_month, np.cos, _MONTHS),
    "checkin_weekday_sine": _cycle(_weekday, np.sin, _WEEKDAYS),
    "checkin_weekday_cosine": _cycle(_weekday, np.cos, _WEEKDAYS),
    "listing_nightly_price": _nightly_price,
}


def column_values(table: pa.Table, name: str) -> _Values | None:
    """A column as float64, null as NaN; derived where the table has its parts.

    ``None`` where the table has neither the column nor what it is derived from.
    """
    if name in table.column_names:
        return _raw(table, name)
    return _DERIVED[name](table) if name in _DERIVED else None


def _scaled_input(table: pa.Table, name: str) -> _Values:
    values = column_values(table, name)
    if values is None:
        raise ValueError(
            f"the two-tower was fitted with column {name}, which these rows neither have "
            "nor allow to be derived"
        )
    values = np.where(np.isfinite(values), values, np.nan)
    return np.log1p(np.maximum(values, 0.0)) if name in _LOGGED else values


@dataclass(frozen=True, kw_only=True)
class NumberScaler:
    """Means and standard deviations of the columns that the training log had."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    @classmethod
    def fit(cls, table: pa.Table, candidates: Iterable[str]) -> Self:
        """Keep the candidates that the table has; a constant column keeps deviation 1."""
        names, means, deviations = [], [], []
        for name in candidates:
            if column_values(table, name) is None:
                continue
            known = _scaled_input(table, name)
            # sorted: a sum of floats depends on its order, and the rows' order must not matter
            known = np.sort(known[~np.isnan(known)])
            deviation = float(known.std()) if len(known) else 0.0
            names.append(name)
            means.append(float(known.mean()) if len(known) else 0.0)
            deviations.append(deviation if deviation > 0 else 1.0)
        return cls(names=tuple(names), means=tuple(means), deviations=tuple(deviations))

    @property
    def width(self) -> int:
        """Number of inputs: a value and a missingness indicator per column."""
        return 2 * len(self.names)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The name of each input, for messages."""
        return (*self.names, *(f"{name} is missing" for name in self.names))

    def transform(self, table: pa.Table) -> FloatArray:
        """Standardised values, 0 where missing, then the indicators; ``(rows, width)``.

        Raises ``ValueError`` naming a column of the fit that the table lacks.
        """
        out = np.zeros((table.num_rows, self.width), dtype=np.float32)
        columns = zip(self.names, self.means, self.deviations, strict=True)
        for place, (name, mean, deviation) in enumerate(columns):
            scaled = (_scaled_input(table, name) - mean) / deviation
            missing = np.isnan(scaled)
            out[:, place] = np.clip(np.where(missing, 0.0, scaled), -_CLIP, _CLIP)
            out[:, len(self.names) + place] = missing
        return out

    def to_mapping(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Self:
        """What :meth:`to_mapping` gave."""
        return cls(**{key: tuple(entry) for key, entry in values.items()})
