"""Small frames in the shape of the impressions table, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from data.schema.tables import IMPRESSIONS
from features.all_features import available_features
from features.build import build_features

DAY_S = 86_400
FIRST_DAY = 17_563  # 2018-02-01

_SEARCH_LEVEL = {
    "id_search", "id_user", "market", "search_s", "search_day", "ds_search", "checkin_day",
    "checkout_day", "query_checkin", "query_checkout", "query_num_guests", "query_num_children",
    "query_num_infants", "query_radius", "query_price_min", "query_price_max",
    "query_center_lat", "query_center_lng",
}  # fmt: skip


def typed(rows: list[dict[str, Any]], extras: dict[str, Any] | None = None) -> pl.DataFrame:
    """Impressions of these rows, in the contract's types, with the columns that they name."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    schema = {name: (extras or {}).get(name) or _polars_type(name) for name in names}
    return pl.DataFrame(rows, schema=schema)


def _polars_type(name: str) -> Any:
    empty = pl.from_arrow(IMPRESSIONS.schema.empty_table())
    assert isinstance(empty, pl.DataFrame)
    return empty.schema[name]


def impression(
    search: str = "s1",
    listing: str = "l1",
    *,
    user: str | None = "u1",
    at: int = 0,
    market: str = "rio_de_janeiro",
    stage: int = 0,
    **columns: Any,
) -> dict[str, Any]:
    """One row ``at`` seconds after the first day's midnight, with further ``columns``."""
    search_s = FIRST_DAY * DAY_S + at
    return {
        "id_search": search,
        "id_listing": listing,
        "id_user": user,
        "market": market,
        "ds_search": date(1970, 1, 1) + timedelta(days=search_s // DAY_S),
        "search_s": search_s,
        "search_day": search_s // DAY_S,
        "stage": stage,
        "contact_day": None,
        "book_day": None,
        **columns,
    }


def features_of(log: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """These features of all rows, by time, search and listing."""
    chosen = available_features(log.columns).only(names)
    assert set(chosen.names) == set(names)
    built = build_features(log, log, features=chosen)
    return built.sort("search_s", "id_search", "id_listing").select(names)


def features_of_row(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    """These features of a log with this row alone."""
    return tuple(features_of(typed([row]), names).row(0))


def random_impressions(
    seed: int = 0,
    *,
    searches: int = 60,
    results: int = 8,
    listings: int = 25,
    users: int = 12,
    days: int = 5,
    ties: bool = True,
) -> pl.DataFrame:
    """A seeded log with all contract columns that features read, nulls and ties among them."""
    rng = np.random.default_rng(seed)
    catalogue = [_listing(rng, number) for number in range(listings)]
    rows = []
    for number in range(searches):
        search = _search(rng, number, users=users, days=days, ties=ties)
        shown = rng.choice(listings, size=min(results, listings), replace=False)
        rows += [_shown(rng, search, catalogue[index]) for index in shown]
    return typed(rows)


def _search(
    rng: np.random.Generator, number: int, *, users: int, days: int, ties: bool
) -> dict[str, Any]:
    at = int(rng.integers(0, days * DAY_S))
    if ties:
        at = at // 7_200 * 7_200
    user = None if rng.random() < 0.15 else f"u{rng.integers(users)}"
    day = FIRST_DAY + at // DAY_S
    dated = rng.random() < 0.85
    checkin = day + int(rng.integers(0, 60)) if dated else None
    checkout = checkin + int(rng.integers(1, 35)) if checkin is not None else None
    guests = _maybe(rng, int(rng.integers(1, 7)), 0.1)
    city = rng.random() < 0.6
    return {
        **impression(f"s{number}", user=user, at=at),
        "market": "rio_de_janeiro" if city else "sao_paulo",
        "checkin_day": checkin,
        "checkout_day": checkout,
        "query_num_guests": guests,
        "query_num_children": _maybe(rng, int(rng.integers(0, 3)), 0.1),
        "query_num_infants": _maybe(rng, 0, 0.1),
        "query_radius": _maybe(rng, float(rng.uniform(1, 20)), 0.2),
        "query_price_min": _maybe(rng, float(rng.integers(50, 100)), 0.7),
        "query_price_max": _maybe(rng, float(rng.integers(100, 900)), 0.6),
        "query_center_lat": -22.97 if city else -23.56,
        "query_center_lng": -43.19 if city else -46.65,
    }


def _listing(rng: np.random.Generator, number: int) -> dict[str, Any]:
    rated = rng.random() < 0.8
    subs = ("location", "cleanliness", "checkin", "value", "communication", "accuracy")
    rooms = ("entire_home", "private_room", "shared_room", "hotel_room")
    return {
        "id_listing": f"l{number}",
        "_nightly": float(np.round(rng.lognormal(6, 0.6), 2)),
        "listing_is_new": not rated,
        "listing_instant_bookable": bool(rng.random() < 0.3),
        "listing_lat": -22.97 + float(rng.normal(0, 0.02)),
        "listing_lng": -43.19 + float(rng.normal(0, 0.02)),
        "listing_review_rating": float(np.round(rng.uniform(3, 5), 2)) if rated else None,
        "listing_review_count": int(rng.integers(1, 200)) if rated else 0,
        "listing_property_type": str(rng.integers(1, 5)),
        "listing_room_type": _maybe(rng, str(rng.choice(rooms)), 0.1),
        "listing_num_beds": float(rng.integers(1, 6)),
        "listing_num_bedrooms": float(rng.integers(0, 4)),
        "listing_num_bathrooms": float(rng.integers(1, 5)) / 2,
        "listing_person_capacity": int(rng.integers(1, 9)),
        "listing_has_pro_pictures": bool(rng.random() < 0.2),
        "listing_num_recent_reservations": int(rng.integers(0, 9)),
        **{
            f"listing_{sub}_rating": float(np.round(rng.uniform(3, 5), 1)) if rated else None
            for sub in subs
        },
        "listing_num_books_90day": int(rng.integers(0, 40)),
        "listing_occupancy_rate": _maybe(rng, float(np.round(rng.random(), 3)), 0.1),
        "listing_monthly_discount": True,
        "listing_weekly_discount": True,
        "listing_cleaning_fee": _maybe(rng, 50.0, 0.3),
        "listing_monthly_price_factor": 0.7,
        "listing_weekly_price_factor": _maybe(rng, 0.9, 0.2),
        "listing_minimum_nights": int(rng.integers(1, 5)),
        "listing_maximum_nights": _maybe(rng, int(rng.integers(7, 60)), 0.4),
    }


def _shown(
    rng: np.random.Generator, search: dict[str, Any], listing: dict[str, Any]
) -> dict[str, Any]:
    described = dict(listing)
    nightly = described.pop("_nightly")
    nights = (search["checkout_day"] or 1) - (search["checkin_day"] or 0)
    price = nightly * nights if search["checkin_day"] is not None else nightly
    return {
        **search,
        **described,
        "listing_total_price": _maybe(rng, price + (listing["listing_cleaning_fee"] or 0), 0.05),
        **_outcome(rng, search["search_day"]),
    }


def _outcome(rng: np.random.Generator, day: int) -> dict[str, Any]:
    stage = int(rng.choice(4, p=[0.6, 0.2, 0.1, 0.1]))
    contacted = stage == 2 or (stage == 3 and rng.random() < 0.7)
    contact_day = day + int(rng.integers(0, 2)) if contacted else None
    book_day = (contact_day or day) + int(rng.integers(0, 2)) if stage == 3 else None
    return {"stage": stage, "contact_day": contact_day, "book_day": book_day}


def skewed_impressions(seed: int = 0) -> pl.DataFrame:
    """A log in which one guest has half of the searches, and one listing is in all of them."""
    log = random_impressions(seed, searches=60, results=6, days=4)
    of_one = (
        pl.col("id_search").str.ends_with("1").or_(pl.col("id_search").str.contains("[02468]$"))
    )
    first = pl.int_range(pl.len()).over("id_search") == 0
    # Another row of a search may show the listing already.
    is_first = first & ~(pl.col("id_listing") == "l1").any().over("id_search")
    return log.with_columns(
        id_user=pl.when(of_one).then(pl.lit("u1")).otherwise("id_user"),
        id_listing=pl.when(is_first).then(pl.lit("l1")).otherwise("id_listing"),
    )


def tied_impressions(seed: int = 0) -> pl.DataFrame:
    """A log with searches of one second, some of one guest, and several seconds in an hour."""
    log = random_impressions(seed, searches=50, results=6, days=4)
    # Before there was a search at most every two hours.
    number = pl.col("id_search").str.slice(1).str.to_integer()
    log = log.with_columns(pl.col("search_s") + (number % 3 * 1_200).cast(log.schema["search_s"]))
    again = log.filter(number < 12).with_columns(id_search="again " + pl.col("id_search"))
    return pl.concat([log, again])


_ZONES = {"rio_de_janeiro": "America/Sao_Paulo", "lisbon": "Europe/Lisbon"}
CLOCK_GOES_BACK = 17_577
"""Three days before Brazil's clocks went back: from 18 February 2018 0:00 to 23:00."""
CLOCK_GOES_FORWARD = 17_452
"""Three days before they went forward: from 15 October 2017 0:00 to 1:00."""


def zoned_impressions(seed: int = 0, first_day: int = CLOCK_GOES_BACK) -> pl.DataFrame:
    """A log that tells instants, of two markets whose clocks differ; guests search in both."""
    return on_clocks(tied_impressions(seed), first_day)


def on_clocks(log: pl.DataFrame, first_day: int) -> pl.DataFrame:
    """The log with its seconds taken as UTC, and days and clocks as their markets have them."""
    later = first_day - FIRST_DAY
    log = log.with_columns(
        pl.col("market").replace("sao_paulo", "lisbon"),
        pl.col("search_s") + later * DAY_S,
        pl.col("checkin_day", "checkout_day") + later,
        *(pl.col(name) - pl.col("search_day") for name in ("contact_day", "book_day")),
    )
    shown = log.select(_by_zone(_shown_s)).to_series()
    day = shown.dt.date()
    log = log.with_columns(
        local_s=shown.dt.epoch("s"),
        ds_search=day,
        search_day=day.cast(pl.Int32),
    )
    days = [(pl.col(n) + pl.col("search_day")).alias(n) for n in ("contact_day", "book_day")]
    return with_known_s(log.with_columns(days))


def local_days(log: pl.DataFrame, t: int) -> pl.Series:
    """The day that each row's market has at a second, by its own clock."""
    now = log.with_columns(search_s=pl.lit(t, pl.Int64))
    shown = now.select(_by_zone(_shown_s)).to_series()
    return shown.dt.date().cast(pl.Int32)


def with_known_s(log: pl.DataFrame) -> pl.DataFrame:
    """The log with the last second of each outcome's day beside it, by the market's clock."""
    ends = [
        _by_zone(lambda zone, name=name: _last_second(zone, name)).alias(known)
        for name, known in (("contact_day", "contact_known_s"), ("book_day", "book_known_s"))
    ]
    return log.with_columns(ends)


def _by_zone(value: Callable[[str], pl.Expr]) -> pl.Expr:
    """``value`` of the zone of each row's market."""
    of_rio = pl.when(pl.col("market") == "rio_de_janeiro").then(value(_ZONES["rio_de_janeiro"]))
    return of_rio.otherwise(value(_ZONES["lisbon"]))


def _shown_s(zone: str) -> pl.Expr:
    utc = pl.from_epoch("search_s", time_unit="s").dt.replace_time_zone("UTC")
    return utc.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _last_second(zone: str, name: str) -> pl.Expr:
    """One second before the first of the next day; a clock that leaves out midnight begins at 1."""
    day = pl.from_epoch((pl.col(name).cast(pl.Int64) + 1) * DAY_S, time_unit="s")
    options = {"ambiguous": "earliest", "non_existent": "null"}
    midnight = day.dt.replace_time_zone(zone, **options).dt.epoch("s")
    one = day.dt.offset_by("1h").dt.replace_time_zone(zone, **options).dt.epoch("s")
    return pl.coalesce(midnight, one) - 1


def _maybe(rng: np.random.Generator, value: Any, null_share: float) -> Any:
    return None if rng.random() < null_share else value


def differences(left: pl.DataFrame, right: pl.DataFrame) -> list[str]:
    """What differs between two frames, bit for bit: nothing, shapes, or columns with an example."""
    if left.shape != right.shape or left.columns != right.columns:
        return [f"{left.shape} {left.columns} against {right.shape} {right.columns}"]
    found = []
    for name in left.columns:
        one, other = (_bits(frame[name]) for frame in (left, right))
        if not one.equals(other, check_dtypes=True, null_equal=True):
            both = pl.DataFrame({"left": left[name], "right": right[name]})
            unlike = both.filter(one.ne_missing(other)) if one.dtype == other.dtype else both
            kinds = f"{left[name].dtype}, {right[name].dtype}"
            found.append(f"{name}: {unlike.height} rows, {kinds} {unlike.head(3).rows()}")
    return found


def _bits(values: pl.Series) -> pl.Series:
    """Floating-point numbers as the integers with the same bits: 0.0 is not -0.0."""
    if values.dtype != pl.Float64:
        return values
    bits = pl.Series(values.fill_null(0.0).to_numpy().view(np.int64))
    return pl.select(pl.when(values.is_not_null()).then(bits)).to_series()
