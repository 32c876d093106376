from __future__ import annotations

import polars as pl
import pytest

from features import build_in_blocks
from features.all_features import available_features
from features.build import build_features
from features.build_in_blocks import build_by_day
from features.market_days import affected_days
from tests.features.worlds import FIRST_DAY, differences, random_impressions

KEY = ["id_search", "id_listing"]
DAYS = [FIRST_DAY + n for n in range(5)]


def by_day(log: pl.DataFrame, days: list[int], block_rows: int = 100) -> dict[int, pl.DataFrame]:
    blocks = build_by_day(log.lazy(), days, block_rows=block_rows)
    built = pl.concat(block.rows for block in blocks).sort(KEY)
    return {day: built.filter(pl.col("search_day") == day) for day in days}


def at_once(log: pl.DataFrame) -> pl.DataFrame:
    return build_features(log, log).sort(KEY)


def test_days_built_alone_hold_the_bits_of_the_whole_build() -> None:
    log = random_impressions(21, searches=80, days=5)
    together = pl.concat(by_day(log, DAYS).values()).sort(KEY)
    assert differences(together, at_once(log)) == []


@pytest.mark.parametrize("block_rows", [1, 30, 250, 10_000])
def test_blocks_of_any_size_hold_the_same_bits(block_rows: int) -> None:
    log = random_impressions(23, searches=80, days=5)
    together = pl.concat(by_day(log, DAYS, block_rows).values()).sort(KEY)
    assert differences(together, at_once(log)) == []


def test_keys_that_are_searched_in_parts_give_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = random_impressions(27, searches=60, days=3)
    monkeypatch.setattr(build_in_blocks, "_KEYS_AT_ONCE", 40)  # a dozen parts
    together = pl.concat(by_day(log, DAYS[:3]).values()).sort(KEY)
    assert together["guest_saw_listing"].max() > 0  # type: ignore[operator]
    assert differences(together, at_once(log)) == []


@pytest.mark.parametrize("days", [[DAYS[4]], [DAYS[1], DAYS[2], DAYS[4]]])
def test_some_days_alone_hold_the_bits_of_the_whole_build(days: list[int]) -> None:
    log = random_impressions(24, searches=80, days=5)
    alone = pl.concat(by_day(log, days).values()).sort(KEY)
    assert differences(alone, at_once(log).filter(pl.col("search_day").is_in(days))) == []


def test_late_rows_change_no_day_before_theirs() -> None:
    log = random_impressions(22, searches=60, days=5)
    late_day = DAYS[2]
    on_time = log.filter((pl.col("search_day") != late_day) | (pl.col("id_listing") < "l4"))
    assert on_time.height < log.height
    rebuilt = affected_days({late_day}, DAYS)
    assert rebuilt == tuple(DAYS[2:])
    before, after = by_day(on_time, DAYS), by_day(log, DAYS)
    for day in set(DAYS) - set(rebuilt):
        assert before[day].equals(after[day], null_equal=True)
    assert not before[late_day].equals(after[late_day], null_equal=True)


@pytest.mark.parametrize(
    "names", [["guest_clicks_similarity"], ["query_nights"], ["listing_lat"], ["in_search_results"]]
)
def test_a_few_features_alone_hold_the_same_bits(names: list[str]) -> None:
    log = random_impressions(25, searches=40, days=3)
    chosen = available_features(log.columns).only(names)
    blocks = build_by_day(log.lazy(), DAYS, features=chosen)
    alone = pl.concat(block.rows for block in blocks).sort(KEY)
    assert differences(alone, at_once(log).select(alone.columns)) == []


def test_every_feature_alone_holds_the_same_bits() -> None:
    log = random_impressions(25, searches=40, days=3)
    whole, unlike = at_once(log), {}
    for name in available_features(log.columns).names:
        chosen = available_features(log.columns).only([name])
        alone = pl.concat(block.rows for block in build_by_day(log.lazy(), DAYS, features=chosen))
        unlike[name] = differences(alone.sort(KEY), whole.select(alone.columns))
    assert {name: found for name, found in unlike.items() if found} == {}


def test_a_day_that_the_log_does_not_have_gives_no_block() -> None:
    log = random_impressions(25, searches=10, days=2)
    assert list(build_by_day(log.lazy(), [DAYS[4]])) == []
    assert list(build_by_day(log.lazy(), [])) == []


def test_rows_in_any_order_of_the_file_hold_the_same_bits() -> None:
    log = random_impressions(26, searches=60, days=3)
    shuffled = log.sample(fraction=1, shuffle=True, seed=1)
    blocks = build_by_day(shuffled.lazy(), DAYS, block_rows=70)
    assert differences(pl.concat(b.rows for b in blocks).sort(KEY), at_once(log)) == []
