"""Two days of recommendations side by side, on lists to check by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from data.lake.store import Lake
from data.schema.tables import RECOMMENDATIONS
from pipelines.verdict import recommendation_changes
from pipelines.verdict.recommendation_changes import change_between, recommendation_change

MONDAY, TUESDAY = date(2026, 1, 26), date(2026, 1, 27)


def lists(day: date, ranker: str = "1", **guests: str) -> pl.DataFrame:
    """``ann="xyz"``: Ann's list is x, y, z."""
    return pl.DataFrame(
        [
            {"guest": guest, "id_listing": listing, "rank": place, "ds": day}
            for guest, listings in guests.items()
            for place, listing in enumerate(listings, start=1)
        ],
        schema={"guest": pl.String, "id_listing": pl.String, "rank": pl.Int32, "ds": pl.Date},
    ).with_columns(ranker_version=pl.lit(ranker))


def test_guests_places_and_listings_that_entered_and_left_are_counted() -> None:
    before = lists(MONDAY, ann="xyz", bob="xy", cid="xq")
    now = lists(TUESDAY, "2", ann="xyw", bob="xy", dora="xw")
    change = change_between(before, now)
    assert (change.both, change.came, change.went, change.same) == (2, 1, 1, 1)
    # w is new to Ann: one of the five places of Ann and Bob
    assert (change.places, change.entered, change.share_entered) == (5, 1, 0.2)
    # w came in; z and q, which nobody else has, left
    assert (change.listings_in, change.listings_out, change.listings_kept) == (1, 2, 2)
    assert change.gained == (("w", 2),)
    assert change.lost == (("q", 1), ("z", 1))
    assert (change.rankers_before, change.rankers_now) == (("1",), ("2",))


def test_another_order_of_the_same_listings_is_a_list_that_changed() -> None:
    change = change_between(lists(MONDAY, ann="xy"), lists(TUESDAY, ann="yx"))
    assert (change.same, change.entered, change.gained, change.lost) == (0, 0, (), ())


def written(lake: Lake, day: date, **guests: str) -> None:
    rows = lists(day, **guests).rename({"guest": "id_user"})
    rows = rows.with_columns(
        id_search=pl.col("id_user"), market=pl.lit("rio"), rank=pl.col("rank").cast(pl.Int32)
    )
    lake.replace_partitions(RECOMMENDATIONS.name, rows, [("rio", day)])


def test_the_day_before_is_compared_with_or_the_same_day_as_it_was_made_before(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path)
    assert recommendation_change(lake) is None
    written(lake, MONDAY, ann="xy")
    assert recommendation_change(lake) is None
    written(lake, MONDAY, ann="xz")
    again = recommendation_change(lake)
    assert again is not None
    assert (again.before, again.now, again.entered) == (MONDAY, MONDAY, 1)
    written(lake, TUESDAY, ann="xz")
    day_later = recommendation_change(lake)
    assert day_later is not None
    assert (day_later.before, day_later.now, day_later.entered) == (MONDAY, TUESDAY, 0)
    assert day_later.since == "since the recommendations of 2026-01-26"


def test_of_very_many_rows_a_sample_of_the_guests_is_compared_and_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    guests = {f"guest {number}": "xy" for number in range(200)}
    written(lake, MONDAY, **guests)
    written(lake, TUESDAY, **guests)
    monkeypatch.setattr(recommendation_changes, "MOST_ROWS", 150)
    change = recommendation_change(lake)
    assert change is not None
    # 400 rows: one guest in three, the same ones on both days
    assert change.one_in == 3
    assert 0 < change.both < 200
    assert (change.came, change.went, change.same) == (0, 0, change.both)
    assert change.since.endswith("(of one guest in 3)")
