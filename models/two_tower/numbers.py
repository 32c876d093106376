"""The numeric columns a tower reads, and how they become standardised inputs.

Whichever of the declared columns a log has are used. A column that was there when the
model was fitted must be there when it scores; null stays visible as an indicator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.two_tower.arrays import FloatArray

__all__ = [
    "LISTING_CATEGORIES",
    "LISTING_NUMBERS",
    "QUERY_CATEGORIES",
    "QUERY_NUMBERS",
    "NumberScaler",
    "column_values",
]

_Values = np.ndarray[Any, np.dtype[np.float64]]

# Standardised values are held within this many standard deviations: one absurd price
# must not drown a whole batch.
_CLIP = 5.0
_YEAR_DAYS = 365.2425
# 1970-01-01, day 0, was a Thursday; days are turned so that Monday is 0.
_EPOCH_WEEKDAY = 3

QUERY_CATEGORIES: tuple[str, ...] = ()
LISTING_CATEGORIES = ("listing_property_type", "listing_room_type")

QUERY_NUMBERS = (
    "query_num_guests",
    "query_num_children",
    "query_num_infants",
    "query_radius",
    "query_price_min",
    "query_price_max",
    "nights",
    "lead_time_days",
    "checkin_season_sin",
    "checkin_season_cos",
    "checkin_weekday_sin",
    "checkin_weekday_cos",
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
        "nights",
        "lead_time_days",
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


def _checkin_day(table: pa.Table) -> _Values | None:
    for name in ("checkin_day", "query_checkin"):
        if name in table.column_names:
            return _raw(table, name)
    return None


def _checkout_day(table: pa.Table) -> _Values | None:
    for name in ("checkout_day", "query_checkout"):
        if name in table.column_names:
            return _raw(table, name)
    return None


def _nights(table: pa.Table) -> _Values | None:
    arrives, leaves = _checkin_day(table), _checkout_day(table)
    return None if arrives is None or leaves is None else leaves - arrives


def _lead_time(table: pa.Table) -> _Values | None:
    arrives = _checkin_day(table)
    if arrives is None or "search_day" not in table.column_names:
        return None
    return arrives - _raw(table, "search_day")


def _season(wave: Callable[[_Values], _Values]) -> Callable[[pa.Table], _Values | None]:
    def values(table: pa.Table) -> _Values | None:
        day = _checkin_day(table)
        return None if day is None else wave(2 * np.pi * day / _YEAR_DAYS)

    return values


def _weekday(wave: Callable[[_Values], _Values]) -> Callable[[pa.Table], _Values | None]:
    def values(table: pa.Table) -> _Values | None:
        day = _checkin_day(table)
        return None if day is None else wave(2 * np.pi * ((day + _EPOCH_WEEKDAY) % 7) / 7)

    return values


def _nightly_price(table: pa.Table) -> _Values | None:
    """The stay's price without the cleaning fee, per night; one night when dateless."""
    if "listing_total_price" not in table.column_names:
        return None
    nights = column_values(table, "nights")
    if nights is None:
        return None
    total = _raw(table, "listing_total_price")
    if "listing_cleaning_fee" in table.column_names:
        total = total - np.nan_to_num(_raw(table, "listing_cleaning_fee"))
    return total / np.where(nights >= 1, nights, 1.0)


_DERIVED: dict[str, Callable[[pa.Table], _Values | None]] = {
    "nights": _nights,
    "lead_time_days": _lead_time,
    "checkin_season_sin": _season(np.sin),
    "checkin_season_cos": _season(np.cos),
    "checkin_weekday_sin": _weekday(np.sin),
    "checkin_weekday_cos": _weekday(np.cos),
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
            known = np.sort(known[~np.isnan(known)])
            deviation = float(known.std()) if len(known) else 0.0
            names.append(name)
            means.append(float(known.mean()) if len(known) else 0.0)
            deviations.append(deviation if deviation > 0 else 1.0)
        return cls(names=tuple(names), means=tuple(means), deviations=tuple(deviations))

    @property
    def width(self) -> int:
        """Inputs made: a value and a missingness indicator per column."""
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
