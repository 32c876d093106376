"""Candidates built in one pass hold the bits of a build of everything, and know no later event."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest

from data.schema.time import DAY_S
from features.build import available_features, build_features
from features.build_candidates import build_candidates
from tests.features.worlds import FIRST_DAY, differences, random_impressions

KEY = ["id_search", "id_listing"]
OUTCOMES = ["stage", "contact_day", "book_day"]
LAST = FIRST_DAY + 4


def candidates_of(log: pl.DataFrame) -> pl.DataFrame:
    """Half of the log's searches asked again: some in the middle of it, the others after it."""
    searches = log["id_search"].unique().sort()
    again = log.filter(pl.col("id_search").is_in(searches[::2].implode())).drop(OUTCOMES)
    later = pl.col("id_search").str.slice(-1).str.to_integer() % 2 == 0
    moved = (pl.col("search_s") % DAY_S + (LAST + 1) * DAY_S).alias("search_s")
    after = again.filter(later).with_columns(
        moved, search_day=pl.lit(LAST + 1, pl.Int32), ds_search=pl.lit(LAST + 1).cast(pl.Date)
    )
    rows = pl.concat([again.filter(~later), after], how="vertical_relaxed")
    return rows.with_columns(id_search="again " + pl.col("id_search")).sort("search_s", *KEY)


def blocks_of(rows: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Blocks of about ``size`` rows; rows of one second stay together."""
    start = 0
    while start < rows.height:
        last = rows["search_s"][min(start + size, rows.height) - 1]
        end = int((rows["search_s"] <= last).sum())
        yield rows.slice(start, end - start)
        start = end


def built(log: pl.DataFrame, rows: pl.DataFrame, *, size: int, block_rows: int) -> pl.DataFrame:
    found = build_candidates(
        blocks_of(rows, size),
        log.lazy(),
        pairs=rows.select("id_user", "id_listing"),
        searches=rows.select("id_user", "search_s", "search_day").unique(),
        features=available_features(dict(log.schema)),
        block_rows=block_rows,
    )
    return pl.concat(found).sort(KEY)


def at_once(log: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    features = available_features(dict(log.schema))
    native = build_features(rows.lazy(), log.lazy(), features=features).to_native()
    assert isinstance(native, pl.LazyFrame)
    return native.collect().sort(KEY)


@pytest.mark.parametrize(("size", "block_rows"), [(1, 10_000), (40, 30), (100_000, 60), (7, 1)])
def test_any_cutting_gives_the_bits_of_a_build_at_once(size: int, block_rows: int) -> None:
    log = random_impressions(21, searches=60, days=5)
    rows = candidates_of(log)
    assert rows["search_day"].n_unique() > 2
    assert differences(built(log, rows, size=size, block_rows=block_rows), at_once(log, rows)) == []


def test_candidates_of_the_middle_do_not_know_what_follows_them() -> None:
    log = random_impressions(22, searches=60, days=5)
    rows = candidates_of(log)
    middle = rows.filter(pl.col("search_day") <= FIRST_DAY + 2)
    until = middle["search_s"].max()
    without_future = log.filter(pl.col("search_s") <= until)
    other_future = without_future.vstack(
        log.filter(pl.col("search_s") > until).with_columns(stage=pl.lit(3, log["stage"].dtype))
    )
    known = built(log, middle, size=50, block_rows=40)
    assert differences(built(without_future, middle, size=50, block_rows=40), known) == []
    assert differences(built(other_future, middle, size=50, block_rows=40), known) == []


def test_candidates_out_of_order_are_refused() -> None:
    log = random_impressions(23, searches=20, days=5)
    rows = candidates_of(log).reverse()
    with pytest.raises(ValueError, match="in order of time"):
        built(log, rows, size=5, block_rows=100)


def test_no_candidates_give_no_block() -> None:
    log = random_impressions(24, searches=20, days=5)
    rows = candidates_of(log).head(0)
    found = build_candidates(
        [rows],
        log.lazy(),
        pairs=rows.select("id_user", "id_listing"),
        searches=rows.select("id_user", "search_s", "search_day"),
        features=available_features(dict(log.schema)),
    )
    assert list(found) == []
