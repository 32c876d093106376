"""The future must not reach a feature, not even in its last bit."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

import hypothesis.strategies as st
import narwhals as nw
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings

from data.schema.feature_set import FeatureSet
from features.all_features import ALL_FEATURES, available_features
from features.build import build_features
from features.build_in_blocks import build_by_day
from features.history.aggregation_declaration import HistoryAggregation
from tests.features.worlds import DAY_S, FIRST_DAY, differences, random_impressions

HISTORY_GROUPS = tuple(dict.fromkeys(f.group for f in ALL_FEATURES if f.is_history))
ALL_GROUPS = tuple(dict.fromkeys(f.group for f in ALL_FEATURES))
DAYS = 4
KINDS = ("altered", "deleted", "added", "outcomes", "dates", "shuffled")
SOME_KINDS = st.sets(st.sampled_from(KINDS), min_size=1)
LENIENT = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def built(log: pl.DataFrame, group: str | None, until_s: int) -> pl.DataFrame:
    """Features of the searches up to and including ``until_s``, in a fixed row order."""
    chosen = available_features(log.columns)
    if group is not None:
        chosen = FeatureSet(tuple(f for f in chosen if f.group == group))
    frame = build_features(log, log, features=chosen).lazy()
    assert isinstance(frame, pl.LazyFrame)
    rows = frame.filter(pl.col("search_s") <= until_s).collect()
    return rows.select("id_search", "id_listing", *chosen.names).sort("id_search", "id_listing")


@cache
def world() -> pl.DataFrame:
    return random_impressions(seed=3, searches=50, results=6, days=DAYS)


def time_of(share: float) -> int:
    """A time that some search of the world has: ties with it are what leaks first."""
    times = world()["search_s"].unique().sort()
    return int(times[int(share * (len(times) - 1))])


def with_another_future(
    log: pl.DataFrame, t: int, seed: int, kinds: Collection[str] = KINDS
) -> pl.DataFrame:
    """The log as it may have gone on from ``t``: what was known before ``t`` is the same.

    ``altered``, ``deleted``, ``added``: rows of searches after ``t``. ``outcomes``: those of
    searches at ``t`` and after. ``dates``: contacts and bookings of earlier searches that
    were not known before ``t``. ``shuffled``: the rows come in another order.
    """
    before, now = log.filter(pl.col("search_s") < t), log.filter(pl.col("search_s") == t)
    after = log.filter(pl.col("search_s") > t)
    if "deleted" in kinds:
        after = after.sample(fraction=0.6, seed=seed)
    if "altered" in kinds:
        after = _other_attributes(after)
    if "outcomes" in kinds:
        now, after = (_other_outcomes(rows, seed) for rows in (now, after))
    if "dates" in kinds:
        before = _other_late_outcomes(before, t, seed)
    frames = [before, now, after, *([_added(t, seed)] if "added" in kinds else [])]
    concatenated = pl.concat(frames)
    is_shuffled = "shuffled" in kinds
    return concatenated.sample(fraction=1, shuffle=True, seed=seed) if is_shuffled else concatenated


def _added(t: int, seed: int) -> pl.DataFrame:
    later = random_impressions(seed=1_000 + seed, searches=15, results=6, days=DAYS + 2)
    return later.filter(pl.col("search_s") > t).with_columns(
        pl.concat_str(pl.lit("new"), "id_search").alias("id_search")
    )


def _other_attributes(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        (pl.col("listing_total_price") * 7).alias("listing_total_price"),
        (pl.col("listing_lat") + 0.5).alias("listing_lat"),
        pl.lit("shared_room").alias("listing_room_type"),
    )


def _other_outcomes(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    stage = pl.lit(seed % 4).cast(pl.Int8)
    return rows.with_columns(
        stage.alias("stage"),
        pl.when(stage >= 2).then("search_day").cast(pl.Int32).alias("contact_day"),
        pl.when(stage == 3).then("search_day").cast(pl.Int32).alias("book_day"),
    )


def _other_late_outcomes(rows: pl.DataFrame, t: int, seed: int) -> pl.DataFrame:
    """Contacts and bookings dated on or after the day of ``t`` move, vanish, or appear."""
    day = t // DAY_S
    shift = pl.lit(seed % 3).cast(pl.Int32)
    rows = rows.with_columns(
        *(
            pl.when(pl.col(name) >= day)
            .then(None if seed % 2 else pl.col(name) + shift)
            .otherwise(pl.col(name))
            .cast(pl.Int32)
            .alias(name)
            for name in ("contact_day", "book_day")
        )
    )
    lucky = (pl.col("stage") == 1) & (pl.col("id_listing").str.ends_with(str(seed % 10)))
    rows = rows.with_columns(
        pl.when(lucky).then(day).otherwise("book_day").cast(pl.Int32).alias("book_day")
    )
    known = pl.when(pl.col("book_day").is_not_null()).then(3)
    contacted = known.when(pl.col("contact_day").is_not_null()).then(2)
    clicked = contacted.when(pl.col("stage") >= 1).then(1)
    return rows.with_columns(clicked.otherwise(0).cast(pl.Int8).alias("stage"))


def assert_no_leak(group: str | None, t: int, seed: int, kinds: Collection[str] = KINDS) -> None:
    log = world()
    other = with_another_future(log, t, seed, kinds)
    honest, tampered = built(log, group, t), built(other, group, t)
    assert honest.height > 0
    assert differences(honest, tampered) == []


@pytest.mark.parametrize("group", ALL_GROUPS)
@LENIENT
@given(share=st.floats(0, 1), seed=st.integers(0, 10_000), kinds=SOME_KINDS)
@example(share=0.5, seed=1, kinds=set(KINDS))
def test_another_future_leaves_the_group_bit_identical(
    group: str, share: float, seed: int, kinds: set[str]
) -> None:
    assert_no_leak(group, time_of(share), seed, kinds)


@LENIENT
@given(share=st.floats(0, 1), seed=st.integers(0, 10_000), kinds=SOME_KINDS)
@example(share=0.5, seed=1, kinds=set(KINDS))
def test_another_future_leaves_the_whole_build_bit_identical(
    share: float, seed: int, kinds: set[str]
) -> None:
    assert_no_leak(None, time_of(share), seed, kinds)


def built_by_day(log: pl.DataFrame, until_s: int) -> pl.DataFrame:
    """Every feature, as the features table is built: from totals carried from block to block."""
    chosen = available_features(log.columns)
    blocks = build_by_day(log.lazy(), log["search_day"].unique().to_list(), block_rows=60)
    rows = pl.concat(block.rows for block in blocks).filter(pl.col("search_s") <= until_s)
    return rows.select("id_search", "id_listing", *chosen.names).sort("id_search", "id_listing")


@settings(LENIENT, max_examples=4)
@given(share=st.floats(0.3, 1), seed=st.integers(0, 10_000), kinds=SOME_KINDS)
@example(share=0.5, seed=1, kinds=set(KINDS))
def test_another_future_leaves_the_build_by_day_bit_identical(
    share: float, seed: int, kinds: set[str]
) -> None:
    t = time_of(share)
    honest, tampered = (
        built_by_day(log, t) for log in (world(), with_another_future(world(), t, seed, kinds))
    )
    assert honest.height > 0
    assert differences(honest, tampered) == []


def test_suite_catches_running_totals_that_include_the_same_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = stage_aggregates.totals_before_each_row

    def too_early(queries: Any, own: Any) -> Any:
        sums, latest, per_key = honest(queries, own)
        return [s + amount for s, amount in zip(sums, own.sums, strict=True)], latest, per_key

    monkeypatch.setattr(stage_aggregates, "totals_before_each_row", too_early)
    t = time_of(0.6)
    other = with_another_future(world(), t, 1)
    assert differences(built_by_day(world(), t), built_by_day(other, t)) != []


def _with_own_time(per_time: Any, aggregation: HistoryAggregation) -> Any:
    sums = {
        t.name: nw.col(t.name).cum_sum().over(*aggregation.key, order_by="_at")
        for t in aggregation.aggregates
    }
    running = {
        e.name: nw.col(e.name).cum_max().over(*aggregation.key, order_by="_at")
        for e in aggregation.latest
    }
    return per_time.with_columns(**sums, **running)


def caught_for(group: str) -> bool:
    for seed in range(6):
        try:
            assert_no_leak(group, time_of(0.3 + seed / 10), seed)
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("group", HISTORY_GROUPS)
def test_suite_catches_sums_that_include_the_same_second(
    group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(point_in_time, "_strictly_before", _with_own_time)
    assert caught_for(group)


@pytest.mark.parametrize("group", ["engagement", "guest_history"])
def test_suite_catches_contacts_and_bookings_known_on_their_own_day(
    group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_early(stage: int) -> nw.Expr:
        day = {2: "contact_day", 3: "book_day"}.get(stage)
        return nw.col(day).cast(nw.Int64) * DAY_S if day else nw.col("search_s")

    monkeypatch.setattr(lazy_aggregates, "known_s", too_early)
    assert caught_for(group)


def test_first_search_has_no_history() -> None:
    log = world()
    first = int(log["search_s"].min())  # type: ignore[arg-type]
    features = built(log, "engagement", first)
    assert first // DAY_S == FIRST_DAY
    assert features["listing_past_impressions"].to_list() == [0] * features.height
    assert features["listing_past_click_rate"].null_count() == features.height
