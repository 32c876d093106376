"""Candidates built in one pass hold the bits of a build of everything, and know no later event."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import example, given, settings

from data.schema.time import DAY_S
from features.all_features import available_features
from features.build import build_features
from features.build_candidates import build_candidates
from tests.features.futures import KINDS, LENIENT, SOME_KINDS, with_another_future
from tests.features.worlds import FIRST_DAY, differences, random_impressions

KEY = ["id_search", "id_listing"]
OUTCOMES = ["stage", "contact_day", "book_day"]
DAYS = 4
MORNING = FIRST_DAY + DAYS


@cache
def world() -> pl.DataFrame:
    return random_impressions(seed=21, searches=40, results=6, days=DAYS)


def at_time(rows: pl.DataFrame, search_s: pl.Expr) -> pl.DataFrame:
    day = search_s // DAY_S
    return rows.with_columns(
        search_s.cast(rows.schema["search_s"]).alias("search_s"),
        day.cast(rows.schema["search_day"]).alias("search_day"),
        day.cast(pl.Int32).cast(pl.Date).alias("ds_search"),
    )


def candidates_of(log: pl.DataFrame) -> pl.DataFrame:
    """Half of the log's searches asked again: some at their own time, the others the day after.

    Some come from a guest and for a listing that the log does not know, or before its start.
    """
    searches = log["id_search"].unique().sort()
    again = log.filter(pl.col("id_search").is_in(searches[::2].implode())).drop(OUTCOMES)
    is_later = pl.col("id_search").str.slice(-1).str.to_integer() % 4 == 0
    after = at_time(again.filter(is_later), pl.col("search_s") % DAY_S + MORNING * DAY_S)
    own = again.filter(pl.col("id_search").is_in(searches[:4:2].implode()))
    strange = own.with_columns(
        id_user=pl.lit("nobody knows me"),
        id_listing="new " + pl.col("id_listing"),
        id_search="strange " + pl.col("id_search"),
    )
    early = at_time(
        own.with_columns(id_search="early " + pl.col("id_search")),
        pl.lit(FIRST_DAY * DAY_S - 5),
    )
    rows = pl.concat([again.filter(~is_later), after, strange, early], how="vertical_relaxed")
    return rows.with_columns(id_search="again " + pl.col("id_search")).sort("search_s", *KEY)


def blocks_of(rows: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Blocks of about ``size`` rows; rows of one second stay together."""
    start = 0
    while start < rows.height:
        last = rows["search_s"][min(start + size, rows.height) - 1]
        end = int((rows["search_s"] <= last).sum())
        yield rows.slice(start, end - start)
        start = end


def built(
    log: pl.DataFrame, rows: pl.DataFrame, *, size: int = 50, block_rows: int = 60
) -> pl.DataFrame:
    found = list(in_blocks(log, rows, blocks_of(rows, size), block_rows=block_rows))
    assert pl.concat(found).select(KEY).equals(rows.select(KEY))  # rows stay in their order
    return pl.concat(found).sort(KEY)


def in_blocks(
    log: pl.DataFrame, rows: pl.DataFrame, blocks: Any, *, block_rows: int = 60
) -> Iterator[pl.DataFrame]:
    return build_candidates(
        blocks,
        log.lazy(),
        pairs=rows.select(n for n in ("id_user", "id_listing") if n in rows.columns),
        features=available_features(dict(log.schema)),
        block_rows=block_rows,
    )


def at_once(log: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    features = available_features(dict(log.schema))
    return build_features(rows, log, features=features).sort(KEY)


@cache
def expected() -> pl.DataFrame:
    return at_once(world(), candidates_of(world()))


# Blocks of the log are cut after so many rows: never, at each second, and in between.
@pytest.mark.parametrize(("size", "block_rows"), [(1, 10_000), (100_000, 1), (30, 40)])
def test_any_cutting_gives_the_bits_of_a_build_at_once(size: int, block_rows: int) -> None:
    rows = candidates_of(world())
    assert rows["search_day"].n_unique() > 4
    assert expected()["guest_saw_listing"].max() > 0  # type: ignore[operator]
    assert differences(built(world(), rows, size=size, block_rows=block_rows), expected()) == []


def test_a_guest_and_a_listing_that_the_log_does_not_know_have_no_past() -> None:
    strange = expected().filter(pl.col("id_search").str.starts_with("again strange"))
    assert strange.height == 12
    assert strange["guest_past_searches"].to_list() == [0] * 12
    assert strange["listing_past_impressions"].to_list() == [0] * 12
    early = expected().filter(pl.col("id_search").str.starts_with("again early"))
    assert early.height == 12
    assert early["listing_past_impressions"].to_list() == [0] * 12


@settings(LENIENT, max_examples=3)
@given(share=st.floats(0.2, 0.9), seed=st.integers(0, 10_000), kinds=SOME_KINDS)
@example(share=0.5, seed=1, kinds=set(KINDS))
def test_another_future_leaves_the_candidates_bit_identical(
    share: float, seed: int, kinds: set[str]
) -> None:
    """The log goes on differently after the last candidate; both are read until there alone."""
    rows = candidates_of(world()).filter(pl.col("search_day") < MORNING)
    times = rows["search_s"].unique().sort()
    t = int(times[int(share * (len(times) - 1))])
    known = rows.filter(pl.col("search_s") <= t)
    other = with_another_future(world(), t, seed, kinds)
    assert not other.equals(world())
    assert differences(built(world(), known), built(other, known)) == []


def test_candidates_among_the_log_do_not_know_what_lies_between_them_and_the_next() -> None:
    """The future of the first candidates is the past of the last ones, in the same pass."""
    rows = candidates_of(world())
    t = int(rows["search_s"].unique().sort()[8])
    other = with_another_future(world(), t, 1)
    one, two = built(world(), rows), built(other, rows)
    is_past = pl.col("search_s") <= t
    assert differences(one.filter(is_past), two.filter(is_past)) == []
    assert differences(one.filter(~is_past), two.filter(~is_past)) != []


@pytest.mark.parametrize("has_column", [True, False])
def test_a_log_without_guests_gives_the_bits_of_a_build_at_once(has_column: bool) -> None:
    log, rows = (
        frame.with_columns(id_user=pl.lit(None, pl.String)) if has_column else frame.drop("id_user")
        for frame in (world(), candidates_of(world()))
    )
    assert differences(built(log, rows), at_once(log, rows)) == []


def test_a_log_without_rows_gives_candidates_without_a_past() -> None:
    log = world().head(0)
    rows = candidates_of(world())
    found = built(log, rows)
    assert differences(found, at_once(log, rows)) == []
    assert found["listing_past_impressions"].sum() == 0


def test_candidates_out_of_order_are_refused() -> None:
    rows = candidates_of(world())
    with pytest.raises(ValueError, match="in order of time"):
        list(in_blocks(world(), rows, [rows.reverse()]))
    with pytest.raises(ValueError, match="in order of time"):
        list(in_blocks(world(), rows, [rows.tail(5), rows.head(5)]))


def test_a_second_in_two_blocks_is_refused() -> None:
    rows = candidates_of(world())
    with pytest.raises(ValueError, match="whole seconds"):
        list(in_blocks(world(), rows, [rows.head(1), rows.slice(1)]))


def test_no_candidates_give_no_block() -> None:
    none = candidates_of(world()).head(0)
    assert list(in_blocks(world(), none, [])) == []
    assert list(in_blocks(world(), none, [none])) == []
