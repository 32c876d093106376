"""Every engine gives the same bits, whatever log it is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import polars as pl
import pytest

from data.schema.feature_set import FeatureSet
from features.all_features import available_features
from tests.features.engines import AT_ONCE, OTHERS, Engine
from tests.features.worlds import (
    CLOCK_GOES_FORWARD,
    DAY_S,
    FIRST_DAY,
    differences,
    impression,
    random_impressions,
    skewed_impressions,
    tied_impressions,
    typed,
    zoned_impressions,
)

REQUIRED = ["id_search", "id_listing", "market", "search_s", "search_day", "stage"]
# Columns that a log may lack, each of which other formulas make up for.
OPTIONAL = (
    ("id_user",),
    ("listing_room_type",),
    ("checkin_day", "checkout_day"),
    ("listing_total_price",),
    ("contact_day",),
    ("book_day", "listing_lat"),
    ("query_center_lat", "query_center_lng"),
    ("ds_search",),
)


def small() -> pl.DataFrame:
    return random_impressions(31, searches=30, results=5, days=3)


def lacking(columns: tuple[str, ...]) -> Callable[[], pl.DataFrame]:
    return lambda: small().drop(columns)


def strange() -> pl.DataFrame:
    """Guests without an id alone, days before 1970 among the stays, and extras of a mapping."""
    return small().with_columns(
        id_user=pl.lit(None, pl.String),
        checkin_day=pl.lit(-3, pl.Int32),
        x_score=pl.col("listing_total_price") % 7,
        x_brand=pl.col("listing_property_type"),
    )


LOGS: dict[str, Callable[[], pl.DataFrame]] = {
    "ties": lambda: tied_impressions(3),
    "skew": lambda: skewed_impressions(5),
    "zones": lambda: zoned_impressions(3),
    "zones, forward": lambda: zoned_impressions(4, CLOCK_GOES_FORWARD),
    "strange": strange,
    "required columns": lambda: small().select(REQUIRED),
    **{f"without {', '.join(names)}": lacking(names) for names in OPTIONAL},
    "one row": lambda: small().head(1),
    "one search": lambda: small().filter(pl.col("id_search") == "s7"),
    "no rows": lambda: small().clear(),
    "a search a day": lambda: typed(
        [
            impression(f"s{day}", at=day * DAY_S, stage=3, book_day=FIRST_DAY + day)
            for day in range(4)
        ]
    ),
}


@cache
def log_of(name: str) -> pl.DataFrame:
    return LOGS[name]()


@cache
def at_once(name: str) -> pl.DataFrame:
    return AT_ONCE.build(log_of(name))


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("engine", OTHERS, ids=str)
def test_every_engine_gives_the_bits_of_a_build_at_once(engine: Engine, name: str) -> None:
    assert differences(engine.build(log_of(name)), at_once(name)) == []


def test_the_logs_hold_what_they_are_for() -> None:
    skew = log_of("skew")
    of_one_guest = skew.filter(pl.col("id_user") == "u1")["id_search"].n_unique()
    assert of_one_guest * 2 >= skew["id_search"].n_unique()
    assert skew.filter(pl.col("id_listing") == "l1").height == skew["id_search"].n_unique()
    ties = log_of("ties").unique("id_search")
    assert ties.group_by("search_s", "id_user").len()["len"].max() > 1  # type: ignore[operator]
    hours = ties.with_columns(hour=pl.col("search_s") // 3_600).group_by("hour")
    assert hours.agg(pl.col("search_s").n_unique())["search_s"].max() > 1  # type: ignore[operator]
    assert {"x_score", "x_brand"} <= set(at_once("strange").columns)
    assert at_once("skew")["guest_clicks_similarity"].is_not_null().any()


@pytest.mark.parametrize("since_day", [FIRST_DAY + 2, FIRST_DAY + 3, FIRST_DAY + 9])
@pytest.mark.parametrize("engine", [AT_ONCE, *OTHERS], ids=str)
def test_days_alone_hold_the_bits_of_the_whole_build(engine: Engine, since_day: int) -> None:
    whole = at_once("ties").filter(pl.col("search_day") >= since_day)
    assert differences(engine.build(log_of("ties"), since_day=since_day), whole) == []


@pytest.mark.parametrize(
    "names",
    [
        ["query_nights"],
        ["in_search_price_rank", "listing_lat"],
        ["guest_clicks_similarity"],
        ["guest_session_searches"],
        ["guest_price_to_clicked", "listing_past_click_rate_party"],
    ],
    ids=lambda names: names[0],
)
@pytest.mark.parametrize("engine", OTHERS, ids=str)
def test_a_few_features_alone_hold_the_bits_of_the_whole_build(
    engine: Engine, names: list[str]
) -> None:
    log = log_of("ties")
    chosen: FeatureSet = available_features(log.columns).only(names)
    few = engine.build(log, chosen)
    assert set(names) <= set(few.columns)
    assert differences(few, at_once("ties").select(few.columns)) == []
